#include "machine.h"

#include <lmdb.h>
#include <time.h>

/* 16 MiB, so that most steps miss the caches of one core, as a search in a big tree does. */
enum { ENTRIES = 1 << 22 };
static uint32_t next[ENTRIES];

int64_t machine_work(void)
{
    static uint32_t at;
    /* One cycle through all entries: the step is odd, and the factor is 1 modulo 4. */
    if (next[0] == 0)
        for (uint32_t i = 0; i < ENTRIES; i++) next[i] = (i * 1664525u + 1013904223u) % ENTRIES;
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int i = 0; i < 20000; i++) at = next[at];
    clock_gettime(CLOCK_MONOTONIC, &to);
    /* Uses the result, so that no compiler leaves out the loop. */
    next[at] = (at * 1664525u + 1013904223u) % ENTRIES;
    return (to.tv_sec - from.tv_sec) * 1000000000 + to.tv_nsec - from.tv_nsec;
}

uint32_t machine_lmdb_version(void)
{
    int major, minor, patch;
    mdb_version(&major, &minor, &patch);
    return (uint32_t)(major << 16 | minor << 8 | patch);
}

uint32_t machine_clang_version(void)
{
#ifdef __clang__
    return __clang_major__ << 16 | __clang_minor__ << 8 | __clang_patchlevel__;
#else
    return 0;
#endif
}
