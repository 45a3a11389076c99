/* Looks up a file's names, on filesystems that store them with the file. */
#define _GNU_SOURCE
#include "handlesys.h"

#include <errno.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

long hsys_btrfs_names(int fd, uint64_t subvolume, uint64_t inode, uint32_t type, uint64_t offset,
                    void *buffer, size_t size)
{
    struct btrfs_ioctl_search_args_v2 *search = calloc(1, sizeof *search + size);
    if (!search)
        return -ENOMEM;
    search->key = (struct btrfs_ioctl_search_key){
        .tree_id = subvolume,
        .min_objectid = inode,
        .max_objectid = inode,
        .min_type = type,
        .max_type = BTRFS_INODE_EXTREF_KEY,
        .min_offset = offset,
        .max_offset = UINT64_MAX,
        .max_transid = UINT64_MAX,
        .nr_items = UINT32_MAX,
    };
    search->buf_size = size;
    long count = ioctl(fd, BTRFS_IOC_TREE_SEARCH_V2, search) ? -errno : (long)search->key.nr_items;
    if (count > 0)
        memcpy(buffer, search->buf, size);
    free(search);
    return count;
}

/* struct xfs_getparents_by_handle from the kernel's fs/xfs/libxfs/xfs_fs.h. */
struct hsys_xfs_request {
    uint64_t filesystem;
    uint16_t length;
    uint16_t pad;
    uint32_t generation;
    uint64_t inode;
    uint32_t cursor[4];
    uint16_t flags;
    uint16_t answer;
    uint32_t size;
    uint64_t reserved;
    uint64_t buffer;
};
#define HS_XFS_GETPARENTS_BY_HANDLE _IOWR('X', 63, struct hsys_xfs_request)
#define HS_XFS_GETPARENTS_DONE 2

int hsys_xfs_names(int fd, uint64_t inode, uint32_t generation, uint32_t cursor[4], void *buffer,
                 uint32_t size)
{
    struct hsys_xfs_request request = {
        .length = 14, /* of the three fields that follow */
        .generation = generation,
        .inode = inode,
        .size = size,
        .buffer = (uintptr_t)buffer,
    };
    memcpy(request.cursor, cursor, sizeof request.cursor);
    memset(buffer, 0, size);
    if (ioctl(fd, HS_XFS_GETPARENTS_BY_HANDLE, &request))
        return -errno;
    memcpy(cursor, request.cursor, sizeof request.cursor);
    return !(request.answer & HS_XFS_GETPARENTS_DONE);
}
