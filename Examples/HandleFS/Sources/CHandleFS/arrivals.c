/* How a thread waits for its next request: it sleeps, or looks for it for a while. */
#include "serving.h"

#include <poll.h>
#include <time.h>

enum {
    /* For how long a thread looks for the next request before it sleeps. */
    LOOK_NANOSECONDS = 50000,
    /* After so many requests, it looks whether another one waits, and then at each until none does. */
    EACH = 4,
};

static long nanoseconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000L + time.tv_nsec;
}

static int is_there(void)
{
    struct pollfd connection = {.fd = fuse_session_fd(pool.session), .events = POLLIN};
    return poll(&connection, 1, 0) != 0;
}

static void look_for_request(long start)
{
    while (pool.reading == 1 && nanoseconds() - start < LOOK_NANOSECONDS && !is_there())
        ;
}

/* Reads the next request. Looks for it for a while before it sleeps, if it is likely to come soon and
 * no other thread waits for it. */
static int look_and_read(struct arrivals *arrivals, struct fuse_buf *buffer)
{
    long start = nanoseconds();
    if (arrivals->are_quick)
        look_for_request(start);
    int length = fuse_session_receive_buf(pool.session, buffer);
    arrivals->are_quick = nanoseconds() - start < LOOK_NANOSECONDS;
    return length;
}

int next_request(struct worker *worker, struct arrivals *arrivals, struct fuse_buf *buffer)
{
    int length;
    /* A thread that gives way would keep its client from the processor. */
    if (arrivals->are_of_one && !worker->gives_way && pool.processors > 1) {
        length = look_and_read(arrivals, buffer);
    } else {
        arrivals->are_quick = 0;
        length = fuse_session_receive_buf(pool.session, buffer);
    }
    if (arrivals->queues || ++arrivals->count % EACH == 0) {
        arrivals->queues = is_there() ? arrivals->queues + 1 : 0;
        add_to(&worker->looks, 1);
        add_to(&worker->queues, arrivals->queues > 0);
    }
    return length;
}
