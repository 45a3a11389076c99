/* Names: links, renames, removal. */
#include "table.h"

#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

static int exchange(const char *a, const char *b)
{
    return renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
}

static int keep(const char *a, const char *b)
{
    return renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_NOREPLACE);
}

static void creating(void)
{
    DO(open("file", O_RDONLY));
    DO(open("file", O_RDWR | O_CREAT | O_EXCL, 0644));
    show("file");
    DO(open("file", O_RDWR | O_CREAT | O_EXCL, 0644));
    DO(open("file", O_RDWR | O_CREAT, 0600));
    DO(mkdir("file", 0755));
    DO(mkdir("directory", 0755));
    show("directory");
    DO(mkdir("directory", 0755));
    DO(open("directory", O_RDWR));
    DO(open("directory", O_RDWR | O_CREAT, 0600));
    DO(open("directory", O_RDONLY | O_CREAT | O_EXCL, 0600));
    DO(open("file/below", O_RDWR | O_CREAT, 0600));
    DO(open("nothing/below", O_RDWR | O_CREAT, 0600));
    DO(mkdir("file/below", 0700));
    DO(mkdir("directory/", 0700));
    DO(open("file/", O_RDONLY));
    DO(open("file", O_RDONLY | O_DIRECTORY));
    DO(open("directory", O_RDONLY | O_DIRECTORY));
    show(".");
}

static void umasks(void)
{
    umask(077);
    DO(open("a", O_RDWR | O_CREAT, 0666));
    DO(mkdir("b", 0777));
    DO(mknod("c", S_IFIFO | 0666, 0));
    umask(0);
    DO(open("d", O_RDWR | O_CREAT, 07777));
    DO(mkdir("e", 01777));
    DO(mknod("f", S_IFREG | 0666, 0));
    umask(027);
    DO(open("g", O_RDWR | O_CREAT, 0777));
    for (const char *name = "a\0b\0c\0d\0e\0f\0g\0"; *name; name += 2)
        show(name);
}

static void special_files(void)
{
    DO(mknod("fifo", S_IFIFO | 0640, 0));
    DO(mknod("character", S_IFCHR | 0600, makedev(1, 3)));
    DO(mknod("block", S_IFBLK | 0600, makedev(7, 250)));
    DO(mknod("regular", S_IFREG | 0600, 0));
    DO(mknod("regular", S_IFREG | 0600, 0));
    DO(mknod("directory", S_IFDIR | 0600, 0));
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    DO(bind(s, (struct sockaddr *)&address, sizeof address));
    DO(listen(s, 1));
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    DO(connect(client, (struct sockaddr *)&address, sizeof address));
    show("fifo");
    show("character");
    show("block");
    show("regular");
    show("socket");
    int fd = open("fifo", O_RDWR);
    NUMBER(write(fd, "through", 7));
    char text[8] = "";
    NUMBER(read(fd, text, 7));
    say("%s", text);
    if (is_root) {
        fd = open("character", O_RDWR);
        NUMBER(write(fd, "nothing", 7));
        NUMBER(read(fd, text, 7));
    }
}

static void symlinks(void)
{
    char target[4200], text[5000];
    memset(target, 'x', sizeof target);
    DO(symlink("file", "link"));
    DO(symlink("again", "link"));
    DO(symlink("", "empty"));
    DO(symlink("a//b///c/./../", "slashes"));
    DO(symlink("nowhere", "dangling"));
    target[4095] = 0;
    DO(symlink(target, "long"));
    target[4095] = 'x';
    target[4096] = 0;
    DO(symlink(target, "too long"));
    target[300] = 0;
    DO(symlink(target, "outside of the inode"));
    NUMBER(readlink("link", text, sizeof text));
    memset(text, 0, sizeof text);
    NUMBER(readlink("slashes", text, sizeof text));
    say("%s", text);
    NUMBER(readlink("slashes", text, 3));
    NUMBER(readlink("long", text, sizeof text));
    NUMBER(readlink("outside of the inode", text, sizeof text));
    show("link");
    show("slashes");
    show("long");
    DO(open("link", O_RDONLY));
    make("file", 0644, "contents");
    show_contents("link");
    NUMBER(readlink("file", text, sizeof text));
    DO(open("dangling", O_RDONLY));
    DO(open("dangling", O_RDWR | O_CREAT | O_EXCL, 0600));
    DO(open("dangling", O_RDWR | O_CREAT, 0600));
    show("nowhere");
    DO(open("link", O_RDONLY | O_NOFOLLOW));
    DO(open("link", O_PATH | O_NOFOLLOW));
    DO(chmod("link", 0600));
    show("file");
    DO(lchown("link", geteuid(), getegid()));
    DO(unlink("link"));
    show("link");
    show("file");
    DO(mkdir("directory", 0755));
    DO(symlink("directory", "to directory"));
    DO(rmdir("to directory"));
    DO(mkdir("to directory", 0755));
    DO(open("to directory", O_RDONLY | O_DIRECTORY));
    DO(open("to directory", O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    DO(rename("to directory/", "elsewhere"));
}

static void loops(void)
{
    DO(symlink("b", "a"));
    DO(symlink("a", "b"));
    DO(open("a", O_RDONLY));
    DO(open("a/c", O_RDWR | O_CREAT, 0600));
    DO(symlink("self", "self"));
    DO(stat("self", &(struct stat){0}));
    DO(rename("a", "c"));
    DO(open("c", O_RDONLY));
    char name[8] = "0";
    make("l0", 0600, "end");
    for (int i = 1; i <= 41; i++) {
        char target[8];
        snprintf(target, sizeof target, "l%d", i - 1);
        snprintf(name, sizeof name, "l%d", i);
        if (symlink(target, name))
            say("no link");
    }
    show_contents("l40");
    show_contents("l41");
}

static void links(void)
{
    make("a", 0640, "one file");
    DO(link("a", "b"));
    show("a");
    show("b");
    DO(link("a", "b"));
    DO(link("nothing", "c"));
    DO(mkdir("directory", 0755));
    DO(link("directory", "c"));
    DO(link("a", "directory/a"));
    DO(link("a", "nothing/a"));
    DO(link("a", "b/a"));
    show("a");
    DO(unlink("a"));
    show("b");
    show_contents("directory/a");
    DO(symlink("b", "symlink"));
    DO(link("symlink", "second symlink"));
    show("second symlink");
    DO(linkat(AT_FDCWD, "symlink", AT_FDCWD, "followed", AT_SYMLINK_FOLLOW));
    show("followed");
    int fd = open("b", O_RDONLY);
    DO(unlink("b"));
    DO(unlink("followed"));
    show_fd("the open file", fd);
    DO(unlink("directory/a"));
    show_fd("the open file", fd);
    struct times times = watch_times(".");
    make("t", 0600, "t");
    struct times own = watch_times("t");
    DO(link("t", "u"));
    show_times(&times, "link");
    show_times(&own, "link");
    own = watch_times("u");
    DO(unlink("t"));
    show_times(&own, "unlink");
}

static void many_links(void)
{
    char name[16];
    make("file", 0600, "x");
    int made = 0;
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "link-%d", i);
        made += !link("file", name);
    }
    say("%d links", made);
    show("file");
    for (int i = 0; i < 200; i += 2) {
        snprintf(name, sizeof name, "link-%d", i);
        unlink(name);
    }
    show("file");
    show("link-199");
}

static void removing(void)
{
    make_directory("directory", 0755);
    make("directory/file", 0600, "x");
    make("file", 0600, "x");
    DO(rmdir("directory"));
    DO(unlink("directory"));
    DO(rmdir("file"));
    DO(rmdir("directory/file"));
    DO(unlink("file/x"));
    DO(unlink("nothing"));
    DO(rmdir("nothing"));
    DO(rmdir("directory/."));
    DO(rmdir("directory/.."));
    DO(unlink("file/"));
    DO(unlink("directory/file"));
    show("directory");
    show(".");
    DO(rmdir("directory"));
    show(".");
    DO(unlink("file"));
    DO(unlink("file"));
    DO(rmdir("."));
}

static void renaming(void)
{
    make("a", 0600, "a");
    make("b", 0600, "b");
    struct times times = watch_times("a");
    DO(rename("a", "c"));
    times.name = "c";
    show_times(&times, "rename");
    show("a");
    show_contents("c");
    DO(rename("c", "b"));
    show_contents("b");
    DO(rename("b", "b"));
    DO(rename("nothing", "b"));
    DO(rename("b", "nothing/b"));
    DO(rename("b", "b/c"));
    make_directory("d", 0755);
    make_directory("d/e", 0755);
    make_directory("empty", 0755);
    DO(rename("d", "d/e/f"));
    DO(rename("d", "d"));
    DO(rename("d", "b"));
    DO(rename("b", "d"));
    DO(rename("empty", "d"));
    DO(rename("d/e", "d"));
    DO(rename("d", "empty"));
    show("d");
    show("empty");
    show("empty/e");
    DO(rename("b", "empty/e/b"));
    show_contents("empty/e/b");
    DO(rename("empty/e/b", "b/"));
    DO(rename("empty/.", "x"));
    DO(rename("empty/..", "x"));
    DO(link("empty/e/b", "same"));
    DO(rename("empty/e/b", "same"));
    show("same");
    show("empty/e/b");
    make_directory("other", 0755);
    DO(rename("empty/e", "other/e"));
    show("empty");
    show("other");
    DO(stat("other/e/..", &(struct stat){0}));
}

static void noreplace(void)
{
    make("a", 0600, "a");
    make("b", 0600, "b");
    DO(keep("a", "b"));
    DO(keep("a", "c"));
    show_contents("c");
    show_contents("b");
    DO(keep("nothing", "b"));
    DO(keep("nothing", "x"));
    make_directory("d", 0755);
    DO(keep("c", "d"));
    DO(keep("d", "e"));
    DO(keep("e", "e"));
    DO(renameat2(AT_FDCWD, "b", AT_FDCWD, "c", RENAME_NOREPLACE | RENAME_EXCHANGE));
    DO(renameat2(AT_FDCWD, "b", AT_FDCWD, "c", 1 << 10));
    DO(renameat2(AT_FDCWD, "b", AT_FDCWD, "w", RENAME_WHITEOUT));
    show("b");
    show("w");
}

static void exchanging(void)
{
    make("a", 0600, "a");
    make("b", 0644, "bb");
    DO(exchange("a", "b"));
    show_contents("a");
    show_contents("b");
    show("a");
    DO(exchange("a", "nothing"));
    DO(exchange("nothing", "a"));
    make_directory("d", 0755);
    make("d/in", 0600, "in");
    DO(exchange("a", "d"));
    show("a");
    show_contents("d");
    show_contents("a/in");
    DO(exchange("a", "a/in"));
    DO(exchange("a/in", "a"));
    DO(exchange("b", "b"));
    make_directory("e", 0700);
    DO(exchange("a/in", "e"));
    show("a");
    show("e");
    show_contents("e");
    show(".");
}

static void open_across_rename(void)
{
    make("a", 0600, "first");
    make("b", 0600, "second");
    int a = open("a", O_RDWR), b = open("b", O_RDWR);
    DO(rename("a", "b"));
    NUMBER(pwrite(a, "FIRST", 5, 0));
    NUMBER(pwrite(b, "SECOND", 6, 0));
    show_fd("a", a);
    show_fd("b", b);
    show_contents("b");
    char text[8] = "";
    NUMBER(pread(b, text, 6, 0));
    say("the replaced file has %s", text);
    make_directory("d", 0755);
    int d = open("d", O_RDONLY | O_DIRECTORY);
    DO(rename("d", "e"));
    DO(openat(d, "file", O_RDWR | O_CREAT, 0600));
    show("e/file");
}

static void working_directory(void)
{
    char path[4096];
    make_directory("d", 0755);
    DO(chdir("d"));
    DO(rmdir("../d"));
    show(".");
    show("..");
    DO(open("file", O_RDWR | O_CREAT, 0600));
    DO(mkdir("e", 0700));
    DO(open(".", O_RDONLY | O_DIRECTORY));
    DO(getcwd(path, sizeof path) ? 0 : -1);
    DO(chdir(".."));
}

static void long_names(void)
{
    char name[300], path[4200];
    memset(name, 'n', sizeof name);
    name[255] = 0;
    DO(open(name, O_RDWR | O_CREAT | O_EXCL, 0600));
    DO(stat(name, &(struct stat){0}));
    char other[300];
    memset(other, 'm', sizeof other);
    other[255] = 0;
    DO(rename(name, other));
    DO(link(other, name));
    DO(exchange(other, name));
    DO(unlink(other));
    DO(mkdir(other, 0700));
    DO(rmdir(other));
    DO(symlink("x", other));
    DO(unlink(other));
    name[255] = 'n';
    name[256] = 0;
    DO(open(name, O_RDWR | O_CREAT | O_EXCL, 0600));
    DO(open(name, O_RDONLY));
    DO(mkdir(name, 0700));
    DO(symlink("x", name));
    DO(stat(name, &(struct stat){0}));
    DO(unlink(name));
    make("short", 0600, "x");
    DO(rename("short", name));
    DO(link("short", name));
    memset(path, '/', sizeof path);
    path[0] = '.';
    path[4095] = 0;
    DO(stat(path, &(struct stat){0}));
    path[4095] = '/';
    path[4096] = 0;
    DO(stat(path, &(struct stat){0}));
}

static void odd_names(void)
{
    static const char *const odd[] = {"\xff\xfe\x80", "a\nb", " ", "-", "\x01", "\xc3\xa9",
                                      "e\xcc\x81", "...", "..a", "a:b*?\"<>|\\"};
    char text[64];
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        snprintf(text, sizeof text, "number %zu", i);
        make(odd[i], 0600, text);
    }
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        int fd = open(odd[i], O_RDONLY);
        ssize_t n = read(fd, text, sizeof text - 1);
        text[n < 0 ? 0 : n] = 0;
        say("name %zu leads to %s", i, text);
    }
    DO(rename("\xff\xfe\x80", "\xff\xfe\x81"));
    DO(symlink("\xff\xfe\x81", "\x80"));
    NUMBER(readlink("\x80", text, sizeof text));
    show_contents("\x80");
    DO(unlink("\xff\xfe\x81"));
}

const struct test names_tests[] = {
    {"creating", creating},
    {"umasks", umasks},
    {"special-files", special_files},
    {"symlinks", symlinks},
    {"loops", loops},
    {"links", links},
    {"many-links", many_links},
    {"removing", removing},
    {"renaming", renaming},
    {"noreplace", noreplace},
    {"exchanging", exchanging},
    {"open-across-rename", open_across_rename},
    {"working-directory", working_directory},
    {"long-names", long_names},
    {"odd-names", odd_names},
    {NULL, NULL},
};
