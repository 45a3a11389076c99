/* When threads that serve are woken, and when they park (serving.c says why). */
#include "priority.h"

#include <time.h>

enum {
    TICK_NANOSECONDS = 2000000,
    /* After so many ticks without a request the clock rests. */
    TICKS_TO_REST = 20,
};

/* Has one more thread read requests, if there is one left. */
void wake_another(void)
{
    pthread_mutex_lock(&pool.lock);
    if (pool.parked > pool.wakeups) {
        pool.wakeups++;
        pthread_cond_signal(&pool.wanted);
    } else if (pool.count < pool.most && !pool.stopping) {
        start_worker();
    }
    pthread_mutex_unlock(&pool.lock);
}

void park(void)
{
    pthread_mutex_lock(&pool.lock);
    pool.parked++;
    while (!pool.wakeups && !pool.stopping)
        pthread_cond_wait(&pool.wanted, &pool.lock);
    /* In this order, so that others never count too few threads that are awake. */
    pool.parked--;
    if (pool.wakeups)
        pool.wakeups--;
    pthread_mutex_unlock(&pool.lock);
}

void sleep_for(long nanoseconds)
{
    struct timespec time = {.tv_nsec = nanoseconds};
    nanosleep(&time, NULL);
}

/* Waits for the first request after `last`. */
static void rest(unsigned long last)
{
    pthread_mutex_lock(&pool.lock);
    pool.resting = 1;
    while (pool.resting && pool.requests == last && !pool.stopping)
        pthread_cond_wait(&pool.tick, &pool.lock);
    pool.resting = 0;
    pthread_mutex_unlock(&pool.lock);
}

static int update_priorities(void)
{
    int are_busy = 0;
    for (int i = 0; i < pool.count; i++)
        are_busy |= update_priority(&pool.workers[i], 1);
    return are_busy;
}

/* Wakes another thread while all are at work on requests that take longer than a tick, and looks after the
 * threads of rings. Returns when serving is to end. */
void run_clock(void)
{
    unsigned long last = 0;
    for (int quiet = TICKS_TO_REST; !pool.stopping;) {
        if (quiet < TICKS_TO_REST)
            sleep_for(TICK_NANOSECONDS);
        else
            rest(last);
        unsigned long requests = pool.requests;
        int came = requests != last, is_read = pool.reading;
        int are_busy = pool.can_give_way && (update_priorities() | tick_rings());
        if (!came && !is_read)
            wake_another();
        quiet = !came && is_read && !are_busy ? quiet + 1 : 0;
        last = requests;
    }
}

void wake_clock(void)
{
    if (!pool.resting || !atomic_exchange(&pool.resting, 0))
        return;
    pthread_mutex_lock(&pool.lock);
    pthread_cond_signal(&pool.tick);
    pthread_mutex_unlock(&pool.lock);
}
