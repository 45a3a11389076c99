#include "table.h"

#include <grp.h>
#include <limits.h>
#include <signal.h>

int is_root;
static const char *below_all;
static const char *current = "";

void say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("%s: ", current);
    vprintf(format, arguments);
    putchar('\n');
    va_end(arguments);
}

static const char *errno_name(int error)
{
    const char *name = strerrorname_np(error);
    return name ? name : "unknown";
}

long done(const char *call, long result)
{
    int error = errno;
    say("%s: %s", call, result < 0 ? errno_name(error) : "ok");
    errno = error;
    return result;
}

long number(const char *call, long result)
{
    int error = errno;
    if (result < 0)
        say("%s: %s", call, errno_name(error));
    else
        say("%s: %ld", call, result);
    errno = error;
    return result;
}

static const char *type_name(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG: return "file";
    case S_IFDIR: return "directory";
    case S_IFLNK: return "symlink";
    case S_IFIFO: return "fifo";
    case S_IFSOCK: return "socket";
    case S_IFCHR: return "character";
    case S_IFBLK: return "block";
    default: return "?";
    }
}

static void show_status(const char *name, int failed, const struct stat *status)
{
    if (failed)
        say("%s is not there: %s", name, errno_name(errno));
    else
        say("%s is a %s %04o of %u:%u, links %lu, size %ld, device %lx", name,
            type_name(status->st_mode), status->st_mode & 07777, status->st_uid, status->st_gid,
            (unsigned long)status->st_nlink, (long)status->st_size,
            S_ISCHR(status->st_mode) || S_ISBLK(status->st_mode) ? (long)status->st_rdev : 0);
}

void show(const char *name)
{
    struct stat status;
    int failed = lstat(name, &status);
    show_status(name, failed, &status);
}

void show_after(const char *what, const char *name)
{
    struct stat status;
    char text[256];
    int failed = lstat(name, &status);
    snprintf(text, sizeof text, "%s after %s", name, what);
    show_status(text, failed, &status);
}

void show_fd(const char *what, int fd)
{
    struct stat status;
    int failed = fstat(fd, &status);
    show_status(what, failed, &status);
}

void show_contents(const char *name)
{
    char text[4096];
    int fd = open(name, O_RDONLY);
    if (fd < 0) {
        say("%s cannot be read: %s", name, errno_name(errno));
        return;
    }
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n < 0) {
        say("%s cannot be read: %s", name, errno_name(errno));
        return;
    }
    text[n] = 0;
    unsigned hash = 5381;
    for (ssize_t i = 0; i < n; i++)
        hash = hash * 33 + (unsigned char)text[i];
    say("%s has %zd bytes: %.40s (%x)", name, n, text, hash);
}

void pause_ms(int milliseconds)
{
    struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
    nanosleep(&time, NULL);
}

struct times watch_times(const char *name)
{
    struct times times = {.name = name};
    lstat(name, &times.before);
    /* Longer than a tick of the clock that files are stamped with. */
    pause_ms(15);
    return times;
}

static const char *moved(struct timespec a, struct timespec b)
{
    if (a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec)
        return "stays";
    return a.tv_sec < b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec < b.tv_nsec) ? "moves on"
                                                                                 : "goes back";
}

void show_times(const struct times *times, const char *what)
{
    struct stat now;
    if (lstat(times->name, &now)) {
        say("%s: %s has no times", what, times->name);
        return;
    }
    say("%s: of %s, atime %s, mtime %s, ctime %s", what, times->name,
        moved(times->before.st_atim, now.st_atim), moved(times->before.st_mtim, now.st_mtim),
        moved(times->before.st_ctim, now.st_ctim));
}

void path_below(char path[PATH_SIZE], const char *name)
{
    snprintf(path, PATH_SIZE, "%s/%s/%s", below_all, current, name);
}

static void must(int succeeded, const char *what)
{
    if (!succeeded)
        say("cannot make %s: %s", what, errno_name(errno));
}

int make(const char *name, mode_t mode, const char *contents)
{
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
    must(fd >= 0, name);
    if (contents)
        must(write(fd, contents, strlen(contents)) == (ssize_t)strlen(contents), name);
    must(fchmod(fd, mode) == 0, name);
    close(fd);
    return 0;
}

void make_directory(const char *name, mode_t mode)
{
    must(mkdir(name, 0700) == 0, name);
    must(chmod(name, mode) == 0, name);
}

void become(uid_t uid, gid_t gid, gid_t other)
{
    if (setgroups(other == (gid_t)-1 ? 0 : 1, &other) || setresgid(gid, gid, gid) ||
        setresuid(uid, uid, uid))
        say("cannot become %u", uid);
}

static void run(const struct test *test, const char *directory, const char *directory_below)
{
    current = test->name;
    /* A case that hangs is ended; the next one goes on. */
    alarm(60);
    umask(022);
    if (chdir(directory) || mkdir(test->name, 0755) || chdir(test->name)) {
        say("no directory for it: %s", errno_name(errno));
        return;
    }
    below_all = directory_below;
    test->run();
}

/* Cases that run at the same time, and where their lines go: most of the time they wait. */
#define AT_A_TIME 16

struct running {
    const struct test *test;
    pid_t process;
    int output;
};

static void start(struct running *running, const char *directory, const char *directory_below)
{
    fflush(stdout);
    running->output = memfd_create("output", 0);
    running->process = fork();
    if (running->process == 0) {
        dup2(running->output, 1);
        run(running->test, directory, directory_below);
        fflush(stdout);
        _exit(0);
    }
}

/* Waits for a case, and prints its lines. */
static void finish(struct running *running)
{
    static char text[1 << 16];
    int status;
    waitpid(running->process, &status, 0);
    ssize_t n;
    for (off_t at = 0; (n = pread(running->output, text, sizeof text, at)) > 0; at += n)
        fwrite(text, 1, (size_t)n, stdout);
    close(running->output);
    current = running->test->name;
    if (status)
        say("the case ended with %d", status);
}

int main(int count, char **arguments)
{
    const struct test *const tables[] = {names_tests,       attributes_tests, data_tests,
                                         directories_tests, permissions_tests, xattrs_tests,
                                         locks_tests,       times_tests,      flags_tests};
    static struct running cases[256];
    char directory[PATH_MAX], directory_below[PATH_MAX];
    if (count == 2 && !strcmp(arguments[1], "--hello")) {
        puts("hello");
        return 0;
    }
    if (count == 2 && !strcmp(arguments[1], "--wait"))
        return (int)read(0, directory, 1);
    if (count < 4 || !realpath(arguments[1], directory) ||
        !realpath(arguments[2], directory_below)) {
        fprintf(stderr, "posixtable DIRECTORY DIRECTORY-BELOW root|user [CASE]\n");
        return 2;
    }
    is_root = !strcmp(arguments[3], "root");
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    if (!is_root)
        become(USER, GROUP, OTHER_GROUP);
    int all = 0, started = 0, ended = 0;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        for (const struct test *test = tables[i]; test->name; test++)
            if (count < 5 || !strcmp(test->name, arguments[4]))
                cases[all++].test = test;
    while (ended < all) {
        while (started < all && started - ended < AT_A_TIME)
            start(&cases[started++], directory, directory_below);
        finish(&cases[ended++]);
    }
    return 0;
}
