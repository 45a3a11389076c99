/* The yardstick for a real tree: what a plain C program does with the kernel and libsodium for the same
 * work, with nothing of HandleStore in it. All calls come from one thread.
 *
 * Only numbers cross this interface, so that Swift calls it without unsafe code. Calls return
 * nanoseconds, a count, or -errno.
 */
#ifndef YARDSTICK_H
#define YARDSTICK_H

#include <stdint.h>

/* The n-th of a sequence of random numbers (splitmix64). */
static inline uint64_t ys_random(uint64_t n)
{
    uint64_t z = (n + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* Takes the handles of all files below a directory, without crossing into another filesystem.
 * Returns how many. */
int64_t ys_tree(int directory);

/* open_by_handle_at(O_PATH) and close of `count` random files of ys_tree(). */
int64_t ys_open_handles(int mount, uint64_t count, int sample);

/* Lays out and signs a token for `count` random files of ys_tree(), whose handles are in memory. */
int64_t ys_tokens(int by_reference, uint64_t count, int sample);

/* What the last sampled call, of this file or of maps.h, took: nanoseconds each. */
uint64_t ys_sample_count(void);
uint64_t ys_sample(uint64_t index);

#endif
