/* What the files of the threads that serve share: serving.c, waking.c, arrivals.c and pools.c. */
#ifndef HANDLEFS_SERVING_H
#define HANDLEFS_SERVING_H

#include "handlefs.h"

#define HIDDEN __attribute__((visibility("hidden")))

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/uio.h>

/* What the clock knows of a thread that may give way to its client (priority.c). */
struct priority {
    /* What the thread had counted at the last tick. */
    unsigned long served, of_others;
    /* How many good ticks there were in a row. */
    int good_ticks;
    /* How long the last pause was, how much is left of it, and for how long the thread has given way since, in
     * ticks. */
    int pause, pause_left, given;
    unsigned long looks, queues;
};

struct worker {
    pthread_t thread;
    struct serving *serving;
    /* The next thread of the same processor's queue, over io_uring. */
    struct worker *next;
    atomic_int id;
    /* Whether the thread waits for a request, or is about to. */
    atomic_int reading;
    /* How many requests of clients it has served, and how many of them another client had sent than the one
     * before; for a thread that reads from /dev/fuse, another thread may have served that one. */
    atomic_ulong served, of_others;
    /* How often it has looked whether another request waited, and how often one did; for threads that read from
     * /dev/fuse. */
    atomic_ulong looks, queues;
    /* Who sent the last one. */
    atomic_uint client;
    atomic_int gives_way;
    /* The processor to which the thread is tied while it gives way, -1 if it is not tied; and whether its client has
     * moved to one to which it cannot be tied. */
    atomic_int processor, is_left;
    struct priority priority; /* only the clock uses it; with rings, for the first thread of each queue */
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
    /* The threads that serve what comes over io_uring; NULL if nothing does. */
    struct rings *_Atomic rings;
    /* How many threads there are, how many of them park, and how many of those are being woken. */
    atomic_int count, parked, wakeups;
    int most, processors;
    /* On which processors threads may run; empty if the machine has too many for it. */
    cpu_set_t allowed;

    atomic_int stopping;
    /* How many threads are in read(2), or about to be. */
    atomic_int reading;
    /* Counts the requests that were read from /dev/fuse. */
    atomic_ulong requests;
    /* Which client sent the last one of a client. */
    atomic_uint client;
    /* Whether the clock stands still, because no request has come for a while. */
    atomic_int resting;
    int can_give_way;
};

/* Adds to a number that only this thread changes. */
static inline void add_to(atomic_ulong *count, unsigned long number)
{
    atomic_store_explicit(count, *count + number, memory_order_relaxed);
}

/* This thread, if it serves. */
HIDDEN extern _Thread_local struct worker *worker_of_thread;
/* The pool for which this thread works. */
HIDDEN extern _Thread_local struct serving *pool_of_thread;
#define pool (*pool_of_thread)

/* serving.c: starts a further thread, under the lock. Returns an error number. */
HIDDEN int start_worker(void);
/* Call it first in a thread that serves. */
HIDDEN void prepare_worker(struct worker *worker);
/* Counts a request of a client. `is_same`: whether the same client sent the one before. */
HIDDEN void note_client(struct worker *worker, uint32_t client, int is_same);
/* Waits until a thread has ended, after serving is to end. */
HIDDEN void join_worker(struct worker *worker);
/* Sends a reply to the request of this thread, or a notice; `parts` begin with struct fuse_out_header. */
HIDDEN long send_message(int fuse, const struct iovec *parts, int count);

/* rings.c */

/* Does ahead of time what start_rings() would do, except that the threads wait. */
HIDDEN void prepare_rings(int memory);
/* Starts the threads that serve over io_uring in the memory of hf_plan_ring(), unless that is empty.
 * Returns 0 or an error. */
HIDDEN int start_rings(int memory);
/* Gets at the requests that queued before. */
HIDDEN void go_on_with_rings(void);
/* Call it at each tick of the clock. Returns whether it has to be called at the next one, too. */
HIDDEN int tick_rings(void);
/* Waits until they have ended; returns the error of the last one that failed, 0 if the filesystem is gone,
 * or 1. */
HIDDEN int end_rings(void);
/* Gives their memory back, when nobody looks for the threads of this pool any more. */
HIDDEN void free_rings(void);
HIDDEN int is_of_rings(const struct rings *rings, int thread);

/* waking.c */

HIDDEN void wake_another(void);
HIDDEN void park(void);
HIDDEN void run_clock(void);
/* Call it when a request has come. */
HIDDEN void wake_clock(void);
HIDDEN void sleep_for(long nanoseconds);

/* arrivals.c */

/* How the requests come that a thread reads. */
struct arrivals {
    /* Whether the client that sent the last request sent the one before, too. */
    int are_of_one;
    /* Grows with each request of another client than the one before, and shrinks with each of the same. */
    int others;
    /* Whether the last request came soon after the reply to the one before. */
    int are_quick;
    /* How many there were, and how often in a row another one waited when the thread looked. */
    unsigned count, queues;
    /* Whether the last request came late, for a thread that gives way. `lateness` grows with each that does, and
     * shrinks with each that does not. */
    int is_late, lateness;
    /* How many requests it had served when it last looked where its client was. */
    unsigned long served;
};

/* Reads the next request. */
HIDDEN int next_request(struct worker *worker, struct arrivals *arrivals, struct fuse_buf *buffer);
/* Call it when a request has come. A thread that gives way then follows its client, if that has moved. */
HIDDEN void note_arrival(struct worker *worker, struct arrivals *arrivals);

/* pools.c */

HIDDEN void add_pool(struct serving *added);
HIDDEN void drop_pool(struct serving *dropped);
HIDDEN void stop_pool(struct serving *stopped);

#endif
