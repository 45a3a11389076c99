/* Tries the C functions of HandleFS on what the kernel does not send every day. It is built and run by
 * ShimTests; prints what was wrong, and ends with how many findings there were. */
#define _GNU_SOURCE
#include "handlefs.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int findings;

static void expect(int is_right, const char *what)
{
    if (is_right)
        return;
    findings++;
    printf("wrong: %s\n", what);
}

static int entries(const char *path)
{
    DIR *directory = opendir(path);
    int count = 0;
    while (directory && readdir(directory))
        count++;
    if (directory)
        closedir(directory);
    return count;
}

/* How many more threads can be made. */
static int threads_left = 1000;

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                   void *argument)
{
    typedef int creator(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (threads_left-- <= 0) {
        usleep(100000); /* The others have begun to read by then. */
        return EAGAIN;
    }
    return ((creator *)dlsym(RTLD_NEXT, "pthread_create"))(thread, attributes, start, argument);
}

static void spawning(void)
{
    char *arguments[] = {"true", NULL};
    int zeros[HF_MOST_DESCRIPTORS + 1] = {0};
    int last_is_closed[] = {0, 0, 0, -1};
    int before = entries("/proc/self/fd");
    expect(hf_spawn("/bin/true", arguments, zeros, HF_MOST_DESCRIPTORS + 1, 0) == -EINVAL,
           "more descriptors than there is room for");
    expect(hf_spawn("/bin/true", arguments, zeros, -1, 0) == -EINVAL, "less than no descriptors");
    expect(hf_spawn("/bin/true", arguments, last_is_closed, 4, 0) == -EBADF, "a closed descriptor");
    expect(hf_spawn("/nothing", arguments, zeros, 4, 0) == -ENOENT, "no such program");
    expect(entries("/proc/self/fd") == before, "descriptors are left of a failed spawn");
    int status = -1;
    int pid = hf_spawn("/bin/true", arguments, zeros, HF_MOST_DESCRIPTORS, 0);
    expect(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0, "as many as there is room for");
    expect(entries("/proc/self/fd") == before, "descriptors are left of a spawn");
}

static void starting(int fuse)
{
    struct {
        struct fuse_in_header header;
        struct fuse_init_in init;
    } start = {.header = {.opcode = FUSE_INIT, .unique = 1}, .init = {.major = 7, .minor = 40}};
    struct hf_wishes wishes = {.features = HF_PASSTHROUGH};
    for (size_t length = 0; length < sizeof start.header + 8; length++)
        expect(hf_answer_init(fuse, &start, length, &wishes) == -EINVAL, "a short INIT is answered");
    char answer[4096];
    expect(recv(fuse, answer, sizeof answer, MSG_DONTWAIT) < 0, "something was sent back");
}

static void serve_none(void *server, const struct fuse_in_header *request)
{
    (void)server, (void)request;
}

static const struct hf_handlers none = {.serve_unknown = serve_none};

static void serving(int fuse)
{
    static const struct fuse_lowlevel_ops operations;
    struct fuse_session *session = hf_session(&operations, NULL, fuse);
    expect(session != NULL, "there is no session");
    if (!session)
        return;
    char bytes[8] = {0};
    expect(hf_take_init(session, bytes, sizeof bytes) == -EINVAL, "a short INIT is taken");
    expect(hf_serve(session, 0, -1, &none, NULL) == -EINVAL, "no thread serves");
    threads_left = 0;
    expect(hf_serve(session, 4, -1, &none, NULL) == -EAGAIN, "a thread that could not be made");
    expect(entries("/proc/self/task") == 3, "threads are left");
    fuse_session_destroy(session);
}

/* The socket of a service manager may have a wrong name, or may be gone. */
static void notifying(void)
{
    char longest[200];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = 0;
    expect(hf_notify("", "READY=1") == -EINVAL, "no socket");
    expect(hf_notify("@", "READY=1") == -EINVAL, "an abstract socket without a name");
    expect(hf_notify(longest, "READY=1") == -EINVAL, "a socket with too long a name");
    expect(hf_notify("/no/such/socket", "READY=1") == -ENOENT, "a socket that is not there");
    expect(hf_notify("@no such socket", "") == -ECONNREFUSED, "an abstract socket that is not there");
}

int main(void)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
        return 100;
    /* As a process starts whose parent blocks signals; only the alarm must get through. */
    sigset_t blocked;
    sigfillset(&blocked);
    sigdelset(&blocked, SIGALRM);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
    alarm(60);
    spawning();
    starting(ends[0]);
    serving(ends[0]);
    notifying();
    printf("%d findings\n", findings);
    return findings != 0;
}
