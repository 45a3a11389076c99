/* RocksDB, loaded if it is there. What it declares in rocksdb/c.h is repeated here, so that a build does
 * not need it. A key starts with a letter that stands for its table. */
#include "engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    void *(*options_create)(void);
    void (*options_destroy)(void *options);
    void (*options_set_create_if_missing)(void *options, unsigned char on);
    void (*options_set_block_based_table_factory)(void *options, void *table);
    void *(*block_based_options_create)(void);
    void (*block_based_options_destroy)(void *table);
    void (*block_based_options_set_block_cache)(void *table, void *cache);
    void (*block_based_options_set_filter_policy)(void *table, void *policy);
    void *(*filterpolicy_create_bloom)(double bits);
    void *(*cache_create_lru)(size_t bytes);
    void (*cache_destroy)(void *cache);
    void *(*open)(const void *options, const char *path, char **error);
    void (*close)(void *db);
    void *(*readoptions_create)(void);
    void (*readoptions_destroy)(void *options);
    void *(*writeoptions_create)(void);
    void (*writeoptions_destroy)(void *options);
    void (*writeoptions_set_sync)(void *options, unsigned char on);
    void *(*writebatch_create)(void);
    void (*writebatch_destroy)(void *batch);
    void (*writebatch_clear)(void *batch);
    void (*writebatch_put)(void *batch, const char *key, size_t key_length, const char *value, size_t length);
    void (*write)(void *db, const void *options, void *batch, char **error);
    void *(*get_pinned)(void *db, const void *options, const char *key, size_t length, char **error);
    const char *(*pinnableslice_value)(const void *slice, size_t *length);
    void (*pinnableslice_destroy)(void *slice);
} rocksdb;

static void *db, *batch, *cache, *reading, *writing;

static int load(void)
{
    static const char *const libraries[] = {"librocksdb.so", "librocksdb.so.7.8", NULL};
    static const char *const names[] = {
        "rocksdb_options_create", "rocksdb_options_destroy", "rocksdb_options_set_create_if_missing",
        "rocksdb_options_set_block_based_table_factory", "rocksdb_block_based_options_create",
        "rocksdb_block_based_options_destroy", "rocksdb_block_based_options_set_block_cache",
        "rocksdb_block_based_options_set_filter_policy", "rocksdb_filterpolicy_create_bloom",
        "rocksdb_cache_create_lru", "rocksdb_cache_destroy", "rocksdb_open", "rocksdb_close",
        "rocksdb_readoptions_create", "rocksdb_readoptions_destroy", "rocksdb_writeoptions_create",
        "rocksdb_writeoptions_destroy", "rocksdb_writeoptions_set_sync", "rocksdb_writebatch_create",
        "rocksdb_writebatch_destroy", "rocksdb_writebatch_clear", "rocksdb_writebatch_put",
        "rocksdb_write", "rocksdb_get_pinned", "rocksdb_pinnableslice_value",
        "rocksdb_pinnableslice_destroy", NULL,
    };
    return rocksdb.pinnableslice_destroy ? 0 : load_library(libraries, names, (void **)&rocksdb);
}

/* RocksDB reports errors as texts. */
static int code_of(char *error)
{
    free(error);
    return error ? EIO : 0;
}

/* The options that RocksDB's wiki advises for gets by key: a Bloom filter, and a cache of the size that
 * SQLite gets too. */
static void *make_options(void)
{
    void *options = rocksdb.options_create(), *table = rocksdb.block_based_options_create();
    cache = rocksdb.cache_create_lru(256 << 20);
    rocksdb.block_based_options_set_block_cache(table, cache);
    rocksdb.block_based_options_set_filter_policy(table, rocksdb.filterpolicy_create_bloom(10));
    rocksdb.options_set_block_based_table_factory(options, table);
    rocksdb.options_set_create_if_missing(options, 1);
    rocksdb.block_based_options_destroy(table);
    return options;
}

static int open(int directory, int flush)
{
    char path[64], *error = NULL;
    void *options = make_options();
    snprintf(path, sizeof path, "/proc/self/fd/%d", directory);
    db = rocksdb.open(options, path, &error);
    rocksdb.options_destroy(options);
    reading = rocksdb.readoptions_create();
    writing = rocksdb.writeoptions_create();
    rocksdb.writeoptions_set_sync(writing, flush != 0);
    batch = rocksdb.writebatch_create();
    return code_of(error);
}

static int begin(int write)
{
    (void)write;
    rocksdb.writebatch_clear(batch);
    return 0;
}

static int get_value(const char *key, size_t key_length, void *value, size_t length)
{
    char *error = NULL;
    size_t found_length;
    void *slice = rocksdb.get_pinned(db, reading, key, key_length, &error);
    if (error)
        return code_of(error);
    if (!slice)
        return ENOENT;
    const char *found = rocksdb.pinnableslice_value(slice, &found_length);
    int rc = found_length == length ? 0 : EBADMSG;
    if (!rc)
        memcpy(value, found, length);
    rocksdb.pinnableslice_destroy(slice);
    return rc;
}

/* RocksDB would overwrite the key without a word, so it is looked up first. */
static int put_key(const struct row *row)
{
    char key[1 + sizeof row->key] = "i";
    uint64_t known;
    memcpy(key + 1, row->key, sizeof row->key);
    int rc = get_value(key, sizeof key, &known, sizeof known);
    if (rc != ENOENT)
        return rc ? rc : EEXIST;
    rocksdb.writebatch_put(batch, key, sizeof key, (const char *)&row->node, sizeof row->node);
    return 0;
}

static void make_node_key(uint64_t node, char key[9])
{
    uint64_t word = __builtin_bswap64(node);
    key[0] = 'n';
    memcpy(key + 1, &word, sizeof word);
}

static int put_record(const struct row *row)
{
    char key[9];
    make_node_key(row->node, key);
    rocksdb.writebatch_put(batch, key, sizeof key, (const char *)row->record, sizeof row->record);
    return 0;
}

static int commit(void)
{
    char *error = NULL;
    rocksdb.write(db, writing, batch, &error);
    return code_of(error);
}

static int get(uint64_t node, uint64_t record[6])
{
    char key[9];
    make_node_key(node, key);
    return get_value(key, sizeof key, record, sizeof(uint64_t[6]));
}

static void end(void) {}

static void close(void)
{
    rocksdb.writebatch_destroy(batch);
    rocksdb.readoptions_destroy(reading);
    rocksdb.writeoptions_destroy(writing);
    if (db)
        rocksdb.close(db);
    rocksdb.cache_destroy(cache);
    db = NULL;
}

const struct engine rocksdb_engine = {load, open, begin, put_key, put_record, commit, get, end, close};
