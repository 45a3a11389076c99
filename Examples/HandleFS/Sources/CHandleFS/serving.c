/* The threads that serve a session.
 *
 * One thread reads a request, answers it and reads the next. Waking another thread takes longer than
 * most requests, above all if that thread runs on another CPU. So others are woken only if there is
 * work for them:
 * - If a thread sees several times in a row that another request waits, it wakes another thread, as long as
 *   there are processors for both.
 * - If several clients send requests, a thread that finds nobody reading wakes another one, until as many are
 *   awake as there are processors, and those do not park. Then a client and the thread that serves it often run
 *   on the same processor.
 * - If all threads are at work on requests that take long, so that nobody reads, the clock wakes one.
 * Otherwise, if no queue has been seen for some requests, all but one park until they are woken.
 *
 * To be woken takes long, too. So a thread that serves one client which sends its requests in quick
 * succession does not sleep between them, but looks for the next one again and again for a short time, and
 * soon runs on the client's processor instead (priority.c). */
#define _GNU_SOURCE
#include "priority.h"
#include "ring.h"

#include "result.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

_Thread_local struct worker *worker_of_thread;
_Thread_local struct serving *pool_of_thread;

enum {
    /* If another request waited so often in a row when a thread looked, another thread helps. */
    BUSY = 2,
    /* After so many requests in a row without a queue, a thread parks if another one reads. */
    NEEDLESS = 32,
    /* Each request of another client than the one before adds OTHERS, each of the same takes 1 away; above MIXED
     * there are several clients. */
    OTHERS = 8,
    MIXED = 32,
};

static _Thread_local const struct fuse_in_header *current;
/* Where the request is, if it came over io_uring. */
static _Thread_local struct slot *current_slot;

const struct fuse_in_header *hf_request(void) { return current; }

int hf_leaves_a_processor(void) { return pool.processors > 1 && !worker_of_thread->gives_way; }

long send_message(int fuse, const struct iovec *parts, int count)
{
    const struct fuse_out_header *header = parts[0].iov_base;
    /* A notice has no number. An INTERRUPT that comes too late is answered by libfuse within the next
     * request, and has a number of its own. */
    if (!current_slot || (header->unique & ~HF_RESENT) != current_slot->headers.id)
        return result(writev(fuse, parts, count));
    put_reply(current_slot, parts, count);
    return header->len;
}

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

/* What hf_prepare() has allocated. */
static void *prepared;

void hf_prepare(int rings)
{
    prepare_rings(rings);
    prepared = request_memory();
}

static void process(struct fuse_buf *buffer)
{
    current = buffer->mem;
    if (current->opcode == HF_TMPFILE || current->opcode == HF_STATX)
        pool.handlers->serve_unknown(pool.server, current);
    else
        fuse_session_process_buf(pool.session, buffer);
}

void process_in(struct slot *slot)
{
    enum { NOTIFY_REPLY = 41 };
    struct fuse_buf buffer = {.mem = request_of(slot), .size = slot->length};
    const struct fuse_in_header *header = buffer.mem;
    current_slot = slot;
    if (header->opcode != NOTIFY_REPLY)
        process(&buffer);
    if (slot->answered != slot->headers.id)
        hf_reply(-1, header, header->opcode == NOTIFY_REPLY ? 0 : EIO, NULL, 0);
    current_slot = NULL;
}

void note_client(struct worker *worker, uint32_t client, int is_same)
{
    add_to(&worker->served, 1);
    add_to(&worker->of_others, !is_same);
    if (client != worker->client)
        atomic_store_explicit(&worker->client, client, memory_order_relaxed);
}

/* The same for a request that was read from /dev/fuse. */
static void note_sender(struct worker *worker, struct arrivals *arrivals, uint32_t client)
{
    int is_same = client == pool.client;
    if (!is_same)
        pool.client = client;
    note_client(worker, client, is_same);
    arrivals->are_of_one = is_same;
    if (!is_same && arrivals->others < 2 * MIXED)
        arrivals->others += OTHERS;
    else if (is_same && arrivals->others)
        arrivals->others--;
}

/* Whether there are processors for the threads that are awake and for so many more. */
static int leaves_room(int more) { return pool.count - pool.parked + pool.wakeups + more <= pool.processors; }

/* Reads and answers requests until serving is to end. Returns 1 then, or the result of the read that
 * ended it. */
static int serve(struct worker *worker, struct fuse_buf *buffer)
{
    struct arrivals arrivals = {0};
    int needless = 0;
    while (!pool.stopping) {
        worker->reading = 1;
        pool.reading++;
        int length = next_request(worker, &arrivals, buffer);
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
        wake_clock();
        /* The kernel's own requests, such as FORGET, come from nobody. */
        if (current->pid)
            note_sender(worker, &arrivals, current->pid);
        note_arrival(worker, &arrivals);
        int are_several = arrivals.others > MIXED;
        /* If the thread gives way, the clock has it stop that first. */
        if ((arrivals.queues >= BUSY || are_several) && !pool.reading && !worker->gives_way) {
            arrivals.queues = 0;
            if (leaves_room(1)) {
                arrivals.others = 0;
                wake_another();
            }
        }
        process(buffer);
        needless = arrivals.queues || (are_several && leaves_room(0)) ? 0 : needless + 1;
        if (needless > NEEDLESS && pool.reading) {
            needless = 0;
            park();
        }
    }
    return 1;
}

void prepare_worker(struct worker *worker)
{
    worker_of_thread = worker;
    pool_of_thread = worker->serving;
    worker->id = gettid();
    hf_prepare_thread();
    /* Whoever started this process may have blocked the signal by which the thread is ended. */
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGUSR1);
    pthread_sigmask(SIG_UNBLOCK, &ending, NULL);
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    prepare_worker(worker);
    struct fuse_buf buffer = {.mem = __atomic_exchange_n(&prepared, NULL, __ATOMIC_RELAXED)};
    if (!buffer.mem)
        buffer.mem = request_memory();
    worker->result = buffer.mem ? serve(worker, &buffer) : -ENOMEM;
    if (worker->result <= 0)
        stop_pool(&pool);
    worker->ended = 1;
    return NULL;
}

int start_worker(void)
{
    struct worker *worker = &pool.workers[pool.count];
    worker->serving = &pool;
    pthread_attr_t attributes;
    int error = make_attributes(&attributes);
    if (error)
        return error;
    error = pthread_create(&worker->thread, &attributes, work, worker);
    pthread_attr_destroy(&attributes);
    /* A cpuset may allow none of the processors any more, so that the thread runs on others. */
    if (error == EINVAL)
        error = pthread_create(&worker->thread, NULL, work, worker);
    if (!error)
        pool.count++;
    return error;
}

static void nothing(int signal) { (void)signal; }

void join_worker(struct worker *worker)
{
    /* A signal may have come just before the call that it was to interrupt, so repeat it. */
    while (!worker->ended) {
        if (worker->reading)
            pthread_kill(worker->thread, SIGUSR1);
        sleep_for(1000000);
    }
    pthread_join(worker->thread, NULL);
}

/* Waits for all started threads; returns the error of the last one that failed, or 1. */
static int join_workers(void)
{
    int answer = 1;
    for (int i = 0; i < pool.count; i++) {
        join_worker(&pool.workers[i]);
        if (pool.workers[i].result <= 0)
            answer = pool.workers[i].result;
    }
    return answer;
}

/* Serves with the pool of this thread. */
static int serve_with_pool(int rings)
{
    int all = (int)sysconf(_SC_NPROCESSORS_ONLN);
    pool.processors = sched_getaffinity(0, sizeof pool.allowed, &pool.allowed) ? all : CPU_COUNT(&pool.allowed);
    /* Also on those that come later; the kernel leaves out the others. */
    if (pool.processors == all && CPU_COUNT(&pool.allowed))
        memset(&pool.allowed, 0xff, sizeof pool.allowed);
    /* The signal interrupts a read that waits, when it is sent to the reading thread. */
    struct sigaction action = {.sa_handler = nothing};
    sigaction(SIGUSR1, &action, NULL);
    add_pool(&pool);
    pool.can_give_way = can_give_way();
    int error = -start_rings(rings);
    pthread_mutex_lock(&pool.lock);
    if (!error)
        error = start_worker();
    pthread_mutex_unlock(&pool.lock);
    if (error)
        stop_pool(&pool);
    go_on_with_rings();
    run_clock();
    /* Nobody looks after them any more, and they have to end. */
    for (int i = 0; i < pool.count; i++)
        stop_giving_way(&pool.workers[i]);
    int of_rings = end_rings(), answer = join_workers();
    if (of_rings < answer)
        answer = of_rings;
    drop_pool(&pool);
    free_rings();
    return error ? -error : answer;
}

int hf_serve(struct fuse_session *session, int threads, int rings, const struct hf_handlers *handlers,
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
    int answer = serve_with_pool(rings);
    pool_of_thread = NULL;
    free(own.workers);
    return answer;
}
