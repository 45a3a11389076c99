/* Status, times, modes and owners. */
#include "table.h"

#include <linux/capability.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>

static void modes(void)
{
    make("file", 0600, "x");
    static const mode_t wanted[] = {0, 0777, 01777, 02755, 04755, 06777, 07777, 02640, 0644};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        DO(chmod("file", wanted[i]));
        show("file");
    }
    make_directory("d", 0755);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        DO(chmod("d", wanted[i]));
        show("d");
    }
    DO(chmod("nothing", 0600));
    int fd = open("file", O_RDONLY);
    DO(fchmod(fd, 0640));
    show_fd("file", fd);
}

static void owners(void)
{
    make("file", 0644, "x");
    DO(chown("file", STRANGER, -1));
    show("file");
    DO(chown("file", -1, OTHER_GROUP));
    show("file");
    DO(chown("file", -1, STRANGER));
    show("file");
    DO(chown("file", USER, GROUP));
    show("file");
    DO(chown("file", -1, -1));
    DO(symlink("file", "link"));
    DO(lchown("link", STRANGER, STRANGER));
    show("link");
    DO(chown("link", -1, OTHER_GROUP));
    show("file");
    show("link");
    make_directory("d", 0755);
    DO(chown("d", STRANGER, STRANGER));
    show("d");
    DO(chown("nothing", STRANGER, STRANGER));
}

static void set_id_on_write(void)
{
    static const mode_t modes[] = {04755, 02755, 06755, 02644, 06777, 06711};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        say("mode %o", modes[i]);
        make("file", modes[i], "some text");
        int fd = open("file", O_RDWR);
        NUMBER(pwrite(fd, "SOME", 4, 0));
        show("file");
        chmod("file", modes[i]);
        DO(ftruncate(fd, 3));
        show("file");
        chmod("file", modes[i]);
        DO(truncate("file", 100));
        show("file");
        chmod("file", modes[i]);
        DO(ftruncate(fd, 100));
        show("file");
        chmod("file", modes[i]);
        DO(fallocate(fd, 0, 0, 8192));
        show("file");
        chmod("file", modes[i]);
        int again = (int)DO(open("file", O_WRONLY | O_TRUNC));
        show("file");
        close(again);
        chmod("file", modes[i]);
        DO(open("file", O_WRONLY | O_TRUNC | O_CREAT, 0600));
        show("file");
        close(fd);
    }
}

static void set_id_on_copy(void)
{
    make("from", 0644, "some text");
    for (int i = 0; i < 2; i++) {
        make("file", i ? 06777 : 06755, "text");
        int from = open("from", O_RDONLY), to = open("file", O_RDWR);
        NUMBER(copy_file_range(from, NULL, to, NULL, 5, 0));
        show("file");
        chmod("file", 06777);
        AS(USER, GROUP, {
            int from = open("from", O_RDONLY), to = open("file", O_RDWR);
            NUMBER(copy_file_range(from, NULL, to, NULL, 5, 0));
        });
        show("file");
    }
}

static void set_id_by_others(void)
{
    static const mode_t modes[] = {04777, 02777, 06777, 02666};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        say("mode %o", modes[i]);
        make("file", modes[i], "some text");
        AS(USER, GROUP, {
            int fd = open("file", O_RDWR);
            NUMBER(pwrite(fd, "SOME", 4, 0));
            show("file");
        });
        show("file");
        chmod("file", modes[i]);
        AS(USER, GROUP, DO(truncate("file", 2)));
        show("file");
        chmod("file", modes[i]);
        AS(USER, GROUP, DO(open("file", O_WRONLY | O_TRUNC)));
        show("file");
        chmod("file", modes[i]);
        AS(USER, GROUP, {
            int fd = open("file", O_RDWR);
            char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
            DO(ftruncate(fd, 4096));
            if (map != MAP_FAILED)
                map[0] = 'm';
            DO(msync(map, 4096, MS_SYNC));
        });
        show("file");
        chmod("file", modes[i]);
        AS(USER, GROUP, {
            int fd = open("file", O_RDWR);
            DO(fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, 4096));
        });
        show("file");
        /* As root, with the bits set again while it is open. */
        make("open", 0666, "text");
        AS(USER, GROUP, {
            int fd = open("open", O_RDWR);
            NUMBER(pwrite(fd, "T", 1, 0));
            pause_ms(60);
            NUMBER(pwrite(fd, "T", 1, 0));
        });
        show("open");
        unlink("open");
    }
}

static void set_id_while_open(void)
{
    make("file", 0666, "text");
    int fd = open("file", O_RDWR);
    NUMBER(pwrite(fd, "T", 1, 0));
    DO(chmod("file", 06777));
    NUMBER(pwrite(fd, "U", 1, 0));
    if (is_root)
        show_after("a chmod and a write by root", "file");
    else
        show("file");
    DO(chmod("file", 06777));
    AS(USER, GROUP, NUMBER(pwrite(fd, "V", 1, 0)));
    show("file");
}

static void set_id_on_chown(void)
{
    static const mode_t modes[] = {04755, 02755, 06755, 02644, 06711};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        make("file", modes[i], "x");
        DO(chown("file", -1, OTHER_GROUP));
        show("file");
        chmod("file", modes[i]);
        DO(chown("file", geteuid(), -1));
        show("file");
        chmod("file", modes[i]);
        DO(chown("file", -1, -1));
        show_after("chown to none", "file");
        unlink("file");
    }
    make_directory("d", 06755);
    DO(chown("d", -1, OTHER_GROUP));
    show("d");
}

static void set_id_by_chmod(void)
{
    /* A group that the caller is not in: the set-group-id bit is taken away from a user. */
    make("file", 0755, "x");
    if (is_root)
        DO(chown("file", USER, STRANGER));
    AS(USER, GROUP, DO(chmod("file", 02755)));
    show("file");
    AS(STRANGER, STRANGER, DO(chmod("file", 0777)));
    show("file");
    DO(chmod("file", 02755));
    show("file");
}

static void setgid_directories(void)
{
    make_directory("d", 0777);
    DO(chown("d", -1, OTHER_GROUP));
    DO(chmod("d", 02777));
    show("d");
    DO(open("d/file", O_RDWR | O_CREAT, 0644));
    DO(mkdir("d/sub", 0755));
    DO(mknod("d/fifo", S_IFIFO | 0644, 0));
    DO(symlink("x", "d/symlink"));
    umask(0);
    DO(open("d/setgid", O_RDWR | O_CREAT, 02755));
    DO(open("d/setgid without x", O_RDWR | O_CREAT, 02644));
    DO(mknod("d/node", S_IFREG | 02755, 0));
    show("d/file");
    show("d/sub");
    show("d/fifo");
    show("d/symlink");
    show("d/setgid");
    show("d/setgid without x");
    show("d/node");
    DO(open("d/sub/file", O_RDWR | O_CREAT, 0644));
    show("d/sub/file");
    AS(STRANGER, STRANGER, {
        umask(0);
        DO(open("d/strange", O_RDWR | O_CREAT | O_EXCL, 02755));
        DO(mkdir("d/strange directory", 02755));
        DO(mknod("d/strange node", S_IFREG | 02755, 0));
    });
    show("d/strange");
    show("d/strange directory");
    show("d/strange node");
}

static void sticky(void)
{
    make_directory("d", 01777);
    make("d/root", 0666, "of root");
    make_directory("d/directory", 0777);
    AS(USER, GROUP, {
        make("d/user", 0666, "of the user");
        DO(unlink("d/root"));
        DO(rename("d/root", "d/other"));
        DO(rename("d/user", "d/root"));
        DO(rmdir("d/directory"));
        DO(renameat2(AT_FDCWD, "d/user", AT_FDCWD, "d/root", RENAME_EXCHANGE));
    });
    AS(STRANGER, STRANGER, {
        DO(unlink("d/user"));
        DO(open("d/user", O_WRONLY));
        DO(open("d/user", O_WRONLY | O_CREAT, 0600));
        DO(rename("d/user", "d/mine"));
        DO(rename("d/user", "moved"));
    });
    AS(USER, GROUP, DO(unlink("d/user")));
    DO(unlink("d/root"));
}

/* CAP_NET_RAW in the permitted set, revision 2. */
static const struct vfs_ns_cap_data capability = {.magic_etc = VFS_CAP_REVISION_2,
                                                  .data = {{.permitted = 1 << CAP_NET_RAW}}};

static void give_capability(const char *name)
{
    DO(setxattr(name, "security.capability", &capability, XATTR_CAPS_SZ_2, 0));
}

static void file_capabilities(void)
{
    char value[64];
    make("file", 0777, "some text");
    NUMBER(getxattr("file", "security.capability", value, sizeof value));
    give_capability("file");
    NUMBER(getxattr("file", "security.capability", value, sizeof value));
    int fd = open("file", O_RDWR);
    NUMBER(pwrite(fd, "x", 1, 0));
    NUMBER(getxattr("file", "security.capability", value, sizeof value));
    give_capability("file");
    DO(ftruncate(fd, 2));
    NUMBER(getxattr("file", "security.capability", value, sizeof value));
    give_capability("file");
    DO(truncate("file", 1));
    NUMBER(getxattr("file", "security.capability", value, sizeof value));
    give_capability("file");
    DO(chown("file", geteuid(), -1));
    NUMBER(getxattr("file", "security.capability", value, sizeof value));
    give_capability("file");
    DO(chmod("file", 0755));
    NUMBER(getxattr("file", "security.capability", value, sizeof value));
    DO(open("file", O_WRONLY | O_TRUNC));
    NUMBER(getxattr("file", "security.capability", value, sizeof value));
    chmod("file", 0777);
    give_capability("file");
    AS(USER, GROUP, {
        int fd = open("file", O_WRONLY);
        NUMBER(pwrite(fd, "x", 1, 0));
    });
    NUMBER(getxattr("file", "security.capability", value, sizeof value));
}

static void show_exact(const char *name)
{
    struct stat status;
    if (stat(name, &status))
        return;
    say("%s: atime %ld.%09ld mtime %ld.%09ld", name, status.st_atim.tv_sec,
        status.st_atim.tv_nsec, status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
}

static void set_times(void)
{
    make("file", 0644, "x");
    struct timespec exact[2] = {{1000000000, 123456789}, {1100000000, 987654321}};
    DO(utimensat(AT_FDCWD, "file", exact, 0));
    show_exact("file");
    struct timespec before[2] = {{-1000000, 5}, {-1, 999999999}};
    DO(utimensat(AT_FDCWD, "file", before, 0));
    show_exact("file");
    struct timespec late[2] = {{4000000000, 1}, {10000000000, 0}};
    DO(utimensat(AT_FDCWD, "file", late, 0));
    show_exact("file");
    DO(utimensat(AT_FDCWD, "file", exact, 0));
    struct timespec some[2] = {{0, UTIME_OMIT}, {1200000000, 7}};
    struct times times = watch_times("file");
    DO(utimensat(AT_FDCWD, "file", some, 0));
    show_exact("file");
    show_times(&times, "only mtime");
    struct timespec now[2] = {{0, UTIME_NOW}, {0, UTIME_OMIT}};
    times = watch_times("file");
    DO(utimensat(AT_FDCWD, "file", now, 0));
    show_times(&times, "atime now");
    struct timespec none[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};
    times = watch_times("file");
    DO(utimensat(AT_FDCWD, "file", none, 0));
    show_times(&times, "none");
    DO(utimensat(AT_FDCWD, "file", NULL, 0));
    show_times(&times, "both now");
    int fd = open("file", O_RDONLY);
    DO(futimens(fd, exact));
    show_exact("file");
    DO(symlink("file", "link"));
    struct timespec other[2] = {{900000000, 1}, {900000001, 2}};
    DO(utimensat(AT_FDCWD, "link", other, AT_SYMLINK_NOFOLLOW));
    show_exact("file");
    struct timespec wrong[2] = {{0, 1000000000}, {0, 0}};
    DO(utimensat(AT_FDCWD, "file", wrong, 0));
    make_directory("d", 0755);
    DO(utimensat(AT_FDCWD, "d", exact, 0));
    show_exact("d");
    AS(STRANGER, STRANGER, {
        DO(utimensat(AT_FDCWD, "file", NULL, 0));
        DO(utimensat(AT_FDCWD, "file", exact, 0));
    });
}

static void times_move(void)
{
    struct timespec past[2] = {{1000000000, 1}, {1000000000, 2}};
    char text[8];
    make("file", 0644, "some text");
    struct times times = watch_times("file");
    int fd = open("file", O_RDWR);
    show_times(&times, "open");
    NUMBER(pwrite(fd, "y", 1, 0));
    show_times(&times, "write");
    utimensat(AT_FDCWD, "file", past, 0);
    times = watch_times("file");
    NUMBER(pread(fd, text, 4, 0));
    show_times(&times, "read");
    times = watch_times("file");
    NUMBER(pread(fd, text, 4, 0));
    show_times(&times, "read again");
    times = watch_times("file");
    NUMBER(pwrite(fd, "y", 0, 0));
    show_times(&times, "write of nothing");
    DO(ftruncate(fd, 9));
    show_times(&times, "truncate to the same size");
    times = watch_times("file");
    DO(truncate("file", 9));
    show_times(&times, "truncate by path to the same size");
    times = watch_times("file");
    DO(ftruncate(fd, 4));
    show_times(&times, "truncate");
    times = watch_times("file");
    DO(chmod("file", 0600));
    show_times(&times, "chmod");
    times = watch_times("file");
    DO(setxattr("file", "user.x", "y", 1, 0));
    show_times(&times, "setxattr");
    times = watch_times("file");
    DO(removexattr("file", "user.x"));
    show_times(&times, "removexattr");
    times = watch_times("file");
    DO(fallocate(fd, 0, 0, 8192));
    show_times(&times, "fallocate");
    times = watch_times("file");
    DO(fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, 4096));
    show_times(&times, "punch");
    times = watch_times("file");
    close(open("file", O_RDWR | O_TRUNC));
    show_times(&times, "O_TRUNC");
    times = watch_times("file");
    close(open("file", O_RDWR | O_TRUNC));
    show_times(&times, "O_TRUNC of an empty file");
    times = watch_times("file");
    close(open("file", O_RDWR | O_CREAT, 0600));
    show_times(&times, "O_CREAT");
    times = watch_times(".");
    make_directory("d", 0755);
    show_times(&times, "mkdir");
    times = watch_times(".");
    make("d/x", 0600, "x");
    show_times(&times, "creation in a directory below");
    struct times below_times = watch_times("d");
    times = watch_times(".");
    rename("d/x", "x");
    show_times(&times, "rename out of a directory");
    show_times(&below_times, "rename out of a directory");
    times = watch_times(".");
    unlink("x");
    show_times(&times, "unlink");
    times = watch_times("d");
    rmdir("d");
    symlink("file", "link");
    times = watch_times("link");
    text[0] = (char)readlink("link", text, 8);
    say("%d", text[0]);
    show_times(&times, "readlink");
}

static void mapped_times(void)
{
    make("file", 0644, "some text");
    struct times times = watch_times("file");
    int fd = open("file", O_RDWR);
    char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    map[0] = 'S';
    DO(msync(map, 4096, MS_SYNC));
    munmap(map, 4096);
    close(fd);
    show_times(&times, "a write to memory");
    show_contents("file");
}

static void file_systems(void)
{
    struct statvfs status;
    DO(statvfs(".", &status));
    say("block size %lu, fragment %lu, names of %lu", status.f_bsize, status.f_frsize,
        status.f_namemax);
    make("file", 0644, "x");
    DO(statvfs("file", &status));
    int fd = open("file", O_RDONLY);
    struct statvfs here;
    char path[PATH_SIZE];
    path_below(path, "file");
    DO(statvfs(path, &here));
    DO(fstatvfs(fd, &status));
    say("blocks %s, files %s", status.f_blocks == here.f_blocks ? "alike" : "different",
        status.f_files == here.f_files ? "alike" : "different");
    struct statx x;
    DO(statx(AT_FDCWD, "file", 0, STATX_BASIC_STATS, &x));
    say("size %llu, mode %o, block size %u", (unsigned long long)x.stx_size, x.stx_mode,
        x.stx_blksize);
    struct stat through, under;
    if (stat("file", &through) || stat(path, &under))
        say("no status");
    say("inode %s, blocks %s, times %s", through.st_ino == under.st_ino ? "alike" : "different",
        through.st_blocks == under.st_blocks ? "alike" : "different",
        memcmp(&through.st_mtim, &under.st_mtim, sizeof through.st_mtim) ||
                memcmp(&through.st_ctim, &under.st_ctim, sizeof through.st_ctim)
            ? "different"
            : "alike");
}

static int flag(const char *path, int value)
{
    int flags = 0, fd = open(path, O_RDONLY | O_NONBLOCK), result = -1;
    if (!ioctl(fd, FS_IOC_GETFLAGS, &flags)) {
        flags = value ? flags | value : flags & ~(FS_IMMUTABLE_FL | FS_APPEND_FL);
        result = ioctl(fd, FS_IOC_SETFLAGS, &flags);
    }
    close(fd);
    return result;
}

static void immutable(void)
{
    if (!is_root)
        return;
    char path[PATH_SIZE], directory[PATH_SIZE];
    make("file", 0644, "some text");
    make("append", 0644, "some text");
    make_directory("d", 0755);
    make("d/in", 0644, "x");
    int fd = open("file", O_RDWR);
    path_below(path, "file");
    path_below(directory, "d");
    if (flag(path, FS_IMMUTABLE_FL) || flag(directory, FS_IMMUTABLE_FL))
        say("cannot be made immutable");
    DO(open("file", O_RDONLY));
    DO(open("file", O_RDWR));
    DO(open("file", O_RDONLY | O_TRUNC));
    DO(truncate("file", 1));
    DO(unlink("file"));
    DO(rename("file", "other"));
    DO(link("file", "other"));
    DO(chmod("file", 0600));
    DO(chown("file", USER, GROUP));
    DO(utimensat(AT_FDCWD, "file", NULL, 0));
    DO(setxattr("file", "user.x", "y", 1, 0));
    DO(open("d/new", O_RDWR | O_CREAT, 0600));
    DO(mkdir("d/new", 0700));
    DO(unlink("d/in"));
    DO(rename("d/in", "in"));
    DO(rename("append", "d/in"));
    DO(open("d/in", O_RDWR));
    show_contents("file");
    DO(flag(path, 0));
    DO(flag(directory, 0));
    NUMBER(pwrite(fd, "S", 1, 0));
    path_below(path, "append");
    DO(flag(path, FS_APPEND_FL));
    DO(open("append", O_RDWR));
    DO(truncate("append", 1));
    DO(unlink("append"));
    DO(flag(path, 0));
    DO(unlink("append"));
}

const struct test attributes_tests[] = {
    {"modes", modes},
    {"owners", owners},
    {"set-id-on-write", set_id_on_write},
    {"set-id-on-copy", set_id_on_copy},
    {"set-id-by-others", set_id_by_others},
    {"set-id-while-open", set_id_while_open},
    {"set-id-on-chown", set_id_on_chown},
    {"set-id-by-chmod", set_id_by_chmod},
    {"setgid-directories", setgid_directories},
    {"sticky", sticky},
    {"file-capabilities", file_capabilities},
    {"set-times", set_times},
    {"times-move", times_move},
    {"mapped-times", mapped_times},
    {"file-systems", file_systems},
    {"immutable", immutable},
    {NULL, NULL},
};
