/* What uses a mount in the tests: loads that go on until they are told to stop, single operations, and
 * helpers. Each ends with 0 where nothing unexpected happened, and says what it was otherwise. */
#ifndef LOAD_H
#define LOAD_H

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

struct command {
    const char *name;
    const char *usage;
    int (*run)(int count, char **arguments);
};

extern const struct command changes[], loads[], operations[], tools[], files[], mapping[];

/* Ends the program, with what failed. */
void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/* A call that must succeed: its result. */
#define MUST(call) must(#call, (long)(call), __FILE__, __LINE__)
long must(const char *call, long result, const char *file, int line);

/* Whether a load is to go on: until a file appears. */
int goes_on(const char *stop_file);

/* A seeded sequence of numbers. */
uint64_t random_number(uint64_t *state);

/* All of a file, with a zero behind it; the caller's to free. */
char *contents(const char *path, size_t *length);
void put(const char *path, const char *text);

#endif
