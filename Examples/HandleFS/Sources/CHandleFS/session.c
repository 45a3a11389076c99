/* The session with the kernel. */
#define _GNU_SOURCE
#include "result.h"
#include "serving.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static ssize_t send_parts(int fuse, struct iovec *parts, int count, void *server)
{
    (void)server;
    long sent = send_message(fuse, parts, count);
    if (sent >= 0)
        return sent;
    errno = (int)-sent;
    return -1;
}

static ssize_t receive(int fuse, void *buffer, size_t size, void *server)
{
    (void)server;
    return read(fuse, buffer, size);
}

struct fuse_session *hf_session(const struct fuse_lowlevel_ops *operations, void *server, int fuse)
{
    char *arguments[] = {"handlefs", NULL};
    struct fuse_args args = FUSE_ARGS_INIT(1, arguments);
    struct fuse_session *session = fuse_session_new(&args, operations, sizeof *operations, server);
    fuse_opt_free_args(&args);
    if (!session)
        return NULL;
    struct fuse_custom_io calls = {.writev = send_parts, .read = receive};
    if (fuse_session_custom_io(session, &calls, fuse)) {
        fuse_session_destroy(session);
        return NULL;
    }
    return session;
}

/* Whether an INIT request is complete: its header, and the fields that the oldest kernel sent. */
static int is_init(size_t length)
{
    return length >= sizeof(struct fuse_in_header) + offsetof(struct fuse_init_in, max_readahead);
}

int hf_take_init(struct fuse_session *session, void *message, size_t length)
{
    if (!is_init(length))
        return -EINVAL;
    struct fuse_buf buffer = {.mem = message, .size = length};
    fuse_session_process_buf(session, &buffer);
    return 0;
}

/* struct fuse_init_out of Linux 6.15. */
struct init_reply {
    struct fuse_out_header header;
    struct {
        uint32_t major, minor, max_readahead, flags;
        uint16_t max_background, congestion_threshold;
        uint32_t max_write, time_gran;
        uint16_t max_pages, map_alignment;
        uint32_t flags2, max_stack_depth;
        uint16_t request_timeout, unused[11];
    } body;
};

int hf_answer_init(int fuse, const void *message, size_t length, const struct hf_wishes *wishes)
{
    const struct fuse_in_header *header = message;
    struct fuse_init_in in = {0};
    if (!is_init(length))
        return -EINVAL;
    size_t size = length - sizeof *header;
    memcpy(&in, header + 1, size < sizeof in ? size : sizeof in);
    uint32_t wanted = FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_EXPORT_SUPPORT | FUSE_DONT_MASK |
                      FUSE_AUTO_INVAL_DATA | FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO |
                      FUSE_ASYNC_DIO | FUSE_PARALLEL_DIROPS | FUSE_POSIX_ACL | FUSE_MAX_PAGES |
                      FUSE_HANDLE_KILLPRIV_V2 | FUSE_INIT_EXT;
    struct init_reply reply = {
        .header = {.len = sizeof reply, .unique = header->unique},
        .body = {
            .major = FUSE_KERNEL_VERSION,
            .minor = FUSE_KERNEL_MINOR_VERSION,
            .max_readahead = in.max_readahead,
            .flags = in.flags & wanted,
            .max_background = wishes->max_background,
            .congestion_threshold = wishes->congestion_threshold,
            .max_write = wishes->max_write,
            .time_gran = 1,
            .max_pages = (uint16_t)(wishes->max_write / (uint32_t)sysconf(_SC_PAGESIZE)),
        },
    };
    reply.body.flags2 = in.flags & FUSE_INIT_EXT ? in.flags2 & wishes->features : 0;
    if (reply.body.flags2 & HF_PASSTHROUGH)
        reply.body.max_stack_depth = 1;
    if (reply.body.flags2 & HF_REQUEST_TIMEOUT)
        reply.body.request_timeout = wishes->request_timeout;
    long written = write(fuse, &reply, sizeof reply);
    return written < 0 ? -errno : (int)reply.body.flags2;
}

int hf_resend(int fuse)
{
    struct fuse_out_header notice = {.len = sizeof notice, .error = 7 /* FUSE_NOTIFY_RESEND */};
    long written = write(fuse, &notice, sizeof notice);
    return written < 0 ? -errno : 0;
}

struct forget_notice {
    struct fuse_out_header header;
    struct fuse_notify_inval_entry_out body;
    char name[256];
};

int hf_send_forget(int socket, uint64_t directory, const char *name, int expires)
{
    size_t length = strlen(name);
    struct forget_notice notice = {
        .header.error = FUSE_NOTIFY_INVAL_ENTRY,
        .body = {.parent = directory,
                 .namelen = (uint32_t)length,
                 .flags = expires ? FUSE_EXPIRE_ONLY : 0},
    };
    if (length >= sizeof notice.name)
        return -ENAMETOOLONG;
    memcpy(notice.name, name, length);
    notice.header.len = (uint32_t)(offsetof(struct forget_notice, name) + length + 1);
    return (int)result(send(socket, &notice, notice.header.len, MSG_NOSIGNAL));
}

void hf_pass_notices(int socket, int fuse)
{
    struct forget_notice notice;
    for (;;) {
        ssize_t length = recv(socket, &notice, sizeof notice, 0);
        if (length < 0 && errno == EINTR)
            continue;
        if (length <= 0)
            return;
        /* A failure means that the kernel does not know the name or the directory. */
        if (write(fuse, &notice, (size_t)length) < 0)
            continue;
    }
}

int hf_is_known(int fuse, uint64_t node)
{
    /* To store no bytes changes nothing, but fails if the kernel does not know the node. */
    struct {
        struct fuse_out_header header;
        struct fuse_notify_store_out body;
    } notice = {
        .header = {.len = sizeof notice, .error = FUSE_NOTIFY_STORE},
        .body = {.nodeid = node},
    };
    return write(fuse, &notice, sizeof notice) >= 0 || errno != ENOENT;
}

int hf_expire_names(int fuse)
{
    struct fuse_out_header notice = {.len = sizeof notice, .error = 8 /* FUSE_NOTIFY_INC_EPOCH */};
    return write(fuse, &notice, sizeof notice) < 0 ? -errno : 0;
}

int hf_prune(int fuse, const uint64_t *nodes, size_t count)
{
    enum { MOST = 512 };
    count = count < MOST ? count : MOST;
    struct {
        struct fuse_out_header header;
        uint32_t count, padding;
        uint64_t spare;
        uint64_t nodes[MOST];
    } notice = {.header = {.error = 9 /* FUSE_NOTIFY_PRUNE */}, .count = (uint32_t)count};
    memcpy(notice.nodes, nodes, count * sizeof *nodes);
    notice.header.len = (uint32_t)(sizeof notice - sizeof notice.nodes + count * sizeof *nodes);
    return (int)result(write(fuse, &notice, notice.header.len));
}

int hf_reply(int fuse, const struct fuse_in_header *request, int error, const void *body,
             size_t length)
{
    struct fuse_out_header header = {
        .len = (uint32_t)(sizeof header + length),
        .error = -error,
        .unique = request->unique,
    };
    struct iovec parts[] = {
        {.iov_base = &header, .iov_len = sizeof header},
        {.iov_base = (void *)body, .iov_len = length},
    };
    return (int)send_message(fuse, parts, 2);
}

int hf_fill_statx(int fd, uint64_t inode, struct hf_statx_reply *reply)
{
    struct statx status;
    _Static_assert(sizeof status == sizeof reply->status, "struct statx");
    if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &status))
        return -errno;
    memset(reply, 0, sizeof *reply);
    status.stx_ino = inode;
    memcpy(reply->status, &status, sizeof status);
    return status.stx_mode;
}

