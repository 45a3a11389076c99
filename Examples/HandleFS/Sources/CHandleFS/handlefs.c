#define _GNU_SOURCE
#include "handlefs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/securebits.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

static long result(long value) { return value < 0 ? -errno : value; }

/* MARK: A session */

struct fuse_session *hf_session(const struct fuse_lowlevel_ops *operations, void *server, int fuse)
{
    char *arguments[] = {"handlefs", NULL};
    struct fuse_args args = FUSE_ARGS_INIT(1, arguments);
    struct fuse_session *session = fuse_session_new(&args, operations, sizeof *operations, server);
    if (!session)
        return NULL;
    char path[32];
    snprintf(path, sizeof path, "/dev/fd/%d", fuse);
    if (fuse_session_mount(session, path)) {
        fuse_session_destroy(session);
        return NULL;
    }
    return session;
}

void hf_take_init(struct fuse_session *session, void *message, size_t length)
{
    struct fuse_buf buffer = {.mem = message, .size = length};
    fuse_session_process_buf(session, &buffer);
}

/* struct fuse_init_out of Linux 6.9. */
struct init_reply {
    struct fuse_out_header header;
    struct {
        uint32_t major, minor, max_readahead, flags;
        uint16_t max_background, congestion_threshold;
        uint32_t max_write, time_gran;
        uint16_t max_pages, map_alignment;
        uint32_t flags2, max_stack_depth, unused[6];
    } body;
};

#define PASSTHROUGH (1u << 5) /* FUSE_PASSTHROUGH, bit 37 */

int hf_answer_init(int fuse, const void *message, size_t length, int passthrough)
{
    const struct fuse_in_header *header = message;
    struct fuse_init_in in = {0};
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
            .max_background = 64,
            .congestion_threshold = 48,
            .max_write = 1 << 20,
            .time_gran = 1,
            .max_pages = 256,
        },
    };
    int has = passthrough && in.flags & FUSE_INIT_EXT && in.flags2 & PASSTHROUGH;
    if (has) {
        reply.body.flags2 = PASSTHROUGH;
        reply.body.max_stack_depth = 1;
    }
    long written = write(fuse, &reply, sizeof reply);
    return written < 0 ? -errno : has;
}

int hf_resend(int fuse)
{
    struct fuse_out_header notice = {.len = sizeof notice, .error = 7 /* FUSE_NOTIFY_RESEND */};
    long written = write(fuse, &notice, sizeof notice);
    return written < 0 ? -errno : 0;
}

static _Thread_local const struct fuse_in_header *current;

const struct fuse_in_header *hf_request(void) { return current; }

struct worker {
    pthread_t thread;
    struct fuse_session *session;
    atomic_int ended;
    int result;
};

static void prepare_thread(void);
static hf_handler serve_unknown;
static void *server_of_unknown;

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
    return (int)result(writev(fuse, parts, 2));
}

int hf_fill_statx(int fd, uint64_t inode, double seconds, struct hf_statx_reply *reply)
{
    struct statx status;
    _Static_assert(sizeof status == sizeof reply->status, "struct statx");
    if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &status))
        return -errno;
    memset(reply, 0, sizeof *reply);
    reply->seconds = (uint64_t)seconds;
    reply->nanoseconds = (uint32_t)((seconds - (double)reply->seconds) * 1e9);
    status.stx_ino = inode;
    memcpy(reply->status, &status, sizeof status);
    return 0;
}

/* The threads that serve. Only a few wait in read(2): the kernel wakes them in turn, and each has to
 * get its data from memory anew. The others wait here, until all those few are at work. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t wanted, ending;
    struct worker *workers;
    int count, reading, stopping;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .wanted = PTHREAD_COND_INITIALIZER,
          .ending = PTHREAD_COND_INITIALIZER};

enum { MOST_READING = 2 };

/* Waits for a turn to read; 0 where serving is to end. */
static int begin_reading(void)
{
    pthread_mutex_lock(&pool.lock);
    while (pool.reading >= MOST_READING && !pool.stopping)
        pthread_cond_wait(&pool.wanted, &pool.lock);
    pool.reading++;
    int goes_on = !pool.stopping;
    pthread_mutex_unlock(&pool.lock);
    return goes_on;
}

static void end_reading(void)
{
    pthread_mutex_lock(&pool.lock);
    if (--pool.reading == 0)
        pthread_cond_signal(&pool.wanted);
    pthread_mutex_unlock(&pool.lock);
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct fuse_buf buffer = {0};
    prepare_thread();
    worker->result = 1;
    while (begin_reading()) {
        int length = fuse_session_receive_buf(worker->session, &buffer);
        end_reading();
        if (length == -EINTR)
            continue;
        if (length <= 0) {
            worker->result = length;
            hf_stop();
            break;
        }
        current = buffer.mem;
        if (current->opcode == HF_TMPFILE || current->opcode == HF_STATX)
            serve_unknown(server_of_unknown, current);
        else
            fuse_session_process_buf(worker->session, &buffer);
    }
    free(buffer.mem);
    worker->ended = 1;
    return NULL;
}

static void nothing(int signal) { (void)signal; }

int hf_serve(struct fuse_session *session, int threads, hf_handler handler, void *server)
{
    serve_unknown = handler;
    server_of_unknown = server;
    /* Ends a read that waits, where it is sent to its thread. */
    struct sigaction action = {.sa_handler = nothing};
    sigaction(SIGUSR1, &action, NULL);
    pool.workers = calloc((size_t)threads, sizeof *pool.workers);
    if (!pool.workers)
        return -ENOMEM;
    for (int i = 0; i < threads; i++) {
        pool.workers[i].session = session;
        int error = pthread_create(&pool.workers[i].thread, NULL, work, &pool.workers[i]);
        if (error)
            return -error;
        pool.count = i + 1;
    }
    pthread_mutex_lock(&pool.lock);
    while (!pool.stopping)
        pthread_cond_wait(&pool.ending, &pool.lock);
    pthread_mutex_unlock(&pool.lock);
    int answer = 1;
    for (int i = 0; i < threads; i++) {
        /* A signal may have come just before the read that it was to end. */
        while (!pool.workers[i].ended) {
            pthread_kill(pool.workers[i].thread, SIGUSR1);
            struct timespec moment = {.tv_nsec = 1000000};
            nanosleep(&moment, NULL);
        }
        pthread_join(pool.workers[i].thread, NULL);
        if (pool.workers[i].result <= 0)
            answer = pool.workers[i].result;
    }
    return answer;
}

void hf_stop(void)
{
    pthread_mutex_lock(&pool.lock);
    pool.stopping = 1;
    pthread_cond_broadcast(&pool.wanted);
    pthread_cond_broadcast(&pool.ending);
    pthread_mutex_unlock(&pool.lock);
}

/* MARK: Credentials of this thread */

static _Thread_local uid_t acting_uid;
static _Thread_local gid_t acting_gid;
static _Thread_local mode_t acting_mask;

static void prepare_thread(void)
{
    /* A mask of its own, and capabilities that stay when the user changes. */
    unshare(CLONE_FS);
    prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP);
    umask(0);
    acting_mask = 0;
}

void hf_act_for(uid_t uid, gid_t gid, mode_t mask)
{
    if (gid != acting_gid)
        syscall(SYS_setfsgid, gid);
    if (uid != acting_uid)
        syscall(SYS_setfsuid, uid);
    if (mask != acting_mask)
        umask(mask);
    acting_uid = uid;
    acting_gid = gid;
    acting_mask = mask;
}

int hf_set_fsetid(int on)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data))
        return -errno;
    if (on)
        data[0].effective |= 1u << CAP_FSETID;
    else
        data[0].effective &= ~(1u << CAP_FSETID);
    return (int)result(syscall(SYS_capset, &header, data));
}

/* MARK: Files */

struct fd_path {
    char text[32];
};

static struct fd_path path_of(int fd)
{
    struct fd_path path;
    snprintf(path.text, sizeof path.text, "/proc/self/fd/%d", fd);
    return path;
}

int hf_open(int directory, const char *name, int flags, mode_t mode)
{
    return (int)result(openat(directory, name, flags | O_CLOEXEC, mode));
}

int hf_find(int directory, const char *name, int crosses_mounts)
{
    struct open_how how = {
        .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
        .resolve = crosses_mounts ? 0 : RESOLVE_NO_XDEV,
    };
    return (int)result(syscall(SYS_openat2, directory, name, &how, sizeof how));
}

int hf_reopen(int fd, int flags) { return (int)result(open(path_of(fd).text, flags | O_CLOEXEC)); }

int hf_close(int fd) { return (int)result(close(fd)); }

int hf_status(int fd, struct stat *status)
{
    return (int)result(fstatat(fd, "", status, AT_EMPTY_PATH));
}

int hf_statvfs(int fd, struct statvfs *status) { return (int)result(fstatvfs(fd, status)); }

int hf_make_directory(int directory, const char *name, mode_t mode)
{
    return (int)result(mkdirat(directory, name, mode));
}

int hf_make_node(int directory, const char *name, mode_t mode, dev_t device)
{
    return (int)result(mknodat(directory, name, mode, device));
}

int hf_make_symlink(const char *target, int directory, const char *name)
{
    return (int)result(symlinkat(target, directory, name));
}

int hf_link(int fd, int directory, const char *name)
{
    return (int)result(linkat(fd, "", directory, name, AT_EMPTY_PATH));
}

int hf_unlink(int directory, const char *name, int is_directory)
{
    return (int)result(unlinkat(directory, name, is_directory ? AT_REMOVEDIR : 0));
}

int hf_rename(int directory, const char *name, int new_directory, const char *new_name,
              unsigned flags)
{
    return (int)result(renameat2(directory, name, new_directory, new_name, flags));
}

long hf_read_link(int fd, char *buffer, size_t size)
{
    return result(readlinkat(fd, "", buffer, size));
}

int hf_set_owner(int fd, uid_t uid, gid_t gid)
{
    return (int)result(fchownat(fd, "", uid, gid, AT_EMPTY_PATH));
}

int hf_set_mode(int fd, mode_t mode) { return (int)result(chmod(path_of(fd).text, mode)); }

int hf_set_times(int fd, const struct timespec times[2])
{
    return (int)result(utimensat(fd, "", times, AT_EMPTY_PATH));
}

int hf_truncate(int fd, off_t size) { return (int)result(ftruncate(fd, size)); }

int hf_allocate(int fd, int mode, off_t offset, off_t length)
{
    return (int)result(fallocate(fd, mode, offset, length));
}

off_t hf_seek(int fd, off_t offset, int whence) { return result(lseek(fd, offset, whence)); }

long hf_copy(int from, off_t from_offset, int to, off_t to_offset, size_t length)
{
    return result(copy_file_range(from, &from_offset, to, &to_offset, length, 0));
}

long hf_read_at(int fd, void *buffer, size_t size, off_t offset)
{
    size_t filled = 0;
    while (filled < size) {
        ssize_t n = pread(fd, (char *)buffer + filled, size - filled, offset + (off_t)filled);
        if (n < 0)
            return filled ? (long)filled : -errno;
        if (n == 0)
            break;
        filled += (size_t)n;
    }
    return (long)filled;
}

long hf_write_at(int fd, const void *buffer, size_t size, off_t offset)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = pwrite(fd, (const char *)buffer + done, size - done, offset + (off_t)done);
        if (n < 0)
            return done ? (long)done : -errno;
        done += (size_t)n;
    }
    return (long)done;
}

int hf_sync(int fd, int data_only) { return (int)result(data_only ? fdatasync(fd) : fsync(fd)); }

long hf_read_entries(int fd, void *buffer, size_t size, off_t offset)
{
    if (lseek(fd, offset, SEEK_SET) < 0)
        return -errno;
    return result(getdents64(fd, buffer, size));
}

long hf_get_attribute(int fd, const char *name, void *buffer, size_t size)
{
    return result(getxattr(path_of(fd).text, name, buffer, size));
}

long hf_list_attributes(int fd, char *buffer, size_t size)
{
    return result(listxattr(path_of(fd).text, buffer, size));
}

int hf_set_attribute(int fd, const char *name, const void *value, size_t size, int flags)
{
    return (int)result(setxattr(path_of(fd).text, name, value, size, flags));
}

int hf_remove_attribute(int fd, const char *name)
{
    return (int)result(removexattr(path_of(fd).text, name));
}

/* MARK: What happens on a file system (fanotify) */

int hf_watch(int fd)
{
    int watch = (int)result(fanotify_init(
        FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_REPORT_DFID_NAME_TARGET, O_RDONLY));
    if (watch < 0)
        return watch;
    uint64_t events = FAN_MODIFY | FAN_ATTRIB | FAN_CLOSE_WRITE | FAN_MOVED_FROM | FAN_MOVED_TO |
                      FAN_CREATE | FAN_DELETE | FAN_DELETE_SELF | FAN_MOVE_SELF | FAN_ONDIR;
    if (!fanotify_mark(watch, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, events, fd, NULL))
        return watch;
    int error = -errno;
    close(watch);
    return error;
}

long hf_read_events(int watch, void *buffer, size_t size)
{
    return result(read(watch, buffer, size));
}

static const struct file_handle *take_handle(const struct fanotify_event_info_fid *info,
                                             struct hf_handle *to)
{
    const struct file_handle *handle = (const void *)info->handle;
    if (handle->handle_bytes > sizeof to->bytes)
        return NULL;
    to->type = handle->handle_type;
    to->length = handle->handle_bytes;
    memcpy(to->bytes, handle->f_handle, to->length);
    return handle;
}

size_t hf_event_at(const void *buffer, size_t place, struct hf_event *event)
{
    const struct fanotify_event_metadata *data = (const void *)((const char *)buffer + place);
    const char *next = (const char *)data + data->metadata_len;
    const char *end = (const char *)data + data->event_len;
    *event = (struct hf_event){.mask = (uint32_t)(data->mask & ~(uint64_t)FAN_ONDIR)};
    while (next + sizeof(struct fanotify_event_info_header) <= end) {
        const struct fanotify_event_info_fid *info = (const void *)next;
        next += info->hdr.len;
        if (info->hdr.info_type == FAN_EVENT_INFO_TYPE_FID) {
            take_handle(info, &event->file);
        } else if (info->hdr.info_type == FAN_EVENT_INFO_TYPE_DFID_NAME) {
            const struct file_handle *handle = take_handle(info, &event->directory);
            if (handle)
                snprintf(event->name, sizeof event->name, "%s",
                         (const char *)handle->f_handle + handle->handle_bytes);
        }
    }
    return place + data->event_len;
}

/* MARK: Mounting and processes */

int hf_mount(int fuse, const char *source, const char *target, int read_only)
{
    char options[128];
    snprintf(options, sizeof options,
             "fd=%d,rootmode=40000,user_id=0,group_id=0,default_permissions,allow_other", fuse);
    /* What may not be done on the file system of the source may not be done here. */
    struct statvfs status;
    if (statvfs(source, &status))
        return -errno;
    unsigned long flags = read_only ? MS_RDONLY : 0;
    if (status.f_flag & ST_NOSUID)
        flags |= MS_NOSUID;
    if (status.f_flag & ST_NODEV)
        flags |= MS_NODEV;
    if (status.f_flag & ST_NOEXEC)
        flags |= MS_NOEXEC;
    return (int)result(mount(source, target, "fuse.handlefs", flags, options));
}

int hf_unmount(const char *target, int detach)
{
    return (int)result(umount2(target, UMOUNT_NOFOLLOW | (detach ? MNT_DETACH : 0)));
}

int hf_memory_file(const char *name) { return (int)result(memfd_create(name, MFD_CLOEXEC)); }

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

int hf_spawn(const char *path, char *const arguments[], const int *descriptors, int count,
             int new_session)
{
    extern char **environ;
    int copies[16];
    /* Out of the way of the numbers that they are to get. */
    for (int i = 0; i < count; i++) {
        copies[i] = fcntl(descriptors[i], F_DUPFD_CLOEXEC, 64);
        if (copies[i] < 0)
            return -errno;
    }
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    for (int i = 0; i < count; i++)
        posix_spawn_file_actions_adddup2(&actions, copies[i], 3 + i);
    /* What this process was started with is not for one that outlives it. */
    posix_spawn_file_actions_addclosefrom_np(&actions, 3 + count);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    /* What a terminal sends to the program is not meant for its server. */
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSIGMASK |
                                 (new_session ? POSIX_SPAWN_SETSID : POSIX_SPAWN_SETPGROUP));
    pid_t pid = -1;
    int error = posix_spawn(&pid, path, &actions, &attributes, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    for (int i = 0; i < count; i++)
        close(copies[i]);
    return error ? -error : pid;
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

int hf_wait(int pid) { return (int)result(waitpid(pid, NULL, WNOHANG)); }
