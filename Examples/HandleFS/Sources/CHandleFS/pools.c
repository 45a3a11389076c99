/* The pools of threads of this process: one for each session. */
#define _GNU_SOURCE
#include "serving.h"

#include <signal.h>
#include <unistd.h>

/* All pools of this process, and whether serving is to end. */
static struct {
    pthread_mutex_t lock;
    struct serving *first;
    int ending;
} all = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Has the threads of a pool end. Any thread. */
void stop_pool(struct serving *stopped)
{
    pthread_mutex_lock(&stopped->lock);
    stopped->stopping = 1;
    pthread_cond_broadcast(&stopped->wanted);
    pthread_cond_signal(&stopped->tick);
    pthread_mutex_unlock(&stopped->lock);
}

void add_pool(struct serving *added)
{
    pthread_mutex_lock(&all.lock);
    added->next = all.first;
    all.first = added;
    added->stopping = all.ending;
    pthread_mutex_unlock(&all.lock);
}

void drop_pool(struct serving *dropped)
{
    pthread_mutex_lock(&all.lock);
    struct serving **place = &all.first;
    while (*place != dropped)
        place = &(*place)->next;
    *place = dropped->next;
    pthread_mutex_unlock(&all.lock);
}

void hf_stop(void)
{
    pthread_mutex_lock(&all.lock);
    all.ending = 1;
    for (struct serving *each = all.first; each; each = each->next)
        stop_pool(each);
    pthread_mutex_unlock(&all.lock);
}

/* Returns the session that a thread serves; NULL if it serves none. */
static const struct fuse_session *session_of(int thread)
{
    const struct fuse_session *found = NULL;
    pthread_mutex_lock(&all.lock);
    for (struct serving *each = all.first; each; each = each->next) {
        for (int i = 0; i < each->count; i++)
            if (each->workers[i].id == thread)
                found = each->session;
        if (is_of_rings(each->rings, thread))
            found = each->session;
    }
    pthread_mutex_unlock(&all.lock);
    return found;
}

int hf_works_for(const struct fuse_session *session, int thread)
{
    if (thread <= 0) /* one that this process cannot see */
        return 0;
    const struct fuse_session *found = session_of(thread);
    return found ? found == session : !tgkill(getpid(), thread, 0);
}
