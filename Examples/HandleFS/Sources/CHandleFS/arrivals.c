/* How a thread waits for its next request: it sleeps, or looks for it for a while. */
#include "priority.h"

#include <poll.h>
#include <time.h>

enum {
    /* For how long a thread looks for the next request before it sleeps. */
    LOOK_NANOSECONDS = 50000,
    /* After so many requests, it looks whether another one waits, and then at each until none does, unless it gives
     * way: then it wakes nobody. */
    EACH = 4,
    /* A thread that gives way gets the next request at once if its client runs on the same processor. If more than
     * one in FEW + 1 has taken longer, it looks where the client is. */
    AT_ONCE_NANOSECONDS = 8000,
    FEW = 4,
    /* If the client is there, or has moved again within so many requests, the thread looks again only after so
     * many more have taken longer. */
    SOON = 8,
    PATIENCE = 8,
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

/* Reads the next request for a thread that gives way. */
static int read_and_time(struct arrivals *arrivals, struct fuse_buf *buffer)
{
    long start = nanoseconds();
    int length = fuse_session_receive_buf(pool.session, buffer);
    arrivals->is_late = nanoseconds() - start >= AT_ONCE_NANOSECONDS;
    return length;
}

void note_arrival(struct worker *worker, struct arrivals *arrivals)
{
    if (!worker->gives_way)
        return;
    if (!arrivals->is_late) {
        arrivals->lateness -= arrivals->lateness > 0;
    } else if ((arrivals->lateness += FEW) > FEW) {
        unsigned long since = worker->served - arrivals->served;
        arrivals->served = worker->served;
        arrivals->lateness = follow_client(worker) && since > SOON ? 0 : -FEW * PATIENCE;
    }
}

int next_request(struct worker *worker, struct arrivals *arrivals, struct fuse_buf *buffer)
{
    int length;
    arrivals->is_late = 0;
    /* A thread that gives way does not look for a request: it would keep its client from the processor. */
    if (worker->gives_way) {
        arrivals->are_quick = 0;
        length = read_and_time(arrivals, buffer);
    } else if (arrivals->are_of_one && pool.processors > 1) {
        length = look_and_read(arrivals, buffer);
    } else {
        arrivals->are_quick = 0;
        length = fuse_session_receive_buf(pool.session, buffer);
    }
    if ((arrivals->queues && !worker->gives_way) || ++arrivals->count % EACH == 0) {
        arrivals->queues = is_there() ? arrivals->queues + 1 : 0;
        add_to(&worker->looks, 1);
        add_to(&worker->queues, arrivals->queues > 0);
    }
    return length;
}
