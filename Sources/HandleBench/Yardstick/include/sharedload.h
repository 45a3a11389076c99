/* The yardstick of `handlebench shared`: what a plain C program does with libpq for the same work, on
 * tables like those of a shared store and in the same schema. Each thread has a connection of its own
 * and sends what belongs together in one pipeline, which is one transaction.
 *
 * Only numbers cross this interface, so that Swift calls it without unsafe code. Calls return nanoseconds
 * or 0, and -1 if they failed; then sharedload_message() says why.
 */
#ifndef SHAREDLOAD_H
#define SHAREDLOAD_H

#include <stdint.h>

enum { SHAREDLOAD_THREADS = 16 };

enum sharedload_work {
    /* Puts the rows of a node and of its key. */
    SHAREDLOAD_REGISTER,
    /* Finds a node by its key. */
    SHAREDLOAD_FIND,
    /* Gets a node by its number. */
    SHAREDLOAD_GET,
    /* Changes a node's state and deletes its key. */
    SHAREDLOAD_RETIRE,
};

/* Connects as the connection string says that can be read from a descriptor, and creates the schema.
 * Fails if the database has it already. */
int64_t sharedload_open(int descriptor);
/* Creates the yardstick's tables, like those of the store, which is in the schema by now. */
int64_t sharedload_create_tables(void);
/* Drops the schema with all that it holds, and closes the connections. */
int64_t sharedload_close(void);

/* Does some work to files [first, first + count), `batch` to a transaction. */
int64_t sharedload_run(enum sharedload_work work, uint64_t first, uint64_t count, uint64_t batch, int threads);

/* What transaction number `index` of the last run took, in nanoseconds. */
uint64_t sharedload_sample(uint64_t index);

/* The bytes of the last error's text; 0 at the end. */
int sharedload_message(int index);

#endif
