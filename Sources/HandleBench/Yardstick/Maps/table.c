/* A table in memory, as servers keep it that have no store: a hash table from the file to its number, and
 * an array of records. It is lost with the process, so it is the least that the work takes and no peer. */
#define _GNU_SOURCE
#include "engine.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

struct slot {
    uint8_t key[10];
    /* The node id; 0 if the slot is free. */
    uint64_t node;
};

static struct slot *slots;
static uint64_t slot_count, used;
static uint64_t (*records)[6];
static uint64_t record_room;

static int load(void) { return 0; }

static void *map_memory(uint64_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static int open(int directory, int flush)
{
    (void)directory, (void)flush;
    used = 0;
    slot_count = record_room = 1024;
    slots = map_memory(slot_count * sizeof *slots);
    records = map_memory(record_room * sizeof *records);
    return slots && records ? 0 : ENOMEM;
}

static int begin(int write)
{
    (void)write;
    return 0;
}

/* The slot of a key, or the free one in which it belongs (linear probing). */
static struct slot *find(const uint8_t key[10])
{
    uint64_t inode, i;
    memcpy(&inode, key + 2, sizeof inode);
    uint64_t hash = __builtin_bswap64(inode) * 0x9E3779B97F4A7C15u;
    for (i = (hash ^ hash >> 32) & (slot_count - 1); slots[i].node; i = (i + 1) & (slot_count - 1))
        if (!memcmp(slots[i].key, key, sizeof slots[i].key))
            break;
    return &slots[i];
}

static int double_slots(void)
{
    struct slot *old = slots, *new = map_memory(2 * slot_count * sizeof *slots);
    uint64_t count = slot_count;
    if (!new)
        return ENOMEM;
    slots = new;
    slot_count *= 2;
    for (uint64_t i = 0; i < count; i++)
        if (old[i].node)
            *find(old[i].key) = old[i];
    munmap(old, count * sizeof *old);
    return 0;
}

static int put_key(const struct row *row)
{
    int rc = used >= slot_count / 4 * 3 ? double_slots() : 0;
    if (rc)
        return rc;
    struct slot *slot = find(row->key);
    if (slot->node)
        return EEXIST;
    memcpy(slot->key, row->key, sizeof slot->key);
    slot->node = row->node;
    used++;
    return 0;
}

static int put_record(const struct row *row)
{
    if (row->node >= record_room) {
        void *larger = mremap(records, record_room * sizeof *records, 2 * record_room * sizeof *records, MREMAP_MAYMOVE);
        if (larger == MAP_FAILED)
            return ENOMEM;
        records = larger;
        record_room *= 2;
    }
    memcpy(records[row->node], row->record, sizeof row->record);
    return 0;
}

static int commit(void) { return 0; }

static int get(uint64_t node, uint64_t record[6])
{
    if (node >= record_room)
        return ENOENT;
    memcpy(record, records[node], sizeof *records);
    return 0;
}

static void end(void) {}

static void close(void)
{
    munmap(slots, slot_count * sizeof *slots);
    munmap(records, record_room * sizeof *records);
}

/* What has been touched: all slots, and the records in use. */
uint64_t table_memory(void) { return slot_count * sizeof *slots + (used + 2) * sizeof *records; }

const struct engine table_engine = {load, open, begin, put_key, put_record, commit, get, end, close};
