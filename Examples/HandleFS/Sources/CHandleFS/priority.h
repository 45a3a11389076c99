/* Which threads give way to their clients (priority.c). */
#ifndef HANDLEFS_PRIORITY_H
#define HANDLEFS_PRIORITY_H

#include "serving.h"

/* Whether the threads of this process can give way, and can take that back. */
HIDDEN int can_give_way(void);

HIDDEN void stop_giving_way(struct worker *worker);

/* Makes the attributes of a new thread, which is not to inherit how a thread that gives way runs. Returns an
 * error number. */
HIDDEN int make_attributes(pthread_attr_t *attributes);

/* Call it at each tick, for each thread. `follows`: whether a thread that gives way is to run on its client's
 * processor, wherever that is. Returns whether the thread is to be looked at again at the next tick: it has
 * served requests or gives way. */
HIDDEN int update_priority(struct worker *worker, int follows);

#endif
