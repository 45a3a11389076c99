/* LMDB as a plain C program uses it: the yardstick. */
#include "engine.h"

#include <lmdb.h>
#include <stdio.h>
#include <string.h>

/* As much as LMDB may map; the file grows only as it is filled. */
static const size_t map_size = 64ull << 30;

static MDB_env *env;
static MDB_txn *txn;
static MDB_dbi nodes_table, inodes_table;

static int load(void) { return 0; }

static int open_tables(void)
{
    int rc = mdb_txn_begin(env, NULL, 0, &txn);
    if (rc)
        return rc;
    rc = mdb_dbi_open(txn, "nodes", MDB_INTEGERKEY | MDB_CREATE, &nodes_table);
    if (!rc)
        rc = mdb_dbi_open(txn, "inodes", MDB_CREATE, &inodes_table);
    if (!rc)
        return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return rc;
}

static int open(int directory, int flush)
{
    unsigned flags = MDB_NOTLS | MDB_NORDAHEAD | (flush ? 0 : MDB_NOSYNC | MDB_WRITEMAP);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", directory);
    int rc = mdb_env_create(&env);
    if (!rc)
        rc = mdb_env_set_maxdbs(env, 4);
    if (!rc)
        rc = mdb_env_set_mapsize(env, map_size);
    if (!rc)
        rc = mdb_env_open(env, path, flags, 0600);
    if (!rc)
        rc = open_tables();
    return rc;
}

static int begin(int write) { return mdb_txn_begin(env, NULL, write ? 0 : MDB_RDONLY, &txn); }

static int put_key(const struct row *row)
{
    MDB_val key = {sizeof row->key, (void *)row->key}, value = {sizeof row->node, (void *)&row->node};
    return mdb_put(txn, inodes_table, &key, &value, MDB_NOOVERWRITE);
}

static int put_record(const struct row *row)
{
    MDB_val key = {sizeof row->node, (void *)&row->node}, value = {sizeof row->record, (void *)row->record};
    return mdb_put(txn, nodes_table, &key, &value, MDB_APPEND);
}

static int commit(void) { return mdb_txn_commit(txn); }

static int get(uint64_t node, uint64_t record[6])
{
    MDB_val key = {sizeof node, &node}, value;
    int rc = mdb_get(txn, nodes_table, &key, &value);
    if (!rc)
        memcpy(record, value.mv_data, sizeof(uint64_t[6]));
    return rc;
}

static void end(void) { mdb_txn_abort(txn); }

static void close(void) { mdb_env_close(env); }

const struct engine lmdb_engine = {load, open, begin, put_key, put_record, commit, get, end, close};
