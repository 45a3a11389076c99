/* What the files of the threads that serve share: serving.c, waking.c, arrivals.c and pools.c. */
#ifndef HANDLEFS_SERVING_H
#define HANDLEFS_SERVING_H

#include "handlefs.h"

#include <pthread.h>
#include <stdatomic.h>

#define HIDDEN __attribute__((visibility("hidden")))

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
HIDDEN extern _Thread_local struct serving *pool_of_thread;
#define pool (*pool_of_thread)

/* serving.c: starts a further thread, under the lock. Returns an error number. */
HIDDEN int start_worker(void);

/* waking.c */

HIDDEN void wake_another(void);
HIDDEN void park(void);
HIDDEN void run_clock(void);
HIDDEN void wake_clock(void);
HIDDEN void sleep_for(long nanoseconds);

/* arrivals.c */

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

HIDDEN int is_there(void);
HIDDEN int next_request(struct arrivals *arrivals, struct fuse_buf *buffer);
HIDDEN void note_client(struct arrivals *arrivals, uint32_t client);

/* pools.c */

HIDDEN void add_pool(struct serving *added);
HIDDEN void drop_pool(struct serving *dropped);
HIDDEN void stop_pool(struct serving *stopped);

#endif
