#define _GNU_SOURCE
#include "yardstick.h"

#include "samples.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct handle {
    struct file_handle head;
    unsigned char bytes[MAX_HANDLE_SZ];
};

static struct handle *handles;
static uint64_t handle_count, handle_room;

static int take_handle(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status, (void)type, (void)where;
    if (handle_count == handle_room) {
        handle_room = handle_room ? handle_room * 2 : 1024;
        handles = realloc(handles, handle_room * sizeof *handles);
    }
    int mount;
    struct handle *handle = &handles[handle_count];
    handle->head.handle_bytes = MAX_HANDLE_SZ;
    if (name_to_handle_at(AT_FDCWD, path, &handle->head, &mount, 0) == 0)
        handle_count++;
    return 0;
}

int64_t ys_tree(int directory)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0)
        return -errno;
    path[n] = 0;
    handle_count = 0;
    if (nftw(path, take_handle, 64, FTW_PHYS | FTW_MOUNT))
        return -errno;
    return (int64_t)handle_count;
}

int64_t ys_open_handles(int mount, uint64_t count, int sample)
{
    if (sample)
        start_sampling(count);
    uint64_t start = now(), last = start;
    for (uint64_t i = 0; i < count; i++) {
        struct handle *handle = &handles[ys_random(i) % handle_count];
        int fd = open_by_handle_at(mount, &handle->head, O_PATH | O_CLOEXEC);
        if (fd < 0)
            return -errno;
        close(fd);
        if (sample) {
            uint64_t t = now();
            take_sample(t - last);
            last = t;
        }
    }
    return (int64_t)(now() - start);
}

/* A token as the library lays it out: 16 bytes, the handle unless it goes by the node, the signature
 * over these (by reference over the store's number too). */
static uint64_t make_token(const struct handle *handle, uint64_t node, int by_reference)
{
    static const unsigned char key[crypto_shorthash_siphashx24_KEYBYTES] = {1, 2, 3};
    unsigned char token[16 + MAX_HANDLE_SZ + crypto_shorthash_siphashx24_BYTES] = {1, 8, 1};
    uint64_t bound[3] = {0, 0, 42}, code;
    size_t length = 16;
    memcpy(token + 8, &node, sizeof node);
    if (by_reference) {
        memcpy(bound, token, length);
        crypto_shorthash_siphashx24(token + length, (unsigned char *)bound, sizeof bound, key);
    } else {
        token[3] = (unsigned char)handle->head.handle_type;
        memcpy(token + length, handle->head.f_handle, handle->head.handle_bytes);
        length += handle->head.handle_bytes;
        crypto_shorthash_siphashx24(token + length, token, length, key);
    }
    memcpy(&code, token + length, sizeof code);
    return code;
}

int64_t ys_tokens(int by_reference, uint64_t count, int sample)
{
    uint64_t sum = 0;
    if (sample)
        start_sampling(count);
    uint64_t start = now(), last = start;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t n = ys_random(i) % handle_count;
        sum += make_token(&handles[n], n, by_reference);
        if (sample) {
            uint64_t t = now();
            take_sample(t - last);
            last = t;
        }
    }
    uint64_t took = now() - start;
    return sum == 1 ? -EIO : (int64_t)took;
}
