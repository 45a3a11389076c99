/* The parts of libfuse and of the kernel that Swift cannot call directly: loops that a signal
 * ends, credentials of a thread, and calls that are variadic, need a flag from a newer header,
 * or return their error in errno.
 *
 * Functions that return int or long return -errno on failure, unless they say otherwise.
 */
#ifndef HANDLEFS_H
#define HANDLEFS_H

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>

/* MARK: A session */

/* Returns a session on a /dev/fuse that is already mounted, or NULL on failure. */
struct fuse_session *hf_session(const struct fuse_lowlevel_ops *operations, void *server, int fuse);

/* Gives libfuse the INIT request that was answered when the filesystem was mounted. Returns
 * -EINVAL if the message is too short to be one. */
int hf_take_init(struct fuse_session *session, void *message, size_t length);

/* Features that libfuse 3.14 has no names for, by their bits in flags2 of INIT: FUSE_PASSTHROUGH,
 * FUSE_ALLOW_IDMAP and FUSE_REQUEST_TIMEOUT. */
#define HF_PASSTHROUGH (1u << 5)
#define HF_ALLOW_IDMAP (1u << 8)
#define HF_REQUEST_TIMEOUT (1u << 10)
/* FUSE_OVER_IO_URING of Linux 6.14. */
#define HF_OVER_IO_URING (1u << 9)

/* What the answer to INIT asks of the kernel. */
struct hf_wishes {
    uint32_t features;
    uint16_t max_background, congestion_threshold;
    /* In bytes; a multiple of 4096. */
    uint32_t max_write;
    /* In seconds; for HF_REQUEST_TIMEOUT. */
    uint16_t request_timeout;
};

/* Answers INIT. Returns those of the wanted features that the kernel has, or -EINVAL if the message
 * is too short to be an INIT request. */
int hf_answer_init(int fuse, const void *message, size_t length, const struct hf_wishes *wishes);

/* Asks the kernel to resend the requests that were read and not answered (FUSE_NOTIFY_RESEND). */
int hf_resend(int fuse);

/* Sends on a socket the notice by which the kernel forgets a name in a directory
 * (FUSE_NOTIFY_INVAL_ENTRY) or, if `expires` is not 0, looks it up again before it uses it. */
int hf_send_forget(int socket, uint64_t directory, const char *name, int expires);
/* Passes notices from a socket on to the kernel, until the socket fails. */
void hf_pass_notices(int socket, int fuse);

/* Returns 1 if the kernel knows a node, else 0. */
int hf_is_known(int fuse, uint64_t node);

/* Has the kernel look up each name again before it uses it (FUSE_NOTIFY_INC_EPOCH of Linux 6.16).
 * Returns -EINVAL if the kernel cannot. */
int hf_expire_names(int fuse);

/* Asks the kernel to drop nodes that nothing uses (FUSE_NOTIFY_PRUNE of Linux 6.18). Takes the
 * first 512 nodes and ignores the rest. */
int hf_prune(int fuse, const uint64_t *nodes, size_t count);

/* Requests that libfuse 3.14 does not know. */
#define HF_TMPFILE 51u
#define HF_STATX 52u

/* What hf_serve() calls. */
struct hf_handlers {
    /* Serves such a request; hf_reply() sends the answer. */
    void (*serve_unknown)(void *server, const struct fuse_in_header *request);
    /* Fills in at most `most` nodes that the kernel may know; returns how many. */
    size_t (*known)(void *server, uint64_t *nodes, size_t most);
    /* Has another process send `count` requests from each processor, if there is a way to the mount. */
    void (*draw)(void *server, unsigned processors, unsigned count);
};
int hf_reply(int fuse, const struct fuse_in_header *request, int error, const void *body,
             size_t length);
/* The reply to HF_STATX. hf_fill_statx() fills in the file's status and returns its mode; the
 * caller fills in `seconds` and `nanoseconds`, for how long the kernel may believe the reply. */
struct hf_statx_reply {
    uint64_t seconds;
    uint32_t nanoseconds, flags;
    uint64_t spare[2];
    uint8_t status[256]; /* struct statx */
};
int hf_fill_statx(int fd, uint64_t inode, struct hf_statx_reply *reply);

/* Prepares the memory file through which requests come over io_uring. Returns the most bytes that
 * a request may carry, or an error if this machine cannot have it; `obstacle` says why, in English. */
int hf_plan_ring(int memory, int threads, const char **obstacle);
/* Allocates and maps ahead of time what the first hf_serve() needs, with the same descriptor. */
void hf_prepare(int rings);

/* Serves requests: those from /dev/fuse in at most `threads` threads, and those that come over io_uring, if
 * hf_plan_ring() has prepared the memory `rings`. Returns 0 when the filesystem is gone, 1 after
 * hf_stop(), or an error if reading or starting a thread fails. All threads have ended when it
 * returns. Several sessions may be served at a time, each from a thread of its own. */
int hf_serve(struct fuse_session *session, int threads, int rings, const struct hf_handlers *handlers,
             void *server);
/* Sends `count` requests to a mount from each processor. This process must not be the mount's server. */
int hf_send_requests(int mount, unsigned processors, unsigned count);
/* Has all sessions end, and those that are still to be served. */
void hf_stop(void);
/* Returns 1 if a thread (gettid(2)) is one of this process and serves no other session, else 0. */
int hf_works_for(const struct fuse_session *session, int thread);

/* The request that this thread is working on, as the kernel sent it. */
const struct fuse_in_header *hf_request(void);

/* Whether another thread may work for the client of this thread's request without taking this one's place: there
 * is a further processor, and this thread does not give way to others. */
int hf_leaves_a_processor(void);

/* The bit of `unique` that marks a resent request (FUSE_UNIQUE_RESEND of Linux 6.9). */
#define HF_RESENT (1ull << 63)

/* FOPEN_PASSTHROUGH of Linux 6.9. */
#define HF_OPEN_PASSTHROUGH (1u << 7)

/* MARK: Credentials of this thread */

/* Whether this thread has a capability in its effective set. */
int hf_has_capability(int capability);

/* Prepares a thread that serves; call it first in that thread. From here on the thread has its
 * own umask. */
void hf_prepare_thread(void);

/* Sets the owner of new files of this thread. The thread keeps its capabilities: the kernel has
 * already checked the caller's permissions. */
void hf_act_for(uid_t uid, gid_t gid);
/* Sets the mask for the permissions of new files of this thread. */
void hf_set_mask(mode_t mask);
/* Turns CAP_FSETID on or off; costs nothing if it is already so. Without it a write clears the
 * set-user-id and set-group-id bits. */
int hf_set_fsetid(int on);
/* Finds the user and the group for whom another process uses files. */
int hf_user_of(int pid, uid_t *uid, gid_t *gid);
/* Returns 1 if another process has CAP_FSETID in the user namespace of this one; 0 if not, or if
 * that is unknown. */
int hf_may_set_id(int pid);

/* MARK: Files */

/* Constants from headers that Swift imports only in part. */
#define HF_PATH 010000000
#define HF_TIME_NOW 0x3fffffff
#define HF_TIME_OMIT 0x3ffffffe
#define HF_O_TMPFILE 020200000
#define HF_RENAME_NOREPLACE 1u
#define HF_O_NOATIME 01000000
#define HF_RENAME_EXCHANGE 2u
#define HF_ATTRIBUTE_CREATE 1

int hf_open(int directory, const char *name, int flags, mode_t mode);
/* Opens a name in a directory with O_PATH, without following a symbolic link. Returns -EXDEV if
 * something is mounted on the name, unless mounts are crossed. */
int hf_find(int directory, const char *name, int crosses_mounts);
/* Opens the file of a descriptor again; `fd` may be an O_PATH descriptor. */
int hf_reopen(int fd, int flags);
int hf_close(int fd);
int hf_status(int fd, struct stat *status);
/* Returns the device that a file is on. A FUSE filesystem's server is not asked. */
int hf_device(int fd, uint32_t *major, uint32_t *minor);
/* Returns the number of the mount through which a file was reached. No other mount of this boot has it. */
long hf_mount_number(int fd);
int hf_statvfs(int fd, struct statvfs *status);
int hf_make_directory(int directory, const char *name, mode_t mode);
int hf_make_node(int directory, const char *name, mode_t mode, dev_t device);
int hf_make_symlink(const char *target, int directory, const char *name);
int hf_link(int fd, int directory, const char *name);
int hf_unlink(int directory, const char *name, int is_directory);
int hf_rename(int directory, const char *name, int new_directory, const char *new_name,
              unsigned flags);
long hf_read_link(int fd, char *buffer, size_t size);
int hf_set_owner(int fd, uid_t uid, gid_t gid);
int hf_set_mode(int fd, mode_t mode);
int hf_set_times(int fd, const struct timespec times[2]);
int hf_truncate(int fd, off_t size);
int hf_allocate(int fd, int mode, off_t offset, off_t length);
/* ioctl(2) of the flags of a file that is open for reading: struct fsxattr for the latter two, else
 * an int. */
#define HF_GET_FLAGS 0x80086601u          /* FS_IOC_GETFLAGS */
#define HF_SET_FLAGS 0x40086602u          /* FS_IOC_SETFLAGS */
#define HF_GET_EXTENDED_FLAGS 0x801c581fu /* FS_IOC_FSGETXATTR */
#define HF_SET_EXTENDED_FLAGS 0x401c5820u /* FS_IOC_FSSETXATTR */
#define HF_FLAGS_SIZE 4
#define HF_EXTENDED_FLAGS_SIZE 28
int hf_flags(int fd, uint32_t command, void *flags);
off_t hf_seek(int fd, off_t offset, int whence);
long hf_copy(int from, off_t from_offset, int to, off_t to_offset, size_t length);
long hf_read_at(int fd, void *buffer, size_t size, off_t offset);
long hf_write_at(int fd, const void *buffer, size_t size, off_t offset);
int hf_sync(int fd, int data_only);
/* Reads entries (getdents64(2)) from `offset` on, or from the end of the last read if `offset`
 * is negative. */
long hf_read_entries(int fd, void *buffer, size_t size, off_t offset);

/* Extended attributes of the file of a descriptor, which may be an O_PATH descriptor. */
long hf_get_attribute(int fd, const char *name, void *buffer, size_t size);
long hf_list_attributes(int fd, char *buffer, size_t size);
int hf_set_attribute(int fd, const char *name, const void *value, size_t size, int flags);
int hf_remove_attribute(int fd, const char *name);

/* MARK: What happens on a filesystem (fanotify) */

/* Watches the whole filesystem that `fd` is on. Returns a descriptor to read events from; an event names
 * the thread that caused it. `unlimited`: no event is lost, however many are not read. */
int hf_watch(int fd, int unlimited);
/* Returns 1 if a descriptor is one to read events from, else 0. */
int hf_is_watch(int fd);
/* Returns 1 if only this machine changes the filesystem that `fd` is on, as far as its kind tells. */
int hf_is_local(int fd);
/* Reads events into a buffer of HF_EVENTS_SIZE bytes; returns the number of bytes, 0 if there are none.
 * `wait`: whether to wait for an event first. */
#define HF_EVENTS_SIZE 65536
long hf_read_events(int watch, int wait, void *buffer);
/* Returns how many bytes of a buffer are events. What follows them must be zero. */
size_t hf_length_of_events(const void *buffer);
/* Maps a memory file as such a buffer. Returns NULL on failure. */
void *hf_map_events(int fd);

/* MARK: Mounting and processes */

/* Mounts a filesystem that shows `source`; `name` is what /proc/mounts calls it. */
int hf_mount(int fuse, const char *source, const char *name, const char *target,
             unsigned long flags);
int hf_remount(const char *source, const char *target, unsigned long flags);
/* Gives this process a name, of at most 15 bytes; for its first thread only. */
void hf_set_name(const char *name);
/* Enters the mount namespace of a file such as /proc/1/ns/mnt. */
int hf_enter_mounts(const char *namespace);
/* umount2(2). If `target` is a symbolic link, it is not followed. */
int hf_unmount(const char *target, int detach);
int hf_memory_file(const char *name);
/* Has the calling thread, and those that it starts, run only on some processors, each below 1024. */
int hf_use_processors(const int *processors, size_t count);
/* Gives this process a copy of all mounts, so that what it has open keeps none of the others busy. */
int hf_leave_mounts(void);
/* Has this process killed when its parent ends. Returns -ESRCH if that has ended already. */
int hf_end_with(int parent);
/* Makes two connected sockets for messages. */
int hf_socket_pair(int sockets[2]);
int hf_signals(void);
/* Waits for the next signal of hf_signals() and returns its number. */
int hf_next_signal(int signals);
int hf_process(int pid);
#define HF_MOST_DESCRIPTORS 24
/* Starts a program with `count` descriptors, at most HF_MOST_DESCRIPTORS, as its descriptors 3,
 * 4, …; returns its process id. */
int hf_spawn(const char *path, char *const arguments[], const int *descriptors, int count,
             int new_session);
int hf_listen(const char *path);
int hf_accept(int listener);
int hf_connect(const char *path);
/* Returns 1 if the process at the other end of a connection belongs to this user, else 0. */
int hf_is_own(int connection);
/* Sends one byte, and descriptors with it, at most HF_MOST_DESCRIPTORS. */
int hf_send_descriptors(int socket, uint8_t byte, const int *descriptors, size_t count);
/* Receives one byte, and at most HF_MOST_DESCRIPTORS descriptors that came with it. Returns the number of
 * descriptors, or -EPIPE if the other side is closed. */
int hf_receive_descriptors(int socket, uint8_t *byte, int *descriptors);
/* Locks a byte of a file for all who share this open file description. Returns 1, or 0 if another one has
 * locked it. */
int hf_lock_byte(int file, long byte);
/* Returns 1 if another open file description has locked a byte, else 0. */
int hf_is_locked(int file, long byte);
/* Waits until nobody else is between the calls with 1 and 0 for a file. */
int hf_gate(int file, int enter);
/* Returns 1 if two descriptors are of one file, else 0. */
int hf_is_same_file(int one, int other);
/* Sends a message to the socket of a service manager; a path that begins with @ is abstract.
 * Waits for a second at most. */
int hf_notify(const char *path, const char *text);
/* Writes a line to syslog(3). */
void hf_log(int priority, const char *text);
/* Has `handler` called with what libraries print on the stream `stderr`: one or more lines. Call it
 * while no other thread runs. */
typedef void (*hf_line_handler)(const char *text, size_t length);
int hf_take_errors(hf_line_handler handler);
/* Has crashes end this process, and the programs that it starts, without the backtrace that Swift
 * prints on standard error. Call it while no other thread runs. */
void hf_crash_silently(void);
/* Redirects standard input, output and error to /dev/null. */
int hf_silence(void);
/* Opens those of the three that are closed, so that no other file gets their numbers. */
int hf_open_standard(void);
int hf_raise_limit(void);
/* waitpid(2) of a child that has ended: returns its exit status, or 256 plus the signal that
 * ended it. */
int hf_wait(int pid);

#endif
