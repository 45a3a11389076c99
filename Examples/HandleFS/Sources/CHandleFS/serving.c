/* The threads that serve a session.
 *
 * One thread reads a request, answers it and reads the next. Waking another thread takes longer than
 * most requests, above all if that thread runs on another CPU. So others are woken only if requests
 * queue:
 * - If a thread reads several requests in a row, each of which leaves another one waiting, it wakes
 *   another thread, as long as there are processors for both.
 * - If all threads are at work on requests that take long, so that nobody reads, the clock wakes one.
 * If no queue has been seen for some requests, all but one park until they are woken.
 *
 * To be woken takes long, too. So a thread that serves one client which sends its requests in quick
 * succession does not sleep between them, but looks for the next one again and again for a short time. */
#define _GNU_SOURCE
#include "handlefs.h"
#include "result.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct worker {
    pthread_t thread;
    struct serving *serving;
    atomic_int id;
    /* Whether the thread is in read(2), or about to be. */
    atomic_int reading;
    atomic_int ended;
    int result;
};

/* The threads of one session. */
struct serving {
    struct serving *next;
    struct fuse_session *session;
    const struct hf_handlers *handlers;
    void *server;

    pthread_mutex_t lock;
    pthread_cond_t wanted; /* for parked threads */
    pthread_cond_t tick;   /* for the clock */
    struct worker *workers;
    atomic_int count, parked;
    int most, processors, wakeups;

    atomic_int stopping;
    /* How many threads are in read(2), or about to be. */
    atomic_int reading;
    /* Counts the requests that were read. */
    atomic_ulong requests;
    /* Whether the clock stands still, because no request has come for a while. */
    atomic_int resting;
};

/* The pool for which this thread works. */
static _Thread_local struct serving *pool_of_thread;
#define pool (*pool_of_thread)

/* All pools of this process, and whether serving is to end. */
static struct {
    pthread_mutex_t lock;
    struct serving *first;
    int ending;
} all = {.lock = PTHREAD_MUTEX_INITIALIZER};

enum {
    /* After so many requests in a row that left another one waiting, another thread helps. */
    BUSY = 4,
    /* After so many requests in a row without a queue, a thread parks if another one reads. */
    NEEDLESS = 32,
    /* For how long a thread looks for the next request before it sleeps. */
    LOOK_NANOSECONDS = 50000,
    TICK_NANOSECONDS = 2000000,
    /* After so many ticks without a request the clock rests. */
    TICKS_TO_REST = 20,
};

static _Thread_local const struct fuse_in_header *current;

const struct fuse_in_header *hf_request(void) { return current; }

/* Allocates room for the longest request, and populates it. If the process is killed while the
 * kernel copies a request to a page that is not there, the request fails and does not come
 * again. */
static void *request_memory(void)
{
    enum { SIZE = (1 << 20) + (1 << 16) };
    void *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    mlock(memory, SIZE);
    return memory;
}

static void *work(void *argument);

static int start_worker(void)
{
    struct worker *worker = &pool.workers[pool.count];
    worker->serving = &pool;
    int error = pthread_create(&worker->thread, NULL, work, worker);
    if (!error)
        pool.count++;
    return error;
}

/* Has one more thread read requests, if there is one left. */
static void wake_another(void)
{
    pthread_mutex_lock(&pool.lock);
    if (pool.parked > pool.wakeups) {
        pool.wakeups++;
        pthread_cond_signal(&pool.wanted);
    } else if (pool.count < pool.most && !pool.stopping) {
        start_worker();
    }
    pthread_mutex_unlock(&pool.lock);
}

static void park(void)
{
    pthread_mutex_lock(&pool.lock);
    pool.parked++;
    while (!pool.wakeups && !pool.stopping)
        pthread_cond_wait(&pool.wanted, &pool.lock);
    if (pool.wakeups)
        pool.wakeups--;
    pool.parked--;
    pthread_mutex_unlock(&pool.lock);
}

static void sleep_for(long nanoseconds)
{
    struct timespec time = {.tv_nsec = nanoseconds};
    nanosleep(&time, NULL);
}

/* Waits for the first request after `last`. */
static void rest(unsigned long last)
{
    pthread_mutex_lock(&pool.lock);
    pool.resting = 1;
    while (pool.resting && pool.requests == last && !pool.stopping)
        pthread_cond_wait(&pool.tick, &pool.lock);
    pool.resting = 0;
    pthread_mutex_unlock(&pool.lock);
}

/* Wakes another thread while all are at work on requests that take longer than a tick. Returns when
 * serving is to end. */
static void run_clock(void)
{
    unsigned long last = 0;
    for (int quiet = TICKS_TO_REST; !pool.stopping;) {
        if (quiet < TICKS_TO_REST)
            sleep_for(TICK_NANOSECONDS);
        else
            rest(last);
        unsigned long requests = pool.requests;
        int came = requests != last, is_read = pool.reading;
        if (!came && !is_read)
            wake_another();
        quiet = !came && is_read ? quiet + 1 : 0;
        last = requests;
    }
}

static void wake_clock(void)
{
    pthread_mutex_lock(&pool.lock);
    pthread_cond_signal(&pool.tick);
    pthread_mutex_unlock(&pool.lock);
}

static long nanoseconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000L + time.tv_nsec;
}

/* How the requests come that a thread reads. */
struct arrivals {
    /* Who sent the last request, and whether the same client sent the one before. */
    uint32_t client;
    int are_of_one;
    /* Whether the last request came soon after the reply to the one before. */
    int are_quick;
    /* How many requests in a row left another one waiting. */
    int busy;
};

static int is_there(void)
{
    struct pollfd connection = {.fd = fuse_session_fd(pool.session), .events = POLLIN};
    return poll(&connection, 1, 0) != 0;
}

/* Reads the next request. Looks for it for a while before it sleeps, if it is likely to come soon and
 * no other thread waits for it. */
static int next_request(struct arrivals *arrivals, struct fuse_buf *buffer)
{
    long start = nanoseconds();
    if (arrivals->are_quick && arrivals->are_of_one && pool.processors > 1)
        while (pool.reading == 1 && nanoseconds() - start < LOOK_NANOSECONDS && !is_there())
            ;
    int length = fuse_session_receive_buf(pool.session, buffer);
    arrivals->are_quick = nanoseconds() - start < LOOK_NANOSECONDS;
    arrivals->busy = is_there() ? arrivals->busy + 1 : 0;
    return length;
}

static void note_client(struct arrivals *arrivals, uint32_t client)
{
    /* The kernel's own requests, such as FORGET, have none. */
    if (!client)
        return;
    arrivals->are_of_one = client == arrivals->client;
    arrivals->client = client;
}

/* Reads and answers requests until serving is to end. Returns 1 then, or the result of the read that
 * ended it. */
static int serve(struct worker *worker, struct fuse_buf *buffer)
{
    struct arrivals arrivals = {0};
    int needless = 0;
    while (!pool.stopping) {
        /* It may take long, so the thread does not count as one that reads meanwhile. */
        if (!is_there())
            pool.handlers->idle(pool.server);
        worker->reading = 1;
        pool.reading++;
        int length = next_request(&arrivals, buffer);
        pool.reading--;
        worker->reading = 0;
        current = buffer->mem;
        if (length == -EINTR)
            continue;
        if (length <= 0)
            return length;
        if ((size_t)length < sizeof *current)
            return -EIO;
        pool.requests++;
        if (pool.resting && atomic_exchange(&pool.resting, 0))
            wake_clock();
        note_client(&arrivals, current->pid);
        if (arrivals.busy > BUSY && !pool.reading) {
            arrivals.busy = 0;
            if (pool.count - pool.parked < pool.processors)
                wake_another();
        }
        if (current->opcode == HF_TMPFILE || current->opcode == HF_STATX)
            pool.handlers->serve_unknown(pool.server, current);
        else
            fuse_session_process_buf(pool.session, buffer);
        needless = arrivals.busy > 1 ? 0 : needless + 1;
        if (needless > NEEDLESS && pool.reading) {
            needless = 0;
            park();
        }
    }
    return 1;
}

/* Has the threads of a pool end. Any thread. */
static void stop(struct serving *stopped)
{
    pthread_mutex_lock(&stopped->lock);
    stopped->stopping = 1;
    pthread_cond_broadcast(&stopped->wanted);
    pthread_cond_signal(&stopped->tick);
    pthread_mutex_unlock(&stopped->lock);
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    pool_of_thread = worker->serving;
    worker->id = gettid();
    struct fuse_buf buffer = {.mem = request_memory()};
    hf_prepare_thread();
    /* Whoever started this process may have blocked the signal by which the thread is ended. */
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGUSR1);
    pthread_sigmask(SIG_UNBLOCK, &ending, NULL);
    worker->result = buffer.mem ? serve(worker, &buffer) : -ENOMEM;
    if (worker->result <= 0)
        stop(&pool);
    worker->ended = 1;
    return NULL;
}

static void nothing(int signal) { (void)signal; }

/* Waits for all started threads; returns the error of the last one that failed, or 1. */
static int join_workers(void)
{
    int answer = 1;
    for (int i = 0; i < pool.count; i++) {
        /* A signal may have come just before the read that it was to interrupt, so repeat it. */
        while (!pool.workers[i].ended) {
            if (pool.workers[i].reading)
                pthread_kill(pool.workers[i].thread, SIGUSR1);
            sleep_for(1000000);
        }
        pthread_join(pool.workers[i].thread, NULL);
        if (pool.workers[i].result <= 0)
            answer = pool.workers[i].result;
    }
    return answer;
}

static void add(struct serving *added)
{
    pthread_mutex_lock(&all.lock);
    added->next = all.first;
    all.first = added;
    added->stopping = all.ending;
    pthread_mutex_unlock(&all.lock);
}

static void drop(struct serving *dropped)
{
    pthread_mutex_lock(&all.lock);
    struct serving **place = &all.first;
    while (*place != dropped)
        place = &(*place)->next;
    *place = dropped->next;
    pthread_mutex_unlock(&all.lock);
}

/* Serves with the pool of this thread. */
static int serve_with_pool(void)
{
    cpu_set_t processors; /* Too small for a machine with more than 1,024. */
    pool.processors = sched_getaffinity(0, sizeof processors, &processors)
                          ? (int)sysconf(_SC_NPROCESSORS_ONLN)
                          : CPU_COUNT(&processors);
    /* The signal interrupts a read that waits, when it is sent to the reading thread. */
    struct sigaction action = {.sa_handler = nothing};
    sigaction(SIGUSR1, &action, NULL);
    add(&pool);
    pthread_mutex_lock(&pool.lock);
    int error = start_worker();
    pthread_mutex_unlock(&pool.lock);
    if (error)
        stop(&pool);
    run_clock();
    int answer = join_workers();
    drop(&pool);
    return error ? -error : answer;
}

int hf_serve(struct fuse_session *session, int threads, const struct hf_handlers *handlers,
             void *server)
{
    if (threads < 1)
        return -EINVAL;
    struct serving own = {.session = session, .handlers = handlers, .server = server,
                       .most = threads, .lock = PTHREAD_MUTEX_INITIALIZER,
                       .wanted = PTHREAD_COND_INITIALIZER, .tick = PTHREAD_COND_INITIALIZER};
    own.workers = calloc((size_t)threads, sizeof *own.workers);
    if (!own.workers)
        return -ENOMEM;
    pool_of_thread = &own;
    int answer = serve_with_pool();
    pool_of_thread = NULL;
    free(own.workers);
    return answer;
}

void hf_stop(void)
{
    pthread_mutex_lock(&all.lock);
    all.ending = 1;
    for (struct serving *each = all.first; each; each = each->next)
        stop(each);
    pthread_mutex_unlock(&all.lock);
}

/* Returns the session that a thread serves; NULL if it serves none. */
static const struct fuse_session *session_of(int thread)
{
    const struct fuse_session *found = NULL;
    pthread_mutex_lock(&all.lock);
    for (struct serving *each = all.first; each; each = each->next)
        for (int i = 0; i < each->count; i++)
            if (each->workers[i].id == thread)
                found = each->session;
    pthread_mutex_unlock(&all.lock);
    return found;
}

int hf_works_for(const struct fuse_session *session, int thread)
{
    if (thread <= 0) /* one that this process cannot see */
        return 0;
    const struct fuse_session *found = session_of(thread);
    return found ? found == session : !tgkill(getpid(), thread, 0);
}
