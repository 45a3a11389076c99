/* What an engine does for maps.c. Functions return 0 or the engine's error code. */
#ifndef ENGINE_H
#define ENGINE_H

#include "../samples.h"

#include <stdint.h>

/* The two rows of a file: the node id by a key, and the record by the node id. */
struct row {
    uint64_t node;
    /* The filesystem's number and the inode number, big-endian, as a store lays it out. */
    uint8_t key[10];
    uint64_t record[6];
};

struct engine {
    int (*load)(void);
    int (*open)(int directory, int flush);
    int (*begin)(int write);
    /* Puts the node id, unless the key is there already, which is an error. */
    int (*put_key)(const struct row *row);
    int (*put_record)(const struct row *row);
    int (*commit)(void);
    int (*get)(uint64_t node, uint64_t record[6]);
    /* Drops a transaction, with what it has put. */
    void (*end)(void);
    void (*close)(void);
};

extern const struct engine lmdb_engine, sqlite_engine, rocksdb_engine, mdbx_engine, table_engine;

uint64_t table_memory(void);

/* Loads the first of the libraries, a list that ends with NULL, that is there. Then finds its functions by
 * their names, another such list. */
int load_library(const char *const *libraries, const char *const *names, void **functions);

#endif
