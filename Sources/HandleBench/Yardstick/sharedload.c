#define _GNU_SOURCE
#include "sharedload.h"
#include "cpostgres.h"
#include "maps.h"

#include <endian.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* One for each thread, in pipeline mode, and one more for the schema. */
static PGconn *connections[SHAREDLOAD_THREADS + 1];
static PGconn **const owner = connections + SHAREDLOAD_THREADS;
static char message[1024];

static uint64_t *samples;
static uint64_t sample_room;

uint64_t sharedload_sample(uint64_t index) { return samples[index]; }
int sharedload_message(int index)
{
    return index < (int)sizeof message ? (unsigned char)message[index] : 0;
}

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int64_t failed(PGconn *connection)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&lock);
    snprintf(message, sizeof message, "%s", connection ? PQerrorMessage(connection) : "no memory");
    pthread_mutex_unlock(&lock);
    return -1;
}

/* Takes the results up to that of the pipeline's end. Returns whether each is good. */
static int receive(PGconn *connection)
{
    int done = 1;
    for (;;) {
        PGresult *result = PQgetResult(connection);
        ExecStatusType status = PQresultStatus(result);
        if (!result && PQstatus(connection) != CONNECTION_OK)
            return 0;
        int is_end = result && status == PGRES_PIPELINE_SYNC;
        int is_good = status == PGRES_COMMAND_OK || (status == PGRES_TUPLES_OK && PQntuples(result) == 1);
        if (result && !is_end && !is_good) {
            if (done && status != PGRES_PIPELINE_ABORTED)
                failed(connection);
            done = 0;
        }
        PQclear(result);
        if (is_end)
            return done;
    }
}

static int finish(PGconn *connection) { return PQpipelineSync(connection) && receive(connection); }

static int64_t execute(const char *sql)
{
    int done = PQsendPrepare(*owner, "", sql, 0, NULL) &&
               PQsendQueryPrepared(*owner, "", 0, NULL, NULL, NULL, 1) && finish(*owner);
    return done ? 0 : -1;
}

static void ignore(void *argument, const PGresult *notice)
{
    (void)argument;
    (void)notice;
}

static int64_t open_connection(PGconn **made, const char *conninfo)
{
    const char *keywords[] = { "dbname", NULL }, *values[] = { conninfo, NULL };
    PGconn *connection = *made = PQconnectStartParams(keywords, values, 1);
    if (!connection)
        return failed(connection);
    PQsetNoticeReceiver(connection, ignore, NULL);
    for (PostgresPollingStatusType state = PGRES_POLLING_WRITING; state != PGRES_POLLING_OK;) {
        if (state == PGRES_POLLING_FAILED || PQstatus(connection) == CONNECTION_BAD)
            return failed(connection);
        struct pollfd ready = { .fd = PQsocket(connection),
                                .events = state == PGRES_POLLING_READING ? POLLIN : POLLOUT };
        poll(&ready, 1, -1);
        state = PQconnectPoll(connection);
    }
    return PQenterPipelineMode(connection) ? 0 : failed(connection);
}

static int64_t connect_all(const char *conninfo)
{
    const char *problem = cpostgres_load();
    if (problem) {
        snprintf(message, sizeof message, "%s", problem);
        return -1;
    }
    for (int i = 0; i <= SHAREDLOAD_THREADS; i++)
        if (open_connection(&connections[i], conninfo))
            return -1;
    return 0;
}

static void disconnect_all(void)
{
    for (int i = 0; i <= SHAREDLOAD_THREADS; i++) {
        if (connections[i])
            PQfinish(connections[i]);
        connections[i] = NULL;
    }
}

int64_t sharedload_open(int descriptor)
{
    char conninfo[4096];
    size_t length = 0;
    for (;;) {
        ssize_t got = read(descriptor, conninfo + length, sizeof conninfo - 1 - length);
        if (got <= 0)
            break;
        length += (size_t)got;
    }
    conninfo[length] = 0;
    if (!connect_all(conninfo) && !execute("CREATE SCHEMA handlebench"))
        return 0;
    disconnect_all();
    return -1;
}

int64_t sharedload_close(void)
{
    int64_t result = execute("DROP SCHEMA handlebench CASCADE");
    disconnect_all();
    free(samples);
    samples = NULL;
    sample_room = 0;
    return result;
}

enum { PUT_NODE, PUT_KEY, FIND, GET, SET_STALE, DELETE_KEY, STATEMENTS };

/* The first parameter is the node's number, the second is its handle or its key. */
static const struct {
    const char *name, *sql;
    int has_id, has_bytes;
} statements[STATEMENTS] = {
    [PUT_NODE] = { "put_node",
                   "INSERT INTO yardstick_node (id, since, version, handle_type, type, filesystem, state, handle) "
                   "VALUES ($1, 1, 1, 1, 32768, 1, 1, $2)",
                   1, 1 },
    [PUT_KEY] = { "put_key", "INSERT INTO yardstick_key (node, key, is_alias) VALUES ($1, $2, false)", 1, 1 },
    [FIND] = { "find",
               "SELECT n.* FROM yardstick_key k JOIN yardstick_node n ON n.id = k.node WHERE k.key = $1", 0, 1 },
    [GET] = { "get", "SELECT * FROM yardstick_node WHERE id = $1", 1, 0 },
    [SET_STALE] = { "set_stale", "UPDATE yardstick_node SET state = 2, version = version + 1 WHERE id = $1", 1, 0 },
    [DELETE_KEY] = { "delete_key", "DELETE FROM yardstick_key WHERE key = $1", 0, 1 },
};

static int64_t prepare(PGconn *connection)
{
    enum { INT8 = 20, BYTEA = 17 };
    for (int i = 0; i < STATEMENTS; i++) {
        Oid types[2] = { statements[i].has_id ? INT8 : BYTEA, BYTEA };
        int count = statements[i].has_id + statements[i].has_bytes;
        if (!PQsendPrepare(connection, statements[i].name, statements[i].sql, count, types))
            return failed(connection);
    }
    return finish(connection) ? 0 : -1;
}

int64_t sharedload_create_tables(void)
{
    if (execute("CREATE TABLE yardstick_node (LIKE handlestore_node INCLUDING ALL)") ||
        execute("CREATE TABLE yardstick_key (LIKE handlestore_key INCLUDING ALL)"))
        return -1;
    for (int i = 0; i < SHAREDLOAD_THREADS; i++)
        if (prepare(connections[i]))
            return -1;
    return 0;
}

/* Sends a statement about file number `n`, whose node has the same number. */
static int send_one(PGconn *connection, int statement, uint64_t n)
{
    uint64_t id = htobe64(n), inode = htobe64(maps_inode(MAPS_SCATTERED, n));
    char handle[12] = "gen", key[19] = "i\0\1";
    memcpy(handle + 4, &inode, 8);
    memcpy(key + 3, &inode, 8);
    int is_node = statement == PUT_NODE, has_id = statements[statement].has_id;
    const char *bytes = is_node ? handle : key;
    int size = is_node ? (int)sizeof handle : (int)sizeof key;
    const char *values[2] = { has_id ? (const char *)&id : bytes, bytes };
    int lengths[2] = { has_id ? 8 : size, size }, formats[2] = { 1, 1 };
    int count = has_id + statements[statement].has_bytes;
    return PQsendQueryPrepared(connection, statements[statement].name, count, values, lengths, formats, 1);
}

static int send_work(PGconn *connection, enum sharedload_work work, uint64_t n)
{
    switch (work) {
    case SHAREDLOAD_REGISTER: return send_one(connection, PUT_NODE, n) && send_one(connection, PUT_KEY, n);
    case SHAREDLOAD_FIND: return send_one(connection, FIND, n);
    case SHAREDLOAD_GET: return send_one(connection, GET, n);
    case SHAREDLOAD_RETIRE: return send_one(connection, SET_STALE, n) && send_one(connection, DELETE_KEY, n);
    }
    return 0;
}

struct worker {
    pthread_t thread;
    enum sharedload_work work;
    uint64_t first, count, batch;
    int number, threads, failed;
};

static void *run_worker(void *argument)
{
    struct worker *w = argument;
    PGconn *connection = connections[w->number];
    uint64_t batches = (w->count + w->batch - 1) / w->batch;
    for (uint64_t i = (uint64_t)w->number; i < batches; i += (uint64_t)w->threads) {
        uint64_t start = now(), end = (i + 1) * w->batch < w->count ? (i + 1) * w->batch : w->count;
        int ok = 1;
        for (uint64_t n = i * w->batch; ok && n < end; n++)
            ok = send_work(connection, w->work, w->first + n);
        if (!ok || !finish(connection)) {
            w->failed = 1;
            return NULL;
        }
        samples[i] = now() - start;
    }
    return NULL;
}

int64_t sharedload_run(enum sharedload_work work, uint64_t first, uint64_t count, uint64_t batch, int threads)
{
    struct worker workers[SHAREDLOAD_THREADS];
    if (count > sample_room) {
        free(samples);
        samples = malloc(count * sizeof *samples);
        sample_room = count;
    }
    uint64_t start = now();
    for (int i = 0; i < threads; i++) {
        workers[i] = (struct worker){ .work = work, .first = first, .count = count, .batch = batch, .number = i,
                                      .threads = threads };
        if (pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]))
            abort();
    }
    int64_t result = 0;
    for (int i = 0; i < threads; i++) {
        pthread_join(workers[i].thread, NULL);
        if (workers[i].failed)
            result = -1;
    }
    return result ? result : (int64_t)(now() - start);
}
