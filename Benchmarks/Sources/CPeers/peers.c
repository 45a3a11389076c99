#include "peers.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

static sqlite3 *db;
static sqlite3_stmt *put_inode, *put_node, *get_node;

static int prepare(const char *sql, sqlite3_stmt **statement)
{
    return sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
}

int peers_sqlite_open(int directory)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d/peer.db", directory);
    int rc = sqlite3_open(path, &db);
    if (!rc)
        rc = sqlite3_exec(db,
                          "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
                          "PRAGMA cache_size=-262144;"
                          "CREATE TABLE IF NOT EXISTS inodes"
                          " (key BLOB PRIMARY KEY, node INTEGER) WITHOUT ROWID;"
                          "CREATE TABLE IF NOT EXISTS nodes (node INTEGER PRIMARY KEY, record BLOB);",
                          NULL, NULL, NULL);
    if (!rc)
        rc = prepare("INSERT INTO inodes VALUES (?, ?)", &put_inode);
    if (!rc)
        rc = prepare("INSERT INTO nodes VALUES (?, ?)", &put_node);
    if (!rc)
        rc = prepare("SELECT record FROM nodes WHERE node = ?", &get_node);
    return rc;
}

void peers_sqlite_close(void)
{
    sqlite3_finalize(put_inode);
    sqlite3_finalize(put_node);
    sqlite3_finalize(get_node);
    sqlite3_close(db);
}

static int step(sqlite3_stmt *statement)
{
    int rc = sqlite3_step(statement);
    sqlite3_reset(statement);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int put_one(uint64_t n)
{
    uint64_t inode = peers_inode(n), record[6] = {1ull << 32, 0, 1, inode};
    uint8_t key[10] = {0, 1};
    for (int i = 0; i < 8; i++)
        key[2 + i] = (uint8_t)(inode >> (56 - 8 * i));
    sqlite3_bind_blob(put_inode, 1, key, sizeof key, SQLITE_STATIC);
    sqlite3_bind_int64(put_inode, 2, (sqlite3_int64)(n + 2));
    int rc = step(put_inode);
    if (rc)
        return rc;
    sqlite3_bind_int64(put_node, 1, (sqlite3_int64)(n + 2));
    sqlite3_bind_blob(put_node, 2, record, sizeof record, SQLITE_STATIC);
    return step(put_node);
}

int peers_sqlite_register(uint64_t first, uint64_t count, uint64_t batch)
{
    int rc = SQLITE_OK;
    for (uint64_t n = first; n < first + count && !rc; n++) {
        if ((n - first) % batch == 0)
            rc = sqlite3_exec(db, "BEGIN", NULL, NULL, NULL);
        if (!rc)
            rc = put_one(n);
        if (!rc && ((n - first) % batch == batch - 1 || n == first + count - 1))
            rc = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    }
    return rc;
}

int peers_sqlite_get(uint64_t nodes, uint64_t count)
{
    uint64_t record[6], sum = 0, x = 1;
    for (uint64_t i = 0; i < count; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        sqlite3_bind_int64(get_node, 1, (sqlite3_int64)(2 + (x >> 33) % nodes));
        if (sqlite3_step(get_node) != SQLITE_ROW)
            return SQLITE_NOTFOUND;
        memcpy(record, sqlite3_column_blob(get_node, 0), sizeof record);
        sum += record[3];
        sqlite3_reset(get_node);
    }
    return sum == 1;
}
