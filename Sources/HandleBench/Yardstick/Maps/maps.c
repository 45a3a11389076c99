#define _GNU_SOURCE
#include "maps.h"

#include "engine.h"
#include "yardstick.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct engine *const engines[] = {
    [MAPS_LMDB] = &lmdb_engine, [MAPS_SQLITE] = &sqlite_engine, [MAPS_ROCKSDB] = &rocksdb_engine,
    [MAPS_MDBX] = &mdbx_engine, [MAPS_TABLE] = &table_engine,
};

static const struct engine *map;

int load_library(const char *const *libraries, const char *const *names, void **functions)
{
    void *library = NULL;
    for (; *libraries && !library; libraries++)
        library = dlopen(*libraries, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return ENOENT;
    for (int i = 0; names[i]; i++)
        if (!(functions[i] = dlsym(library, names[i])))
            return ENOSYS;
    return 0;
}

static int64_t failed(int code) { return code > 0 ? -code : code; }

int maps_is_installed(int engine) { return engines[engine]->load() == 0; }

int64_t maps_open(int engine, int directory, int flush)
{
    map = engines[engine];
    int rc = map->load();
    return failed(rc ? rc : map->open(directory, flush));
}

void maps_close(void) { map->close(); }

static void make_row(int numbering, uint64_t n, struct row *row)
{
    uint64_t inode = maps_inode(numbering, n);
    *row = (struct row){
        .node = n + 2,
        .key = {0, 1},
        .record = {1ull << 32, 0, 1 | 8ull << 16 | 1ull << 20 | 8ull << 24, inode | 7ull << 32},
    };
    for (int i = 0; i < 8; i++)
        row->key[2 + i] = (uint8_t)(inode >> (56 - 8 * i));
}

static int put_in_turn(int numbering, uint64_t first, uint64_t count)
{
    int rc = 0;
    for (uint64_t n = first; n < first + count && !rc; n++) {
        struct row row;
        make_row(numbering, n, &row);
        rc = map->put_key(&row);
        if (!rc)
            rc = map->put_record(&row);
    }
    return rc;
}

static int by_key(const void *a, const void *b)
{
    return memcmp(((const struct row *)a)->key, ((const struct row *)b)->key, sizeof ((struct row *)0)->key);
}

static int put_sorted(int numbering, uint64_t first, uint64_t count)
{
    struct row row, *rows = malloc(count * sizeof *rows);
    int rc = 0;
    if (!rows)
        return ENOMEM;
    for (uint64_t i = 0; i < count; i++)
        make_row(numbering, first + i, &rows[i]);
    qsort(rows, count, sizeof *rows, by_key);
    for (uint64_t i = 0; i < count && !rc; i++)
        rc = map->put_key(&rows[i]);
    free(rows);
    for (uint64_t n = first; n < first + count && !rc; n++) {
        make_row(numbering, n, &row);
        rc = map->put_record(&row);
    }
    return rc;
}

int64_t maps_register(int numbering, uint64_t first, uint64_t count, uint64_t batch, int sorted, int sample)
{
    if (sample)
        start_sampling((count + batch - 1) / batch);
    uint64_t start = now(), last = start;
    for (uint64_t n = first; n < first + count; n += batch) {
        uint64_t rest = first + count - n, size = rest < batch ? rest : batch;
        int rc = map->begin(1);
        if (rc)
            return failed(rc);
        rc = sorted ? put_sorted(numbering, n, size) : put_in_turn(numbering, n, size);
        if (rc)
            map->end();
        else
            rc = map->commit();
        if (rc)
            return failed(rc);
        if (sample) {
            uint64_t t = now();
            take_sample(t - last);
            last = t;
        }
    }
    return (int64_t)(now() - start);
}

static int get_many(uint64_t nodes, uint64_t count, int sample, uint64_t *sum)
{
    uint64_t last = now(), record[6];
    for (uint64_t i = 0; i < count; i++) {
        int rc = map->get(2 + ys_random(i) % nodes, record);
        if (rc)
            return rc;
        *sum += record[3];
        if (sample) {
            uint64_t t = now();
            take_sample(t - last);
            last = t;
        }
    }
    return 0;
}

int64_t maps_get(uint64_t nodes, uint64_t count, int sample)
{
    uint64_t sum = 0;
    if (sample)
        start_sampling(count);
    int rc = map->begin(0);
    if (rc)
        return failed(rc);
    uint64_t start = now();
    rc = get_many(nodes, count, sample, &sum);
    uint64_t took = now() - start;
    map->end();
    if (rc)
        return failed(rc);
    /* The records have been read: a compiler must not leave that out. */
    return sum == 1 ? -EIO : (int64_t)took;
}

int64_t maps_reopen(int engine, int directory, int flush, uint64_t node)
{
    uint64_t start = now(), record[6];
    int64_t rc = maps_open(engine, directory, flush);
    if (rc)
        return rc;
    int code = map->begin(0);
    if (!code) {
        code = map->get(node, record);
        map->end();
    }
    maps_close();
    return code ? failed(code) : (int64_t)(now() - start);
}

int64_t maps_memory(void) { return (int64_t)table_memory(); }

int64_t maps_disk_use(int directory)
{
    int copy = openat(directory, ".", O_RDONLY | O_CLOEXEC);
    DIR *entries = copy < 0 ? NULL : fdopendir(copy);
    int64_t blocks = 0;
    if (!entries)
        return -errno;
    for (struct dirent *entry; (entry = readdir(entries));) {
        struct stat status;
        if (fstatat(directory, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode))
            blocks += status.st_blocks;
    }
    closedir(entries);
    return blocks * 512;
}
