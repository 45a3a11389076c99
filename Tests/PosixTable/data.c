/* What is in files. */
#include "table.h"

#include <sys/sendfile.h>

static void reading_and_writing(void)
{
    char text[64] = "";
    int fd = (int)DO(open("file", O_RDWR | O_CREAT, 0644));
    NUMBER(write(fd, "0123456789", 10));
    NUMBER(read(fd, text, 10));
    NUMBER(lseek(fd, 3, SEEK_SET));
    NUMBER(read(fd, text, 4));
    say("%.4s", text);
    NUMBER(lseek(fd, -2, SEEK_END));
    NUMBER(read(fd, text, 10));
    NUMBER(lseek(fd, 100, SEEK_SET));
    NUMBER(read(fd, text, 10));
    NUMBER(write(fd, "end", 3));
    show("file");
    NUMBER(lseek(fd, -1, SEEK_SET));
    NUMBER(pread(fd, text, 10, -1));
    NUMBER(pwrite(fd, text, 0, 1000));
    show_fd("file", fd);
    int reader = open("file", O_RDONLY), writer = open("file", O_WRONLY);
    NUMBER(write(reader, "x", 1));
    NUMBER(read(writer, text, 1));
    NUMBER(pwrite(writer, "X", 1, 0));
    NUMBER(pread(reader, text, 3, 0));
    say("%.3s", text);
    DO(fsync(writer));
    DO(fdatasync(writer));
    DO(fsync(reader));
    DO(sync_file_range(writer, 0, 10, SYNC_FILE_RANGE_WRITE));
    int directory = open(".", O_RDONLY | O_DIRECTORY);
    DO(fsync(directory));
    DO(fdatasync(directory));
    NUMBER(read(directory, text, 1));
    NUMBER(pwrite(directory, text, 1, 0));
    DO(close(fd));
    DO(open("file", O_RDWR | O_TRUNC));
    show("file");
}

static void appending(void)
{
    int a = (int)DO(open("log", O_WRONLY | O_CREAT | O_APPEND, 0644));
    int b = (int)DO(open("log", O_WRONLY | O_APPEND));
    for (int i = 0; i < 5; i++) {
        dprintf(a, "a%d", i);
        dprintf(b, "b%d", i);
    }
    show_contents("log");
    NUMBER(lseek(a, 0, SEEK_SET));
    NUMBER(write(a, "end", 3));
    NUMBER(lseek(a, 0, SEEK_CUR));
    NUMBER(pwrite(a, "at 0", 4, 0));
    show_contents("log");
    int plain = open("log", O_WRONLY);
    NUMBER(pwrite(plain, "plain", 5, 0));
    DO(fcntl(plain, F_SETFL, O_APPEND));
    NUMBER(write(plain, "set later", 9));
    show_contents("log");
    /* Two processes at a time: no line is lost. */
    make("lines", 0644, "");
    fflush(stdout);
    pid_t writers[2];
    for (int w = 0; w < 2; w++) {
        writers[w] = fork();
        if (!writers[w]) {
            int fd = open("lines", O_WRONLY | O_APPEND);
            for (int i = 0; i < 200; i++)
                if (write(fd, w ? "one......\n" : "two......\n", 10) != 10)
                    _exit(1);
            _exit(0);
        }
    }
    for (int w = 0; w < 2; w++) {
        int status;
        waitpid(writers[w], &status, 0);
        say("writer %d", status);
    }
    show("lines");
}

static void truncating(void)
{
    char text[16] = "";
    make("file", 0644, "0123456789");
    DO(truncate("file", 5));
    show_contents("file");
    DO(truncate("file", 5000));
    show("file");
    int fd = open("file", O_RDWR);
    NUMBER(pread(fd, text, 8, 3));
    say("%s, then %d", text, text[2]);
    DO(ftruncate(fd, 0));
    show_fd("file", fd);
    DO(ftruncate(fd, -1));
    DO(truncate("file", -1));
    DO(ftruncate(fd, 1L << 40));
    show_fd("file", fd);
    DO(ftruncate(fd, 0x7fffffffffffffff));
    DO(truncate("nothing", 0));
    DO(truncate(".", 0));
    int reader = open("file", O_RDONLY);
    DO(ftruncate(reader, 0));
    NUMBER(pwrite(fd, "far", 3, 1L << 33));
    NUMBER(pread(fd, text, 3, 1L << 33));
    show("file");
}

static void holes(void)
{
    int fd = (int)DO(open("file", O_RDWR | O_CREAT, 0644));
    char block[65536];
    memset(block, 'x', sizeof block);
    NUMBER(pwrite(fd, block, sizeof block, 1 << 20));
    NUMBER(pwrite(fd, block, sizeof block, 4 << 20));
    DO(ftruncate(fd, 8 << 20));
    DO(fsync(fd));
    NUMBER(lseek(fd, 0, SEEK_DATA));
    NUMBER(lseek(fd, 0, SEEK_HOLE));
    NUMBER(lseek(fd, 1 << 20, SEEK_HOLE));
    NUMBER(lseek(fd, 2 << 20, SEEK_DATA));
    NUMBER(lseek(fd, 5 << 20, SEEK_DATA));
    NUMBER(lseek(fd, 5 << 20, SEEK_HOLE));
    NUMBER(lseek(fd, 8 << 20, SEEK_DATA));
    NUMBER(lseek(fd, 9 << 20, SEEK_HOLE));
    struct stat status;
    fstat(fd, &status);
    say("takes %s than its size", status.st_blocks * 512 < status.st_size ? "less" : "more");
}

static void count_bytes(int fd, const char *what)
{
    static char text[1 << 16];
    long letters = 0;
    ssize_t n;
    for (off_t at = 0; (n = pread(fd, text, sizeof text, at)) > 0; at += n)
        for (ssize_t i = 0; i < n; i++)
            letters += text[i] == 'x';
    say("%s: %ld letters", what, letters);
}

static void allocating(void)
{
    static char block[1 << 18];
    memset(block, 'x', sizeof block);
    int fd = (int)DO(open("file", O_RDWR | O_CREAT, 0644));
    DO(fallocate(fd, 0, 0, 100000));
    show_fd("file", fd);
    DO(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 200000));
    show_fd("file", fd);
    NUMBER(pwrite(fd, block, sizeof block, 0));
    DO(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 8192));
    count_bytes(fd, "punched");
    show_fd("file", fd);
    NUMBER(lseek(fd, 0, SEEK_HOLE));
    DO(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 4096));
    DO(fallocate(fd, FALLOC_FL_ZERO_RANGE, 65536, 1000));
    count_bytes(fd, "zeroed");
    DO(fallocate(fd, FALLOC_FL_ZERO_RANGE, 262144, 1000));
    show_fd("file", fd);
    DO(fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 300000, 1000));
    show_fd("file", fd);
    DO(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 4096));
    DO(fallocate(fd, FALLOC_FL_INSERT_RANGE, 0, 4096));
    DO(fallocate(fd, 0, 0, 0));
    DO(fallocate(fd, 0, -1, 10));
    DO(fallocate(fd, 0, 0, 1L << 45));
    int reader = open("file", O_RDONLY);
    DO(fallocate(reader, 0, 0, 10));
    DO(posix_fallocate(fd, 400000, 10));
    show_fd("file", fd);
}

static void copying(void)
{
    static char block[1 << 18];
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = i % 7 ? 'x' : 'y';
    int from = open("from", O_RDWR | O_CREAT, 0644), to = open("to", O_RDWR | O_CREAT, 0644);
    NUMBER(write(from, block, sizeof block));
    off_t in = 1000, out = 50;
    NUMBER(copy_file_range(from, &in, to, &out, 100000, 0));
    say("in %ld, out %ld", (long)in, (long)out);
    count_bytes(to, "copied");
    show_fd("to", to);
    in = sizeof block - 10;
    NUMBER(copy_file_range(from, &in, to, &out, 1000, 0));
    NUMBER(copy_file_range(from, &in, to, &out, 1000, 0));
    in = 0;
    out = 10;
    NUMBER(copy_file_range(to, &in, to, &out, 100, 0));
    in = 0;
    out = 200000;
    NUMBER(copy_file_range(to, &in, to, &out, 100, 0));
    count_bytes(to, "copied within");
    NUMBER(copy_file_range(from, &in, to, &out, 100, 1));
    int reader = open("to", O_RDONLY);
    NUMBER(copy_file_range(from, NULL, reader, NULL, 100, 0));
    DO(lseek(from, 0, SEEK_SET));
    DO(ftruncate(to, 0));
    DO(lseek(to, 0, SEEK_SET));
    NUMBER(sendfile(to, from, NULL, 5000));
    show_fd("to", to);
    int appender = open("to", O_WRONLY | O_APPEND);
    NUMBER(copy_file_range(from, NULL, appender, NULL, 100, 0));
}

static void temporary_files(void)
{
    char path[64];
    int fd = (int)DO(open(".", O_RDWR | O_TMPFILE, 0600));
    if (fd < 0)
        return;
    NUMBER(write(fd, "text", 4));
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    DO(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
    show("named");
    DO(open(".", O_RDWR | O_TMPFILE | O_EXCL, 0600));
}

static void unlinked(void)
{
    char text[16] = "";
    make("file", 0644, "some text");
    int fd = open("file", O_RDWR), second = open("file", O_RDONLY);
    DO(unlink("file"));
    show_fd("file", fd);
    NUMBER(pread(fd, text, 9, 0));
    say("%s", text);
    NUMBER(pwrite(fd, "SOME", 4, 0));
    NUMBER(pread(second, text, 9, 0));
    say("%s", text);
    DO(ftruncate(fd, 4));
    show_fd("file", fd);
    DO(fchmod(fd, 0600));
    DO(fchown(fd, -1, getegid()));
    DO(futimens(fd, NULL));
    DO(fsync(fd));
    DO(fallocate(fd, 0, 0, 5000));
    DO(fsetxattr(fd, "user.x", "y", 1, 0));
    NUMBER(fgetxattr(fd, "user.x", text, 16));
    show_fd("file", fd);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    DO(open(path, O_RDWR));
    DO(linkat(AT_FDCWD, path, AT_FDCWD, "again", AT_SYMLINK_FOLLOW));
    make("file", 0644, "another");
    NUMBER(pread(fd, text, 4, 0));
    say("%.4s", text);
    show_contents("file");
    char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map != MAP_FAILED) {
        memcpy(map, "mapped", 6);
        DO(msync(map, 4096, MS_SYNC));
        NUMBER(pread(second, text, 6, 0));
        say("%.6s", text);
    }
}

static void mapping(void)
{
    char text[16] = "";
    make("file", 0644, "some text that is mapped");
    int fd = open("file", O_RDWR), other = open("file", O_RDWR);
    char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    DO(map == MAP_FAILED ? -1 : 0);
    if (map == MAP_FAILED)
        return;
    memcpy(map, "SOME", 4);
    DO(msync(map, 4096, MS_SYNC));
    NUMBER(pread(other, text, 9, 0));
    say("%s", text);
    NUMBER(pwrite(other, "MORE", 4, 5));
    say("%.9s", map);
    APART({
        int fd = open("file", O_RDWR);
        NUMBER(pwrite(fd, "THIRD", 5, 10));
        memcpy(map + 16, "IS", 2);
    });
    say("%.20s", map);
    char path[PATH_SIZE];
    path_below(path, "file");
    DO(msync(map, 4096, MS_SYNC));
    if (is_root)
        show_contents("file");
    char *private = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    memcpy(private, "private", 7);
    say("%.9s", map);
    int reader = open("file", O_RDONLY);
    DO(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, reader, 0) == MAP_FAILED ? -1 : 0);
    DO(mmap(NULL, 4096, PROT_READ, MAP_SHARED, reader, 0) == MAP_FAILED ? -1 : 0);
    DO(close(fd));
    memcpy(map, "late", 4);
    DO(munmap(map, 4096));
    show_contents("file");
}

static void direct(void)
{
    static char block[8192] __attribute__((aligned(4096)));
    memset(block, 'd', sizeof block);
    int fd = (int)DO(open("file", O_RDWR | O_CREAT | O_DIRECT, 0644));
    if (fd < 0)
        return;
    NUMBER(pwrite(fd, block, 8192, 0));
    memset(block, 0, sizeof block);
    NUMBER(pread(fd, block, 4096, 4096));
    say("%.4s", block);
    show("file");
    int plain = open("file", O_RDWR);
    NUMBER(pwrite(plain, "text", 4, 0));
    NUMBER(pread(fd, block, 4096, 0));
    say("%.6s", block);
    NUMBER(pread(fd, block, 4096, 8192));
}

static void below_and_above(void)
{
    /* What is written on one side is seen on the other. */
    char path[PATH_SIZE];
    path_below(path, "file");
    make("file", 0644, "above");
    struct stat status;
    DO(stat(path, &status));
    say("size %ld", (long)status.st_size);
    int fd = (int)DO(open(path, O_RDWR));
    NUMBER(pwrite(fd, "below", 5, 5));
    close(fd);
    fd = open("file", O_RDONLY);
    char text[16] = "";
    pause_ms(1100);
    NUMBER(pread(fd, text, 10, 0));
    say("%s", text);
    close(fd);
    show("file");
}

static int run_program(const char *path)
{
    fflush(stdout);
    pid_t pid = fork();
    if (!pid) {
        char *arguments[] = {(char *)path, "--hello", NULL};
        int quiet = open("/dev/null", O_WRONLY);
        dup2(quiet, 1);
        execv(path, arguments);
        _exit(errno == ETXTBSY ? 100 : errno == EACCES ? 101 : errno == ENOEXEC ? 102 : 103);
    }
    int status;
    waitpid(pid, &status, 0);
    return WEXITSTATUS(status);
}

static void copy_self(const char *name, mode_t mode)
{
    static char block[1 << 16];
    int from = open("/proc/self/exe", O_RDONLY), to = open(name, O_RDWR | O_CREAT, mode);
    ssize_t n;
    while ((n = read(from, block, sizeof block)) > 0)
        if (write(to, block, (size_t)n) != n)
            say("cannot write");
    if (run_program(name) == 100)
        say("cannot be run while it is written");
    close(to);
    close(from);
}

static void executing(void)
{
    char path[PATH_SIZE];
    copy_self("program", 0755);
    NUMBER(run_program("./program"));
    path_below(path, "program");
    int result = run_program(path);
    /* The server hears a moment later that it was closed. */
    for (int i = 0; i < 100 && result == 100; i++) {
        pause_ms(20);
        result = run_program(path);
    }
    say("below: %d", result);
    make("script", 0755, "#!/bin/sh\nexit 7\n");
    NUMBER(run_program("./script"));
    make("not executable", 0644, "#!/bin/sh\nexit 7\n");
    NUMBER(run_program("./not executable"));
    make("unreadable", 0711, "#!/bin/sh\nexit 7\n");
    NUMBER(run_program("./unreadable"));
    make("nonsense", 0755, "\x01\x02\x03");
    NUMBER(run_program("./nonsense"));
    /* A program that runs cannot be written to. */
    int ends[2];
    if (pipe(ends))
        return;
    fflush(stdout);
    pid_t pid = fork();
    if (!pid) {
        dup2(ends[0], 0);
        close(ends[1]);
        execl("./program", "program", "--wait", NULL);
        _exit(1);
    }
    /* Until it is this program that runs: on a busy machine that takes a while. */
    char link[32], exe[PATH_SIZE] = "";
    snprintf(link, sizeof link, "/proc/%d/exe", pid);
    for (int i = 0; i < 500 && !strstr(exe, "/program"); i++) {
        pause_ms(10);
        ssize_t length = readlink(link, exe, sizeof exe - 1);
        exe[length < 0 ? 0 : length] = '\0';
    }
    DO(open("program", O_RDWR));
    DO(truncate("program", 0));
    close(ends[1]);
    waitpid(pid, &result, 0);
    DO(open("program", O_RDWR));
}

const struct test data_tests[] = {
    {"reading-and-writing", reading_and_writing},
    {"appending", appending},
    {"truncating", truncating},
    {"holes", holes},
    {"allocating", allocating},
    {"copying", copying},
    {"temporary-files", temporary_files},
    {"unlinked", unlinked},
    {"mapping", mapping},
    {"direct", direct},
    {"below-and-above", below_and_above},
    {"executing", executing},
    {NULL, NULL},
};
