/* System calls on the files of the backing filesystem. */
#define _GNU_SOURCE
#include "handlefs.h"
#include "result.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

struct fd_path {
    char text[32];
};

static struct fd_path path_of(int fd)
{
    struct fd_path path;
    snprintf(path.text, sizeof path.text, "/proc/self/fd/%d", fd);
    return path;
}

int hf_open(int directory, const char *name, int flags, mode_t mode)
{
    return (int)result(openat(directory, name, flags | O_CLOEXEC, mode));
}

int hf_find(int directory, const char *name, int crosses_mounts)
{
    struct open_how how = {
        .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
        .resolve = crosses_mounts ? 0 : RESOLVE_NO_XDEV,
    };
    return (int)result(syscall(SYS_openat2, directory, name, &how, sizeof how));
}

int hf_reopen(int fd, int flags) { return (int)result(open(path_of(fd).text, flags | O_CLOEXEC)); }

int hf_close(int fd) { return (int)result(close(fd)); }

int hf_status(int fd, struct stat *status)
{
    return (int)result(fstatat(fd, "", status, AT_EMPTY_PATH));
}

int hf_device(int fd, uint32_t *major, uint32_t *minor)
{
    struct statx status;
    if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &status))
        return -errno;
    *major = status.stx_dev_major;
    *minor = status.stx_dev_minor;
    return 0;
}

/* Since Linux 6.8. */
#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000u
#endif

long hf_mount_number(int fd)
{
    struct statx status;
    if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID_UNIQUE, &status))
        return -errno;
    return (long)status.stx_mnt_id;
}

int hf_statvfs(int fd, struct statvfs *status) { return (int)result(fstatvfs(fd, status)); }

int hf_make_directory(int directory, const char *name, mode_t mode)
{
    return (int)result(mkdirat(directory, name, mode));
}

int hf_make_node(int directory, const char *name, mode_t mode, dev_t device)
{
    return (int)result(mknodat(directory, name, mode, device));
}

int hf_make_symlink(const char *target, int directory, const char *name)
{
    return (int)result(symlinkat(target, directory, name));
}

int hf_link(int fd, int directory, const char *name)
{
    /* Needs CAP_DAC_READ_SEARCH, unless this thread opened the descriptor (Linux 6.10). */
    if (!linkat(fd, "", directory, name, AT_EMPTY_PATH))
        return 0;
    if (errno != ENOENT)
        return -errno;
    return (int)result(linkat(AT_FDCWD, path_of(fd).text, directory, name, AT_SYMLINK_FOLLOW));
}

int hf_unlink(int directory, const char *name, int is_directory)
{
    return (int)result(unlinkat(directory, name, is_directory ? AT_REMOVEDIR : 0));
}

int hf_rename(int directory, const char *name, int new_directory, const char *new_name,
              unsigned flags)
{
    return (int)result(renameat2(directory, name, new_directory, new_name, flags));
}

long hf_read_link(int fd, char *buffer, size_t size)
{
    return result(readlinkat(fd, "", buffer, size));
}

int hf_set_owner(int fd, uid_t uid, gid_t gid)
{
    return (int)result(fchownat(fd, "", uid, gid, AT_EMPTY_PATH));
}

int hf_set_mode(int fd, mode_t mode) { return (int)result(chmod(path_of(fd).text, mode)); }

int hf_set_times(int fd, const struct timespec times[2])
{
    return (int)result(utimensat(fd, "", times, AT_EMPTY_PATH));
}

int hf_truncate(int fd, off_t size) { return (int)result(ftruncate(fd, size)); }

int hf_allocate(int fd, int mode, off_t offset, off_t length)
{
    return (int)result(fallocate(fd, mode, offset, length));
}

_Static_assert(HF_GET_FLAGS == FS_IOC_GETFLAGS && HF_SET_FLAGS == FS_IOC_SETFLAGS, "flags");
_Static_assert(HF_GET_EXTENDED_FLAGS == FS_IOC_FSGETXATTR, "FS_IOC_FSGETXATTR");
_Static_assert(HF_SET_EXTENDED_FLAGS == FS_IOC_FSSETXATTR, "FS_IOC_FSSETXATTR");
_Static_assert(HF_EXTENDED_FLAGS_SIZE == sizeof(struct fsxattr), "struct fsxattr");

int hf_flags(int fd, uint32_t command, void *flags)
{
    return (int)result(ioctl(fd, command, flags));
}

off_t hf_seek(int fd, off_t offset, int whence) { return result(lseek(fd, offset, whence)); }

long hf_copy(int from, off_t from_offset, int to, off_t to_offset, size_t length)
{
    return result(copy_file_range(from, &from_offset, to, &to_offset, length, 0));
}

long hf_read_at(int fd, void *buffer, size_t size, off_t offset)
{
    size_t filled = 0;
    while (filled < size) {
        ssize_t n = pread(fd, (char *)buffer + filled, size - filled, offset + (off_t)filled);
        if (n < 0)
            return filled ? (long)filled : -errno;
        if (n == 0)
            break;
        filled += (size_t)n;
    }
    return (long)filled;
}

long hf_write_at(int fd, const void *buffer, size_t size, off_t offset)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = pwrite(fd, (const char *)buffer + done, size - done, offset + (off_t)done);
        if (n < 0)
            return done ? (long)done : -errno;
        done += (size_t)n;
    }
    return (long)done;
}

int hf_sync(int fd, int data_only) { return (int)result(data_only ? fdatasync(fd) : fsync(fd)); }

long hf_read_entries(int fd, void *buffer, size_t size, off_t offset)
{
    if (offset >= 0 && lseek(fd, offset, SEEK_SET) < 0)
        return -errno;
    return result(getdents64(fd, buffer, size));
}

long hf_get_attribute(int fd, const char *name, void *buffer, size_t size)
{
    long length = fgetxattr(fd, name, buffer, size);
    /* EBADF is what fgetxattr(2) has for O_PATH. */
    if (length < 0 && errno == EBADF)
        length = getxattr(path_of(fd).text, name, buffer, size);
    return result(length);
}

long hf_list_attributes(int fd, char *buffer, size_t size)
{
    return result(listxattr(path_of(fd).text, buffer, size));
}

int hf_set_attribute(int fd, const char *name, const void *value, size_t size, int flags)
{
    return (int)result(setxattr(path_of(fd).text, name, value, size, flags));
}

int hf_remove_attribute(int fd, const char *name)
{
    return (int)result(removexattr(path_of(fd).text, name));
}
