#include "samples.h"

#include "yardstick.h"

#include <stdlib.h>

static uint64_t *samples;
static uint64_t sample_count, sample_room;

void start_sampling(uint64_t count)
{
    sample_count = 0;
    if (count <= sample_room)
        return;
    samples = realloc(samples, count * sizeof *samples);
    sample_room = samples ? count : 0;
}

void take_sample(uint64_t nanoseconds)
{
    if (sample_count < sample_room)
        samples[sample_count++] = nanoseconds;
}

uint64_t ys_sample_count(void) { return sample_count; }
uint64_t ys_sample(uint64_t index) { return samples[index]; }
