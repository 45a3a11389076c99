#ifndef HANDLEFS_RESULT_H
#define HANDLEFS_RESULT_H

#include <errno.h>

/* Returns the result of a system call, or -errno. */
static inline long result(long value) { return value < 0 ? -errno : value; }

#endif
