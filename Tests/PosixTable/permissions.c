/* Who may, and who may not. */
#include "table.h"

static void search_permission(void)
{
    make_directory("d", 0755);
    make("d/file", 0644, "text");
    make_directory("d/sub", 0755);
    static const mode_t modes[] = {0000, 0100, 0200, 0400, 0600, 0700, 0711, 0744, 0755};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (chmod("d", modes[i]))
            say("no chmod");
        say("mode %o", modes[i]);
        DO(open("d", O_RDONLY | O_DIRECTORY));
        DO(open("d/file", O_RDONLY));
        DO(stat("d/file", &(struct stat){0}));
        DO(stat("d/sub/..", &(struct stat){0}));
        DO(open("d/new", O_RDWR | O_CREAT, 0600));
        DO(unlink("d/new"));
        DO(mkdir("d/new", 0700));
        DO(rmdir("d/new"));
        DO(link("d/file", "d/link"));
        DO(rename("d/link", "d/renamed"));
        DO(unlink("d/renamed"));
        DO(symlink("x", "d/link"));
        DO(unlink("d/link"));
        DO(chdir("d") || chdir("..") ? -1 : 0);
        AS(STRANGER, STRANGER, {
            DO(open("d", O_RDONLY | O_DIRECTORY));
            DO(open("d/file", O_RDONLY));
            DO(open("d/new", O_RDWR | O_CREAT, 0600));
            DO(access("d/file", R_OK));
        });
    }
    chmod("d", 0755);
}

static void file_permission(void)
{
    static const mode_t modes[] = {0000, 0400, 0200, 0600, 0444, 0222, 0640, 0604, 0070, 0007};
    make("file", 0644, "text");
    if (is_root && chown("file", USER, OTHER_GROUP))
        say("no chown");
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (chmod("file", modes[i]))
            say("no chmod");
        say("mode %o", modes[i]);
        DO(open("file", O_RDONLY));
        DO(open("file", O_WRONLY));
        DO(open("file", O_RDWR | O_TRUNC));
        DO(access("file", R_OK));
        DO(access("file", W_OK));
        DO(access("file", X_OK));
        DO(truncate("file", 3));
        AS(USER, GROUP, {
            DO(open("file", O_RDONLY));
            DO(open("file", O_WRONLY));
            DO(access("file", R_OK | W_OK));
            DO(chmod("file", modes[i]));
            DO(truncate("file", 3));
        });
        APART({
            if (is_root) {
                become(STRANGER, STRANGER, OTHER_GROUP);
                DO(open("file", O_RDONLY));
                DO(open("file", O_WRONLY));
                DO(access("file", R_OK | W_OK));
                DO(chmod("file", 0777));
            }
        });
        AS(STRANGER, STRANGER, {
            DO(open("file", O_RDONLY));
            DO(open("file", O_RDWR | O_CREAT, 0600));
            DO(chmod("file", 0777));
            DO(chown("file", STRANGER, -1));
            DO(unlink("file"));
            DO(rename("file", "mine"));
            DO(link("file", "mine"));
        });
    }
}

static void open_keeps_permission(void)
{
    make("file", 0600, "text");
    int fd = open("file", O_RDWR);
    DO(chmod("file", 0000));
    NUMBER(pwrite(fd, "TEXT", 4, 0));
    char text[8] = "";
    NUMBER(pread(fd, text, 4, 0));
    DO(ftruncate(fd, 2));
    DO(fsync(fd));
    DO(open("file", O_RDONLY));
    /* A new file that its maker may not open again. */
    fd = (int)DO(open("secret", O_RDWR | O_CREAT | O_EXCL, 0000));
    NUMBER(pwrite(fd, "secret", 6, 0));
    NUMBER(pread(fd, text, 6, 0));
    fd = (int)DO(open("read-only", O_RDWR | O_CREAT | O_EXCL, 0444));
    NUMBER(pwrite(fd, "text", 4, 0));
    DO(ftruncate(fd, 2));
    DO(fallocate(fd, 0, 0, 100));
    show("read-only");
    DO(unlink("secret"));
    NUMBER(pread(fd, text, 2, 0));
    DO(open("read-only", O_WRONLY));
    DO(open("read-only", O_WRONLY | O_TRUNC));
    fd = (int)DO(open("write-only", O_WRONLY | O_CREAT | O_EXCL, 0200));
    NUMBER(pwrite(fd, "text", 4, 0));
    NUMBER(pread(fd, text, 2, 0));
}

static void handed_over(void)
{
    /* A descriptor that was opened by root, used by a user. */
    make("file", 0600, "text");
    int fd = open("file", O_RDWR), directory = open(".", O_RDONLY | O_DIRECTORY);
    AS(STRANGER, STRANGER, {
        char text[8] = "";
        NUMBER(pread(fd, text, 4, 0));
        NUMBER(pwrite(fd, "TEXT", 4, 0));
        DO(ftruncate(fd, 2));
        DO(fchmod(fd, 0666));
        DO(openat(directory, "file", O_RDONLY));
        DO(openat(directory, "new", O_RDWR | O_CREAT, 0600));
    });
    show("file");
}

static void ownership(void)
{
    make_directory("all", 0777);
    AS(STRANGER, GROUP, {
        DO(open("all/file", O_RDWR | O_CREAT, 0640));
        DO(mkdir("all/directory", 0750));
        DO(symlink("x", "all/symlink"));
        DO(mknod("all/fifo", S_IFIFO | 0600, 0));
        DO(mknod("all/character", S_IFCHR | 0600, 0x103));
        DO(chown("all/file", -1, STRANGER));
        DO(chown("all/file", USER, -1));
    });
    show("all/file");
    show("all/directory");
    show("all/symlink");
    show("all/fifo");
    show("all/character");
    DO(open("all/own", O_RDWR | O_CREAT, 0640));
    show("all/own");
    AS(USER, STRANGER, {
        DO(unlink("all/own"));
        DO(rmdir("all/directory"));
        DO(rename("all/file", "all/moved"));
        DO(rename("all/file", "out"));
    });
    show("all/moved");
}

const struct test permissions_tests[] = {
    {"search-permission", search_permission},
    {"file-permission", file_permission},
    {"open-keeps-permission", open_keeps_permission},
    {"handed-over", handed_over},
    {"ownership", ownership},
    {NULL, NULL},
};
