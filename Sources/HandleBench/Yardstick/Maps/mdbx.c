/* libmdbx, loaded if it is there. What it declares in mdbx.h is repeated here, so that a build does not
 * need it. */
#include "engine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>

enum {
    SAFE_NOSYNC = 0x10000,
    WRITEMAP = 0x80000,
    NOTLS = 0x200000,
    NORDAHEAD = 0x800000,
    RDONLY = 0x20000,
    OPTION_MAX_DB = 0,
    OPTION_SYNC_BYTES = 2,
    INTEGERKEY = 0x08,
    CREATE = 0x40000,
    NOOVERWRITE = 0x10,
    APPEND = 0x20000,
};

/* libmdbx uses a page again only after a flush. Without one the file of a million files would have 2 GB. */
static const uint64_t unflushed = 512 << 20;

static struct {
    int (*env_create)(void **env);
    int (*env_set_option)(void *env, int option, uint64_t value);
    int (*env_set_geometry)(void *env, intptr_t lower, intptr_t now, intptr_t upper, intptr_t growth,
                            intptr_t shrink, intptr_t page);
    int (*env_open)(void *env, const char *path, unsigned flags, mode_t mode);
    int (*env_close_ex)(void *env, _Bool dont_sync);
    int (*txn_begin_ex)(void *env, void *parent, unsigned flags, void **txn, void *context);
    int (*txn_commit_ex)(void *txn, void *latency);
    int (*txn_abort)(void *txn);
    int (*dbi_open)(void *txn, const char *name, unsigned flags, uint32_t *table);
    int (*put)(void *txn, uint32_t table, const struct iovec *key, struct iovec *value, unsigned flags);
    int (*get)(void *txn, uint32_t table, const struct iovec *key, struct iovec *value);
} mdbx;

static void *env, *txn;
static uint32_t nodes_table, inodes_table;
static int flushes;

static int load(void)
{
    static const char *const libraries[] = {"libmdbx.so", "libmdbx.so.0", NULL};
    static const char *const names[] = {
        "mdbx_env_create", "mdbx_env_set_option", "mdbx_env_set_geometry", "mdbx_env_open",
        "mdbx_env_close_ex", "mdbx_txn_begin_ex", "mdbx_txn_commit_ex", "mdbx_txn_abort",
        "mdbx_dbi_open", "mdbx_put", "mdbx_get", NULL,
    };
    return mdbx.get ? 0 : load_library(libraries, names, (void **)&mdbx);
}

static int begin(int write) { return mdbx.txn_begin_ex(env, NULL, write ? 0 : RDONLY, &txn, NULL); }

static int commit(void) { return mdbx.txn_commit_ex(txn, NULL); }

static int open_tables(void)
{
    int rc = begin(1);
    if (rc)
        return rc;
    rc = mdbx.dbi_open(txn, "nodes", INTEGERKEY | CREATE, &nodes_table);
    if (!rc)
        rc = mdbx.dbi_open(txn, "inodes", CREATE, &inodes_table);
    if (!rc)
        return commit();
    mdbx.txn_abort(txn);
    return rc;
}

static int open(int directory, int flush)
{
    unsigned flags = NOTLS | NORDAHEAD | (flush ? 0 : SAFE_NOSYNC | WRITEMAP);
    char path[64];
    flushes = flush;
    snprintf(path, sizeof path, "/proc/self/fd/%d", directory);
    int rc = mdbx.env_create(&env);
    if (!rc)
        rc = mdbx.env_set_option(env, OPTION_MAX_DB, 4);
    if (!rc)
        rc = mdbx.env_set_geometry(env, -1, -1, 64ll << 30, -1, -1, -1);
    if (!rc)
        rc = mdbx.env_open(env, path, flags, 0600);
    if (!rc)
        rc = open_tables();
    if (!rc && !flush)
        rc = mdbx.env_set_option(env, OPTION_SYNC_BYTES, unflushed);
    return rc;
}

static struct iovec bytes(const void *start, size_t length) { return (struct iovec){(void *)start, length}; }

static int put_key(const struct row *row)
{
    struct iovec key = bytes(row->key, sizeof row->key), value = bytes(&row->node, sizeof row->node);
    return mdbx.put(txn, inodes_table, &key, &value, NOOVERWRITE);
}

static int put_record(const struct row *row)
{
    struct iovec key = bytes(&row->node, sizeof row->node), value = bytes(row->record, sizeof row->record);
    return mdbx.put(txn, nodes_table, &key, &value, APPEND);
}

static int get(uint64_t node, uint64_t record[6])
{
    struct iovec key = bytes(&node, sizeof node), value;
    int rc = mdbx.get(txn, nodes_table, &key, &value);
    if (!rc)
        memcpy(record, value.iov_base, sizeof(uint64_t[6]));
    return rc;
}

static void end(void) { mdbx.txn_abort(txn); }

static void close(void) { mdbx.env_close_ex(env, !flushes); }

const struct engine mdbx_engine = {load, open, begin, put_key, put_record, commit, get, end, close};
