/* Maps that hold what a store holds for each file: a record by node id, and a node id by the file's
 * inode. The yardstick is LMDB as a plain C program uses it; the others are its peers. There is nothing
 * of HandleStore in any of them.
 *
 * One map is open at a time, and all calls come from one thread. Only numbers cross this interface, so
 * that Swift calls it without unsafe code. Calls return nanoseconds, a count, or -errno (the engines' own
 * codes as negative numbers).
 */
#ifndef MAPS_H
#define MAPS_H

#include <stdint.h>

/* How the synthetic files are numbered. */
enum {
    /* Each file's number is far from its neighbours'. */
    MAPS_SCATTERED,
    /* As filesystems number files: those of a directory consecutively. */
    MAPS_CLUSTERED,
};

/* The inode number of the n-th synthetic file; no two files have the same.
 *
 * Clustered: the 16 files of a directory have consecutive numbers, and directories come from four places
 * in turn, as XFS takes them from allocation groups. */
static inline uint64_t maps_inode(int numbering, uint64_t n)
{
    if (numbering == MAPS_SCATTERED)
        return (n * 0x9E3779B1u) & 0xffffffffu;
    uint64_t directory = n / 16;
    return 128 + (directory % 4 << 28) + directory / 4 * 16 + n % 16;
}

enum {
    MAPS_LMDB,
    MAPS_SQLITE,
    MAPS_ROCKSDB,
    MAPS_MDBX,
    /* A hash table by handle and an array of records, as a server without a store keeps them. */
    MAPS_TABLE,
};

/* Whether the library of an engine can be loaded. */
int maps_is_installed(int engine);

/* Opens a map in a directory, which is empty or has one already. `flush`: a commit survives a power cut;
 * otherwise it survives the end of the process. */
int64_t maps_open(int engine, int directory, int flush);
void maps_close(void);

/* Puts the two rows of the files [first, first + count), `batch` to a transaction. `sorted` puts the rows
 * of a batch in the order of their keys. `sample` takes each transaction's time. */
int64_t maps_register(int numbering, uint64_t first, uint64_t count, uint64_t batch, int sorted, int sample);

/* Gets the records of `count` random nodes of `nodes`, in one transaction. */
int64_t maps_get(uint64_t nodes, uint64_t count, int sample);

/* From closed to closed: opens, gets a node, closes. */
int64_t maps_reopen(int engine, int directory, int flush, uint64_t node);

/* The bytes of memory that a table holds. */
int64_t maps_memory(void);

/* The bytes of the disk that the files of a directory occupy. */
int64_t maps_disk_use(int directory);

#endif
