/* The threads of a session that serve requests over io_uring, one for each slot. */
#define _GNU_SOURCE
#include "priority.h"
#include "ring.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct ring_worker {
    struct worker worker;
    struct rings *rings;
    struct io_uring ring;
    int is_made;
    unsigned number;
};

struct rings {
    struct area *area;
    /* Which nothing is ever submitted to: see ring.c. */
    struct io_uring unused;
    /* Whether the threads have a pool for which they work: they may be started ahead of time. */
    pthread_mutex_t lock;
    pthread_cond_t begins;
    int have_pool;
    atomic_uint count;
    /* How many of the threads have their entry in the kernel's queue, or are about to answer a request that
     * the last server left, by which they get it. */
    atomic_uint begun;
    struct ring_worker workers[];
};

static void wait_for_pool(struct rings *rings)
{
    pthread_mutex_lock(&rings->lock);
    while (!rings->have_pool)
        pthread_cond_wait(&rings->begins, &rings->lock);
    pthread_mutex_unlock(&rings->lock);
}

static void *work(void *argument)
{
    struct ring_worker *own = argument;
    struct rings *rings = own->rings;
    unsigned processor = own->number / rings->area->depth;
    int error = prepare_ring(&own->ring, processor);
    wait_for_pool(rings);
    /* That may have been long ago. */
    if (error)
        error = prepare_ring(&own->ring, processor);
    own->is_made = !error;
    hf_set_name("handlefs-serve");
    prepare_worker(&own->worker);
    own->worker.result =
        error ? error : serve_slot(&own->worker, &own->ring, own->number, rings->area, rings->unused.ring_fd);
    if (own->worker.result <= 0)
        stop_pool(&pool);
    own->worker.ended = 1;
    return NULL;
}

void note_begun(void) { pool.rings->begun++; }

static int make_rings(struct area *area, struct rings **made)
{
    unsigned count = area->queues * area->depth;
    struct rings *rings = calloc(1, sizeof *rings + count * sizeof *rings->workers);
    if (!rings)
        return -ENOMEM;
    rings->area = area;
    for (unsigned i = 0; i + 1 < count; i++)
        if ((i + 1) % area->depth)
            rings->workers[i].worker.next = &rings->workers[i + 1].worker;
    pthread_mutex_init(&rings->lock, NULL);
    pthread_cond_init(&rings->begins, NULL);
    int error = io_uring_queue_init(1, &rings->unused, 0);
    if (error)
        free(rings);
    else
        *made = rings;
    return error;
}

/* Starts those threads that are not there yet. Returns 0 or an error. */
static int start_threads(struct rings *rings)
{
    int error = 0;
    while (rings->count < rings->area->queues * rings->area->depth && !error) {
        struct ring_worker *own = &rings->workers[rings->count];
        own->number = rings->count;
        own->rings = rings;
        error = -pthread_create(&own->worker.thread, NULL, work, own);
        rings->count += !error;
    }
    return error;
}

/* What prepare_rings() has made. */
static struct rings *prepared;

void prepare_rings(int memory)
{
    struct area *area = prepare_area(memory);
    if (area && !make_rings(area, &prepared))
        start_threads(prepared);
}

int start_rings(int memory)
{
    struct area *area;
    struct rings *rings;
    int error = map_area(memory, &area);
    if (error || !area)
        return error;
    if (prepared && prepared->area == area)
        rings = prepared;
    else
        error = make_rings(area, &rings);
    if (error) {
        unmap_area(area);
        return error;
    }
    if (rings == prepared)
        prepared = NULL;
    for (unsigned i = 0; i < area->queues * area->depth; i++)
        rings->workers[i].worker.serving = &pool;
    pool.rings = rings;
    pthread_mutex_lock(&rings->lock);
    rings->have_pool = 1;
    pthread_cond_broadcast(&rings->begins);
    pthread_mutex_unlock(&rings->lock);
    return start_threads(rings);
}

void go_on_with_rings(void)
{
    struct rings *rings = pool.rings;
    if (!rings || rings->area->servers == 1)
        return;
    while (rings->begun < rings->count && !pool.stopping)
        sleep_for(100000);
    draw_queued(rings->area);
}

int tick_rings(void)
{
    struct rings *rings = pool.rings;
    int are_busy = 0;
    for (unsigned i = 0; rings && i < rings->count; i += rings->area->depth)
        are_busy |= update_priority(&rings->workers[i].worker, 0);
    return are_busy;
}

void note_request(void)
{
    if (pool.can_give_way)
        wake_clock();
}

int end_rings(void)
{
    struct rings *rings = pool.rings;
    int answer = 1;
    /* Nobody looks after them any more, and they have to end. */
    for (unsigned i = 0; rings && i < rings->count; i++)
        stop_giving_way(&rings->workers[i].worker);
    for (unsigned i = 0; rings && i < rings->count; i++) {
        join_worker(&rings->workers[i].worker);
        if (rings->workers[i].worker.result <= 0)
            answer = rings->workers[i].worker.result;
        if (rings->workers[i].is_made)
            io_uring_queue_exit(&rings->workers[i].ring);
    }
    return answer;
}

void free_rings(void)
{
    struct rings *rings = pool.rings;
    if (!rings)
        return;
    io_uring_queue_exit(&rings->unused);
    unmap_area(rings->area);
    free(rings);
}

int is_of_rings(const struct rings *rings, int thread)
{
    for (unsigned i = 0; rings && i < rings->count; i++)
        if (rings->workers[i].worker.id == thread)
            return 1;
    return 0;
}
