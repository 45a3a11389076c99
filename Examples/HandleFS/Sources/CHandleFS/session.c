/* The session with the kernel, and the threads that serve it. */
#define _GNU_SOURCE
#include "handlefs.h"
#include "result.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct fuse_session *hf_session(const struct fuse_lowlevel_ops *operations, void *server, int fuse)
{
    char *arguments[] = {"handlefs", NULL};
    struct fuse_args args = FUSE_ARGS_INIT(1, arguments);
    struct fuse_session *session = fuse_session_new(&args, operations, sizeof *operations, server);
    fuse_opt_free_args(&args);
    if (!session)
        return NULL;
    char path[32];
    snprintf(path, sizeof path, "/dev/fd/%d", fuse);
    if (fuse_session_mount(session, path)) {
        fuse_session_destroy(session);
        return NULL;
    }
    return session;
}

/* Whether an INIT request is complete: its header, and the fields that the oldest kernel sent. */
static int is_init(size_t length)
{
    return length >= sizeof(struct fuse_in_header) + offsetof(struct fuse_init_in, max_readahead);
}

int hf_take_init(struct fuse_session *session, void *message, size_t length)
{
    if (!is_init(length))
        return -EINVAL;
    struct fuse_buf buffer = {.mem = message, .size = length};
    fuse_session_process_buf(session, &buffer);
    return 0;
}

/* struct fuse_init_out of Linux 6.15. */
struct init_reply {
    struct fuse_out_header header;
    struct {
        uint32_t major, minor, max_readahead, flags;
        uint16_t max_background, congestion_threshold;
        uint32_t max_write, time_gran;
        uint16_t max_pages, map_alignment;
        uint32_t flags2, max_stack_depth;
        uint16_t request_timeout, unused[11];
    } body;
};

int hf_answer_init(int fuse, const void *message, size_t length, const struct hf_wishes *wishes)
{
    const struct fuse_in_header *header = message;
    struct fuse_init_in in = {0};
    if (!is_init(length))
        return -EINVAL;
    size_t size = length - sizeof *header;
    memcpy(&in, header + 1, size < sizeof in ? size : sizeof in);
    uint32_t wanted = FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_EXPORT_SUPPORT | FUSE_DONT_MASK |
                      FUSE_AUTO_INVAL_DATA | FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO |
                      FUSE_ASYNC_DIO | FUSE_PARALLEL_DIROPS | FUSE_POSIX_ACL | FUSE_MAX_PAGES |
                      FUSE_HANDLE_KILLPRIV_V2 | FUSE_INIT_EXT;
    struct init_reply reply = {
        .header = {.len = sizeof reply, .unique = header->unique},
        .body = {
            .major = FUSE_KERNEL_VERSION,
            .minor = FUSE_KERNEL_MINOR_VERSION,
            .max_readahead = in.max_readahead,
            .flags = in.flags & wanted,
            .max_background = wishes->max_background,
            .congestion_threshold = wishes->congestion_threshold,
            .max_write = 1 << 20,
            .time_gran = 1,
            .max_pages = 256,
        },
    };
    reply.body.flags2 = in.flags & FUSE_INIT_EXT ? in.flags2 & wishes->features : 0;
    if (reply.body.flags2 & HF_PASSTHROUGH)
        reply.body.max_stack_depth = 1;
    if (reply.body.flags2 & HF_REQUEST_TIMEOUT)
        reply.body.request_timeout = wishes->request_timeout;
    long written = write(fuse, &reply, sizeof reply);
    return written < 0 ? -errno : (int)reply.body.flags2;
}

int hf_resend(int fuse)
{
    struct fuse_out_header notice = {.len = sizeof notice, .error = 7 /* FUSE_NOTIFY_RESEND */};
    long written = write(fuse, &notice, sizeof notice);
    return written < 0 ? -errno : 0;
}

int hf_prune(int fuse, const uint64_t *nodes, size_t count)
{
    enum { MOST = 512 };
    count = count < MOST ? count : MOST;
    struct {
        struct fuse_out_header header;
        uint32_t count, padding;
        uint64_t spare;
        uint64_t nodes[MOST];
    } notice = {.header = {.error = 9 /* FUSE_NOTIFY_PRUNE */}, .count = (uint32_t)count};
    memcpy(notice.nodes, nodes, count * sizeof *nodes);
    notice.header.len = (uint32_t)(sizeof notice - sizeof notice.nodes + count * sizeof *nodes);
    return (int)result(write(fuse, &notice, notice.header.len));
}

static _Thread_local const struct fuse_in_header *current;

const struct fuse_in_header *hf_request(void) { return current; }

struct worker {
    pthread_t thread;
    struct fuse_session *session;
    /* Whether the thread is in read(2), or about to be. */
    atomic_int reading;
    atomic_int ended;
    int result;
};

static hf_handler serve_unknown;
static void *server_of_unknown;

int hf_reply(int fuse, const struct fuse_in_header *request, int error, const void *body,
             size_t length)
{
    struct fuse_out_header header = {
        .len = (uint32_t)(sizeof header + length),
        .error = -error,
        .unique = request->unique,
    };
    struct iovec parts[] = {
        {.iov_base = &header, .iov_len = sizeof header},
        {.iov_base = (void *)body, .iov_len = length},
    };
    return (int)result(writev(fuse, parts, 2));
}

int hf_fill_statx(int fd, uint64_t inode, struct hf_statx_reply *reply)
{
    struct statx status;
    _Static_assert(sizeof status == sizeof reply->status, "struct statx");
    if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &status))
        return -errno;
    memset(reply, 0, sizeof *reply);
    status.stx_ino = inode;
    memcpy(reply->status, &status, sizeof status);
    return status.stx_mode;
}

/* The threads that serve. Only a few wait in read(2): the kernel wakes the waiting threads in
 * turn, and each has to load its data into the CPU's cache anew. The others wait here until all
 * those few are at work. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t wanted, ending;
    struct worker *workers;
    int count, reading, stopping;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .wanted = PTHREAD_COND_INITIALIZER,
          .ending = PTHREAD_COND_INITIALIZER};

enum { MOST_READING = 2 };

/* Waits for a turn to read; returns 0 if serving is to end. */
static int begin_reading(void)
{
    pthread_mutex_lock(&pool.lock);
    while (pool.reading >= MOST_READING && !pool.stopping)
        pthread_cond_wait(&pool.wanted, &pool.lock);
    pool.reading++;
    int goes_on = !pool.stopping;
    pthread_mutex_unlock(&pool.lock);
    return goes_on;
}

static void end_reading(void)
{
    pthread_mutex_lock(&pool.lock);
    if (--pool.reading == 0)
        pthread_cond_signal(&pool.wanted);
    pthread_mutex_unlock(&pool.lock);
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

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct fuse_buf buffer = {.mem = request_memory()};
    hf_prepare_thread();
    /* Whoever started this process may have blocked the signal by which the thread is ended. */
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGUSR1);
    pthread_sigmask(SIG_UNBLOCK, &ending, NULL);
    worker->result = buffer.mem ? 1 : -ENOMEM;
    if (!buffer.mem)
        hf_stop();
    while (begin_reading()) {
        worker->reading = 1;
        int length = fuse_session_receive_buf(worker->session, &buffer);
        worker->reading = 0;
        current = buffer.mem;
        if (length > 0 && (size_t)length < sizeof *current)
            length = -EIO;
        /* Process it before letting another thread read: nothing waits for its result, so it is
         * not worth waking one. */
        int is_forget = length > 0 && (current->opcode == FUSE_FORGET ||
                                       current->opcode == FUSE_BATCH_FORGET);
        if (is_forget)
            fuse_session_process_buf(worker->session, &buffer);
        end_reading();
        if (is_forget || length == -EINTR)
            continue;
        if (length <= 0) {
            worker->result = length;
            hf_stop();
            break;
        }
        if (current->opcode == HF_TMPFILE || current->opcode == HF_STATX)
            serve_unknown(server_of_unknown, current);
        else
            fuse_session_process_buf(worker->session, &buffer);
    }
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
            struct timespec moment = {.tv_nsec = 1000000};
            nanosleep(&moment, NULL);
        }
        pthread_join(pool.workers[i].thread, NULL);
        if (pool.workers[i].result <= 0)
            answer = pool.workers[i].result;
    }
    return answer;
}

int hf_serve(struct fuse_session *session, int threads, hf_handler handler, void *server)
{
    if (threads < 1)
        return -EINVAL;
    serve_unknown = handler;
    server_of_unknown = server;
    /* The signal interrupts a read that waits, when it is sent to the reading thread. */
    struct sigaction action = {.sa_handler = nothing};
    sigaction(SIGUSR1, &action, NULL);
    pool.workers = calloc((size_t)threads, sizeof *pool.workers);
    if (!pool.workers)
        return -ENOMEM;
    int error = 0;
    while (pool.count < threads && !error) {
        struct worker *worker = &pool.workers[pool.count];
        worker->session = session;
        error = pthread_create(&worker->thread, NULL, work, worker);
        if (!error)
            pool.count++;
    }
    if (error)
        hf_stop();
    pthread_mutex_lock(&pool.lock);
    while (!pool.stopping)
        pthread_cond_wait(&pool.ending, &pool.lock);
    pthread_mutex_unlock(&pool.lock);
    int answer = join_workers();
    free(pool.workers);
    pool.workers = NULL;
    pool.count = 0;
    return error ? -error : answer;
}

void hf_stop(void)
{
    pthread_mutex_lock(&pool.lock);
    pool.stopping = 1;
    pthread_cond_broadcast(&pool.wanted);
    pthread_cond_broadcast(&pool.ending);
    pthread_mutex_unlock(&pool.lock);
}
