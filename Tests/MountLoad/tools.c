/* Helpers that a test talks to. */
#include "load.h"

#include <dirent.h>
#include <sys/mman.h>
#include <sys/mount.h>

/* Makes a tree of empty files. */
static int tree(int count, char **arguments)
{
    if (count < 3)
        return 2;
    MUST(chdir(arguments[0]));
    char name[64];
    int directories = atoi(arguments[1]), files = atoi(arguments[2]);
    for (int d = 0; d < directories; d++) {
        snprintf(name, sizeof name, "directory-%d", d);
        MUST(mkdir(name, 0755));
        for (int f = 0; f < files; f++) {
            snprintf(name, sizeof name, "directory-%d/file-%d", d, f);
            MUST(mknod(name, S_IFREG | 0644, 0));
        }
    }
    return 0;
}

static int make(int kind, const char *name)
{
    switch (kind) {
    case 0: {
        int fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0644);
        return fd < 0 ? fd : close(fd);
    }
    case 1: return mkdir(name, 0755);
    case 2: return mknod(name, S_IFIFO | 0600, 0);
    default: return symlink("file", name);
    }
}

/* Makes files of all types until that fails, and says why; what failed has to leave no name. */
static int fill(int count, char **arguments)
{
    if (count < 1)
        return 2;
    MUST(chdir(arguments[0]));
    char name[32];
    long made = 0;
    int error = 0;
    for (int failed = 0; failed < 4;) {
        snprintf(name, sizeof name, "%ld", made);
        if (make((int)(made + failed) % 4, name) == 0) {
            made++;
            failed = 0;
            continue;
        }
        failed++;
        error = errno;
        if (access(name, F_OK) == 0)
            fail("%s was made, and is said to be not", name);
    }
    printf("%s %ld\n", strerrorname_np(error), made);
    return 0;
}

static void print_contents(int fd)
{
    char text[4096];
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    if (n < 0) {
        printf("%s\n", strerrorname_np(errno));
    } else {
        text[n] = 0;
        printf("has %s\n", text);
    }
}

/* Opens a file and does with it what it reads: until its input ends, or it is told to close. */
static int hold(int count, char **arguments)
{
    if (count < 1)
        return 2;
    int directory = count > 1 && !strcmp(arguments[1], "directory");
    if (directory)
        MUST(chdir(arguments[0]));
    int is_path = count > 1 && !strcmp(arguments[1], "path");
    int fd = open(directory ? "." : arguments[0],
                  directory ? O_RDONLY : is_path ? O_PATH : O_RDWR);
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("%s\n", fd < 0 ? strerrorname_np(errno) : "open");
    char line[4096];
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        struct stat status;
        long result = 0;
        if (!strcmp(line, "read")) {
            print_contents(fd);
            continue;
        } else if (!strncmp(line, "write ", 6)) {
            result = pwrite(fd, line + 6, strlen(line + 6), 0);
            if (result >= 0)
                result = ftruncate(fd, (off_t)strlen(line + 6));
        } else if (!strcmp(line, "reopen")) {
            char path[64];
            snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
            int again = open(path, O_RDWR);
            result = again < 0 ? again : dup2(again, fd);
            close(again);
        } else if (!strcmp(line, "stat")) {
            result = fstat(fd, &status);
            if (!result) {
                printf("links %lu, size %ld\n", (unsigned long)status.st_nlink,
                       (long)status.st_size);
                continue;
            }
        } else if (!strcmp(line, "list")) {
            DIR *list = opendir(".");
            struct dirent *entry;
            int names = 0;
            while (list && (entry = readdir(list)))
                if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
                    names += printf("%s ", entry->d_name);
            printf("%s\n", !list ? strerrorname_np(errno) : names ? "" : "nothing");
            if (list)
                closedir(list);
            continue;
        } else if (!strcmp(line, "close")) {
            result = close(fd);
            MUST(chdir("/"));
        }
        printf("%s\n", result < 0 ? strerrorname_np(errno) : "ok");
    }
    return 0;
}

union any_handle {
    struct file_handle handle;
    unsigned char bytes[sizeof(struct file_handle) + MAX_HANDLE_SZ];
};

/* Prints the handle of a file, as name_to_handle_at(2) has it. */
static int handle(int count, char **arguments)
{
    for (int i = 0; i < count; i++) {
        union any_handle any = {.handle = {.handle_bytes = MAX_HANDLE_SZ}};
        int mount;
        MUST(name_to_handle_at(AT_FDCWD, arguments[i], &any.handle, &mount, 0));
        printf("%d:", any.handle.handle_type);
        for (unsigned b = 0; b < any.handle.handle_bytes; b++)
            printf("%02x", any.handle.f_handle[b]);
        printf("\n");
    }
    return 0;
}

/* Opens files by such handles, and prints what is in them. */
static int open_handle(int count, char **arguments)
{
    if (count < 1)
        return 2;
    int mount = (int)MUST(open(arguments[0], O_RDONLY | O_DIRECTORY));
    for (int i = 1; i < count; i++) {
        union any_handle any = {0};
        int at = 0;
        if (sscanf(arguments[i], "%d:%n", &any.handle.handle_type, &at) != 1)
            return 2;
        unsigned byte;
        for (char *digits = arguments[i] + at; sscanf(digits, "%2x", &byte) == 1; digits += 2)
            any.handle.f_handle[any.handle.handle_bytes++] = (unsigned char)byte;
        int fd = open_by_handle_at(mount, &any.handle, O_RDONLY);
        if (fd < 0)
            printf("%s\n", strerrorname_np(errno));
        else
            print_contents(fd);
        close(fd);
    }
    return 0;
}

/* Made-up handles as FUSE makes them: none may open anything but ESTALE says so. Prints how many
 * there were. The arguments after the seed and the count are nodes that exist, with a generation that
 * they do not have. */
static int forge(int count, char **arguments)
{
    if (count < 3)
        return 2;
    int mount = (int)MUST(open(arguments[0], O_RDONLY | O_DIRECTORY));
    uint64_t random = strtoull(arguments[1], NULL, 10);
    long tries = atol(arguments[2]);
    for (long i = 0; i < tries; i++) {
        union any_handle any = {.handle = {.handle_bytes = 12, .handle_type = 0x81}};
        uint64_t node = random_number(&random);
        uint32_t generation = (uint32_t)random_number(&random);
        switch (i % 6) {
        case 0: break;
        case 1: node >>= 40; break;
        case 2: node = UINT64_MAX - (node >> 48); break;
        case 3: node = 2 + node % 64; break;
        case 4: node = 1ull << (node % 64); break;
        case 5:
            node >>= 48;
            generation = 0;
            break;
        }
        if (node <= 1)
            continue;
        /* Two words of the node, the more significant one first, and the generation. */
        uint32_t words[3] = {(uint32_t)(node >> 32), (uint32_t)node, generation};
        memcpy(any.handle.f_handle, words, sizeof words);
        int fd = open_by_handle_at(mount, &any.handle, O_RDONLY | O_NONBLOCK);
        if (fd >= 0 || errno != ESTALE)
            fail("node %llu, generation %u: %d", (unsigned long long)node, generation, fd);
    }
    printf("%ld tries\n", tries);
    return 0;
}

/* A filesystem whose server answers nothing, for as long as this program runs. Whoever asks it
 * waits. */
static int stuck(int count, char **arguments)
{
    if (count < 1)
        return 2;
    int fuse = (int)MUST(open("/dev/fuse", O_RDWR));
    char options[64];
    snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fuse);
    MUST(mount("stuck", arguments[0], "fuse.stuck", 0, options));
    puts("mounted");
    fflush(stdout);
    char end;
    return read(0, &end, 1) < 0;
}

/* Leaves a page in memory that is to be written to a file, which nobody has open any more. */
static int dirty(int count, char **arguments)
{
    if (count < 1)
        return 2;
    int fd = (int)MUST(open(arguments[0], O_RDWR | O_CREAT, 0644));
    MUST(ftruncate(fd, 4096));
    char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        fail("mmap");
    MUST(close(fd));
    strcpy(map, "mapped");
    return 0;
}

/* Maps a file; for each line, stores a byte in the next page of it. */
static int store(int count, char **arguments)
{
    if (count < 1)
        return 2;
    struct stat status;
    int fd = (int)MUST(open(arguments[0], O_RDWR));
    MUST(fstat(fd, &status));
    char *map = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        fail("mmap");
    puts("mapped");
    fflush(stdout);
    char line[64];
    for (off_t at = 0; at < status.st_size && fgets(line, sizeof line, stdin); at += 4096) {
        map[at]++;
        puts("stored");
        fflush(stdout);
    }
    return 0;
}

const struct command tools[] = {
    {"fill", "DIRECTORY", fill},
    {"tree", "DIRECTORY DIRECTORIES FILES", tree},
    {"hold", "FILE [directory]", hold},
    {"handle", "FILE…", handle},
    {"open-handle", "MOUNT HANDLE…", open_handle},
    {"forge", "MOUNT SEED COUNT", forge},
    {"stuck", "DIRECTORY", stuck},
    {"dirty", "FILE", dirty},
    {"store", "FILE", store},
    {NULL, NULL, NULL},
};
