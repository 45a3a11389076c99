/* How a new server fetches the requests that queued while there was none: it draws them.
 *
 * The kernel hands out a request that has queued only when another one of the same processor's queue is
 * committed. So the server makes the kernel send requests that ask for nothing. */
#define _GNU_SOURCE
#include "ring.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Has the kernel send a request that the server ignores (FUSE_NOTIFY_RETRIEVE of no bytes) to the queue of
 * this processor. Returns 0 if the kernel does not know the node as a regular file. */
static int retrieve(int fuse, uint64_t node, uint64_t number)
{
    struct {
        struct fuse_out_header header;
        struct fuse_notify_retrieve_out body;
    } notice = {
        .header = {.len = sizeof notice, .error = FUSE_NOTIFY_RETRIEVE},
        .body = {.notify_unique = number, .nodeid = node},
    };
    return write(fuse, &notice, sizeof notice) >= 0;
}

/* Draws as many requests from the queue of this processor as there are slots. `node` is the next one to
 * try. Returns 0 if the kernel knows no regular file. */
static int draw_here(const struct area *area, uint64_t *number, const uint64_t **node, const uint64_t *end)
{
    int fuse = fuse_session_fd(pool.session);
    for (unsigned i = 0; i < area->depth; i++) {
        while (*node < end && !retrieve(fuse, **node, *number))
            ++*node;
        if (*node == end)
            return 0;
        *number += 2;
    }
    return 1;
}

/* Draws from all queues. `number` is that of the next request. Returns 0 if the kernel knows no regular
 * file. */
static int draw(const struct area *area, uint64_t *number)
{
    enum { MOST = 4096 };
    uint64_t nodes[MOST];
    const uint64_t *node = nodes, *end = nodes + pool.handlers->known(pool.server, nodes, MOST);
    cpu_set_t before;
    int is_known = !sched_getaffinity(0, sizeof before, &before), drawn = is_known;
    for (unsigned i = 0; i < area->queues && drawn; i++) {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(i, &one);
        if (!sched_setaffinity(0, sizeof one, &one))
            drawn = draw_here(area, number, &node, end);
    }
    if (is_known)
        sched_setaffinity(0, sizeof before, &before);
    return drawn;
}

void draw_queued(const struct area *area)
{
    /* To start another process takes longer than to wait until the kernel knows a file, which it often does
     * soon. */
    enum { TRIES = 5 };
    /* No other request has such a number. */
    uint64_t number = 1ull << 62 | (uint64_t)area->servers << 32;
    for (int i = 0; i < TRIES; i++) {
        if (pool.stopping || draw(area, &number))
            return;
        sleep_for(1000000L << i);
    }
    pool.handlers->draw(pool.server, area->queues, area->depth);
}

/* MARK: From another process */

struct caller {
    pthread_t thread;
    unsigned processor, count;
    int mount;
};

static void *call(void *argument)
{
    struct caller *caller = argument;
    int processor = (int)caller->processor;
    struct statfs status;
    if (!hf_use_processors(&processor, 1))
        for (unsigned i = 0; i < caller->count; i++)
            fstatfs(caller->mount, &status);
    return NULL;
}

int hf_send_requests(int mount, unsigned processors, unsigned count)
{
    struct caller *callers = calloc(processors, sizeof *callers);
    if (!callers)
        return -ENOMEM;
    unsigned started = 0;
    for (; started < processors; started++) {
        callers[started] = (struct caller){.processor = started, .count = count, .mount = mount};
        if (pthread_create(&callers[started].thread, NULL, call, &callers[started]))
            break;
    }
    for (unsigned i = 0; i < started; i++)
        pthread_join(callers[i].thread, NULL);
    free(callers);
    return 0;
}
