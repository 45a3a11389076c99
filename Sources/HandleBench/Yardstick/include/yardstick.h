/* The yardstick: what a plain C program does with LMDB, libsodium and the kernel for the same work, with
 * nothing of HandleStore in it. One store at a time; every call from one thread unless said otherwise.
 *
 * Only numbers cross this interface, so that Swift calls it without unsafe code. Calls return
 * nanoseconds, a count, or -errno (LMDB's own codes as they are, which are below -30,000).
 */
#ifndef YARDSTICK_H
#define YARDSTICK_H

#include <stdint.h>

/* The inode number of the n-th synthetic file: unlike its neighbours', and never the same twice. */
static inline uint64_t ys_inode(uint64_t n) { return (n * 0x9E3779B1u) & 0xffffffffu; }

/* The n-th of a sequence of random numbers (splitmix64). */
static inline uint64_t ys_random(uint64_t n)
{
    uint64_t z = (n + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* Opens an environment in the directory, which is empty or has one already. `flush` leaves LMDB's
 * default, a flush with each commit; without it the flags are MDB_NOSYNC | MDB_WRITEMAP. */
int64_t ys_open(int directory, int flush);
void ys_close(void);

/* From closed to the first record: opens, begins a transaction, gets a node. */
int64_t ys_restart(int directory, uint64_t node);

/* Puts the index row and the record of files [first, first + count), `batch` to a transaction.
 * `sample` takes each transaction's time. */
int64_t ys_register(uint64_t first, uint64_t count, uint64_t batch, int sample);

/* Gets the records of `count` random nodes of `nodes`, in one read transaction. */
int64_t ys_get(uint64_t nodes, uint64_t count, int sample);

/* Pages in use, times the page size. */
int64_t ys_size(void);

/* Takes the handles of all files below a directory, without crossing into another filesystem.
 * Returns how many. */
int64_t ys_tree(int directory);

/* open_by_handle_at(O_PATH) and close of `count` random files of ys_tree(). */
int64_t ys_open_handles(int mount, uint64_t count, int sample);

/* Lays out and signs a token for `count` random files of ys_tree(), whose handles are in memory. */
int64_t ys_tokens(int by_reference, uint64_t count, int sample);

/* What the last sampled call took: nanoseconds each. */
uint64_t ys_sample_count(void);
uint64_t ys_sample(uint64_t index);

#endif
