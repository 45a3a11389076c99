/* SQLite, loaded if it is there. What it declares in sqlite3.h is repeated here, so that a build does not
 * need it. */
#include "engine.h"

#include <stdio.h>
#include <string.h>

enum { ROW = 100, DONE = 101, PREPARE_PERSISTENT = 1 };

static struct {
    int (*open)(const char *path, void **db);
    int (*close)(void *db);
    int (*exec)(void *db, const char *sql, void *callback, void *argument, char **message);
    int (*prepare_v3)(void *db, const char *sql, int length, unsigned flags, void **statement, const char **tail);
    int (*finalize)(void *statement);
    int (*bind_int64)(void *statement, int index, int64_t value);
    int (*bind_blob)(void *statement, int index, const void *bytes, int length, void (*destructor)(void *));
    int (*step)(void *statement);
    int (*reset)(void *statement);
    const void *(*column_blob)(void *statement, int column);
} sqlite;

static void *db, *insert_inode, *insert_node, *select_node;

static int load(void)
{
    static const char *const libraries[] = {"libsqlite3.so.0", "libsqlite3.so", NULL};
    static const char *const names[] = {
        "sqlite3_open", "sqlite3_close", "sqlite3_exec", "sqlite3_prepare_v3", "sqlite3_finalize",
        "sqlite3_bind_int64", "sqlite3_bind_blob", "sqlite3_step", "sqlite3_reset", "sqlite3_column_blob",
        NULL,
    };
    return sqlite.column_blob ? 0 : load_library(libraries, names, (void **)&sqlite);
}

static int run(const char *sql) { return sqlite.exec(db, sql, NULL, NULL, NULL); }

static int prepare(const char *sql, void **statement)
{
    return sqlite.prepare_v3(db, sql, -1, PREPARE_PERSISTENT, statement, NULL);
}

static int prepare_all(void)
{
    int rc = prepare("INSERT INTO inodes VALUES (?, ?)", &insert_inode);
    if (!rc)
        rc = prepare("INSERT INTO nodes VALUES (?, ?)", &insert_node);
    if (!rc)
        rc = prepare("SELECT record FROM nodes WHERE node = ?", &select_node);
    return rc;
}

static int open(int directory, int flush)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d/map.db", directory);
    int rc = sqlite.open(path, &db);
    if (!rc)
        rc = run(flush ? "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL"
                       : "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF");
    if (!rc)
        rc = run("PRAGMA cache_size=-262144;"
                 "CREATE TABLE IF NOT EXISTS inodes (key BLOB PRIMARY KEY, node INTEGER) WITHOUT ROWID;"
                 "CREATE TABLE IF NOT EXISTS nodes (node INTEGER PRIMARY KEY, record BLOB)");
    return rc ? rc : prepare_all();
}

static int begin(int write)
{
    (void)write;
    return run("BEGIN");
}

static int step(void *statement)
{
    int rc = sqlite.step(statement);
    sqlite.reset(statement);
    return rc == DONE ? 0 : rc;
}

static int put_key(const struct row *row)
{
    sqlite.bind_blob(insert_inode, 1, row->key, sizeof row->key, NULL);
    sqlite.bind_int64(insert_inode, 2, (int64_t)row->node);
    return step(insert_inode);
}

static int put_record(const struct row *row)
{
    sqlite.bind_int64(insert_node, 1, (int64_t)row->node);
    sqlite.bind_blob(insert_node, 2, row->record, sizeof row->record, NULL);
    return step(insert_node);
}

static int commit(void) { return run("COMMIT"); }

static int get(uint64_t node, uint64_t record[6])
{
    sqlite.bind_int64(select_node, 1, (int64_t)node);
    int rc = sqlite.step(select_node);
    if (rc == ROW)
        memcpy(record, sqlite.column_blob(select_node, 0), sizeof(uint64_t[6]));
    sqlite.reset(select_node);
    return rc == ROW ? 0 : rc;
}

static void end(void) { run("ROLLBACK"); }

static void close(void)
{
    sqlite.finalize(insert_inode);
    sqlite.finalize(insert_node);
    sqlite.finalize(select_node);
    sqlite.close(db);
}

const struct engine sqlite_engine = {load, open, begin, put_key, put_record, commit, get, end, close};
