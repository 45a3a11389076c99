/* The threads of a session that serve requests over io_uring, one for each slot. */
#define _GNU_SOURCE
#include "priority.h"
#include "ring.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct ring_worker {
    struct worker worker;
    struct io_uring ring;
    int is_made;
    unsigned number;
};

struct rings {
    struct area *area;
    /* Which nothing is ever submitted to: see ring.c. */
    struct io_uring unused;
    atomic_uint count;
    /* How many of the threads have their entry in the kernel's queue, or are about to answer a request that
     * the last server left, by which they get it. */
    atomic_uint begun;
    struct ring_worker workers[];
};

static void *work(void *argument)
{
    struct ring_worker *own = argument;
    prepare_worker(&own->worker);
    struct rings *rings = pool.rings;
    own->worker.result = serve_slot(
        &own->worker, &own->ring, &own->is_made, own->number, rings->area, rings->unused.ring_fd);
    if (own->worker.result <= 0)
        stop_pool(&pool);
    own->worker.ended = 1;
    return NULL;
}

void note_begun(void) { pool.rings->begun++; }

static int make_rings(struct area *area)
{
    unsigned count = area->queues * area->depth;
    struct rings *rings = calloc(1, sizeof *rings + count * sizeof *rings->workers);
    if (!rings)
        return -ENOMEM;
    rings->area = area;
    int error = io_uring_queue_init(1, &rings->unused, 0);
    if (error)
        free(rings);
    else
        pool.rings = rings;
    return error;
}

int start_rings(int memory)
{
    struct area *area;
    int error = map_area(memory, &area);
    if (error || !area)
        return error;
    error = make_rings(area);
    if (error) {
        unmap_area(area);
        return error;
    }
    struct rings *rings = pool.rings;
    for (unsigned i = 0; i < area->queues * area->depth && !error; i++) {
        struct ring_worker *own = &rings->workers[i];
        own->number = i;
        own->worker.serving = &pool;
        error = -pthread_create(&own->worker.thread, NULL, work, own);
        rings->count += !error;
    }
    return error;
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
    for (unsigned i = 0; rings && i < rings->count; i++)
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
