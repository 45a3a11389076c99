/* How a thread waits for its next request: it sleeps, or looks for it for a while. */
#include "serving.h"

#include <poll.h>
#include <time.h>

enum {
    /* For how long a thread looks for the next request before it sleeps. */
    LOOK_NANOSECONDS = 50000,
};

static long nanoseconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000L + time.tv_nsec;
}

int is_there(void)
{
    struct pollfd connection = {.fd = fuse_session_fd(pool.session), .events = POLLIN};
    return poll(&connection, 1, 0) != 0;
}

/* Reads the next request. Looks for it for a while before it sleeps, if it is likely to come soon and
 * no other thread waits for it. */
int next_request(struct arrivals *arrivals, struct fuse_buf *buffer)
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

void note_client(struct arrivals *arrivals, uint32_t client)
{
    /* The kernel's own requests, such as FORGET, have none. */
    if (!client)
        return;
    arrivals->are_of_one = client == arrivals->client;
    arrivals->client = client;
}
