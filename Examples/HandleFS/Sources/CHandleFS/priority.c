/* Has threads that serve give way to their clients (SCHED_IDLE).
 *
 * A reply wakes the client while the server's thread still runs on the client's processor. So the kernel looks
 * for an idle one and moves the client there, which takes longer than most requests do, above all on a virtual
 * machine. But a processor that runs nothing but SCHED_IDLE threads counts as idle, so the client stays. A
 * thread that reads from /dev/fuse is tied to that processor: to be woken on another one would take as long. When
 * the client has moved all the same, because a thread of the kernel ran there, say, the thread follows it.
 *
 * Beside any other program that computes, such a thread gets next to no time. So a thread gives way only while
 * it serves many requests of one client, which waits for each, and the clock looks at it at every tick. The
 * threads of a processor's queue over io_uring do it together, because they share the requests. If it has
 * served few since the last tick, it does not give way any more; and if that was because it got no processor, or
 * if it has several clients, it will not for some time. */
#define _GNU_SOURCE
#include "priority.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    /* In a good tick, a thread serves so many requests, and no more than one in so many comes from another
     * client than the one before. */
    MANY = 8,
    /* A thread that could run and has served no more than so many in a tick has got no processor. */
    NEXT_TO_NONE = 1,
    /* After so many good ticks in a row, one more has the thread give way. */
    FEW = 3,
    /* For how many ticks a thread does not give way after that has gone wrong: twice as many each time, unless it
     * has given way for several times as long as the last pause. */
    FIRST_PAUSE = 16,
    LONGEST_PAUSE = 8192,
    SEVERAL = 4,
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

/* Reads a thread's line of proc_pid_stat(5), from its state on. Returns whether it is there.
 * `process`: its process, as /proc names it. */
static int read_status(const char *process, int thread, char (*text)[512])
{
    char path[64];
    /* Not the process's own line, for which the kernel looks at all its threads. */
    snprintf(path, sizeof path, "/proc/%s/task/%d/stat", process, thread);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t length = read(fd, *text, sizeof *text - 1);
    close(fd);
    (*text)[length > 0 ? length : 0] = 0;
    const char *name_end = strrchr(*text, ')');
    if (!name_end || name_end[1] != ' ')
        return 0;
    memmove(*text, name_end + 2, strlen(name_end + 2) + 1);
    return 1;
}

/* Whether a thread of this process would run if it had a processor. */
static int is_runnable(int thread)
{
    char status[512];
    return !read_status("self", thread, &status) || status[0] == 'R';
}

/* On which processor a client runs, or ran last; -1 if that is not to be seen. */
static int processor_of(int client)
{
    enum { BEFORE = 36 };
    char number[16], status[512];
    snprintf(number, sizeof number, "%d", client);
    if (!read_status(number, client, &status))
        return -1;
    const char *field = status;
    for (int i = 0; i < BEFORE && field; i++)
        field = strchr(field + 1, ' ');
    return field ? atoi(field) : -1;
}

/* Ties a thread to a processor. Returns whether it has worked. */
static int tie(struct worker *worker, int processor)
{
    cpu_set_t one;
    if (processor < 0 || processor >= CPU_SETSIZE || !CPU_ISSET(processor, &worker->serving->allowed))
        return 0;
    CPU_ZERO(&one);
    CPU_SET(processor, &one);
    if (sched_setaffinity(worker->id, sizeof one, &one))
        return 0;
    worker->processor = processor;
    return 1;
}

/* Has a thread run where it could before. Returns 0, or -1 with errno. */
static int untie(struct worker *worker)
{
    cpu_set_t all, *allowed = &worker->serving->allowed;
    if (!sched_setaffinity(worker->id, sizeof *allowed, allowed))
        return 0;
    /* A cpuset may allow none of them any more. The kernel leaves out those that it does not allow. */
    memset(&all, 0xff, sizeof all);
    return sched_setaffinity(worker->id, sizeof all, &all);
}

int follow_client(struct worker *worker)
{
    int processor = processor_of((int)worker->client);
    /* The client may have ended. */
    if (worker->processor < 0 || processor < 0 || processor == worker->processor)
        return 0;
    int has_followed = tie(worker, processor);
    worker->is_left = !has_followed;
    /* The clock may have had it stop meanwhile. If this fails, the next tick tries it again. */
    if (!worker->gives_way && untie(worker))
        worker->gives_way = 1;
    return has_followed;
}

static void start_giving_way(struct worker *worker, int follows)
{
    /* It may not have begun. */
    if (!worker->id)
        return;
    worker->processor = -1;
    worker->is_left = 0;
    if (follows && !tie(worker, processor_of((int)worker->client)))
        return;
    worker->gives_way = 1;
    if (set_policy(worker->id, SCHED_IDLE))
        stop_giving_way(worker);
}

void stop_giving_way(struct worker *worker)
{
    if (!worker->gives_way || worker->ended || set_policy(worker->id, SCHED_OTHER))
        return;
    worker->gives_way = 0;
    /* If this fails, the next tick tries it again. */
    if (worker->processor >= 0 && untie(worker))
        worker->gives_way = 1;
}

int make_attributes(pthread_attr_t *attributes)
{
    int error = pthread_attr_init(attributes);
    if (error || !pool.can_give_way)
        return error;
    const struct sched_param none = {0};
    error = pthread_attr_setinheritsched(attributes, PTHREAD_EXPLICIT_SCHED);
    error = error ? error : pthread_attr_setschedpolicy(attributes, SCHED_OTHER);
    error = error ? error : pthread_attr_setschedparam(attributes, &none);
    if (!error && CPU_COUNT(&pool.allowed))
        error = pthread_attr_setaffinity_np(attributes, sizeof pool.allowed, &pool.allowed);
    if (error)
        pthread_attr_destroy(attributes);
    return error;
}

/* Does not have the thread give way for a while: longer than the last time, unless that is long ago. */
static void pause_giving_way(struct priority *priority)
{
    int is_long_ago = priority->given >= SEVERAL * priority->pause;
    int pause = is_long_ago ? FIRST_PAUSE : priority->pause * 2;
    priority->given = 0;
    priority->pause = priority->pause_left = pause < LONGEST_PAUSE ? pause : LONGEST_PAUSE;
}

/* Whether a client sends its requests without waiting for the replies, as for reading ahead. That calls for
 * several threads, which must not all be tied to one processor. RELEASE and FORGET make others wait, too, but
 * not at three of four looks. */
static int has_queue(struct worker *worker)
{
    unsigned long looks = worker->looks - worker->priority.looks;
    unsigned long queues = worker->queues - worker->priority.queues;
    worker->priority.looks += looks;
    worker->priority.queues += queues;
    return queues * 4 > looks * 3;
}

/* The following are about all threads of a processor's queue over io_uring, or about one other thread. */

static int one_gives_way(const struct worker *worker)
{
    while (worker && !worker->gives_way)
        worker = worker->next;
    return worker != NULL;
}

static int one_is_runnable(const struct worker *worker)
{
    while (worker && !is_runnable(worker->id))
        worker = worker->next;
    return worker != NULL;
}

static void stop_all(struct worker *worker)
{
    for (; worker; worker = worker->next)
        stop_giving_way(worker);
}

static void start_all(struct worker *worker, int follows)
{
    worker->priority.good_ticks = 0;
    for (; worker; worker = worker->next)
        start_giving_way(worker, follows);
}

int update_priority(struct worker *first, int follows)
{
    struct priority *priority = &first->priority;
    unsigned long served = 0, all_of_others = 0;
    for (struct worker *worker = first; worker; worker = worker->next) {
        served += worker->served;
        all_of_others += worker->of_others;
    }
    unsigned long came = served - priority->served, of_others = all_of_others - priority->of_others;
    priority->served = served;
    priority->of_others = all_of_others;
    int has_others = of_others * MANY > came;
    int queue_up = follows && has_queue(first);
    int is_good = came >= MANY && !has_others && !queue_up;
    int gives_way = one_gives_way(first);
    priority->good_ticks = is_good ? priority->good_ticks + 1 : 0;
    if (priority->pause_left) {
        priority->pause_left--;
        stop_all(first);
    } else if (gives_way && !priority->good_ticks) {
        if (has_others || (came <= NEXT_TO_NONE && one_is_runnable(first)))
            pause_giving_way(priority);
        stop_all(first);
    } else if (!gives_way && priority->good_ticks > FEW) {
        start_all(first, follows);
    } else if (gives_way && first->is_left) {
        stop_all(first);
    } else if (gives_way) {
        priority->given++;
    }
    return came || gives_way;
}
