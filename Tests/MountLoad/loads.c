/* Loads: each works in a directory of its own, the working directory, until it is told to stop, and
 * then holds what is there to what it did. */
#include "load.h"

#include <sys/file.h>

static void start(char **arguments) { MUST(chdir(arguments[0])); }

/* Names that are made and removed: any errno that a filesystem of one's own would not give is a
 * failure. */
static int names(int count, char **arguments)
{
    if (count < 2)
        return 2;
    start(arguments);
    long rounds = 0;
    for (; goes_on(arguments[1]); rounds++) {
        MUST(mkdir("d", 0755));
        int fd = (int)MUST(open("d/file", O_RDWR | O_CREAT | O_EXCL, 0644));
        MUST(close(fd));
        if (open("d/file", O_RDWR | O_CREAT | O_EXCL, 0644) >= 0 || errno != EEXIST)
            fail("a file was made twice");
        MUST(link("d/file", "d/link"));
        MUST(symlink("file", "d/symlink"));
        MUST(mknod("d/fifo", S_IFIFO | 0600, 0));
        struct stat status;
        MUST(stat("d/symlink", &status));
        if (status.st_nlink != 2)
            fail("%lu links instead of 2", (unsigned long)status.st_nlink);
        MUST(setxattr("d/file", "user.x", "1", 1, XATTR_CREATE));
        MUST(removexattr("d/file", "user.x"));
        MUST(rename("d/link", "d/renamed"));
        MUST(rename("d/renamed", "d/fifo"));
        MUST(unlink("d/file"));
        MUST(unlink("d/symlink"));
        MUST(unlink("d/fifo"));
        MUST(rmdir("d"));
        if (access("d", F_OK) == 0)
            fail("the directory is still there");
    }
    printf("%ld rounds\n", rounds);
    return 0;
}

/* Two files change places; how often is known. */
static int exchange(int count, char **arguments)
{
    if (count < 2)
        return 2;
    start(arguments);
    put("a", "0");
    put("b", "1");
    long swaps = 0;
    while (goes_on(arguments[1])) {
        MUST(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_EXCHANGE));
        swaps++;
        char *a = contents("a", NULL), *b = contents("b", NULL);
        if (atoi(a) != swaps % 2 || atoi(b) != (swaps + 1) % 2)
            fail("after %ld swaps a has %s and b has %s", swaps, a, b);
        free(a);
        free(b);
    }
    printf("%ld swaps\n", swaps);
    return 0;
}

/* Files that say their number, under names that change; some over others. */
static int churn(int count, char **arguments)
{
    enum { FILES = 64 };
    if (count < 2)
        return 2;
    start(arguments);
    uint64_t random = 7;
    /* The number of the file at each name, -1 for none. */
    int at[FILES], next = FILES;
    char name[32], other[32], text[32];
    MUST(mkdir("x", 0755));
    MUST(mkdir("y", 0755));
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "%c/%d", i % 2 ? 'x' : 'y', i);
        snprintf(text, sizeof text, "file %d", i);
        put(name, text);
        at[i] = i;
    }
    long renames = 0;
    for (; goes_on(arguments[1]); renames++) {
        int from = (int)(random_number(&random) % FILES), to = (int)(random_number(&random) % FILES);
        snprintf(name, sizeof name, "%c/%d", from % 2 ? 'x' : 'y', from);
        snprintf(other, sizeof other, "%c/%d", to % 2 ? 'x' : 'y', to);
        if (at[from] < 0) {
            snprintf(text, sizeof text, "file %d", next);
            put(name, text);
            at[from] = next++;
        }
        MUST(rename(name, other));
        if (from != to) {
            at[to] = at[from];
            at[from] = -1;
        }
        char *now = contents(other, NULL);
        snprintf(text, sizeof text, "file %d", at[to]);
        if (strcmp(now, text))
            fail("%s has \"%s\" instead of \"%s\"", other, now, text);
        free(now);
    }
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "%c/%d", i % 2 ? 'x' : 'y', i);
        if (at[i] < 0) {
            if (access(name, F_OK) == 0)
                fail("%s is there", name);
            continue;
        }
        char *now = contents(name, NULL);
        snprintf(text, sizeof text, "file %d", at[i]);
        if (strcmp(now, text))
            fail("in the end %s has \"%s\" instead of \"%s\"", name, now, text);
        free(now);
    }
    printf("%ld renames\n", renames);
    return 0;
}

/* Lines that are appended and synchronised by two processes. */
static void append(int writer, const char *stop_file)
{
    int fd = (int)MUST(open("log", O_WRONLY | O_CREAT | O_APPEND, 0644));
    char line[32];
    for (long i = 0; goes_on(stop_file); i++) {
        int length = snprintf(line, sizeof line, "%d %08ld\n", writer, i);
        if (MUST(write(fd, line, (size_t)length)) != length)
            fail("a short write");
        MUST(fsync(fd));
    }
    MUST(close(fd));
}

static int append_log(int count, char **arguments)
{
    if (count < 2)
        return 2;
    start(arguments);
    pid_t other = (pid_t)MUST(fork());
    append(other == 0, arguments[1]);
    if (other == 0)
        _exit(0);
    int status;
    waitpid(other, &status, 0);
    if (status)
        fail("the other writer ended with %d", status);
    size_t length;
    char *log = contents("log", &length), *at = log;
    long next[2] = {0, 0};
    for (; at < log + length; at += 11) {
        int writer;
        long number;
        if (sscanf(at, "%d %ld\n", &writer, &number) != 2 || writer < 0 || writer > 1 ||
            at[10] != '\n')
            fail("the log is not whole at %ld: %.22s", (long)(at - log), at);
        if (number != next[writer]++)
            fail("writer %d: line %ld instead of %ld", writer, number, next[writer] - 1);
    }
    printf("%ld and %ld lines\n", next[0], next[1]);
    return 0;
}

/* A file without a name: written, read back, held open for a while. */
static int unlinked(int count, char **arguments)
{
    if (count < 2)
        return 2;
    start(arguments);
    uint64_t random = 11;
    enum { WORDS = 1024, BLOCKS = 16 };
    static uint64_t block[WORDS], back[WORDS];
    uint64_t seeds[BLOCKS];
    long writes = 0;
    while (goes_on(arguments[1])) {
        int fd = (int)MUST(open("file", O_RDWR | O_CREAT | O_EXCL, 0600));
        memset(seeds, 0, sizeof seeds);
        MUST(ftruncate(fd, sizeof block * BLOCKS));
        MUST(unlink("file"));
        for (int i = 0; i < 200 && goes_on(arguments[1]); i++, writes++) {
            int place = (int)(random_number(&random) % BLOCKS);
            uint64_t seed = seeds[place] = random_number(&random);
            for (int w = 0; w < WORDS; w++)
                block[w] = random_number(&seed);
            if (MUST(pwrite(fd, block, sizeof block, place * (off_t)sizeof block)) !=
                sizeof block)
                fail("a short write");
            place = (int)(random_number(&random) % BLOCKS);
            if (MUST(pread(fd, back, sizeof back, place * (off_t)sizeof back)) != sizeof back)
                fail("a short read");
            seed = seeds[place];
            for (int w = 0; w < WORDS; w++)
                if (back[w] != (seeds[place] ? random_number(&seed) : 0))
                    fail("block %d is wrong in word %d after %ld writes", place, w, writes);
            struct stat status;
            MUST(fstat(fd, &status));
            if (status.st_nlink != 0 || status.st_size != sizeof block * BLOCKS)
                fail("%lu links, %ld bytes", (unsigned long)status.st_nlink, (long)status.st_size);
        }
        MUST(close(fd));
    }
    printf("%ld writes\n", writes);
    return 0;
}

/* A number that two processes increase under a lock. */
static int record_lock(int fd, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_len = 1};
    return fcntl(fd, F_SETLKW, &lock);
}

static long increase(const char *stop_file)
{
    int fd = (int)MUST(open("counter", O_RDWR | O_CREAT, 0644));
    long rounds = 0, value;
    for (; goes_on(stop_file); rounds++) {
        MUST(record_lock(fd, F_WRLCK));
        value = 0;
        MUST(pread(fd, &value, sizeof value, 0));
        value++;
        if (MUST(pwrite(fd, &value, sizeof value, 0)) != sizeof value)
            fail("a short write");
        MUST(record_lock(fd, F_UNLCK));
        int other = (int)MUST(open("whole", O_RDWR | O_CREAT, 0644));
        MUST(flock(other, LOCK_EX));
        value = 0;
        MUST(pread(other, &value, sizeof value, 0));
        value++;
        if (MUST(pwrite(other, &value, sizeof value, 0)) != sizeof value)
            fail("a short write");
        MUST(close(other));
    }
    return rounds;
}

static int locks(int count, char **arguments)
{
    if (count < 2)
        return 2;
    start(arguments);
    long *rounds = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t other = (pid_t)MUST(fork());
    if (other == 0) {
        rounds[1] = increase(arguments[1]);
        _exit(0);
    }
    rounds[0] = increase(arguments[1]);
    int status;
    waitpid(other, &status, 0);
    if (status)
        fail("the other process ended with %d", status);
    for (int i = 0; i < 2; i++) {
        long *value = (long *)contents(i ? "whole" : "counter", NULL);
        if (*value != rounds[0] + rounds[1])
            fail("%ld instead of %ld + %ld", *value, rounds[0], rounds[1]);
    }
    printf("%ld and %ld rounds\n", rounds[0], rounds[1]);
    return 0;
}

/* What is written to memory is in the file. */
static int mapped(int count, char **arguments)
{
    enum { PAGES = 64, PAGE = 4096 };
    if (count < 2)
        return 2;
    start(arguments);
    uint64_t random = 13;
    static unsigned char expected[PAGES], page[PAGE];
    int fd = (int)MUST(open("file", O_RDWR | O_CREAT, 0644));
    MUST(ftruncate(fd, PAGES * PAGE));
    unsigned char *map = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        fail("mmap");
    long writes = 0;
    for (; goes_on(arguments[1]); writes++) {
        int i = (int)(random_number(&random) % PAGES);
        expected[i] = (unsigned char)random_number(&random);
        memset(map + i * PAGE, expected[i], PAGE);
        if (writes % 8 == 0)
            MUST(msync(map, PAGES * PAGE, MS_SYNC));
        int reader = (int)MUST(open("file", O_RDONLY));
        i = (int)(random_number(&random) % PAGES);
        if (MUST(pread(reader, page, PAGE, i * PAGE)) != PAGE)
            fail("a short read");
        if (page[0] != expected[i] || page[PAGE - 1] != expected[i])
            fail("page %d has %d instead of %d", i, page[0], expected[i]);
        MUST(close(reader));
    }
    MUST(msync(map, PAGES * PAGE, MS_SYNC));
    munmap(map, PAGES * PAGE);
    MUST(close(fd));
    unsigned char *now = (unsigned char *)contents("file", NULL);
    for (int i = 0; i < PAGES; i++)
        if (now[i * PAGE] != expected[i])
            fail("in the end page %d has %d instead of %d", i, now[i * PAGE], expected[i]);
    printf("%ld writes\n", writes);
    return 0;
}

/* Long writes and reads of three processes, each of which is done as a whole. */
static int large(int count, char **arguments)
{
    enum { SIZE = 983040, BLOCKS = 8, PROCESSES = 3 };
    if (count < 2)
        return 2;
    start(arguments);
    int process = 1;
    while (process < PROCESSES && MUST(fork()) != 0)
        process++;
    char name[16];
    snprintf(name, sizeof name, "file-%d", process);
    int fd = (int)MUST(open(name, O_RDWR | O_CREAT, 0644));
    char *block = malloc(SIZE), *found = malloc(SIZE);
    long rounds = 0;
    for (; goes_on(arguments[1]); rounds++) {
        memset(block, 'a' + rounds % 26, SIZE);
        off_t place = rounds % BLOCKS * SIZE;
        long n = MUST(pwrite(fd, block, SIZE, place));
        if (n != SIZE)
            fail("%ld bytes were written", n);
        MUST(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
        n = MUST(pread(fd, found, SIZE, place));
        if (n != SIZE || memcmp(found, block, SIZE))
            fail("%ld bytes were read, or others", n);
    }
    if (process < PROCESSES)
        _exit(0);
    for (int i = 1; i < PROCESSES; i++) {
        int status;
        MUST(wait(&status));
        if (status)
            fail("one of the processes");
    }
    printf("%ld rounds\n", rounds);
    return 0;
}

/* Directories that are read while they change: what stays is seen once. */
static int listing(int count, char **arguments)
{
    enum { FILES = 300 };
    if (count < 2)
        return 2;
    start(arguments);
    char name[32];
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "%d", i);
        put(name, name);
    }
    long rounds = 0;
    for (; goes_on(arguments[1]); rounds++) {
        FILE *list = popen("ls -f1", "r");
        int seen[FILES] = {0}, number;
        while (fgets(name, sizeof name, list))
            if (sscanf(name, "%d", &number) == 1 && number >= 0 && number < FILES)
                seen[number]++;
        if (pclose(list))
            fail("ls");
        for (int i = 0; i < FILES; i++)
            if (seen[i] != 1)
                fail("%d is seen %d times", i, seen[i]);
        put("changing", "x");
        MUST(unlink("changing"));
    }
    printf("%ld rounds\n", rounds);
    return 0;
}

const struct command loads[] = {
    {"names", "DIRECTORY STOP-FILE", names},
    {"exchange", "DIRECTORY STOP-FILE", exchange},
    {"churn", "DIRECTORY STOP-FILE", churn},
    {"append", "DIRECTORY STOP-FILE", append_log},
    {"unlinked", "DIRECTORY STOP-FILE", unlinked},
    {"locks", "DIRECTORY STOP-FILE", locks},
    {"mapped", "DIRECTORY STOP-FILE", mapped},
    {"large", "DIRECTORY STOP", large},
    {"listing", "DIRECTORY STOP-FILE", listing},
    {NULL, NULL, NULL},
};
