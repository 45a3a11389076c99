/* Status, times, modes and owners. */
#include "table.h"

#include <linux/capability.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>

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

/* Ways to change what is in a file of two blocks, each by a descriptor that is opened for it. */
static char block[4096] __attribute__((aligned(4096)));

static void write_byte(int fd) { NUMBER(pwrite(fd, "x", 1, 5)); }
static void write_block(int fd) { NUMBER(pwrite(fd, block, sizeof block, 0)); }
static void append_block(int fd)
{
    DO(fcntl(fd, F_SETFL, O_APPEND));
    NUMBER(write(fd, block, sizeof block));
}
static void write_directly(int fd)
{
    DO(fcntl(fd, F_SETFL, O_DIRECT));
    NUMBER(pwrite(fd, block, sizeof block, 0));
}
static void write_synchronously(int fd)
{
    struct iovec part = {block, sizeof block};
    NUMBER(pwritev2(fd, &part, 1, 0, RWF_DSYNC));
}
static void write_by_map(int fd)
{
    char *map = mmap(NULL, sizeof block, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return say("no map");
    map[1] = 'm';
    DO(msync(map, sizeof block, MS_SYNC));
    munmap(map, sizeof block);
}
static void send_to(int fd)
{
    int from = open("from", O_RDONLY);
    NUMBER(sendfile(fd, from, NULL, sizeof block));
    close(from);
}
static void copy_to(int fd)
{
    int from = open("from", O_RDONLY);
    NUMBER(copy_file_range(from, NULL, fd, NULL, sizeof block, 0));
    close(from);
}
static void allocate_more(int fd) { DO(fallocate(fd, 0, 0, 16384)); }
static void allocate_behind(int fd) { DO(fallocate(fd, FALLOC_FL_KEEP_SIZE, 16384, 4096)); }
static void punch(int fd) { DO(fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, 4096)); }
static void zero(int fd) { DO(fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, 4096)); }
static void cut(int fd) { DO(ftruncate(fd, 4096)); }
static void cut_nothing(int fd) { DO(ftruncate(fd, 8192)); }
static void lengthen(int fd) { DO(ftruncate(fd, 12288)); }
static void cut_by_path(int fd)
{
    (void)fd;
    DO(truncate("file", 100));
}
static void cut_by_open(int fd)
{
    (void)fd;
    close((int)DO(open("file", O_WRONLY | O_TRUNC)));
}
static void write_nothing(int fd) { NUMBER(pwrite(fd, block, 0, 0)); }

void (*const changes[CHANGES])(int fd) = {
    write_byte,   write_block,     append_block, write_directly, write_synchronously, write_by_map,
    send_to,      copy_to,         allocate_more, allocate_behind, punch,             zero,
    cut,          cut_nothing,     lengthen,     cut_by_path,    cut_by_open,         write_nothing,
};

/* The mode alone: whoever asks for more hears the size anew, and with that the mode. */
static void show_mode(const char *name)
{
    struct statx status;
    if (statx(AT_FDCWD, name, AT_SYMLINK_NOFOLLOW, STATX_MODE, &status))
        say("%s has no mode", name);
    else
        say("the mode of %s is %04o", name, status.stx_mode & 07777u);
}

static void change(void (*way)(int fd))
{
    int fd = open("file", O_RDWR);
    way(fd);
    close(fd);
}

/* What is left of set-id bits and of a capability, as root or as the user that this is. */
static void privileges_at_once(mode_t mode, int by_user)
{
    char value[64];
    make("from", 0644, "text");
    if (truncate("from", 8192))
        say("nothing to copy");
    for (size_t i = 0; i < CHANGES; i++) {
        make("file", 0600, "text");
        if (truncate("file", 8192) || chmod("file", mode))
            say("no file");
        if (is_root)
            give_capability("file");
        show("file");
        if (by_user)
            AS(USER, GROUP, change(changes[i]));
        else
            change(changes[i]);
        show_mode("file");
        show("file");
        long left = getxattr("file", "security.capability", value, sizeof value);
        say("capability after %s: %ld", changes[i] == write_by_map ? "a mapped write" : "it", left);
        unlink("file");
    }
}

static void privileges_4777(void) { privileges_at_once(04777, is_root); }
static void privileges_2777(void) { privileges_at_once(02777, is_root); }
static void privileges_6777(void) { privileges_at_once(06777, is_root); }
static void privileges_6755(void) { privileges_at_once(06755, 0); }
static void privileges_none(void) { privileges_at_once(0777, is_root); }

/* In the effective set of this process. */
static void set_fsetid(int on)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data))
        say("no capabilities");
    if (on)
        data[0].effective |= 1u << CAP_FSETID;
    else
        data[0].effective &= ~(1u << CAP_FSETID);
    if (syscall(SYS_capset, &header, data))
        say("no capset");
}

/* It is a capability that keeps the bits, and not who somebody is. */
static void privileges_by_capability(void)
{
    if (!is_root)
        return;
    make("from", 0644, "text");
    if (truncate("from", 8192))
        say("nothing to copy");
    for (size_t i = 0; i < CHANGES; i++) {
        make("file", 0600, "text");
        if (truncate("file", 8192) || chmod("file", 06777))
            say("no file");
        APART({
            set_fsetid(0);
            change(changes[i]);
        });
        show_mode("file");
        show_after("a change by root without the capability", "file");
        chmod("file", 06777);
        APART({
            prctl(PR_SET_KEEPCAPS, 1);
            become(USER, GROUP, (gid_t)-1);
            set_fsetid(1);
            change(changes[i]);
        });
        show_mode("file");
        show_after("a change by a user with the capability", "file");
        unlink("file");
    }
}

/* By a descriptor that was opened before the file got its bits. */
static void privileges_later(void)
{
    static const mode_t modes[] = {04777, 06777};
    make("from", 0644, "text");
    if (truncate("from", 8192))
        say("nothing to copy");
    for (size_t m = 0; m < sizeof modes / sizeof *modes; m++)
        for (size_t i = 0; i < CHANGES; i++) {
            make("file", 0666, "text");
            int fd = open("file", O_RDWR);
            if (ftruncate(fd, 8192) || chmod("file", modes[m]))
                say("no file");
            show("file");
            if (is_root)
                AS(USER, GROUP, changes[i](fd));
            else
                changes[i](fd);
            show_mode("file");
            show("file");
            close(fd);
            show("file");
            unlink("file");
        }
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
    {"privileges-4777", privileges_4777},
    {"privileges-2777", privileges_2777},
    {"privileges-6777", privileges_6777},
    {"privileges-6755", privileges_6755},
    {"privileges-none", privileges_none},
    {"privileges-by-capability", privileges_by_capability},
    {"privileges-later", privileges_later},
    {"set-times", set_times},
    {"times-move", times_move},
    {"mapped-times", mapped_times},
    {"file-systems", file_systems},
    {"immutable", immutable},
    {NULL, NULL},
};
