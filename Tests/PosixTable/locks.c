/* Locks, between two processes and within one. */
#include "table.h"

#include <sys/file.h>

static int lock(int fd, int command, short type, off_t start, off_t length)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    return fcntl(fd, command, &lock);
}

static void ask(int fd, int command, short type, off_t start, off_t length)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    if (fcntl(fd, command, &lock))
        say("cannot ask: %s", strerrorname_np(errno));
    else
        say("type %d, from %ld, length %ld, %s", lock.l_type, (long)lock.l_start,
            (long)lock.l_len, lock.l_pid > 0 ? "a process" : "nobody's");
}

static void record_locks(void)
{
    make("file", 0666, "0123456789");
    int fd = open("file", O_RDWR);
    DO(lock(fd, F_SETLK, F_WRLCK, 2, 4));
    APART({
        int fd = open("file", O_RDWR);
        DO(lock(fd, F_SETLK, F_WRLCK, 0, 3));
        DO(lock(fd, F_SETLK, F_RDLCK, 5, 1));
        DO(lock(fd, F_SETLK, F_WRLCK, 6, 0));
        ask(fd, F_GETLK, F_WRLCK, 0, 10);
    });
    DO(lock(fd, F_SETLK, F_UNLCK, 2, 2));
    APART({
        int fd = open("file", O_RDWR);
        DO(lock(fd, F_SETLK, F_WRLCK, 0, 4));
        DO(lock(fd, F_SETLK, F_WRLCK, 4, 1));
    });
    /* A lock goes with any descriptor of the process. */
    close(open("file", O_RDONLY));
    APART({
        int fd = open("file", O_RDWR);
        DO(lock(fd, F_SETLK, F_WRLCK, 0, 0));
    });
    int reader = open("file", O_RDONLY);
    DO(lock(reader, F_SETLK, F_WRLCK, 0, 1));
    DO(lock(reader, F_SETLK, F_RDLCK, 0, 1));
    APART({
        int fd = open("file", O_RDWR);
        DO(lock(fd, F_SETLK, F_RDLCK, 0, 1));
        DO(lock(fd, F_SETLK, F_WRLCK, 0, 1));
    });
}

static void waiting_locks(void)
{
    make("file", 0666, "0");
    int fd = open("file", O_RDWR);
    DO(lock(fd, F_SETLK, F_WRLCK, 0, 0));
    fflush(stdout);
    pid_t pid = fork();
    if (!pid) {
        int mine = open("file", O_RDWR);
        char text[4] = "";
        DO(lock(mine, F_SETLKW, F_WRLCK, 0, 0));
        NUMBER(pread(mine, text, 3, 0));
        say("%s", text);
        fflush(stdout);
        _exit(0);
    }
    pause_ms(50);
    NUMBER(pwrite(fd, "111", 3, 0));
    fflush(stdout);
    lock(fd, F_SETLK, F_UNLCK, 0, 0);
    int status;
    waitpid(pid, &status, 0);
    say("ended with %d", status);
}

static void descriptor_locks(void)
{
    make("file", 0666, "0");
    int a = open("file", O_RDWR), b = open("file", O_RDWR);
    DO(lock(a, F_OFD_SETLK, F_WRLCK, 0, 0));
    DO(lock(b, F_OFD_SETLK, F_WRLCK, 0, 0));
    DO(lock(b, F_OFD_SETLK, F_RDLCK, 0, 0));
    DO(lock(b, F_SETLK, F_RDLCK, 0, 0));
    ask(b, F_OFD_GETLK, F_WRLCK, 0, 1);
    close(open("file", O_RDONLY));
    APART({
        int fd = open("file", O_RDWR);
        DO(lock(fd, F_OFD_SETLK, F_WRLCK, 0, 0));
        DO(lock(a, F_OFD_SETLK, F_WRLCK, 0, 0));
    });
    close(a);
    DO(lock(b, F_OFD_SETLK, F_WRLCK, 0, 0));
}

static void whole_file_locks(void)
{
    make("file", 0666, "0");
    int a = open("file", O_RDWR), b = open("file", O_RDONLY);
    DO(flock(a, LOCK_SH));
    DO(flock(b, LOCK_SH | LOCK_NB));
    DO(flock(b, LOCK_EX | LOCK_NB));
    DO(flock(a, LOCK_UN));
    DO(flock(b, LOCK_EX | LOCK_NB));
    DO(flock(a, LOCK_SH | LOCK_NB));
    APART({
        int fd = open("file", O_RDWR);
        DO(flock(fd, LOCK_EX | LOCK_NB));
        DO(lock(fd, F_SETLK, F_WRLCK, 0, 0));
    });
    close(b);
    DO(flock(a, LOCK_EX | LOCK_NB));
    int directory = open(".", O_RDONLY | O_DIRECTORY);
    DO(flock(directory, LOCK_EX | LOCK_NB));
    DO(lock(directory, F_SETLK, F_RDLCK, 0, 0));
}

static void leases(void)
{
    make("file", 0666, "0");
    int fd = open("file", O_RDONLY);
    DO(fcntl(fd, F_SETLEASE, F_RDLCK));
}

const struct test locks_tests[] = {
    {"record-locks", record_locks},
    {"waiting-locks", waiting_locks},
    {"descriptor-locks", descriptor_locks},
    {"whole-file-locks", whole_file_locks},
    {"leases", leases},
    {NULL, NULL},
};
