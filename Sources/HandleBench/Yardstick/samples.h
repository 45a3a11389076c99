/* The times of single operations, in nanoseconds. */
#ifndef SAMPLES_H
#define SAMPLES_H

#include <stdint.h>
#include <time.h>

static inline uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void start_sampling(uint64_t count);
void take_sample(uint64_t nanoseconds);

#endif
