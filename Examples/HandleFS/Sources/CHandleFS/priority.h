/* Which threads give way to their clients (priority.c). */
#ifndef HANDLEFS_PRIORITY_H
#define HANDLEFS_PRIORITY_H

#include "serving.h"

struct priority {
    /* What the thread had counted at the last tick. */
    unsigned long served, of_others;
    int gives_way;
    /* How many good ticks there were in a row. */
    int good_ticks;
    /* How long the last pause was, and how much is left of it, in ticks. */
    int pause, pause_left;
};

/* Whether the threads of this process can give way, and can take that back. */
HIDDEN int can_give_way(void);

HIDDEN void stop_giving_way(struct priority *priority, int thread);

/* Call it at each tick, for each thread. Returns whether the thread is to be looked at again at the next tick:
 * it has served requests or gives way. */
HIDDEN int update_priority(struct priority *priority, const struct worker *worker);

#endif
