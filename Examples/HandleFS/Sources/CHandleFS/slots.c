/* The memory through which requests come over io_uring.
 *
 * It is a memory file that outlives each server, and lies at the same address in all servers of a mount:
 * the kernel keeps the addresses of a slot as long as the request in it is not answered. */
#define _GNU_SOURCE
#include "ring.h"
#include "result.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

enum {
    PAGE = 4096,
    /* Between these a payload is as long as ALL_PAYLOADS allows. */
    LEAST_PAYLOAD = 1 << 17,
    MOST_PAYLOAD = 1 << 20,
    /* What all payloads may take. Machines with more processors get shorter ones. */
    ALL_PAYLOADS = 1 << 26,
    /* Each has a thread. */
    MOST_SLOTS = 256,
    /* Of the layout that this file describes. */
    FORMAT = 1,
};

/* Returns an address below all that a 64-bit program has by itself, and above what may have been mapped
 * low on purpose. A server of several mounts has their memory in different places, because these are
 * random. */
static uint64_t some_address(void)
{
    const uint64_t first = 0x200000000000, end = 0x500000000000, step = 1 << 21;
    uint64_t number;
    if (getrandom(&number, sizeof number, 0) != sizeof number)
        return first;
    return first + number % ((end - first) / step) * step;
}

static size_t slot_size(const struct area *area) { return PAYLOAD_OFFSET + area->payload_size; }

static size_t size_of(const struct area *area)
{
    return PAGE + (size_t)area->queues * area->depth * slot_size(area);
}

/* The kernel has a queue for each processor that the machine may ever have. */
static unsigned count_queues(void)
{
    FILE *file = fopen("/sys/devices/system/cpu/possible", "re");
    unsigned first = 0, last = 0;
    if (!file)
        return 0;
    char end = 0;
    int found = fscanf(file, "%u-%u%c", &first, &last, &end);
    fclose(file);
    /* The list of a machine whose processors have gaps in their numbers goes on. */
    if (first || (found > 1 && end != '\n'))
        return 0;
    return found >= 1 ? last + 1 : 0;
}

/* Whether the server can ask for requests of each processor that runs; a cpuset may forbid it. */
static int has_all_processors(unsigned processors)
{
    cpu_set_t before, one;
    long usable = 0;
    if (sched_getaffinity(0, sizeof before, &before))
        return 0;
    for (unsigned i = 0; i < processors; i++) {
        CPU_ZERO(&one);
        CPU_SET(i, &one);
        usable += !sched_setaffinity(0, sizeof one, &one);
    }
    sched_setaffinity(0, sizeof before, &before);
    return usable >= sysconf(_SC_NPROCESSORS_ONLN);
}

static unsigned number_in(const char *path)
{
    unsigned number = 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    if (fscanf(file, "%u", &number) != 1)
        number = 0;
    fclose(file);
    return number;
}

/* Whether the kernel looks for requests that take long, of all FUSE filesystems. Linux up to 6.18 would
 * look at entries of killed servers, which have none, and crash. */
static int has_timeout(void)
{
    return number_in("/proc/sys/fs/fuse/default_request_timeout") ||
           number_in("/proc/sys/fs/fuse/max_request_timeout");
}

/* How many requests of one processor are served at a time. They cannot move to another processor's
 * threads, so it is more than a fair share. */
static unsigned depth_for(int threads, unsigned queues)
{
    enum { LEAST = 4 };
    unsigned all = (unsigned)threads, share = all / queues, most = MOST_SLOTS / queues;
    unsigned wanted = share >= LEAST ? share : all < LEAST ? all : LEAST;
    return wanted < most ? wanted : most;
}

static uint32_t payload_for(unsigned slots)
{
    uint32_t size = MOST_PAYLOAD;
    while (size > LEAST_PAYLOAD && (size_t)size * slots > ALL_PAYLOADS)
        size /= 2;
    return size;
}

static struct area *map_as_planned(const struct area *plan, int memory)
{
    void *wanted = (void *)(uintptr_t)plan->address;
    size_t size = size_of(plan);
    void *found = mmap(wanted, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, memory, 0);
    return found == MAP_FAILED ? NULL : found;
}

static int has_io_uring(void)
{
    struct io_uring ring;
    if (io_uring_queue_init(1, &ring, RING_FLAGS))
        return 0;
    io_uring_queue_exit(&ring);
    return 1;
}

/* Returns why this machine cannot have requests over io_uring, or NULL. */
static const char *find_obstacle(unsigned queues)
{
    if (!queues || queues > MOST_SLOTS)
        return "the machine may have more than 256 processors, or they cannot be counted";
    if (!has_all_processors(queues))
        return "a cpuset keeps this process from some processors";
    if (has_timeout())
        return "fs.fuse.default_request_timeout or max_request_timeout is set (sysctl)";
    if (!has_io_uring())
        return "io_uring is missing, forbidden (kernel.io_uring_disabled, seccomp), or may lock too little memory "
               "(RLIMIT_MEMLOCK)";
    return NULL;
}

int hf_plan_ring(int memory, int threads, const char **obstacle)
{
    unsigned queues = count_queues();
    *obstacle = find_obstacle(queues);
    if (*obstacle)
        return -EOPNOTSUPP;
    struct area plan = {
        .address = some_address(),
        .queues = queues,
        .depth = depth_for(threads, queues),
        .format = FORMAT,
    };
    plan.payload_size = payload_for(plan.queues * plan.depth);
    *obstacle = "there is no memory for it, or none at the address that it needs";
    if (ftruncate(memory, (off_t)size_of(&plan)) || pwrite(memory, &plan, sizeof plan, 0) != sizeof plan)
        return -errno;
    struct area *area = map_as_planned(&plan, memory);
    if (!area)
        return -EOPNOTSUPP;
    *obstacle = NULL;
    unmap_area(area);
    return (int)plan.payload_size;
}

struct slot *slot_of(struct area *area, unsigned number)
{
    return (struct slot *)((char *)area + PAGE + number * slot_size(area));
}

static void lock_slot(const struct area *area, struct slot *slot)
{
    /* If so much must not be locked, the pages are there at least. */
    if (mlock(slot, slot_size(area)))
        madvise(slot, slot_size(area), 23 /* MADV_POPULATE_WRITE of Linux 5.14 */);
}

void prepare_slot(const struct area *area, struct slot *slot)
{
    slot->payload_size = area->payload_size;
    lock_slot(area, slot);
}

/* The memory that prepare_area() has mapped, and its descriptor: that of the process's own mount, which no
 * other mount that it serves has. */
static struct area *prepared;
static int prepared_from = -1;

static int find_area(int memory, struct area **area)
{
    struct area plan;
    *area = NULL;
    if (pread(memory, &plan, sizeof plan, 0) != sizeof plan)
        return 0;
    if (plan.format != FORMAT)
        return -EPROTONOSUPPORT;
    *area = memory == prepared_from ? prepared : map_as_planned(&plan, memory);
    return *area ? 0 : -errno;
}

struct area *prepare_area(int memory)
{
    /* If this fails, it will fail again when the server needs the memory. */
    find_area(memory, &prepared);
    if (!prepared)
        return NULL;
    prepared_from = memory;
    for (unsigned i = 0; i < prepared->queues * prepared->depth; i++)
        lock_slot(prepared, slot_of(prepared, i));
    return prepared;
}

int map_area(int memory, struct area **area)
{
    int error = find_area(memory, area);
    if (*area == prepared)
        prepared_from = -1; /* It is used once. */
    if (*area)
        (*area)->servers++;
    return error;
}

void unmap_area(struct area *area) { munmap(area, size_of(area)); }

char *payload_of(struct slot *slot) { return (char *)slot + PAYLOAD_OFFSET; }

/* MARK: A request */

int take_request(struct slot *slot)
{
    const struct fuse_in_header *header = (const void *)slot->headers.in_out;
    size_t payload = slot->headers.payload_length, length = header->len;
    if (payload > slot->payload_size || length < sizeof *header + payload)
        return -EIO;
    size_t arguments = length - sizeof *header - payload;
    if (arguments > sizeof slot->headers.arguments)
        return -EIO;
    slot->length = (uint32_t)length;
    slot->is_in_payload = length > REQUEST_SIZE;
    char *request = request_of(slot);
    memcpy(request, header, sizeof *header);
    memcpy(request + sizeof *header, slot->headers.arguments, arguments);
    if (!slot->is_in_payload)
        memcpy(request + sizeof *header + arguments, payload_of(slot), payload);
    slot->taken = slot->headers.id;
    return 0;
}

char *request_of(struct slot *slot)
{
    if (!slot->is_in_payload)
        return slot->request;
    return payload_of(slot) + slot->headers.payload_length - slot->length;
}

/* MARK: A reply */

static void copy(char *to, const struct iovec *parts, int count)
{
    for (int i = 0; i < count; i++) {
        memcpy(to, parts[i].iov_base, parts[i].iov_len);
        to += parts[i].iov_len;
    }
}

void put_reply(struct slot *slot, const struct iovec *parts, int count)
{
    size_t length = 0;
    for (int i = 1; i < count; i++)
        length += parts[i].iov_len;
    slot->reply = *(const struct fuse_out_header *)parts[0].iov_base;
    /* The request may have been marked as one that was resent. */
    slot->reply.unique = slot->headers.id;
    if (length <= REPLY_SIZE) {
        copy(slot->body, parts + 1, count - 1);
    } else if (length <= slot->payload_size && !slot->is_in_payload) {
        /* Such a request changes nothing. If this process is killed here, the next one serves it again. */
        copy(payload_of(slot), parts + 1, count - 1);
    } else {
        slot->reply.error = -EIO;
        length = 0;
    }
    slot->reply.len = (uint32_t)(sizeof slot->reply + length);
    slot->answered = slot->headers.id;
}

void show_reply(struct slot *slot)
{
    size_t length = slot->reply.len - sizeof slot->reply;
    if (length <= REPLY_SIZE)
        memcpy(payload_of(slot), slot->body, length);
    memcpy(slot->headers.in_out, &slot->reply, sizeof slot->reply);
    slot->headers.payload_length = (uint32_t)length;
}
