#define _GNU_SOURCE
#include "testsupport.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TS_SHUTDOWN _IOR('X', 125, uint32_t)

int ts_shut_down(int fd, unsigned flags)
{
    uint32_t value = flags;
    return ioctl(fd, TS_SHUTDOWN, &value) ? -errno : 0;
}

pid_t ts_fork(void) { return fork(); }

int ts_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC) ? -errno : 0; }

char **ts_environment(void) { return environ; }

int ts_memory_file(void)
{
    int fd = memfd_create("test", MFD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int ts_use_admin(int use)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2];
    if (syscall(SYS_capget, &header, sets))
        return -errno;
    if (use)
        sets[0].effective |= 1u << CAP_SYS_ADMIN;
    else
        sets[0].effective &= ~(1u << CAP_SYS_ADMIN);
    return syscall(SYS_capset, &header, sets) ? -errno : 0;
}

static atomic_int interruptions;

static void count_interruption(int signal)
{
    (void)signal;
    atomic_fetch_add(&interruptions, 1);
}

int ts_interrupt_by(int signal)
{
    struct sigaction action = {.sa_handler = count_interruption};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    if (sigaction(signal, &action, NULL))
        return -errno;
    return -pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

int ts_interruptions(void) { return atomic_load(&interruptions); }

int ts_send_descriptors(int socket, uint64_t first, uint64_t second, int one, int other)
{
    uint64_t words[2] = {first, second};
    int fds[2] = {one, other};
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof fds)];
    } control = {0};
    struct iovec data = {.iov_base = words, .iov_len = sizeof words};
    struct msghdr message = {
        .msg_iov = &data,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control.room,
    };
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof fds);
    memcpy(CMSG_DATA(&control.header), fds, sizeof fds);
    return sendmsg(socket, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}
