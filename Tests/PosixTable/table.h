/* A table of what a filesystem does: cases, each in a directory of its own, that print what they see.
 * What two filesystems print is compared line by line, so nothing is printed that differs between two
 * directories of the same one, such as inode numbers or times. */
#ifndef TABLE_H
#define TABLE_H

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

/* A case is run in an empty directory, which is its working directory. */
struct test {
    const char *name;
    void (*run)(void);
};

extern const struct test names_tests[], attributes_tests[], data_tests[], directories_tests[],
    permissions_tests[], xattrs_tests[], locks_tests[], times_tests[],
    flags_tests[];

/* Whether the cases run as root, else as USER of GROUP, who is a member of OTHER_GROUP too. */
extern int is_root;
#define USER 12345
#define GROUP 12345
#define OTHER_GROUP 12346
#define STRANGER 23456

/* The path of a name in the working directory in the filesystem below, where there is one. */
#define PATH_SIZE 8192
void path_below(char path[PATH_SIZE], const char *name);

/* Prints a line of the case under way. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Prints a call, and "ok" or its errno; returns its result. */
#define DO(call) done(#call, (long)(call))
/* Prints a call and the number that it returned, or its errno. */
#define NUMBER(call) number(#call, (long)(call))
long done(const char *call, long result);
long number(const char *call, long result);

/* Prints the status of a name: type, mode, owner, links, size. */
void show(const char *name);
void show_after(const char *what, const char *name);
void show_fd(const char *what, int fd);
/* Prints what is in a file. */
void show_contents(const char *name);

/* Prints which of the three times of a file a body has moved. */
struct times {
    struct stat before;
    const char *name;
};
struct times watch_times(const char *name);
void show_times(const struct times *times, const char *what);

/* The ways to change what is in a file of two blocks, named `file`. */
#define CHANGES 18
extern void (*const changes[CHANGES])(int fd);

/* Without a line: what a case needs, and what must succeed. */
int make(const char *name, mode_t mode, const char *contents);
void make_directory(const char *name, mode_t mode);
void pause_ms(int milliseconds);

/* Runs a body in another process, and waits for it. */
#define APART(...)                                                                                 \
    do {                                                                                           \
        fflush(stdout);                                                                            \
        pid_t apart = fork();                                                                      \
        if (apart == 0) {                                                                          \
            __VA_ARGS__;                                                                           \
            fflush(stdout);                                                                        \
            _exit(0);                                                                              \
        }                                                                                          \
        int status;                                                                                \
        waitpid(apart, &status, 0);                                                                \
        if (status)                                                                                \
            say("ended with %d", status);                                                          \
    } while (0)

/* Becomes a user without capabilities, for good. */
void become(uid_t uid, gid_t gid, gid_t other);
/* Runs a body as another user, where the table runs as root. */
#define AS(uid, gid, ...)                                                                          \
    do {                                                                                           \
        if (is_root)                                                                               \
            APART({                                                                                \
                become(uid, gid, (gid_t)-1);                                                       \
                __VA_ARGS__;                                                                       \
            });                                                                                    \
    } while (0)

#endif
