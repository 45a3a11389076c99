/* A file's blocks on the disk. */
#define _GNU_SOURCE
#include "handlesys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

static int result(long value) { return value < 0 ? -errno : (int)value; }

/* Whether a file has blocks for the whole range, none of them shared with another file. */
static int has_blocks(int fd, uint64_t offset, uint64_t length)
{
    enum { EXTENTS = 64 };
    union {
        struct fiemap map;
        char room[sizeof(struct fiemap) + EXTENTS * sizeof(struct fiemap_extent)];
    } found;
    uint64_t end = offset + length;
    struct stat status;
    if (fstat(fd, &status) || (uint64_t)status.st_size < end)
        return 0;
    while (offset < end) {
        found.map = (struct fiemap){
            .fm_start = offset, .fm_length = end - offset, .fm_extent_count = EXTENTS};
        if (ioctl(fd, FS_IOC_FIEMAP, &found.map) || found.map.fm_mapped_extents == 0)
            return 0;
        for (uint32_t i = 0; i < found.map.fm_mapped_extents; i++) {
            const struct fiemap_extent *extent = &found.map.fm_extents[i];
            if (extent->fe_logical > offset || extent->fe_flags & FIEMAP_EXTENT_SHARED)
                return 0;
            offset = extent->fe_logical + extent->fe_length;
        }
    }
    return 1;
}

int hsys_allocate(int fd, int64_t offset, int64_t length, int unshare)
{
    int error = result(fallocate(fd, unshare ? FALLOC_FL_UNSHARE_RANGE : 0, offset, length));
    /* XFS reports ENOSPC before it checks whether the range needs new blocks. */
    return error == -ENOSPC && has_blocks(fd, (uint64_t)offset, (uint64_t)length) ? 0 : error;
}

int hsys_punch(int fd, int64_t offset, int64_t length)
{
    return result(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length));
}

int64_t hsys_find_data(int fd, int64_t offset)
{
    off_t found = lseek(fd, offset, SEEK_DATA);
    return found < 0 ? -errno : found;
}

int hsys_disable_copy_on_write(int fd)
{
    int flags;
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags))
        return -errno;
    flags |= FS_NOCOW_FL;
    return result(ioctl(fd, FS_IOC_SETFLAGS, &flags));
}
