/* The library as a program in C calls it. One store at a time. Only numbers cross this interface. Calls
 * return 0 or a code of handlestore.h. */
#ifndef THROUGHC_H
#define THROUGHC_H

#include <stdint.h>

/* Opens a store in a directory, and attaches the directory's filesystem. `flush`: HS_DURABILITY_POWER. */
int throughc_open(int directory, int flush);
void throughc_close(void);

/* How many files a program can prepare. */
enum { THROUGHC_FILES = 10000 };

/* Prepares the i-th file, i < THROUGHC_FILES, a regular one. Its handle has `length` bytes, at most 24,
 * in `a`, `b` and `c`. */
int throughc_prepare(unsigned i, uint64_t inode, int type, unsigned length, uint64_t a, uint64_t b, uint64_t c);

/* Registers the i-th file. Returns its node, or 0. */
uint64_t throughc_register(unsigned i);

int throughc_get(uint64_t node);

#endif
