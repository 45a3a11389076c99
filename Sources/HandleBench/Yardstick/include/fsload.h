/* What a program asks of a filesystem, timed. */
#ifndef FSLOAD_H
#define FSLOAD_H

#include <stdint.h>

enum fsload_kind {
    FSLOAD_CREATE, /* open(O_CREAT | O_EXCL), close */
    FSLOAD_FILL,   /* open, write 4 KiB, close */
    FSLOAD_STAT,
    FSLOAD_READ,   /* open, read 4 KiB, close */
    FSLOAD_LIST,   /* readdir, fstatat of each entry */
    FSLOAD_RENAME,
    FSLOAD_UNLINK,      /* what was renamed */
    FSLOAD_WRITE_BIG,   /* `count` blocks of 128 KiB, one after the other */
    FSLOAD_READ_BIG,    /* the same */
    FSLOAD_READ_RANDOM, /* 4 KiB at a random place, `count` times */
};

/* Does it to `count` files below an open directory. Returns nanoseconds, or -errno. */
int64_t fsload(enum fsload_kind kind, int root, int64_t count);

#endif
