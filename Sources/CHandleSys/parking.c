/* Keeps files open for a server that may be killed: in the kernel's FUSE, or in another process
 * through a socket. */
#define _GNU_SOURCE
#include "handlesys.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int result(long value) { return value < 0 ? -errno : (int)value; }

/* From <linux/fuse.h> of Linux 6.9. */
struct backing_map {
    int32_t fd;
    uint32_t flags;
    uint64_t padding;
};
#define BACKING_OPEN _IOW(229, 1, struct backing_map)
#define BACKING_CLOSE _IOW(229, 2, uint32_t)

int hsys_backing_open(int fuse, int fd, uint32_t *id)
{
    struct backing_map map = {.fd = fd};
    int number = result(ioctl(fuse, BACKING_OPEN, &map));
    if (number < 0)
        return number;
    *id = (uint32_t)number;
    return 0;
}

int hsys_backing_close(int fuse, uint32_t id)
{
    return result(ioctl(fuse, BACKING_CLOSE, &id));
}

int hsys_socket_pair(int sockets[2])
{
    return result(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets));
}

union descriptor_message {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int))];
};

int hsys_send_descriptor(int socket, const uint64_t words[2], int fd)
{
    union descriptor_message control = {0};
    struct iovec data = {.iov_base = (void *)words, .iov_len = 16};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
    if (fd >= 0) {
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
        message.msg_control = &control;
        message.msg_controllen = sizeof control.room;
    }
    long sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    return sent < 0 ? -errno : 0;
}

/* Takes the first descriptor of a message and closes the others: the room for one holds two. */
static void take_descriptor(struct cmsghdr *header, int *fd)
{
    if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
        header->cmsg_len < CMSG_LEN(sizeof *fd))
        return;
    size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof *fd;
    memcpy(fd, CMSG_DATA(header), sizeof *fd);
    for (size_t i = 1; i < count; i++) {
        int other;
        memcpy(&other, CMSG_DATA(header) + i * sizeof other, sizeof other);
        close(other);
    }
}

int hsys_receive_descriptor(int socket, uint64_t words[2], int *fd)
{
    union descriptor_message control = {0};
    struct iovec data = {.iov_base = words, .iov_len = 16};
    struct msghdr message = {
        .msg_iov = &data,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control.room,
    };
    *fd = -1;
    long length = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    if (length <= 0)
        return length < 0 ? -errno : 0;
    take_descriptor(CMSG_FIRSTHDR(&message), fd);
    if (length == 16 && !(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
        return 1;
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    return -EBADMSG;
}
