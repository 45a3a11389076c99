/* Has threads that serve over io_uring give way to their clients (SCHED_IDLE).
 *
 * A reply wakes the client while the server's thread still runs on the client's processor. So the kernel looks
 * for an idle one and moves the client there, which takes longer than most requests do, above all on a virtual
 * machine. But a processor that runs nothing but SCHED_IDLE threads counts as idle, so the client stays.
 *
 * Beside any other program that computes, such a thread gets next to no time. So a thread gives way only while
 * it serves many requests of one client, and the clock looks at it at every tick. If it has served few since the
 * last tick, it does not give way any more; and if that was because it got no processor, or if it has several
 * clients, it will not for some time. */
#define _GNU_SOURCE
#include "priority.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    /* In a good tick, a thread serves so many requests, and no more than one in so many comes from another
     * client than the one before. */
    MANY = 8,
    /* After so many good ticks in a row, one more has the thread give way. */
    FEW = 3,
    /* For how many ticks a thread does not give way after that has gone wrong: twice as many each time. */
    FIRST_PAUSE = 64,
    LONGEST_PAUSE = 8192,
    /* After so many good ticks in a row, the next pause is the first again. */
    ALL_WELL = 512,
};

static int set_policy(int thread, int policy)
{
    struct sched_param none = {0};
    return sched_setscheduler(thread, policy, &none);
}

static void *try_both(void *can)
{
    *(int *)can = sched_getscheduler(0) == SCHED_OTHER && !set_policy(0, SCHED_IDLE) &&
                  !set_policy(0, SCHED_OTHER);
    return NULL;
}

int can_give_way(void)
{
    /* Without CAP_SYS_NICE there is no way back. In a user namespace a process may have it and may not use
     * it, so this is tried with a thread that ends. */
    int can = 0;
    pthread_t thread;
    if (hf_has_capability(CAP_SYS_NICE) && !pthread_create(&thread, NULL, try_both, &can))
        pthread_join(thread, NULL);
    return can;
}

/* Whether a thread would run if it had a processor. */
static int is_runnable(int thread)
{
    char path[64], text[256];
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", thread);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 1; /* It may. */
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    text[length > 0 ? length : 0] = 0;
    const char *name_end = strrchr(text, ')');
    return name_end && !strncmp(name_end, ") R", 3);
}

void stop_giving_way(struct priority *priority, int thread)
{
    if (priority->gives_way && !set_policy(thread, SCHED_OTHER))
        priority->gives_way = 0;
}

/* Does not have the thread give way for a while: longer than the last time, unless that is long ago. */
static void pause_giving_way(struct priority *priority)
{
    int pause = priority->pause ? priority->pause * 2 : FIRST_PAUSE;
    priority->pause = priority->pause_left = pause < LONGEST_PAUSE ? pause : LONGEST_PAUSE;
}

int update_priority(struct priority *priority, const struct worker *worker)
{
    unsigned long came = worker->served - priority->served;
    unsigned long of_others = worker->of_others - priority->of_others;
    priority->served += came;
    priority->of_others += of_others;
    int has_others = of_others * MANY > came;
    priority->good_ticks = came >= MANY && !has_others ? priority->good_ticks + 1 : 0;
    if (priority->pause_left) {
        priority->pause_left--;
    } else if (priority->gives_way && !priority->good_ticks) {
        if (has_others || is_runnable(worker->id))
            pause_giving_way(priority);
        stop_giving_way(priority, worker->id);
    } else if (!priority->gives_way && priority->good_ticks > FEW) {
        priority->gives_way = !set_policy(worker->id, SCHED_IDLE);
    } else if (priority->good_ticks > ALL_WELL) {
        priority->pause = 0;
    }
    return came || priority->gives_way;
}
