/* What other engines do with the rows of a store: the record by node id, and the node id by inode.
 * Only numbers cross, so that Swift calls it without unsafe code. 0 or an SQLite error code. */
#ifndef PEERS_H
#define PEERS_H

#include <stdint.h>

/* Opens a database in a directory: WAL, synchronous=OFF, as a store with durability `process`. */
int peers_sqlite_open(int directory);
void peers_sqlite_close(void);

/* Puts both rows of files [first, first + count), `batch` to a transaction. */
int peers_sqlite_register(uint64_t first, uint64_t count, uint64_t batch);

/* Gets the records of `count` random nodes of `nodes`. */
int peers_sqlite_get(uint64_t nodes, uint64_t count);

/* The inode number of the n-th file: unlike its neighbours', and never the same twice. */
static inline uint64_t peers_inode(uint64_t n) { return (n * 0x9E3779B1u) & 0xffffffffu; }

#endif
