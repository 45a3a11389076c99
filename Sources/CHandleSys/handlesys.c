#define _GNU_SOURCE
#include "handlesys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/btrfs.h>
#include <linux/fanotify.h>
#include <linux/futex.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <sodium.h>

#ifndef AT_HANDLE_FID
#define AT_HANDLE_FID AT_REMOVEDIR
#endif
#ifndef AT_HANDLE_CONNECTABLE
#define AT_HANDLE_CONNECTABLE 0x002
#endif

struct hsys_uuid {
    uint8_t length;
    uint8_t bytes[16];
};
#define HS_FS_IOC_GETFSUUID _IOR(0x15, 0, struct hsys_uuid)

/* struct file_handle, with room for the largest handle. */
struct hsys_kernel_handle {
    uint32_t length;
    int32_t type;
    uint64_t words[HS_HANDLE_BYTES / 8];
};

static int result(long value) { return value < 0 ? -errno : (int)value; }

static int at_flags(const char *name, int follow)
{
    if (name[0] == '\0')
        return AT_EMPTY_PATH;
    return follow ? AT_SYMLINK_FOLLOW : 0;
}

static int make_handle(int dirfd, const char *name, int flags, struct hsys_handle *out, int *mount_id)
{
    struct hsys_kernel_handle handle = {.length = HS_HANDLE_BYTES};
    int unused;
    if (syscall(SYS_name_to_handle_at, dirfd, name, &handle, mount_id ? mount_id : &unused, flags))
        return -errno;
    out->type = handle.type;
    out->length = handle.length;
    memcpy(out->words, handle.words, sizeof handle.words);
    return 0;
}

int hsys_handle_of(int dirfd, const char *name, int connectable, int follow, struct hsys_handle *out,
                 int *mount_id)
{
    int flags = at_flags(name, follow) | (connectable ? AT_HANDLE_CONNECTABLE : 0);
    return make_handle(dirfd, name, flags, out, mount_id);
}

int hsys_identifier_of(int dirfd, const char *name, struct hsys_handle *out)
{
    return make_handle(dirfd, name, at_flags(name, 0) | AT_HANDLE_FID, out, NULL);
}

int hsys_open_handle(int mount_fd, int32_t type, uint32_t length, const uint64_t *words, int flags)
{
    struct hsys_kernel_handle handle = {.length = length, .type = type};
    if (length > HS_HANDLE_BYTES)
        return -EINVAL;
    memcpy(handle.words, words, length);
    return result(syscall(SYS_open_by_handle_at, mount_fd, &handle, flags | O_CLOEXEC));
}

int hsys_status_of(int dirfd, const char *name, int follow, struct hsys_status *out)
{
    struct statx x;
    int flags = name[0] == '\0' ? AT_EMPTY_PATH : (follow ? 0 : AT_SYMLINK_NOFOLLOW);
    if (statx(dirfd, name, flags | AT_STATX_SYNC_AS_STAT, STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID, &x))
        return -errno;
    *out = (struct hsys_status){
        .inode = x.stx_ino,
        .device = makedev(x.stx_dev_major, x.stx_dev_minor),
        .raw_device = makedev(x.stx_rdev_major, x.stx_rdev_minor),
        .mount_id = x.stx_mnt_id,
        .size = x.stx_size,
        .blocks = x.stx_blocks,
        .block_size = x.stx_blksize,
        .access_seconds = x.stx_atime.tv_sec,
        .access_nanoseconds = x.stx_atime.tv_nsec,
        .modify_seconds = x.stx_mtime.tv_sec,
        .modify_nanoseconds = x.stx_mtime.tv_nsec,
        .change_seconds = x.stx_ctime.tv_sec,
        .change_nanoseconds = x.stx_ctime.tv_nsec,
        .birth_seconds = x.stx_mask & STATX_BTIME ? x.stx_btime.tv_sec : 0,
        .birth_nanoseconds = x.stx_mask & STATX_BTIME ? x.stx_btime.tv_nsec : 0,
        .mode = x.stx_mode,
        .links = x.stx_nlink,
        .uid = x.stx_uid,
        .gid = x.stx_gid,
        .raw_device_major = x.stx_rdev_major,
        .raw_device_minor = x.stx_rdev_minor,
    };
    return 0;
}

int hsys_filesystem_of(int fd, uint64_t *magic, uint64_t *fsid)
{
    struct statfs s;
    if (fstatfs(fd, &s))
        return -errno;
    *magic = (uint64_t)s.f_type & 0xffffffffu;
    memcpy(fsid, &s.f_fsid, sizeof *fsid);
    return 0;
}

/* EXT4_IOC_GETFSUUID (Linux 6.0). */
static int ext4_uuid(int fd, uint8_t out[16])
{
    struct {
        uint32_t length, flags;
        uint8_t bytes[16];
    } uuid = {.length = 16};
    if (ioctl(fd, _IOR('f', 44, uint32_t[2]), &uuid))
        return -errno;
    memcpy(out, uuid.bytes, 16);
    return 16;
}

/* XFS_IOC_FSGEOMETRY_V4: 112 bytes, with the UUID at offset 64. */
static int xfs_uuid(int fd, uint8_t out[16])
{
    uint8_t geometry[112];
    if (ioctl(fd, _IOR('X', 124, uint8_t[112]), geometry))
        return -errno;
    memcpy(out, geometry + 64, 16);
    return 16;
}

int hsys_filesystem_uuid(int fd, uint8_t out[16])
{
    struct hsys_uuid uuid = {0};
    if (ioctl(fd, HS_FS_IOC_GETFSUUID, &uuid)) {
        int failure = -errno, length = ext4_uuid(fd, out);
        if (length < 0)
            length = xfs_uuid(fd, out);
        return length < 0 ? failure : length;
    }
    if (uuid.length == 0 || uuid.length > 16)
        return -ENOTTY;
    memcpy(out, uuid.bytes, 16);
    return uuid.length;
}

int hsys_btrfs_info(int fd, uint8_t fsid[16], uint64_t *devices, uint64_t *generation)
{
    struct btrfs_ioctl_fs_info_args info = {.flags = BTRFS_FS_INFO_FLAG_GENERATION};
    if (ioctl(fd, BTRFS_IOC_FS_INFO, &info))
        return -errno;
    memcpy(fsid, info.fsid, 16);
    *devices = info.num_devices;
    *generation = info.flags & BTRFS_FS_INFO_FLAG_GENERATION ? info.generation : 0;
    return 0;
}

int hsys_open(int dirfd, const char *name, int flags, unsigned mode)
{
    return result(openat(dirfd, name, flags | O_CLOEXEC, mode));
}

int hsys_open_name(int dirfd, const char *name, int flags, unsigned mode)
{
    struct open_how how = {
        .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC | O_NOFOLLOW),
        .mode = flags & O_CREAT ? mode : 0,
        .resolve = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS,
    };
    return result(syscall(SYS_openat2, dirfd, name, &how, sizeof how));
}

int hsys_open_cached(const char *path)
{
    struct open_how how = {.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC, .resolve = RESOLVE_CACHED};
    return result(syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how));
}

int hsys_device_of(int fd, uint32_t *major, uint32_t *minor)
{
    struct statx x;
    if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &x))
        return -errno;
    *major = x.stx_dev_major;
    *minor = x.stx_dev_minor;
    return 0;
}

#ifndef SYS_open_tree
#define SYS_open_tree 428
#endif
#define HS_OPEN_TREE_CLONE 1

int hsys_clone_mount(int dirfd)
{
    return result(syscall(SYS_open_tree, dirfd, "", AT_EMPTY_PATH | HS_OPEN_TREE_CLONE | O_CLOEXEC));
}

#ifndef FAN_REPORT_TARGET_FID
#define FAN_REPORT_TARGET_FID 0x00001000
#endif
#ifndef FAN_RENAME
#define FAN_RENAME 0x10000000
#endif

int hsys_watch_open(void)
{
    unsigned report = FAN_REPORT_FID | FAN_REPORT_DIR_FID | FAN_REPORT_NAME | FAN_REPORT_TARGET_FID;
    return result(syscall(SYS_fanotify_init, FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK | report, O_RDONLY));
}

int hsys_watch_filesystem(int watch, int fd)
{
    uint64_t mask = FAN_RENAME | FAN_ATTRIB | FAN_ONDIR;
    return result(syscall(SYS_fanotify_mark, watch, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, mask, fd, "."));
}

int hsys_watch_pending(int watch)
{
    int pending = 0;
    return ioctl(watch, FIONREAD, &pending) ? -errno : pending;
}

long hsys_read(int fd, void *buffer, size_t length) { return result(read(fd, buffer, length)); }

int hsys_wait_for_lock(int fd) { return result(flock(fd, LOCK_EX)); }

int hsys_close(int fd) { return result(close(fd)); }

long hsys_read_directory(int fd, void *buffer, size_t length)
{
    return result(syscall(SYS_getdents64, fd, buffer, length));
}

static long read_link(int dirfd, const char *link, char *buffer, size_t length)
{
    if (length == 0)
        return -EINVAL;
    long n = readlinkat(dirfd, link, buffer, length - 1);
    if (n < 0)
        return -errno;
    buffer[n] = '\0';
    return n;
}

long hsys_path_of(int fd, char *buffer, size_t length)
{
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    return read_link(AT_FDCWD, link, buffer, length);
}

long hsys_path_in(int descriptors, int fd, char *buffer, size_t length)
{
    char link[16];
    snprintf(link, sizeof link, "%d", fd);
    return read_link(descriptors, link, buffer, length);
}

int hsys_lock(int fd, int shared) { return result(flock(fd, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB)); }

int hsys_unlock(int fd) { return result(flock(fd, LOCK_UN)); }

#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000u
#endif

uint64_t hsys_unique_mount(int fd)
{
    struct statx x;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID_UNIQUE, &x) || !(x.stx_mask & STATX_MNT_ID_UNIQUE))
        return 0;
    return x.stx_mnt_id;
}

static atomic_uint fork_count;
static void count_fork(void) { atomic_fetch_add(&fork_count, 1); }
/* A forked child has to notice that it is one; otherwise it would write to its parent's store. */
__attribute__((constructor)) static void watch_forks(void)
{
    if (pthread_atfork(NULL, NULL, count_fork))
        abort();
}

uint32_t hsys_fork_count(void) { return atomic_load_explicit(&fork_count, memory_order_relaxed); }

uint64_t hsys_checksum(const void *bytes, size_t length, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes, length, seed);
}

void hsys_mac(const void *bytes, size_t length, const uint64_t key[2], uint64_t out[2])
{
    crypto_shorthash_siphashx24((unsigned char *)out, bytes, length, (const unsigned char *)key);
}

uint64_t hsys_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t hsys_since_boot(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint32_t hsys_epoch_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint32_t)t.tv_sec;
}

uint32_t hsys_thread_number(void)
{
    static atomic_uint next;
    static _Thread_local uint32_t mine;
    if (mine == 0)
        mine = 1 + atomic_fetch_add_explicit(&next, 1, memory_order_relaxed);
    return mine - 1;
}

struct hsys_event {
    _Atomic uint32_t state; /* 0: not set, 1: set, 2: not set, and threads sleep on it */
};

struct hsys_event *hsys_event_create(void) { return calloc(1, sizeof(struct hsys_event)); }
void hsys_event_destroy(struct hsys_event *event) { free(event); }

void hsys_event_set(struct hsys_event *event)
{
    if (atomic_exchange_explicit(&event->state, 1, memory_order_release) == 2)
        syscall(SYS_futex, &event->state, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

/* Lets the processor do other work for some tens of nanoseconds. */
static void pause_briefly(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

bool hsys_event_is_set(struct hsys_event *event, int turns)
{
    for (int i = 0; i < turns; i++) {
        if (atomic_load_explicit(&event->state, memory_order_acquire) == 1)
            return true;
        pause_briefly();
    }
    return atomic_load_explicit(&event->state, memory_order_acquire) == 1;
}

void hsys_event_sleep(struct hsys_event *event, uint64_t nanoseconds)
{
    uint64_t start = hsys_now();
    uint32_t unset = 0;
    atomic_compare_exchange_strong(&event->state, &unset, 2);
    while (atomic_load_explicit(&event->state, memory_order_acquire) != 1) {
        uint64_t past = hsys_now() - start;
        if (past >= nanoseconds)
            return;
        uint64_t left = nanoseconds - past;
        struct timespec limit = { .tv_sec = (time_t)(left / 1000000000u), .tv_nsec = (long)(left % 1000000000u) };
        syscall(SYS_futex, &event->state, FUTEX_WAIT_PRIVATE, 2, nanoseconds == UINT64_MAX ? NULL : &limit, NULL, 0);
    }
}
