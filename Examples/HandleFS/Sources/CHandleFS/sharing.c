/* What the mounts of one store need to find each other: locks, and connections that carry descriptors. */
#define _GNU_SOURCE
#include "handlefs.h"
#include "result.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int hf_is_own(int connection)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    return !getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) &&
           peer.uid == geteuid();
}

union rights {
    struct cmsghdr header;
    char room[CMSG_SPACE(HF_MOST_DESCRIPTORS * sizeof(int))];
};

int hf_send_descriptors(int socket, uint8_t byte, const int *descriptors, size_t count)
{
    union rights rights = {0};
    size_t size = count * sizeof *descriptors;
    if (count > HF_MOST_DESCRIPTORS)
        return -EINVAL;
    rights.header.cmsg_level = SOL_SOCKET;
    rights.header.cmsg_type = SCM_RIGHTS;
    rights.header.cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(&rights.header), descriptors, size);
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {
        .msg_iov = &data,
        .msg_iovlen = 1,
        .msg_control = &rights,
        .msg_controllen = CMSG_SPACE(size),
    };
    return sendmsg(socket, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void close_all(const union rights *rights)
{
    const int *descriptors = (const int *)CMSG_DATA(&rights->header);
    if (rights->header.cmsg_type != SCM_RIGHTS || rights->header.cmsg_len < CMSG_LEN(0))
        return;
    for (size_t i = 0; i < (rights->header.cmsg_len - CMSG_LEN(0)) / sizeof *descriptors; i++)
        close(descriptors[i]);
}

/* Receives a byte with all its descriptors; returns the result of recvmsg(2). */
static long receive(int socket, uint8_t *byte, union rights *rights)
{
    struct iovec data = {.iov_base = byte, .iov_len = 1};
    struct msghdr message = {
        .msg_iov = &data,
        .msg_iovlen = 1,
        .msg_control = rights,
        .msg_controllen = sizeof *rights,
    };
    long length;
    do
        length = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    while (length < 0 && errno == EINTR);
    if (length > 0 && message.msg_flags & MSG_CTRUNC) {
        /* This process may have no more descriptors. */
        close_all(rights);
        errno = EMFILE;
        return -1;
    }
    return length;
}

int hf_receive_descriptors(int socket, uint8_t *byte, int *descriptors)
{
    union rights rights = {0};
    long length = receive(socket, byte, &rights);
    if (length <= 0)
        return length < 0 ? -errno : -EPIPE;
    if (rights.header.cmsg_type != SCM_RIGHTS || rights.header.cmsg_len < CMSG_LEN(0))
        return 0;
    size_t size = rights.header.cmsg_len - CMSG_LEN(0);
    memcpy(descriptors, CMSG_DATA(&rights.header), size);
    return (int)(size / sizeof *descriptors);
}

static struct flock lock_of(long byte)
{
    return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
}

int hf_lock_byte(int file, long byte)
{
    struct flock lock = lock_of(byte);
    if (!fcntl(file, F_OFD_SETLK, &lock))
        return 1;
    return errno == EAGAIN || errno == EACCES ? 0 : -errno;
}

int hf_is_locked(int file, long byte)
{
    struct flock lock = lock_of(byte);
    return !fcntl(file, F_OFD_GETLK, &lock) && lock.l_type != F_UNLCK;
}

int hf_gate(int file, int enter)
{
    int answer;
    do
        answer = (int)result(flock(file, enter ? LOCK_EX : LOCK_UN));
    while (answer == -EINTR);
    return answer;
}

int hf_is_same_file(int one, int other)
{
    struct stat first, second;
    return !fstat(one, &first) && !fstat(other, &second) && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}
