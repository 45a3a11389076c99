/* What the tests of the C library share: checks, and a store in a directory with files in it. */
#ifndef CHECK_H
#define CHECK_H

#define _GNU_SOURCE
#include <handlestore.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int failures;

static inline void check(int condition, const char *text, int line)
{
    if (condition)
        return;
    fprintf(stderr, "%d: not true: %s\n", line, text);
    failures++;
}
#define CHECK(condition) check(!!(condition), #condition, __LINE__)

/* That a call fails with a code, and says why. */
static inline void fails(int result, int code, const hs_error *error, const char *text, int line)
{
    if (result == code && error->code == code && error->text[0] != '\0' && error->errnum != 0)
        return;
    fprintf(stderr, "%d: %s gave %d and not %d: %s\n", line, text, result, code, error->text);
    failures++;
}
#define FAILS(code, call)                                                                          \
    do {                                                                                           \
        hs_error error = HS_ERROR_INIT;                                                            \
        hs_error *e = &error;                                                                      \
        fails(call, code, &error, #call, __LINE__);                                                \
    } while (0)
#define SUCCEEDS(call)                                                                             \
    do {                                                                                           \
        hs_error error = HS_ERROR_INIT;                                                            \
        hs_error *e = &error;                                                                      \
        if (call) {                                                                                \
            fprintf(stderr, "%d: %s: %s\n", __LINE__, #call, error.text);                   \
            failures++;                                                                            \
        }                                                                                          \
    } while (0)

static inline char *in(const char *directory, const char *name)
{
    static char paths[8][4096];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, 4096, "%s/%s", directory, name);
    return path;
}

static inline void make(const char *path, const char *text)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0644);
    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

/* A store in a directory with files in it. */
struct place {
    const char *directory;
    int fd;
    hs_store *store;
    uint32_t filesystem;
};

static inline struct place begin(const char *directory, const char *name)
{
    struct place place = {.directory = strdup(in(directory, name))};
    CHECK(mkdir(place.directory, 0755) == 0);
    place.fd = open(place.directory, O_RDONLY | O_DIRECTORY);
    make(in(place.directory, "file"), "contents");
    SUCCEEDS(hs_store_open(in(place.directory, "store"), NULL, &place.store, e));
    SUCCEEDS(hs_attach(place.store, place.fd, &place.filesystem, e));
    return place;
}

static inline void end(struct place *place)
{
    hs_store_free(place->store);
    close(place->fd);
    free((char *)place->directory);
}

static inline uint64_t node_of(struct place *place, const char *name)
{
    hs_file file;
    hs_registration registration;
    SUCCEEDS(hs_file_at(place->fd, name, strlen(name), 0, &file, e));
    SUCCEEDS(hs_register(place->store, place->filesystem, &file, NULL, &registration, e));
    return registration.node;
}

#endif
