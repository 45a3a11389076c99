/* Changes behind a mount's back, and how soon the mount shows them. */
#include "load.h"

#include <pthread.h>

enum { NAMES = 12, READERS = 3, MOST_ROUNDS = 100000 };

static int source, mount_point;
static volatile int ending;

static void name_of(char *name, unsigned i)
{
    /* Names in the directory itself and in two others, which take each other's names too. */
    const char *const places[] = {"", "d0/", "d1/"};
    sprintf(name, "%sn%u", places[i % 3], i / 3);
}

/* Changes something at random; it may fail, as when there is nothing to change. */
static void change(uint64_t *seed)
{
    char name[32], other[32];
    name_of(name, (unsigned)(random_number(seed) % NAMES));
    name_of(other, (unsigned)(random_number(seed) % NAMES));
    switch (random_number(seed) % 9) {
    case 0:
    case 1: {
        int fd = openat(source, name, O_WRONLY | O_CREAT, 0644);
        if (fd >= 0) {
            MUST(write(fd, name, random_number(seed) % 4));
            close(fd);
        }
        break;
    }
    case 2: unlinkat(source, name, 0); break;
    case 3: renameat(source, name, source, other); break;
    case 4: linkat(source, name, source, other, 0); break;
    case 5: fchmodat(source, name, random_number(seed) % 2 ? 0600 : 0644, 0); break;
    case 6: {
        int fd = openat(source, name, O_WRONLY);
        if (fd >= 0) {
            MUST(ftruncate(fd, (off_t)(random_number(seed) % 100)));
            close(fd);
        }
        break;
    }
    case 7: symlinkat(other, source, name); break;
    case 8: syscall(SYS_renameat2, source, "d0", source, "d1", 2 /* RENAME_EXCHANGE */); break;
    }
}

static int look(int root, const char *name, struct stat *status)
{
    memset(status, 0, sizeof *status);
    return fstatat(root, name, status, AT_SYMLINK_NOFOLLOW) ? errno : 0;
}

/* Whether the mount shows of a name what is there. */
static int is_shown(const char *name)
{
    struct stat real, seen;
    if (look(source, name, &real) != look(mount_point, name, &seen))
        return 0;
    return real.st_ino == seen.st_ino && real.st_mode == seen.st_mode &&
           real.st_nlink == seen.st_nlink && real.st_size == seen.st_size &&
           !memcmp(&real.st_mtim, &seen.st_mtim, sizeof real.st_mtim) &&
           !memcmp(&real.st_ctim, &seen.st_ctim, sizeof real.st_ctim);
}

static const char *first_not_shown(void)
{
    static char name[32];
    for (unsigned i = 0; i < NAMES; i++) {
        name_of(name, i);
        if (!is_shown(name))
            return name;
    }
    const char *const directories[] = {".", "d0", "d1"};
    for (int i = 0; i < 3; i++)
        if (!is_shown(directories[i]))
            return directories[i];
    return NULL;
}

/* Looks at names all the time, so that changes meet lookups that are under way. */
static void *read_on(void *argument)
{
    uint64_t seed = (uint64_t)(uintptr_t)argument;
    while (!ending) {
        char name[32], text[8];
        struct stat status;
        name_of(name, (unsigned)(random_number(&seed) % NAMES));
        look(mount_point, name, &status);
        if (random_number(&seed) % 8 == 0) {
            int fd = openat(mount_point, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
            if (fd >= 0) {
                if (read(fd, text, sizeof text) < 0)
                    text[0] = 0;
                close(fd);
            }
        }
    }
    return NULL;
}

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000ll + time.tv_nsec / 1000;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Changes files for some seconds, and prints after how many microseconds the mount showed all of it:
 * the median and the most. Fails if the mount does not within `limit` milliseconds. */
static int changes_behind(int count, char **arguments)
{
    if (count < 5)
        return 2;
    source = (int)MUST(open(arguments[0], O_RDONLY | O_DIRECTORY));
    mount_point = (int)MUST(open(arguments[1], O_RDONLY | O_DIRECTORY));
    int64_t end = now() + atoi(arguments[2]) * 1000000ll, limit = atoi(arguments[3]) * 1000ll;
    uint64_t seed = strtoull(arguments[4], NULL, 10);
    MUST(mkdirat(source, "d0", 0755));
    MUST(mkdirat(source, "d1", 0755));
    pthread_t readers[READERS];
    for (int i = 0; i < READERS; i++)
        pthread_create(&readers[i], NULL, read_on, (void *)(uintptr_t)(seed + 1 + (uint64_t)i));
    static int64_t times[MOST_ROUNDS];
    int rounds = 0;
    for (; now() < end && rounds < MOST_ROUNDS; rounds++) {
        for (uint64_t i = random_number(&seed) % 10; i < 10; i++)
            change(&seed);
        int64_t start = now();
        for (const char *name; (name = first_not_shown());) {
            if (now() - start > limit) {
                errno = 0;
                fail("%s is not shown as it is, in round %d", name, rounds);
            }
            usleep(200);
        }
        times[rounds] = now() - start;
    }
    ending = 1;
    for (int i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    qsort(times, (size_t)rounds, sizeof *times, compare);
    printf("%ld %ld\n", (long)times[rounds / 2], (long)times[rounds - 1]);
    return 0;
}

const struct command changes[] = {
    {"changes", "SOURCE MOUNT SECONDS LIMIT SEED", changes_behind},
    {0},
};
