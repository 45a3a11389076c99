/* What programs ask of a filesystem, timed. */
#ifndef FSLOAD_H
#define FSLOAD_H

#include <stdint.h>

enum fsload_kind {
    FSLOAD_CREATE, /* open(O_CREAT | O_EXCL), write 100 bytes, close */
    FSLOAD_STAT,
    FSLOAD_READ,   /* open, read all, close */
    FSLOAD_LIST,   /* readdir, fstatat of each entry */
    FSLOAD_RENAME,
    FSLOAD_UNLINK,      /* what was renamed */
    FSLOAD_WRITE_BIG,   /* `count` blocks of 128 KiB, one after the other */
    FSLOAD_READ_BIG,    /* the same */
    FSLOAD_READ_RANDOM, /* 4 KiB at a random place, `count` times */
};

/* Lets `clients` threads do it at once, each `count` times in a directory of its own below an open one.
   Returns the nanoseconds from the first start to the last end, or -errno. A file that is not as it was
   written gives -EIO. */
int64_t fsload(enum fsload_kind kind, int root, int clients, int64_t count);

/* Writes what is dirty in the filesystem of an open directory. Returns 0 or -errno. */
int fsload_sync(int directory);

#endif
