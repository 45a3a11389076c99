/* What times, size and blocks of a file are at once after a change, and what moves access times. */
#include "table.h"

#include <dirent.h>
#include <sys/sendfile.h>

static const struct timespec past[2] = {{1000000000, 1}, {1000000000, 2}};

/* Whether what is told here is what the filesystem below tells. */
static void compare_below(const char *what, const char *name)
{
    char path[PATH_SIZE];
    struct stat here, below;
    path_below(path, name);
    if (lstat(name, &here) || lstat(path, &below))
        say("%s: no status of %s", what, name);
    else
        say("%s: size %s, blocks %s, times %s", what,
            here.st_size == below.st_size ? "alike" : "different",
            here.st_blocks == below.st_blocks ? "alike" : "different",
            memcmp(&here.st_atim, &below.st_atim, 3 * sizeof here.st_atim) ? "different" : "alike");
}

/* Makes a file of two blocks that was not touched for years, and asks for its status. */
static struct times old_file(mode_t mode)
{
    make("file", mode, "text");
    if (truncate("file", 8192) || utimensat(AT_FDCWD, "file", past, 0))
        say("no file");
    return watch_times("file");
}

static void change_old_file(size_t i, int by_user)
{
    struct times times = old_file(0666);
    int fd = open("file", O_RDWR);
    /* So that the old times are known after the open, too. */
    times = watch_times("file");
    if (by_user)
        AS(USER, GROUP, changes[i](fd));
    else
        changes[i](fd);
    show_times(&times, "at once");
    compare_below("at once", "file");
    close(fd);
    show_times(&times, "closed");
    unlink("file");
}

static void times_of_changes(void)
{
    make("from", 0644, "text");
    if (truncate("from", 8192))
        say("nothing to copy");
    for (size_t i = 0; i < CHANGES; i++)
        for (int by_user = 0; by_user <= is_root; by_user++)
            change_old_file(i, by_user);
}

/* A store to memory is a change, also before it is written back. */
static void times_of_stores(void)
{
    struct times times = old_file(0644);
    int fd = open("file", O_RDWR);
    char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return say("no map");
    times = watch_times("file");
    map[0] = 'x';
    show_times(&times, "a store");
    compare_below("a store", "file");
    DO(msync(map, 8192, MS_SYNC));
    show_times(&times, "msync");
    compare_below("msync", "file");
    times = watch_times("file");
    map[4096] = 'y';
    DO(msync(map, 8192, MS_ASYNC));
    munmap(map, 8192);
    show_times(&times, "munmap");
    close(fd);
    show_times(&times, "close");
    compare_below("close", "file");
}

static void link_it(void) { DO(link("file", "other")); }
static void rename_it(void) { DO(rename("other", "third")); }
static void unlink_it(void) { DO(unlink("third")); }
static void change_mode(void) { DO(chmod("file", 0640)); }
static void change_group(void) { DO(chown("file", -1, getegid())); }
static void set_attribute(void) { DO(setxattr("file", "user.x", "y", 1, 0)); }
static void set_it_again(void) { DO(setxattr("file", "user.x", "y", 1, XATTR_REPLACE)); }
static void remove_attribute(void) { DO(removexattr("file", "user.x")); }
static void make_one(void) { close((int)DO(open("new", O_RDWR | O_CREAT | O_EXCL, 0600))); }
static void replace_one(void) { DO(rename("new", "file")); }
static void touch_access(void)
{
    struct timespec now[2] = {{0, UTIME_NOW}, {0, UTIME_OMIT}};
    DO(utimensat(AT_FDCWD, "file", now, 0));
}
static void touch_change(void)
{
    struct timespec now[2] = {{0, UTIME_OMIT}, {0, UTIME_NOW}};
    DO(utimensat(AT_FDCWD, "file", now, 0));
}

static void times_of_names(void)
{
    static void (*const acts[])(void) = {
        link_it,      rename_it,        unlink_it, change_mode, change_group, set_attribute,
        set_it_again, remove_attribute, make_one,  replace_one, touch_access, touch_change,
    };
    make("file", 0600, "text");
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
        struct times directory = watch_times("."), times = watch_times("file");
        acts[i]();
        show_times(&directory, "then");
        show_times(&times, "then");
        compare_below("then", "file");
        compare_below("then", ".");
    }
}

/* MARK: Access times */

static void read_some(void)
{
    char text[16];
    int fd = open("file", O_RDONLY);
    NUMBER(pread(fd, text, sizeof text, 0));
    close(fd);
}
static void read_nothing(void)
{
    char text[16];
    int fd = open("file", O_RDONLY);
    NUMBER(pread(fd, text, 0, 0));
    NUMBER(pread(fd, text, 16, 100000));
    close(fd);
}
static void read_quietly(void)
{
    char text[16];
    int fd = open("file", O_RDONLY | O_NOATIME);
    NUMBER(pread(fd, text, sizeof text, 0));
    close(fd);
}
static void read_directly(void)
{
    static char text[4096] __attribute__((aligned(4096)));
    int fd = open("file", O_RDONLY | O_DIRECT);
    NUMBER(pread(fd, text, sizeof text, 0));
    close(fd);
}
static void read_by_map(void)
{
    int fd = open("file", O_RDONLY);
    char *map = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    say("%c", map == MAP_FAILED ? '?' : map[0]);
    munmap(map, 4096);
}
static void send_some(void)
{
    int fd = open("file", O_RDONLY), to = open("/dev/null", O_WRONLY);
    NUMBER(sendfile(to, fd, NULL, 100));
    close(fd);
    close(to);
}
static void copy_some(void)
{
    int fd = open("file", O_RDONLY), to = open("to", O_RDWR | O_CREAT, 0600);
    NUMBER(copy_file_range(fd, NULL, to, NULL, 100, 0));
    close(fd);
    close(to);
}
static void open_it(void) { close((int)DO(open("file", O_RDONLY))); }
static void read_value(void)
{
    char text[16];
    NUMBER(getxattr("file", "user.x", text, sizeof text));
}
static void list_directory(void)
{
    DIR *directory = opendir("d");
    while (directory && readdir(directory))
        ;
    closedir(directory);
}
static void list_quietly(void)
{
    DIR *directory = fdopendir(open("d", O_RDONLY | O_DIRECTORY | O_NOATIME));
    while (directory && readdir(directory))
        ;
    closedir(directory);
}
static void look_up(void) { DO(access("d/in", F_OK)); }
static void read_link(void)
{
    char text[16];
    NUMBER(readlink("link", text, sizeof text));
}
static void follow_link(void) { DO(access("link", F_OK)); }

struct reading {
    const char *name;
    void (*run)(void);
};

static const struct reading readings[] = {
    {"file", read_some},     {"file", read_quietly}, {"file", read_directly},
    {"file", read_by_map},   {"file", send_some},    {"file", copy_some},    {"file", open_it},
    {"file", read_value},    {"d", list_directory},  {"d", list_quietly},    {"d", look_up},
    {"link", read_link},     {"link", follow_link},
};

static const struct reading empty_readings[] = {{"file", read_nothing}};

/* Twice each: after a long time, and again at once. */
static void read_each(const struct reading *readings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        make("file", 0600, "text");
        if (truncate("file", 8192) || setxattr("file", "user.x", "y", 1, 0))
            say("no file");
        make_directory("d", 0700);
        make("d/in", 0600, "x");
        if (symlink("file", "link") ||
            utimensat(AT_FDCWD, readings[i].name, past, AT_SYMLINK_NOFOLLOW))
            say("no link");
        for (int again = 0; again < 2; again++) {
            struct times times = watch_times(readings[i].name);
            readings[i].run();
            show_times(&times, again ? "again" : "first");
            compare_below(again ? "again" : "first", readings[i].name);
        }
        unlink("d/in");
        rmdir("d");
        unlink("link");
        unlink("file");
    }
}

static void access_times(void) { read_each(readings, sizeof readings / sizeof *readings); }
static void empty_reads(void) { read_each(empty_readings, 1); }

const struct test times_tests[] = {
    {"times-of-changes", times_of_changes},
    {"times-of-stores", times_of_stores},
    {"times-of-names", times_of_names},
    {"access-times", access_times},
    {"empty-reads", empty_reads},
    {NULL, NULL},
};
