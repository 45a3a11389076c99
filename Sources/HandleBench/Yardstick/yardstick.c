#define _GNU_SOURCE
#include "yardstick.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <lmdb.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static MDB_env *env;
static MDB_dbi nodes_table, inodes_table;

static uint64_t *samples;
static uint64_t sample_count, sample_room;

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void start_sampling(uint64_t count)
{
    sample_count = 0;
    if (count <= sample_room)
        return;
    samples = realloc(samples, count * sizeof *samples);
    sample_room = count;
}

static void take_sample(uint64_t nanoseconds)
{
    if (sample_count < sample_room)
        samples[sample_count++] = nanoseconds;
}

uint64_t ys_sample_count(void) { return sample_count; }
uint64_t ys_sample(uint64_t index) { return samples[index]; }

static int64_t failed(int code) { return code > 0 ? -code : code; }

static int open_tables(unsigned flags)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(env, NULL, flags & MDB_RDONLY, &txn);
    if (rc)
        return rc;
    unsigned create = flags & MDB_RDONLY ? 0 : MDB_CREATE;
    rc = mdb_dbi_open(txn, "nodes", MDB_INTEGERKEY | create, &nodes_table);
    if (!rc)
        rc = mdb_dbi_open(txn, "inodes", create, &inodes_table);
    if (rc) {
        mdb_txn_abort(txn);
        return rc;
    }
    return mdb_txn_commit(txn);
}

static int open_env(int directory, unsigned flags)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", directory);
    int rc = mdb_env_create(&env);
    if (!rc)
        rc = mdb_env_set_maxdbs(env, 4);
    if (!rc)
        rc = mdb_env_set_mapsize(env, 16ull << 30);
    if (!rc)
        rc = mdb_env_open(env, path, flags | MDB_NOTLS | MDB_NORDAHEAD, 0600);
    if (!rc)
        rc = open_tables(flags);
    return rc;
}

int64_t ys_open(int directory, int flush)
{
    return failed(open_env(directory, flush ? 0 : MDB_NOSYNC | MDB_WRITEMAP));
}

void ys_close(void)
{
    mdb_env_close(env);
    env = NULL;
}

static int get_one(MDB_txn *txn, uint64_t node, uint64_t *sum)
{
    MDB_val key = {sizeof node, &node}, value;
    uint64_t record[6];
    int rc = mdb_get(txn, nodes_table, &key, &value);
    if (rc)
        return rc;
    memcpy(record, value.mv_data, sizeof record);
    *sum += record[3];
    return 0;
}

int64_t ys_restart(int directory, uint64_t node)
{
    uint64_t start = now(), sum = 0;
    int rc = open_env(directory, MDB_NOSYNC);
    MDB_txn *txn;
    if (!rc)
        rc = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);
    if (rc)
        return failed(rc);
    rc = get_one(txn, node, &sum);
    uint64_t took = now() - start;
    mdb_txn_abort(txn);
    ys_close();
    return rc ? failed(rc) : (int64_t)took;
}

/* The index row {filesystem, inode} -> node and the record of a file. */
static int put_one(MDB_txn *txn, uint64_t n)
{
    uint64_t node = n + 2, inode = ys_inode(n);
    uint64_t record[6] = {1ull << 32, 0, 1 | 8ull << 16 | 1ull << 20 | 8ull << 24, inode | 7ull << 32};
    uint8_t bytes[10] = {0, 1};
    for (int i = 0; i < 8; i++)
        bytes[2 + i] = (uint8_t)(inode >> (56 - 8 * i));
    MDB_val key = {sizeof bytes, bytes}, value = {sizeof node, &node};
    int rc = mdb_put(txn, inodes_table, &key, &value, MDB_NOOVERWRITE);
    if (rc)
        return rc;
    key = (MDB_val){sizeof node, &node};
    value = (MDB_val){sizeof record, record};
    return mdb_put(txn, nodes_table, &key, &value, MDB_APPEND);
}

static int put_batch(uint64_t first, uint64_t count)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(env, NULL, 0, &txn);
    if (rc)
        return rc;
    for (uint64_t n = first; n < first + count && !rc; n++)
        rc = put_one(txn, n);
    if (rc) {
        mdb_txn_abort(txn);
        return rc;
    }
    return mdb_txn_commit(txn);
}

int64_t ys_register(uint64_t first, uint64_t count, uint64_t batch, int sample)
{
    if (sample)
        start_sampling((count + batch - 1) / batch);
    uint64_t start = now(), last = start;
    for (uint64_t n = first; n < first + count; n += batch) {
        uint64_t rest = first + count - n;
        int rc = put_batch(n, rest < batch ? rest : batch);
        if (rc)
            return failed(rc);
        if (sample) {
            uint64_t t = now();
            take_sample(t - last);
            last = t;
        }
    }
    return (int64_t)(now() - start);
}

int64_t ys_get(uint64_t nodes, uint64_t count, int sample)
{
    MDB_txn *txn;
    uint64_t sum = 0;
    int rc = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);
    if (rc)
        return failed(rc);
    if (sample)
        start_sampling(count);
    uint64_t start = now(), last = start;
    for (uint64_t i = 0; i < count && !rc; i++) {
        rc = get_one(txn, 2 + ys_random(i) % nodes, &sum);
        if (sample) {
            uint64_t t = now();
            take_sample(t - last);
            last = t;
        }
    }
    uint64_t took = now() - start;
    mdb_txn_abort(txn);
    if (rc)
        return failed(rc);
    return sum == 1 ? -EIO : (int64_t)took;
}

int64_t ys_size(void)
{
    MDB_envinfo info;
    MDB_stat stat;
    mdb_env_info(env, &info);
    mdb_env_stat(env, &stat);
    return (int64_t)((info.me_last_pgno + 1) * stat.ms_psize);
}

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
