/* What a result says about the machine that it comes from. */
#ifndef MACHINE_H
#define MACHINE_H

#include <stdint.h>

/* Does a fixed piece of work, about a millisecond of loads that depend on each other, and returns the
 * nanoseconds that it took. */
int64_t machine_work(void);

/* Versions of the libraries, as major << 16 | minor << 8 | patch; 0 if there is none. */
uint32_t machine_lmdb_version(void);
uint32_t machine_clang_version(void);

#endif
