/* Reading directories. */
#include "table.h"

#include <dirent.h>

#define MANY 3000

static void make_many(int count)
{
    char name[32];
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "entry-%d", i);
        close(open(name, O_WRONLY | O_CREAT, 0600));
    }
}

static int index_of(const char *name)
{
    int i = -1;
    return sscanf(name, "entry-%d", &i) == 1 ? i : -1;
}

static void many_entries(void)
{
    static unsigned char seen[MANY];
    make_many(MANY);
    DIR *directory = opendir(".");
    int dots = 0, once = 0, more = 0, wrong = 0, types = 0;
    struct dirent *entry;
    while ((entry = readdir(directory))) {
        int i = index_of(entry->d_name);
        if (i < 0) {
            dots++;
            continue;
        }
        seen[i]++;
        struct stat status;
        if (i % 10 == 0 && (lstat(entry->d_name, &status) || status.st_ino != entry->d_ino))
            wrong++;
        types += entry->d_type == DT_REG;
    }
    for (int i = 0; i < MANY; i++) {
        once += seen[i] == 1;
        more += seen[i] > 1;
    }
    say("%d dots, %d once, %d more often, %d with another inode, %d files", dots, once, more,
        wrong, types);
    /* Again, from the start. */
    rewinddir(directory);
    int again = 0;
    while (readdir(directory))
        again++;
    say("%d again", again);
    closedir(directory);
}

static void seeking(void)
{
    make_many(500);
    DIR *directory = opendir(".");
    long places[502];
    char names[502][32];
    int count = 0;
    struct dirent *entry;
    while (places[count] = telldir(directory), (entry = readdir(directory)))
        strcpy(names[count++], entry->d_name);
    say("%d entries", count);
    int wrong = 0;
    for (int i = 0; i < count; i += 37) {
        seekdir(directory, places[count - 1 - i]);
        entry = readdir(directory);
        wrong += !entry || strcmp(entry->d_name, names[count - 1 - i]);
    }
    say("%d wrong", wrong);
    seekdir(directory, places[count]);
    say("%s at the end", readdir(directory) ? "an entry" : "nothing");
    closedir(directory);
}

static void removing_while_reading(void)
{
    static unsigned char seen[1000];
    make_many(1000);
    DIR *directory = opendir(".");
    int read = 0, twice = 0;
    struct dirent *entry;
    while ((entry = readdir(directory))) {
        int i = index_of(entry->d_name);
        if (i < 0)
            continue;
        twice += seen[i]++ > 0;
        if (unlink(entry->d_name))
            say("cannot be removed: %s", entry->d_name);
        read++;
    }
    closedir(directory);
    say("%d removed, %d seen twice", read, twice);
    DO(rmdir("../removing-while-reading/nothing"));
    directory = opendir(".");
    int left = 0;
    while ((entry = readdir(directory)))
        left++;
    closedir(directory);
    say("%d left", left);
}

static void adding_while_reading(void)
{
    static unsigned char seen[1000];
    make_many(500);
    DIR *directory = opendir(".");
    int old = 0, twice = 0, added = 0;
    struct dirent *entry;
    char name[32];
    while ((entry = readdir(directory))) {
        int i = index_of(entry->d_name);
        if (added < 300) {
            snprintf(name, sizeof name, "entry-%d", 500 + added++);
            close(open(name, O_WRONLY | O_CREAT, 0600));
        }
        if (i < 0)
            continue;
        twice += seen[i]++ > 0;
        old += i < 500;
    }
    closedir(directory);
    say("%d of the old ones, %d seen twice", old, twice);
}

static void types(void)
{
    make("file", 0600, "x");
    make_directory("directory", 0700);
    DO(symlink("file", "symlink"));
    DO(mknod("fifo", S_IFIFO | 0600, 0));
    DO(mknod("socket", S_IFSOCK | 0600, 0));
    if (is_root)
        DO(mknod("character", S_IFCHR | 0600, 0x103));
    struct dirent **list;
    int n = scandir(".", &list, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        struct stat status;
        int same = !lstat(list[i]->d_name, &status) && status.st_ino == list[i]->d_ino;
        if (!strcmp(list[i]->d_name, "..") || !strcmp(list[i]->d_name, "."))
            same = 1;
        say("%s: type %d, inode %s", list[i]->d_name, list[i]->d_type, same ? "alike" : "other");
        free(list[i]);
    }
    free(list);
}

static void dots(void)
{
    make_directory("a", 0755);
    make_directory("a/b", 0755);
    struct stat here, there, dot;
    DO(stat(".", &here));
    DO(stat("a/..", &there));
    say("%s", here.st_ino == there.st_ino ? "the same" : "another");
    DO(stat("a/b/../..", &there));
    say("%s", here.st_ino == there.st_ino ? "the same" : "another");
    DIR *directory = opendir("a/b");
    struct dirent *entry;
    int found = 0;
    stat("a/b", &dot);
    while ((entry = readdir(directory)))
        if (!strcmp(entry->d_name, "."))
            found = entry->d_ino == dot.st_ino;
    say("its own inode: %d", found);
    closedir(directory);
    DO(open("a/./b//../b", O_RDONLY | O_DIRECTORY));
    show("a");
    DO(mkdir("a/b/c", 0755));
    show("a/b");
    DO(rename("a/b/c", "c"));
    show("a/b");
    show(".");
}

static void removed(void)
{
    make_directory("d", 0755);
    int fd = open("d", O_RDONLY | O_DIRECTORY);
    DIR *directory = opendir("d");
    DO(rmdir("d"));
    int count = 0;
    errno = 0;
    while (readdir(directory))
        count++;
    say("%d entries, then %s", count, errno ? strerrorname_np(errno) : "the end");
    DO(openat(fd, "x", O_RDWR | O_CREAT, 0600));
    DO(mkdirat(fd, "x", 0700));
    DO(fchmod(fd, 0700));
    show_fd("d", fd);
    DO(fsync(fd));
    make_directory("d", 0755);
    show("d");
    show_fd("the old one", fd);
}

static void opening(void)
{
    make("file", 0600, "x");
    DO(opendir("file") ? 0 : -1);
    DO(opendir("nothing") ? 0 : -1);
    make_directory("closed", 0000);
    DO(opendir("closed") ? 0 : -1);
    make_directory("x-only", 0111);
    DO(opendir("x-only") ? 0 : -1);
    DO(open(".", O_WRONLY));
    DO(open(".", O_PATH));
}

const struct test directories_tests[] = {
    {"many-entries", many_entries},
    {"seeking", seeking},
    {"removing-while-reading", removing_while_reading},
    {"adding-while-reading", adding_while_reading},
    {"types", types},
    {"dots", dots},
    {"removed", removed},
    {"opening", opening},
    {NULL, NULL},
};
