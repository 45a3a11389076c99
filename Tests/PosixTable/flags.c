/* The flags of files (ioctl_iflags(2), FS_IOC_FSGETXATTR), and blocks that files share. */
#include "table.h"

#include <linux/fs.h>
#include <sys/ioctl.h>

/* Those that are not of a filesystem's own, such as the extents of ext4. */
#define COMMON (FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL | FS_NOATIME_FL | FS_SYNC_FL)

static void show_flags(const char *what, int fd)
{
    int flags = 0;
    struct fsxattr extended = {0};
    DO(ioctl(fd, FS_IOC_GETFLAGS, &flags));
    DO(ioctl(fd, FS_IOC_FSGETXATTR, &extended));
    say("%s: flags %x, extended %x, extent size %u, project %u", what, flags & COMMON,
        extended.fsx_xflags, extended.fsx_extsize, extended.fsx_projid);
}

static int set_flags(int fd, int on, int off)
{
    int flags = 0;
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags))
        return -1;
    flags = (flags | on) & ~off;
    return ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

static int set_extended(int fd, unsigned flags, unsigned extent_size, unsigned project)
{
    struct fsxattr extended = {0};
    if (ioctl(fd, FS_IOC_FSGETXATTR, &extended))
        return -1;
    extended.fsx_xflags = (extended.fsx_xflags & FS_XFLAG_HASATTR) | flags;
    extended.fsx_extsize = extent_size;
    extended.fsx_projid = project;
    return ioctl(fd, FS_IOC_FSSETXATTR, &extended);
}

static void change_flags(const char *name, int fd)
{
    struct times times = watch_times(name);
    show_flags("at first", fd);
    DO(set_flags(fd, FS_NODUMP_FL, 0));
    show_times(&times, "flags were set");
    show_flags("no dump", fd);
    DO(set_flags(fd, FS_SYNC_FL | FS_NOATIME_FL, FS_NODUMP_FL));
    show_flags("others", fd);
    DO(set_flags(fd, 0, FS_SYNC_FL | FS_NOATIME_FL));
    DO(set_flags(fd, FS_IMMUTABLE_FL, 0));
    show_flags("immutable", fd);
    DO(fchmod(fd, 0700));
    DO(set_flags(fd, 0, FS_IMMUTABLE_FL));
    DO(set_flags(fd, FS_APPEND_FL, 0));
    DO(set_flags(fd, 0, FS_APPEND_FL));
    DO(set_flags(fd, -1, 0));
    times = watch_times(name);
    DO(set_extended(fd, FS_XFLAG_NODUMP, 0, 0));
    show_times(&times, "extended flags were set");
    DO(set_extended(fd, 0, 0, 7));
    show_flags("a project", fd);
    DO(set_extended(fd, FS_XFLAG_EXTSIZE, 65536, 0));
    show_flags("an extent size", fd);
    DO(set_extended(fd, FS_XFLAG_EXTSIZE, 5, 0));
    DO(set_extended(fd, 0, 0, 0));
    show_flags("at last", fd);
}

static void flags(void)
{
    make("file", 0644, NULL);
    make_directory("d", 0755);
    make("full", 0644, "text");
    int file = open("file", O_RDWR), directory = open("d", O_RDONLY);
    change_flags("file", file);
    change_flags("d", directory);
    change_flags("full", open("full", O_RDONLY));
    AS(USER, GROUP, {
        int fd = open("file", O_RDONLY);
        show_flags("by others", fd);
        DO(set_flags(fd, FS_NODUMP_FL, 0));
        DO(set_extended(fd, FS_XFLAG_NODUMP, 0, 0));
    });
    if (chown("file", USER, GROUP))
        say("no owner");
    AS(USER, GROUP, {
        int fd = open("file", O_RDONLY);
        DO(set_flags(fd, FS_NODUMP_FL, 0));
        DO(set_flags(fd, FS_IMMUTABLE_FL, 0));
        DO(set_flags(fd, FS_APPEND_FL, 0));
        DO(set_extended(fd, FS_XFLAG_IMMUTABLE, 0, 0));
        show_flags("by its owner", fd);
    });
    show_flags("of a path", open("file", O_PATH));
    DO(unlink("file"));
    DO(set_flags(file, FS_NODUMP_FL, 0));
    show_flags("without a name", file);
}

static void flags_of_others(void)
{
    DO(mkfifo("fifo", 0600));
    show_flags("of a fifo", open("fifo", O_RDONLY | O_NONBLOCK));
}

/* What is no ioctl of a file, and what takes another size. */
static void other_ioctls(void)
{
    char text[4096] = "";
    make("file", 0644, "text");
    int fd = open("file", O_RDWR), directory = open(".", O_RDONLY);
    DO(ioctl(fd, 0x12345678, text));
    DO(ioctl(directory, 0x12345678, text));
    DO(ioctl(fd, TIOCGWINSZ, text));
    DO(ioctl(fd, _IOW('f', 2, int), text));
    DO(ioctl(fd, _IOW('X', 32, char[4096]), text));
    DO(ioctl(fd, FS_IOC_SETFLAGS, NULL));
    DO(ioctl(fd, FS_IOC_GETFLAGS, NULL));
    int flags = 0;
    DO(ioctl(fd, FIONREAD, &flags));
    say("%d bytes", flags);
    DO(ioctl(-1, FS_IOC_GETFLAGS, &flags));
}

/* Only where the filesystem below can. */
static void sharing(void)
{
    make("from", 0644, "some text");
    if (truncate("from", 65536))
        say("nothing to share");
    int from = open("from", O_RDONLY), to = open("to", O_RDWR | O_CREAT, 0644);
    DO(ioctl(to, FICLONE, from));
    struct file_clone_range range = {.src_fd = from, .src_length = 4096};
    DO(ioctl(to, FICLONERANGE, &range));
    NUMBER(copy_file_range(from, NULL, to, NULL, 65536, 0));
    char room[sizeof(struct file_dedupe_range) + sizeof(struct file_dedupe_range_info)] = "";
    struct file_dedupe_range *same = (void *)room;
    same->src_length = 4096;
    same->dest_count = 1;
    same->info[0].dest_fd = to;
    DO(ioctl(from, FIDEDUPERANGE, same));
    say("dedupe: status %d", same->info[0].status);
    show_contents("to");
}

const struct test flags_tests[] = {
    {"flags", flags},
    {"flags-of-others", flags_of_others},
    {"other-ioctls", other_ioctls},
    {"sharing", sharing},
    {NULL, NULL},
};
