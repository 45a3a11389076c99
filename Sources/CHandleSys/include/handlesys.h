/* The system calls for which glibc or Swift has no usable form.
 *
 * A function that can fail returns 0 (or a descriptor, or a count) on success and -errno on
 * failure, unless its comment says otherwise; callers need not read errno. EINTR is returned,
 * never retried here.
 */
#ifndef HANDLESYS_H
#define HANDLESYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "HandleStore's on-disk format is little-endian and so are the hosts it runs on"
#endif

/* MAX_HANDLE_SZ of <linux/exportfs.h>. */
#define HS_HANDLE_BYTES 128

/* O_PATH, which Swift's import of <fcntl.h> leaves out. */
#define HS_O_PATH 010000000

/* FILEID_IS_CONNECTABLE of <linux/exportfs.h>: open a file only if it has a name below the
 * mount's root. */
#define HS_HANDLE_CONNECTABLE 0x10000

struct hsys_handle {
    int32_t type;
    uint32_t length;
    uint64_t words[HS_HANDLE_BYTES / 8];
};

/* name_to_handle_at(2). An empty name means the descriptor itself. `connectable` asks for
 * AT_HANDLE_CONNECTABLE (Linux 6.13). `follow`: whether to follow a symbolic link in the last
 * component of `name`. `mount_id` may be NULL. */
int hsys_handle_of(int dirfd, const char *name, int connectable, int follow, struct hsys_handle *out,
                 int *mount_id);

/* name_to_handle_at(2) with AT_HANDLE_FID (Linux 6.5): a handle that names the file but need not open
 * it. Some filesystems make one that can make no other. An empty name means the descriptor itself. */
int hsys_identifier_of(int dirfd, const char *name, struct hsys_handle *out);

/* open_by_handle_at(2), always with O_CLOEXEC. `type` may carry HS_HANDLE_CONNECTABLE. */
int hsys_open_handle(int mount_fd, int32_t type, uint32_t length, const uint64_t *words, int flags);

struct hsys_status {
    uint64_t inode;
    uint64_t device;      /* makedev(major, minor), as in st_dev */
    uint64_t raw_device;  /* as in st_rdev */
    uint64_t mount_id;
    uint64_t size;
    uint64_t blocks;      /* of 512 bytes */
    int64_t access_seconds;
    int64_t modify_seconds;
    int64_t birth_seconds; /* 0 if the filesystem keeps no birth time */
    int64_t change_seconds; /* of the last change of the inode */
    uint32_t access_nanoseconds;
    uint32_t modify_nanoseconds;
    uint32_t change_nanoseconds;
    uint32_t birth_nanoseconds;
    uint32_t mode;
    uint32_t links;
    uint32_t uid;
    uint32_t gid;
    uint32_t raw_device_major;
    uint32_t raw_device_minor;
    uint32_t block_size;
};

/* statx(2). An empty name means the descriptor itself. `follow`: whether to follow a symbolic
 * link in the last component of `name`. */
int hsys_status_of(int dirfd, const char *name, int follow, struct hsys_status *out);

/* fstatfs(2): the magic number and the 64-bit filesystem id. */
int hsys_filesystem_of(int fd, uint64_t *magic, uint64_t *fsid);

/* FS_IOC_GETFSUUID (Linux 6.9), or the older ioctls of ext4 and XFS. Returns the UUID's length,
 * 1...16. */
int hsys_filesystem_uuid(int fd, uint8_t out[16]);

/* BTRFS_IOC_FS_INFO: the filesystem's id, how many devices it has, and the number of its newest
 * transaction (0 before Linux 5.10). */
int hsys_btrfs_info(int fd, uint8_t fsid[16], uint64_t *devices, uint64_t *generation);

/* openat(2), always with O_CLOEXEC. */
int hsys_open(int dirfd, const char *name, int flags, unsigned mode);
int hsys_close(int fd);

/* openat2(2) of one name or `..`, always with O_CLOEXEC. Does not follow a symbolic link.
 * Returns -EXDEV if the name is a mount point or leads out of the mount. */
int hsys_open_name(int dirfd, const char *name, int flags, unsigned mode);

/* openat2(2) with O_PATH | O_NOFOLLOW | O_CLOEXEC and RESOLVE_CACHED. Returns -EAGAIN if the
 * kernel would have to ask a filesystem. */
int hsys_open_cached(const char *path);

/* The device that a file is on. This does not ask the filesystem. */
int hsys_device_of(int fd, uint32_t *major, uint32_t *minor);

/* open_tree(2) with OPEN_TREE_CLONE: returns a private mount of the directory, without what is
 * mounted below it. */
int hsys_clone_mount(int dirfd);

/* BTRFS_IOC_TREE_SEARCH_V2 for the names of an inode of a subvolume, from the key (`type`,
 * `offset`) on. The first key is (BTRFS_INODE_REF_KEY, 0). Fills `buffer` with items in the
 * kernel's format and returns their number, 0 at the end. Needs CAP_SYS_ADMIN. */
long hsys_btrfs_names(int fd, uint64_t subvolume, uint64_t inode, uint32_t type, uint64_t offset,
                    void *buffer, size_t size);

/* XFS_IOC_GETPARENTS_BY_HANDLE (Linux 6.10) through a directory of the filesystem. Fills
 * `buffer` with records in the kernel's format; the last record ends where the buffer ends.
 * `cursor` is zero for the first call. Returns 1 if there are more names, else 0. Needs
 * CAP_SYS_ADMIN, and a filesystem made with `-n parent=1`. */
int hsys_xfs_names(int fd, uint64_t inode, uint32_t generation, uint32_t cursor[4], void *buffer,
                 uint32_t size);

/* fanotify_init(2) for events that name files and directories by their handles, and
 * fanotify_mark(2) on the filesystem that a file is on. */
int hsys_watch_open(void);
int hsys_watch_filesystem(int watch, int fd);
/* The number of bytes in the queue, 0 if it is empty (FIONREAD). Cheaper than a read that finds
 * nothing. */
int hsys_watch_pending(int watch);
#define HS_WATCH_MOVED 0x10000000u    /* FAN_RENAME */
#define HS_WATCH_ATTRIBUTE 0x00000004u /* FAN_ATTRIB */
#define HS_WATCH_DIRECTORY 0x40000000u /* FAN_ONDIR */
long hsys_read(int fd, void *buffer, size_t length);

/* FUSE_DEV_IOC_BACKING_OPEN and _CLOSE (Linux 6.9) on a connection to the kernel's FUSE: the
 * kernel keeps a file open and gives it a number greater than 0. */
int hsys_backing_open(int fuse, int fd, uint32_t *id);
int hsys_backing_close(int fuse, uint32_t id);

/* A pair of connected Unix sockets that keep messages apart (SOCK_SEQPACKET). */
int hsys_socket_pair(int sockets[2]);
/* Sends a message of two words, with a descriptor if `fd` is not negative. */
int hsys_send_descriptor(int socket, const uint64_t words[2], int fd);
/* Waits for a message. Returns 1, or 0 if the other side is closed. Returns -EBADMSG for a
 * message of another length. `fd` is -1 if no descriptor came. */
int hsys_receive_descriptor(int socket, uint64_t words[2], int *fd);

/* flock(2) with LOCK_EX. Waits for the lock. */
int hsys_wait_for_lock(int fd);

/* getdents64(2). Returns the number of bytes filled, 0 at the end. */
long hsys_read_directory(int fd, void *buffer, size_t length);

/* readlink("/proc/self/fd/N"), with a terminating zero. Returns the length. */
long hsys_path_of(int fd, char *buffer, size_t length);
/* The same, faster, with /proc/self/fd open as `descriptors`. */
long hsys_path_in(int descriptors, int fd, char *buffer, size_t length);

/* fallocate(2), with FALLOC_FL_UNSHARE_RANGE if `unshare` is set. A full disk is no error if the
 * file already has all these blocks. */
int hsys_allocate(int fd, int64_t offset, int64_t length, int unshare);

/* fallocate(2) with FALLOC_FL_PUNCH_HOLE. */
int hsys_punch(int fd, int64_t offset, int64_t length);

/* SEEK_DATA: the first offset at or after `offset` that may hold a byte other than 0; -ENXIO if
 * there is none. Moves the file's offset. */
int64_t hsys_find_data(int fd, int64_t offset);

/* flock(2) of a file or directory, without waiting. Returns -EAGAIN if another open file
 * description holds a conflicting lock. */
int hsys_lock(int fd, int shared);
int hsys_unlock(int fd);

/* STATX_MNT_ID_UNIQUE (Linux 6.8): a number that no other mount of this boot has; 0 if the
 * kernel does not give one. */
uint64_t hsys_unique_mount(int fd);

/* Sets FS_NOCOW_FL on an empty file (chattr +C). */
int hsys_disable_copy_on_write(int fd);

/* A number that changes in the child of each fork(2). */
uint32_t hsys_fork_count(void);

/* XXH3 of `length` bytes under `seed`. */
uint64_t hsys_checksum(const void *bytes, size_t length, uint64_t seed);

/* SipHash-2-4 with 128 bits of output, under a key of 128 bits. */
void hsys_mac(const void *bytes, size_t length, const uint64_t key[2], uint64_t out[2]);

/* CLOCK_MONOTONIC and CLOCK_BOOTTIME in nanoseconds; CLOCK_REALTIME in seconds. Not the coarse clock: since
 * Linux 6.13 the kernel may give a file a time that is ahead of that. */
uint64_t hsys_now(void);
uint64_t hsys_since_boot(void);
uint32_t hsys_epoch_seconds(void);

/* The calling thread's number. Threads are numbered from 0, in the order of their first calls. */
uint32_t hsys_thread_number(void);

/* An event that one thread sets, once, and others wait for. */
struct hsys_event;
struct hsys_event *hsys_event_create(void);
void hsys_event_destroy(struct hsys_event *event);
void hsys_event_set(struct hsys_event *event);
/* Returns whether the event is set. Looks again up to `turns` times, after a short pause each. */
bool hsys_event_is_set(struct hsys_event *event, int turns);
/* Sleeps until the event is set, but for so many nanoseconds at most. */
void hsys_event_sleep(struct hsys_event *event, uint64_t nanoseconds);

/* From here on, a crash (SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP) writes `message` (at
 * most 4096 bytes) to standard error and ends the process with `status`. One thread at a time
 * may call this. */
int hsys_end_on_crash(const char *message, int status);

/* Undoes hsys_end_on_crash(). */
void hsys_crash_as_usual(void);

/* Writes to standard error what is about to end the process. If hsys_end_on_crash() is in force,
 * ends the process here. */
void hsys_say_at_end(const char *message);

#endif
