/* A thread that serves the requests of one slot, which come over an io_uring of its own.
 *
 * A slot has one entry in the kernel's queue of one processor, and the thread runs on that processor. An
 * entry is given a request only while its thread waits, so a request never waits behind one that takes
 * long. The kernel prefers the entry that was used last. */
#define _GNU_SOURCE
#include "ring.h"
#include "result.h"

#include <poll.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

/* Commands of FUSE over io_uring, and what comes with them (struct fuse_uring_cmd_req). */
enum { REGISTER = 1, COMMIT_AND_FETCH = 2 };
struct command {
    uint64_t flags, id;
    uint16_t queue;
    uint8_t padding[6];
};

enum { OF_COMMAND = 1, OF_POLL };

struct place {
    struct worker *worker;
    struct io_uring *ring;
    struct area *area;
    struct slot *slot;
    unsigned number;
    int fuse;
    /* What REGISTER tells the kernel: the places for headers and payload. */
    struct iovec memory[2];
    /* Whether the last command was a REGISTER. */
    int is_new;
};

static void push(struct place *place, uint32_t operation)
{
    place->is_new = operation == REGISTER;
    struct io_uring_sqe *entry = io_uring_get_sqe(place->ring);
    io_uring_prep_rw(
        IORING_OP_URING_CMD, entry, place->fuse, place->memory, place->is_new ? 2 : 0, 0);
    entry->cmd_op = operation;
    entry->user_data = OF_COMMAND;
    struct command command = {
        .id = place->slot->headers.id,
        .queue = (uint16_t)(place->number / place->area->depth),
    };
    memcpy(entry->cmd, &command, sizeof command);
}

static void register_slot(struct place *place)
{
    place->slot->headers.id = 0;
    push(place, REGISTER);
}

/* Answers the request in the slot, unless it is answered already, and gives the reply to the kernel. */
static void answer(struct place *place)
{
    struct slot *slot = place->slot;
    if (slot->answered != slot->headers.id)
        process_in(slot);
    show_reply(slot);
    push(place, COMMIT_AND_FETCH);
}

static int submit(struct place *place)
{
    int submitted = io_uring_submit(place->ring);
    return submitted < 0 ? submitted : 1;
}

/* Registers the slot at once. Returns 1, or an error. */
static int register_now(struct place *place)
{
    register_slot(place);
    int result = submit(place);
    note_begun();
    return result;
}

/* Commits a reply that the last server had completed, and may have committed. In that case the entry of the
 * slot is gone, and has to be there before this notes that it is. Returns 1, or an error. */
static int commit_again(struct place *place)
{
    answer(place);
    int result = submit(place);
    struct io_uring_cqe *completion;
    if (result == 1 && !io_uring_peek_cqe(place->ring, &completion) && completion->res == -ENOENT) {
        io_uring_cqe_seen(place->ring, completion);
        return register_now(place);
    }
    note_begun();
    return result;
}

/* Goes on from where the thread that had the slot before was killed. Returns 1, or an error. */
static int begin(struct place *place)
{
    struct slot *slot = place->slot;
    int is_taken = slot->taken == slot->headers.id;
    if (!slot->headers.id || (!is_taken && take_request(slot)))
        return register_now(place);
    if (is_taken && slot->answered == slot->headers.id)
        return commit_again(place);
    /* The request may take long. Its commit will fetch what waits. */
    note_begun();
    if (is_taken)
        ((struct fuse_in_header *)request_of(slot))->unique |= HF_RESENT;
    answer(place);
    return 1;
}

/* Tells the clock of the request in the slot. */
static void count(struct place *place)
{
    const struct fuse_in_header *header = (const void *)request_of(place->slot);
    /* A request in the background comes from nobody, or the client is in no namespace that is seen here. */
    if (header->pid)
        note_client(place->worker, header->pid, header->pid == place->worker->client);
}

/* Handles the end of a command: the next request is there, or there is an error. Returns 1 to go on. */
static int handle(struct place *place, int error)
{
    switch (error) {
    case 0:
        if (take_request(place->slot))
            return -EIO;
        note_request();
        count(place);
        answer(place);
        return 1;
    case -ENOTCONN:
    case -ECONNABORTED:
    case -ENODEV:
        return 0;
    case -EAGAIN: /* The kernel has not read the answer to INIT yet. */
        sleep_for(1000000);
        break;
    default:
        /* The request in the slot has been answered before, or the kernel has ended it. */
        if (place->is_new)
            return error;
    }
    register_slot(place);
    return 1;
}

/* Submits the commands and waits for the end of one, like io_uring_submit_and_wait(3). But a thread that
 * waits for clients does not count as one that waits for a disk, from Linux 6.15 on. */
static int submit_and_sleep(struct io_uring *ring)
{
    enum { NO_IOWAIT = 1 << 7, HAS_NO_IOWAIT = 1 << 17 };
    if (!(ring->features & HAS_NO_IOWAIT))
        return io_uring_submit_and_wait(ring, 1);
    unsigned count = io_uring_sq_ready(ring), flags = IORING_ENTER_GETEVENTS | NO_IOWAIT;
    if (ring->ring_fd < 0)
        flags |= IORING_ENTER_REGISTERED_RING;
    ring->sq.sqe_head = ring->sq.sqe_tail;
    io_uring_smp_store_release(ring->sq.ktail, ring->sq.sqe_tail);
    return io_uring_enter((unsigned)ring->enter_ring_fd, count, 1, flags, NULL);
}

/* Waits for the end of the command, and handles it. */
static int turn(struct place *place)
{
    place->worker->reading = 1;
    int submitted = submit_and_sleep(place->ring);
    place->worker->reading = 0;
    if (submitted == -EINTR)
        return 1;
    if (submitted < 0)
        return submitted;
    struct io_uring_cqe *completion;
    if (io_uring_peek_cqe(place->ring, &completion))
        return 1;
    int of_command = completion->user_data == OF_COMMAND, error = completion->res;
    io_uring_cqe_seen(place->ring, completion);
    return of_command ? handle(place, error) : 1;
}

/* A thread that is killed gives its entry back at once, before the kernel tears its memory down, if it
 * has a request in flight that concerns an io_uring itself, such as this one, which never ends. Otherwise
 * the kernel would go on giving requests to the dead thread for a moment, and they would be lost. */
static void watch_unused(struct place *place, int unused_ring)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(place->ring);
    io_uring_prep_poll_add(entry, unused_ring, POLLIN);
    entry->user_data = OF_POLL;
}

/* Makes the ring of this thread. It takes no descriptor, if the kernel can do without. */
static int make_ring(struct io_uring *ring)
{
    int error = io_uring_queue_init(4, ring, RING_FLAGS);
    if (error)
        return error;
    /* As liburing leaves it; submit_and_sleep() relies on it. */
    for (unsigned i = 0; i < *ring->sq.kring_entries; i++)
        ring->sq.array[i] = i;
    if (io_uring_register_ring_fd(ring) == 1) {
        close(ring->ring_fd);
        ring->ring_fd = -1;
    }
    return 0;
}

/* Has this thread run on a processor, unless that is not there or the server may not use it. */
static void pin(unsigned processor)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) || !CPU_ISSET(processor, &set))
        return;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    sched_setaffinity(0, sizeof set, &set);
}

int prepare_ring(struct io_uring *ring, unsigned processor)
{
    pin(processor);
    return make_ring(ring);
}

int serve_slot(struct worker *worker, struct io_uring *ring, unsigned number, struct area *area,
               int unused_ring)
{
    struct place place = {
        .worker = worker, .ring = ring, .area = area, .slot = slot_of(area, number), .number = number,
        .fuse = fuse_session_fd(pool.session),
    };
    place.memory[0] = (struct iovec){&place.slot->headers, sizeof place.slot->headers};
    place.memory[1] = (struct iovec){payload_of(place.slot), area->payload_size};
    prepare_slot(area, place.slot);
    watch_unused(&place, unused_ring);
    int result = begin(&place);
    while (result == 1 && !pool.stopping)
        result = turn(&place);
    return result;
}
