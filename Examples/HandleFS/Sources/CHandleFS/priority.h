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

/* Has this thread, which gives way, run where its client runs now. Returns whether the client had moved, and this
 * has worked. */
HIDDEN int follow_client(struct worker *worker);

/* Call it at each tick, for each thread, or for the first thread of each processor's queue. `follows`: whether a
 * thread that gives way is to run on its client's processor, wherever that is. Returns whether to call it at the
 * next tick even if no request comes: some have come, or a thread gives way. */
HIDDEN int update_priority(struct worker *first, int follows);

#endif
