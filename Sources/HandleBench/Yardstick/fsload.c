#define _GNU_SOURCE
#include "fsload.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Files stand in directories of 500. */
enum { PER_DIRECTORY = 500, FILE_SIZE = 4096, BLOCK = 128 << 10 };

static char contents[BLOCK];

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000ll + time.tv_nsec;
}

static void name(char *path, int64_t i, const char *suffix)
{
    sprintf(path, "d%ld/f%ld%s", (long)(i / PER_DIRECTORY), (long)i, suffix);
}

static int make_directories(int root, int64_t count)
{
    for (int64_t i = 0; i < count; i += PER_DIRECTORY) {
        char path[64];
        sprintf(path, "d%ld", (long)(i / PER_DIRECTORY));
        if (mkdirat(root, path, 0755) && errno != EEXIST)
            return -errno;
    }
    return 0;
}

static int create_one(int root, int64_t i)
{
    char path[64];
    name(path, i, "");
    int fd = openat(root, path, O_WRONLY | O_CREAT | O_EXCL, 0644);
    return fd < 0 || close(fd) ? -errno : 0;
}

static int fill_one(int root, int64_t i)
{
    char path[64];
    name(path, i, "");
    int fd = openat(root, path, O_WRONLY);
    if (fd < 0 || write(fd, contents, FILE_SIZE) != FILE_SIZE || close(fd))
        return -errno;
    return 0;
}

static int stat_one(int root, int64_t i)
{
    char path[64];
    struct stat status;
    name(path, i, "");
    return fstatat(root, path, &status, 0) ? -errno : 0;
}

static int read_one(int root, int64_t i)
{
    char path[64], buffer[FILE_SIZE];
    name(path, i, "");
    int fd = openat(root, path, O_RDONLY);
    if (fd < 0 || read(fd, buffer, sizeof buffer) < 0 || close(fd))
        return -errno;
    return 0;
}

static int rename_one(int root, int64_t i)
{
    char from[64], to[64];
    name(from, i, "");
    name(to, i, "r");
    return renameat(root, from, root, to) ? -errno : 0;
}

static int unlink_one(int root, int64_t i)
{
    char path[64];
    name(path, i, "r");
    return unlinkat(root, path, 0) ? -errno : 0;
}

static int each(int root, int64_t count, int (*one)(int, int64_t))
{
    for (int64_t i = 0; i < count; i++) {
        int error = one(root, i);
        if (error)
            return error;
    }
    return 0;
}

static int list(int root, int64_t count)
{
    for (int64_t i = 0; i < count; i += PER_DIRECTORY) {
        char path[64];
        sprintf(path, "d%ld", (long)(i / PER_DIRECTORY));
        int fd = openat(root, path, O_RDONLY | O_DIRECTORY);
        DIR *directory = fd < 0 ? NULL : fdopendir(fd);
        if (!directory)
            return -errno;
        for (struct dirent *entry; (entry = readdir(directory));) {
            struct stat status;
            if (fstatat(dirfd(directory), entry->d_name, &status, AT_SYMLINK_NOFOLLOW)) {
                closedir(directory);
                return -errno;
            }
        }
        closedir(directory);
    }
    return 0;
}

static int big(int root, int64_t count, int flags, int write_it, int random)
{
    int fd = openat(root, "big", flags, 0644);
    if (fd < 0)
        return -errno;
    int64_t size = random ? FILE_SIZE : BLOCK, end = lseek(fd, 0, SEEK_END), error = 0;
    uint64_t dice = 88172645463325252ull;
    for (int64_t i = 0; i < count && !error; i++) {
        dice ^= dice << 13, dice ^= dice >> 7, dice ^= dice << 17;
        int64_t place = random ? (int64_t)(dice % (uint64_t)(end / size)) * size : i * size;
        ssize_t done = write_it ? pwrite(fd, contents, (size_t)size, place)
                                : pread(fd, contents, (size_t)size, place);
        if (done < 0)
            error = -errno;
    }
    close(fd);
    return (int)error;
}

int64_t fsload(enum fsload_kind kind, int root, int64_t count)
{
    if (kind == FSLOAD_CREATE) {
        int error = make_directories(root, count);
        if (error)
            return error;
    }
    int64_t start = now();
    int error = -EINVAL;
    switch (kind) {
    case FSLOAD_CREATE: error = each(root, count, create_one); break;
    case FSLOAD_FILL: error = each(root, count, fill_one); break;
    case FSLOAD_STAT: error = each(root, count, stat_one); break;
    case FSLOAD_READ: error = each(root, count, read_one); break;
    case FSLOAD_LIST: error = list(root, count); break;
    case FSLOAD_RENAME: error = each(root, count, rename_one); break;
    case FSLOAD_UNLINK: error = each(root, count, unlink_one); break;
    case FSLOAD_WRITE_BIG:
        error = big(root, count, O_WRONLY | O_CREAT | O_TRUNC, 1, 0);
        break;
    case FSLOAD_READ_BIG: error = big(root, count, O_RDONLY, 0, 0); break;
    case FSLOAD_READ_RANDOM: error = big(root, count, O_RDONLY, 0, 1); break;
    }
    return error ? error : now() - start;
}
