/* Mounting, and the supervisor's system calls for processes and sockets. */
#define _GNU_SOURCE
#include "handlefs.h"
#include "result.h"

#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

/* Adds what is forbidden on the source's mount: it is forbidden on this one, too. */
static int forbid(const char *source, unsigned long *flags)
{
    struct statvfs status;
    if (statvfs(source, &status))
        return -errno;
    if (status.f_flag & ST_NOSUID)
        *flags |= MS_NOSUID;
    if (status.f_flag & ST_NODEV)
        *flags |= MS_NODEV;
    if (status.f_flag & ST_NOEXEC)
        *flags |= MS_NOEXEC;
    return 0;
}

int hf_mount(int fuse, const char *source, const char *name, const char *target,
             unsigned long flags)
{
    char options[128];
    snprintf(options, sizeof options,
             "fd=%d,rootmode=40000,user_id=0,group_id=0,default_permissions,allow_other", fuse);
    int error = forbid(source, &flags);
    if (error)
        return error;
    return (int)result(mount(name, target, "fuse.handlefs", flags, options));
}

int hf_remount(const char *source, const char *target, unsigned long flags)
{
    int error = forbid(source, &flags);
    if (error)
        return error;
    return (int)result(mount(NULL, target, NULL, MS_REMOUNT | flags, NULL));
}

void hf_set_name(const char *name) { prctl(PR_SET_NAME, name); }

int hf_enter_mounts(const char *namespace)
{
    int fd = open(namespace, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int answer = (int)result(setns(fd, CLONE_NEWNS));
    close(fd);
    return answer;
}

int hf_unmount(const char *target, int detach)
{
    return (int)result(umount2(target, UMOUNT_NOFOLLOW | (detach ? MNT_DETACH : 0)));
}

int hf_memory_file(const char *name) { return (int)result(memfd_create(name, MFD_CLOEXEC)); }

int hf_use_processors(const int *processors, size_t count)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    for (size_t i = 0; i < count; i++)
        CPU_SET(processors[i], &set);
    return (int)result(sched_setaffinity(0, sizeof set, &set));
}

int hf_leave_mounts(void)
{
    if (unshare(CLONE_NEWNS))
        return -errno;
    return (int)result(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
}

int hf_end_with(int parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    return getppid() == parent ? 0 : -ESRCH;
}

int hf_socket_pair(int sockets[2])
{
    return (int)result(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets));
}

int hf_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &set, NULL))
        return -errno;
    return (int)result(signalfd(-1, &set, SFD_CLOEXEC));
}

int hf_next_signal(int signals)
{
    struct signalfd_siginfo info;
    ssize_t n = read(signals, &info, sizeof info);
    return n < 0 ? -errno : (int)info.ssi_signo;
}

int hf_process(int pid) { return (int)result(syscall(SYS_pidfd_open, pid, 0)); }

static int spawn_with(posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes,
                      const char *path, char *const arguments[], const int *copies, int count,
                      int new_session)
{
    extern char **environ;
    int error = 0;
    for (int i = 0; i < count && !error; i++)
        error = posix_spawn_file_actions_adddup2(actions, copies[i], 3 + i);
    /* The child may outlive this process and must not hold the other descriptors of this
     * process. */
    if (!error)
        error = posix_spawn_file_actions_addclosefrom_np(actions, 3 + count);
    if (error)
        return -error;
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(attributes, &none);
    /* A process group of its own: the terminal's signals to this program are not meant for the
     * child. */
    posix_spawnattr_setpgroup(attributes, 0);
    posix_spawnattr_setflags(attributes,
                             POSIX_SPAWN_SETSIGMASK |
                                 (new_session ? POSIX_SPAWN_SETSID : POSIX_SPAWN_SETPGROUP));
    pid_t pid = -1;
    error = posix_spawn(&pid, path, actions, attributes, arguments, environ);
    return error ? -error : pid;
}

static int spawn(const char *path, char *const arguments[], const int *copies, int count,
                 int new_session)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int error = posix_spawn_file_actions_init(&actions);
    if (error)
        return -error;
    error = posix_spawnattr_init(&attributes);
    int answer = error ? -error
                       : spawn_with(&actions, &attributes, path, arguments, copies, count,
                                    new_session);
    if (!error)
        posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return answer;
}

int hf_spawn(const char *path, char *const arguments[], const int *descriptors, int count,
             int new_session)
{
    int copies[HF_MOST_DESCRIPTORS];
    if (count < 0 || count > HF_MOST_DESCRIPTORS)
        return -EINVAL;
    /* Copy the descriptors to high numbers first, clear of the numbers that they are to get. */
    int made = 0, answer = 0;
    while (made < count && !answer) {
        copies[made] = fcntl(descriptors[made], F_DUPFD_CLOEXEC, 64);
        if (copies[made] < 0)
            answer = -errno;
        else
            made++;
    }
    if (!answer)
        answer = spawn(path, arguments, copies, count, new_session);
    while (made > 0)
        close(copies[--made]);
    return answer;
}

static int local_socket(const char *path, struct sockaddr_un *address)
{
    address->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof address->sun_path)
        return -ENAMETOOLONG;
    strcpy(address->sun_path, path);
    return (int)result(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

int hf_listen(const char *path)
{
    struct sockaddr_un address = {0};
    int fd = local_socket(path, &address);
    if (fd < 0)
        return fd;
    unlink(path);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) || chmod(path, 0600) ||
        listen(fd, 16)) {
        int error = -errno;
        close(fd);
        return error;
    }
    return fd;
}

int hf_accept(int listener) { return (int)result(accept4(listener, NULL, NULL, SOCK_CLOEXEC)); }

int hf_connect(const char *path)
{
    struct sockaddr_un address = {0};
    int fd = local_socket(path, &address);
    if (fd < 0)
        return fd;
    if (connect(fd, (struct sockaddr *)&address, sizeof address)) {
        int error = -errno;
        close(fd);
        return error;
    }
    return fd;
}

int hf_notify(const char *path, const char *text)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if (length < 2 || length >= sizeof address.sun_path)
        return -EINVAL;
    memcpy(address.sun_path, path, length);
    /* The name of an abstract socket begins with a zero byte and ends where the address ends. */
    if (path[0] == '@')
        address.sun_path[0] = 0;
    int fd = (int)result(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (fd < 0)
        return fd;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    struct timeval most = {.tv_sec = 1};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most);
    int answer = (int)result(sendto(fd, text, strlen(text), MSG_NOSIGNAL,
                                    (struct sockaddr *)&address, size));
    close(fd);
    return answer < 0 ? answer : 0;
}

void hf_log(int priority, const char *text) { syslog(LOG_DAEMON | priority, "%s", text); }

int hf_silence(void)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    for (int i = 0; i < 3; i++)
        dup2(fd, i);
    close(fd);
    return 0;
}

int hf_open_standard(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd < 3);
    if (fd < 0)
        return -errno;
    close(fd);
    return 0;
}

int hf_raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        return -errno;
    limit.rlim_cur = limit.rlim_max;
    return (int)result(setrlimit(RLIMIT_NOFILE, &limit));
}

int hf_wait(int pid)
{
    int status = 0;
    int found = (int)result(waitpid(pid, &status, WNOHANG));
    if (found <= 0)
        return found < 0 ? found : -ECHILD;
    return WIFSIGNALED(status) ? 256 + WTERMSIG(status) : WEXITSTATUS(status);
}
