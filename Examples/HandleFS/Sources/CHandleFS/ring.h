/* Requests that come over io_uring (FUSE_OVER_IO_URING of Linux 6.14). Docs/Transport.md tells how the kernel and
 * the servers of a mount use this memory, and why a server can be killed at any instruction. */
#ifndef HANDLEFS_RING_H
#define HANDLEFS_RING_H

#include "serving.h"

#include <liburing.h>
#include <sys/uio.h>

/* Of the ring of each thread. */
#define RING_FLAGS (IORING_SETUP_SQE128 | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SINGLE_ISSUER)

/* MARK: slots.c */

/* Where the kernel puts a request, and takes the reply from (struct fuse_uring_req_header). */
struct ring_headers {
    /* struct fuse_in_header, and then struct fuse_out_header. */
    char in_out[128];
    /* The fixed part of the request's arguments. */
    char arguments[128];
    uint64_t flags;
    /* The number of the request; 0 if there has been none yet. */
    uint64_t id;
    /* The length of the rest of the arguments, and then that of the reply. */
    uint32_t payload_length, padding;
    uint64_t reserved;
};

enum {
    /* A longer request stays in the payload, a longer reply is written to it. */
    REQUEST_SIZE = 8192,
    REPLY_SIZE = 1024,
    PAYLOAD_OFFSET = 16384,
};

/* The place of one request at a time, in memory that outlives the server. */
struct slot {
    struct ring_headers headers;
    /* The number of the last request that was copied out of the kernel's places, and of the last one
     * whose reply is complete. */
    atomic_ullong taken, answered;
    uint32_t payload_size;
    /* The request in one piece, as /dev/fuse delivers it. */
    uint32_t length, is_in_payload;
    _Alignas(8) char request[REQUEST_SIZE];
    struct fuse_out_header reply;
    char body[REPLY_SIZE];
};
_Static_assert(sizeof(struct slot) + 256 <= PAYLOAD_OFFSET, "room for headers before the payload");

/* The memory of a mount. The slots of each queue follow, on pages of their own. */
struct area {
    uint64_t address;
    uint32_t queues, depth, payload_size, format;
    /* How many servers have mapped it. */
    atomic_ullong servers;
};

/* Maps the memory of a mount; sets `area` to NULL if it is empty. Returns 0, or an error if it cannot be
 * mapped at its address. */
HIDDEN int map_area(int memory, struct area **area);
HIDDEN void unmap_area(struct area *area);
/* Has all of the memory in this process ahead of time. Returns it, or NULL if there is none. */
HIDDEN struct area *prepare_area(int memory);
HIDDEN struct slot *slot_of(struct area *area, unsigned number);
HIDDEN char *payload_of(struct slot *slot);
/* Has all pages of a slot in this process. If the process were killed while the kernel looks for one of
 * them, the request would fail. */
HIDDEN void prepare_slot(const struct area *area, struct slot *slot);

/* Copies the request that the kernel has put there to one piece of memory. Returns 0 or -EIO. */
HIDDEN int take_request(struct slot *slot);
HIDDEN char *request_of(struct slot *slot);
/* Completes the reply: its header and its body. */
HIDDEN void put_reply(struct slot *slot, const struct iovec *parts, int count);
/* Copies the complete reply to where the kernel takes it from. */
HIDDEN void show_reply(struct slot *slot);

/* MARK: ring.c */

/* Makes the ring of this thread, which is to serve a queue, and has the thread run on the queue's processor.
 * Returns 0 or an error. */
HIDDEN int prepare_ring(struct io_uring *ring, unsigned processor);
/* Serves the requests of one slot in this thread, until serving is to end. Returns 1 then, 0 if the
 * filesystem is gone, or an error. The ring must be left open until the thread has ended: only then does
 * the kernel take back the slot's entry without losing a request. */
HIDDEN int serve_slot(struct worker *worker, struct io_uring *ring, unsigned number, struct area *area,
                      int unused_ring);

/* MARK: rings.c: notes that this thread has its entry in the kernel's queue, or is about to get it. */
HIDDEN void note_begun(void);
/* rings.c: a request has come, so the clock has to run. */
HIDDEN void note_request(void);

/* MARK: drawing.c */

/* Has requests that queued while no server was there be handed out, one for each slot. */
HIDDEN void draw_queued(const struct area *area);

/* MARK: serving.c: has the server answer the request in a slot. */
HIDDEN void process_in(struct slot *slot);

#endif
