/* What HandleFS needs of libfuse and of the kernel, where Swift cannot call it by itself: loops that a
 * signal ends, credentials of a thread, and calls that are variadic, need a flag of a newer header, or
 * tell their error in errno.
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

/* A session on a /dev/fuse that is mounted already. NULL on failure. */
struct fuse_session *hf_session(const struct fuse_lowlevel_ops *operations, void *server, int fuse);

/* Gives libfuse the INIT request that was answered when the file system was mounted; -EINVAL if it is
 * too short for one. */
int hf_take_init(struct fuse_session *session, void *message, size_t length);

/* Answers INIT, or fails with EINVAL if it is too short for one: what libfuse 3.14 has no names for included. `passthrough` asks for
 * FUSE_PASSTHROUGH; returns 1 where the kernel has it, else 0. */
int hf_answer_init(int fuse, const void *message, size_t length, int passthrough);

/* Asks the kernel for the requests that were read and not answered (FUSE_NOTIFY_RESEND). */
int hf_resend(int fuse);

/* Asks the kernel to drop what it knows of nodes and nobody uses (FUSE_NOTIFY_PRUNE of Linux 6.18), of the
 * first 512 of them. */
int hf_prune(int fuse, const uint64_t *nodes, size_t count);

/* Requests that libfuse 3.14 does not know. */
#define HF_TMPFILE 51u
#define HF_STATX 52u

/* Answers such a request; the function that serves it is given to hf_serve(). */
typedef void (*hf_handler)(void *server, const struct fuse_in_header *request);
int hf_reply(int fuse, const struct fuse_in_header *request, int error, const void *body,
             size_t length);
/* The reply to HF_STATX, and for how long it may be believed: that is for the caller to say. Returns the
 * file's mode. */
struct hf_statx_reply {
    uint64_t seconds;
    uint32_t nanoseconds, flags;
    uint64_t spare[2];
    uint8_t status[256]; /* struct statx */
};
int hf_fill_statx(int fd, uint64_t inode, struct hf_statx_reply *reply);

/* Serves requests in `threads` threads until the file system is gone (returns 0), hf_stop() was called
 * (returns 1), or reading or starting a thread fails. No thread is left then. */
int hf_serve(struct fuse_session *session, int threads, hf_handler handler, void *server);
void hf_stop(void);

/* The request that this thread works on, as the kernel sent it. */
const struct fuse_in_header *hf_request(void);

/* How the kernel marks a request that comes again (FUSE_UNIQUE_RESEND of Linux 6.9). */
#define HF_RESENT (1ull << 63)

/* FOPEN_PASSTHROUGH of Linux 6.9. */
#define HF_OPEN_PASSTHROUGH (1u << 7)

/* MARK: Credentials of this thread */

/* Before anything else in a thread that serves: its mask is its own from here on. */
void hf_prepare_thread(void);

/* New files of this thread belong to these, and get their permissions under this mask. The thread
 * keeps its capabilities: whether its caller may, the kernel has checked. */
void hf_act_for(uid_t uid, gid_t gid, mode_t mask);
/* Without CAP_FSETID a write clears the set-user-id and set-group-id bits. */
int hf_set_fsetid(int on);
/* Whether another process has CAP_FSETID, in the user namespace of this one. */
int hf_may_set_id(int pid);

/* MARK: Files */

/* Of headers that Swift sees only in part. */
#define HF_PATH 010000000
#define HF_TIME_NOW 0x3fffffff
#define HF_TIME_OMIT 0x3ffffffe
#define HF_O_TMPFILE 020200000
#define HF_RENAME_EXCHANGE 2u
#define HF_ATTRIBUTE_CREATE 1

int hf_open(int directory, const char *name, int flags, mode_t mode);
/* A name in a directory as a path, a symbolic link itself; -EXDEV where something is mounted on it,
 * unless mounts are crossed. */
int hf_find(int directory, const char *name, int crosses_mounts);
/* Opens once more what a descriptor refers to; O_PATH too. */
int hf_reopen(int fd, int flags);
int hf_close(int fd);
int hf_status(int fd, struct stat *status);
/* The device that a file is on; a file system of FUSE is not asked for it. */
int hf_device(int fd, uint32_t *major, uint32_t *minor);
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
off_t hf_seek(int fd, off_t offset, int whence);
long hf_copy(int from, off_t from_offset, int to, off_t to_offset, size_t length);
long hf_read_at(int fd, void *buffer, size_t size, off_t offset);
long hf_write_at(int fd, const void *buffer, size_t size, off_t offset);
int hf_sync(int fd, int data_only);
/* From `offset` on, or where that is negative from where the last read has ended. */
long hf_read_entries(int fd, void *buffer, size_t size, off_t offset);

/* Extended attributes of what a descriptor refers to; O_PATH too. */
long hf_get_attribute(int fd, const char *name, void *buffer, size_t size);
long hf_list_attributes(int fd, char *buffer, size_t size);
int hf_set_attribute(int fd, const char *name, const void *value, size_t size, int flags);
int hf_remove_attribute(int fd, const char *name);

/* MARK: What happens on a file system (fanotify) */

#define HF_EVENT_LOST 0x4000u /* FAN_Q_OVERFLOW */

/* A file handle as name_to_handle_at(2) gives it; no length where there is none. */
struct hf_handle {
    int32_t type;
    uint32_t length;
    uint8_t bytes[128];
};

struct hf_event {
    uint32_t mask; /* as in inotify(7) */
    struct hf_handle directory, file;
    char name[256]; /* in the directory */
};

/* Watches the whole file system that `fd` is on. */
int hf_watch(int fd);
/* Reads what has happened into a buffer; returns how many bytes. */
long hf_read_events(int watch, void *buffer, size_t size);
/* The event at a place in the buffer; returns the place of the next one, or `filled` after the last. */
size_t hf_event_at(const void *buffer, size_t filled, size_t place, struct hf_event *event);

/* MARK: Mounting and processes */

int hf_mount(int fuse, const char *source, const char *target, int read_only);
/* umount2(2), of the mount point itself where it is a symbolic link. */
int hf_unmount(const char *target, int detach);
int hf_memory_file(const char *name);
int hf_signals(void);
/* The next signal of hf_signals(). */
int hf_next_signal(int signals);
int hf_process(int pid);
#define HF_MOST_DESCRIPTORS 16
/* Starts a program with `count` descriptors as 3, 4, …, HF_MOST_DESCRIPTORS at the most; returns its
 * process id. */
int hf_spawn(const char *path, char *const arguments[], const int *descriptors, int count,
             int new_session);
int hf_listen(const char *path);
int hf_accept(int listener);
int hf_connect(const char *path);
/* A line for syslog(3). */
void hf_log(int priority, const char *text);
/* Standard input, output and error lead nowhere. */
int hf_silence(void);
/* Opens those of the three that are closed, so that no other file gets their numbers. */
int hf_open_standard(void);
int hf_raise_limit(void);
/* waitpid(2) of a child that has ended: its exit status, or 256 and the signal that ended it. */
int hf_wait(int pid);

#endif
