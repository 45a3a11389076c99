#define _GNU_SOURCE
#include "fsload.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Files stand in directories of 500. */
enum { PER_DIRECTORY = 500, FILE_SIZE = 100, PAGE = 4096, BLOCK = 128 << 10, MOST_CLIENTS = 64 };

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

/* Whether a call moved as many bytes as it should. Returns 0 or -errno. */
static int whole(ssize_t done, ssize_t wanted)
{
    return done < 0 ? -errno : done != wanted ? -EIO : 0;
}

static int close_after(int fd, int error)
{
    return close(fd) && !error ? -errno : error;
}

static int create_one(int root, int64_t i)
{
    char path[64];
    name(path, i, "");
    int fd = openat(root, path, O_WRONLY | O_CREAT | O_EXCL, 0644);
    return fd < 0 ? -errno : close_after(fd, whole(write(fd, contents, FILE_SIZE), FILE_SIZE));
}

static int stat_one(int root, int64_t i)
{
    char path[64];
    struct stat status;
    name(path, i, "");
    return fstatat(root, path, &status, 0) ? -errno : status.st_size != FILE_SIZE ? -EIO : 0;
}

static int read_one(int root, int64_t i)
{
    char path[64], buffer[PAGE];
    name(path, i, "");
    int fd = openat(root, path, O_RDONLY);
    return fd < 0 ? -errno : close_after(fd, whole(read(fd, buffer, sizeof buffer), FILE_SIZE));
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

/* Counts the entries of a directory, and asks for the status of each. Returns -errno if that fails. */
static int64_t list_directory(DIR *directory)
{
    int64_t entries = 0;
    for (struct dirent *entry; (entry = readdir(directory)); entries++) {
        struct stat status;
        if (fstatat(dirfd(directory), entry->d_name, &status, AT_SYMLINK_NOFOLLOW))
            return -errno;
    }
    return entries;
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
        int64_t entries = list_directory(directory);
        closedir(directory);
        /* Some servers do not list "." and "..". */
        int64_t files = count - i < PER_DIRECTORY ? count - i : PER_DIRECTORY;
        if (entries < 0 || entries < files || entries > files + 2)
            return entries < 0 ? (int)entries : -EIO;
    }
    return 0;
}

static int big(int root, int64_t count, int flags, int write_it, int random)
{
    int fd = openat(root, "big", flags, 0644);
    if (fd < 0)
        return -errno;
    int64_t size = random ? PAGE : BLOCK, places = lseek(fd, 0, SEEK_END) / size;
    int error = random && places < 1 ? -EIO : 0;
    uint64_t dice = 88172645463325252ull;
    for (int64_t i = 0; i < count && !error; i++) {
        dice ^= dice << 13, dice ^= dice >> 7, dice ^= dice << 17;
        int64_t place = random ? (int64_t)(dice % (uint64_t)places) * size : i * size;
        char buffer[BLOCK];
        ssize_t done = write_it ? pwrite(fd, contents, (size_t)size, place)
                                : pread(fd, buffer, (size_t)size, place);
        error = whole(done, size);
    }
    return close_after(fd, error);
}

static int work(enum fsload_kind kind, int root, int64_t count)
{
    switch (kind) {
    case FSLOAD_CREATE: return each(root, count, create_one);
    case FSLOAD_STAT: return each(root, count, stat_one);
    case FSLOAD_READ: return each(root, count, read_one);
    case FSLOAD_LIST: return list(root, count);
    case FSLOAD_RENAME: return each(root, count, rename_one);
    case FSLOAD_UNLINK: return each(root, count, unlink_one);
    case FSLOAD_WRITE_BIG: return big(root, count, O_WRONLY | O_CREAT | O_TRUNC, 1, 0);
    case FSLOAD_READ_BIG: return big(root, count, O_RDONLY, 0, 0);
    case FSLOAD_READ_RANDOM: return big(root, count, O_RDONLY, 0, 1);
    }
    return -EINVAL;
}

struct client {
    pthread_t thread;
    pthread_rwlock_t *gate; /* closed until all clients are there */
    enum fsload_kind kind;
    int directory, error;
    int64_t count, start, end;
};

static void *run_client(void *argument)
{
    struct client *client = argument;
    /* A process of its own would share no table of descriptors with the others either. */
    unshare(CLONE_FILES);
    pthread_rwlock_rdlock(client->gate);
    client->start = now();
    client->error = client->error ? client->error : work(client->kind, client->directory, client->count);
    client->end = now();
    pthread_rwlock_unlock(client->gate);
    return NULL;
}

/* Makes and opens a client's directory, and makes the directories in it. */
static int prepare(struct client *client, int root, int number)
{
    char path[64];
    sprintf(path, "c%d", number);
    if (mkdirat(root, path, 0755) && errno != EEXIST)
        return -errno;
    client->directory = openat(root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (client->directory < 0)
        return -errno;
    return client->kind == FSLOAD_CREATE ? make_directories(client->directory, client->count) : 0;
}

/* Starts the clients, opens the gate, and waits for them. If one cannot be started, none works. */
static int run_clients(struct client *clients, int count, pthread_rwlock_t *gate)
{
    int error = 0, started = 0;
    pthread_rwlock_wrlock(gate);
    while (started < count && !error) {
        error = -pthread_create(&clients[started].thread, NULL, run_client, &clients[started]);
        started += !error;
    }
    for (int i = 0; i < started; i++)
        clients[i].error = error;
    pthread_rwlock_unlock(gate);
    for (int i = 0; i < started; i++)
        pthread_join(clients[i].thread, NULL);
    return error;
}

/* Returns the time from the first start to the last end, or the first error. */
static int64_t elapsed(const struct client *clients, int count)
{
    int64_t start = clients[0].start, end = clients[0].end;
    for (int i = 0; i < count; i++) {
        if (clients[i].error)
            return clients[i].error;
        start = clients[i].start < start ? clients[i].start : start;
        end = clients[i].end > end ? clients[i].end : end;
    }
    return end - start;
}

int64_t fsload(enum fsload_kind kind, int root, int clients, int64_t count)
{
    struct client all[MOST_CLIENTS];
    pthread_rwlock_t gate = PTHREAD_RWLOCK_INITIALIZER;
    int error = clients < 1 || clients > MOST_CLIENTS ? -EINVAL : 0, prepared = 0;
    for (; prepared < clients && !error; prepared++) {
        all[prepared] = (struct client){.gate = &gate, .kind = kind, .directory = -1, .count = count};
        error = prepare(&all[prepared], root, prepared);
    }
    if (!error)
        error = run_clients(all, clients, &gate);
    for (int i = 0; i < prepared; i++)
        close(all[i].directory);
    return error ? error : elapsed(all, clients);
}

int fsload_sync(int directory)
{
    return syncfs(directory) ? -errno : 0;
}
