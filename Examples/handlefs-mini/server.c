/*
 * handlefs-mini-server STORE: a passthrough FUSE server that keeps no descriptor per file, and that
 * may be killed at any instruction.
 *
 * The kernel's node ids are those of a handlestore. Each request opens its file by the node id and
 * closes it again, so there is no table of nodes to lose. What is not in the store is in memory
 * that the supervisor holds. Functions that can fail return -1 and set errno, as system calls do.
 */
#define FUSE_USE_VERSION 314
#include "session.h"
#include <dirent.h>
#include <fuse3/fuse_lowlevel.h>
#include <linux/openat2.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

enum {
    THREADS = 8,
    MOST_ENTRIES = 256,             /* of a directory in one reply */
    MOST_BYTES = (1 << 20) + 65536, /* of a request: libfuse's largest write, and its header */
};
#define TIMEOUT 1.0 /* how long the kernel may trust names and attributes, in seconds */

static hs_store *store;
static hs_export *export;   /* the source directory and what is below: nothing else is shown */
static uint32_t filesystem; /* the source's */
static uint64_t root;       /* the root's node, which the kernel calls 1 */
static hs_journal *journal;
static hs_open_files *opens;
static pthread_mutex_t opens_lock = PTHREAD_MUTEX_INITIALIZER; /* one open or release at a time */
static hs_pins *lookups; /* the kernel's lookup counts; after a kill they may be too high */
static hs_pins *parked;  /* a pin for each file that the supervisor keeps open */
static hs_parking *parking;
static struct fuse_session *session;

/* Why this thread's last call to the library failed. */
static _Thread_local hs_error error = HS_ERROR_INIT;
/* The request that this thread serves: libfuse does not pass on its number, which stays the same
 * when the request is sent again. */
static _Thread_local const struct fuse_in_header *current;

/* Turns a result of the library into that of a system call. */
static int check(int code)
{
    if (code)
        errno = error.errnum;
    return code ? -1 : 0;
}

static uint64_t number(void) { return current->unique & ~FUSE_UNIQUE_RESEND; }

static int reply(fuse_req_t req, int failed) { return fuse_reply_err(req, failed ? errno : 0); }

/* A descriptor that is closed at the end of its block. */
#define DESCRIPTOR __attribute__((cleanup(close_descriptor))) int
static void close_descriptor(const int *fd) { *fd < 0 ? 0 : close(*fd); }

/* ---- Nodes ---- */

static uint64_t node_of(fuse_ino_t ino) { return ino == FUSE_ROOT_ID ? root : ino; }
static fuse_ino_t ino_of(uint64_t node) { return node == root ? FUSE_ROOT_ID : node; }

static int is_pinned(hs_pins *pins, uint64_t node)
{
    uint64_t count = 0;
    hs_pin_count(pins, node, &count, NULL);
    return count > 0;
}

/* Opens a file. The kernel may name any node: one from a handle of an earlier mount, or one that
 * somebody made up. So the gate of the export decides each time. It admits what is in the source
 * and has a name. What is open through the mount, or has lost its name in use, needs neither. */
static int open_node(fuse_ino_t ino, const struct fuse_file_info *fi, int mode)
{
    const hs_reference reference = {.node = ino};
    uint64_t node = 0;
    int fd = -1;
    if (fi && fi->fh)
        hs_open_files_find(opens, fi->fh, &node, NULL);
    if (node != node_of(ino)) {
        if (!check(hs_open_reference(export, &reference, mode, &fd, &error)))
            return fd;
        if (error.refusal != HS_REFUSED_STALE || !is_pinned(parked, node_of(ino)))
            return -1;
    }
    return check(hs_open(store, node_of(ino), mode, &fd, &error)) ? -1 : fd;
}

static int open_path(fuse_ino_t ino) { return open_node(ino, NULL, HS_OPEN_PATH); }
static int get_status(int fd, struct stat *to) { return fstatat(fd, "", to, AT_EMPTY_PATH); }

/* Opens a name in a directory. Symbolic links are for the kernel to follow, and what is mounted in
 * the source is not shown. */
static int open_name(int directory, const char *name)
{
    const struct open_how how = {.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
                                 .resolve = RESOLVE_NO_XDEV};
    return (int)syscall(SYS_openat2, directory, name, &how, sizeof how);
}

/* For system calls that take a path and no O_PATH descriptor. Valid until the next call. */
static const char *path_of(int fd)
{
    static _Thread_local char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return path;
}

/* ---- Files that the supervisor keeps open ---- */

/* A file that is open, or a directory that somebody is in, must outlive its last name and this
 * server. A handle opens its file as long as anybody has a descriptor of it: so the supervisor
 * gets one. The pin comes and goes second, so that a kill in between does no harm. */
static int park(int fd, uint64_t node)
{
    if (is_pinned(parked, node))
        return 0;
    return check(hs_park(parking, fd, node, &error) ||
                 hs_pin(store, node, 1, parked, NULL, &error));
}

static void unpark(uint64_t node)
{
    if (is_pinned(parked, node) && !hs_unpark(parking, node, NULL))
        hs_unpin(parked, node, UINT64_MAX, NULL, NULL);
}

/* Reads the handle of a name that is about to go. A directory that the kernel knows is parked: it
 * may be a working directory. */
static int read_victim(int directory, const char *name, hs_file *file)
{
    hs_node node;
    int failed = check(hs_file_at(directory, name, strlen(name), 0, file, &error));
    if (failed || !S_ISDIR(file->mode))
        return failed;
    DESCRIPTOR fd = open_name(directory, name);
    if (fd < 0 || check(hs_find(store, filesystem, &file->handle, &node, &error)))
        return -1;
    return is_pinned(lookups, node.id) ? park(fd, node.id) : 0;
}

/* Records an open under the number of its request, so that one that is sent again counts once. */
static int record_open(fuse_ino_t ino, struct fuse_file_info *fi)
{
    uint32_t backing;
    DESCRIPTOR fd = open_path(ino);
    fi->fh = number();
    pthread_mutex_lock(&opens_lock);
    int failed = fd < 0 || park(fd, node_of(ino)) ||
                 check(hs_open_files_add(opens, fi->fh, node_of(ino), -1, &backing, &error));
    pthread_mutex_unlock(&opens_lock);
    return failed ? -1 : 0;
}

/* Fills in what the kernel is told of a registered file, but for its attributes. */
static void fill_entry(struct fuse_entry_param *entry, const hs_registration *found)
{
    /* The inode number belongs to another file now. The kernel must forget what it knows of the old
     * file before it hears of the new one. */
    if (found->outcome == HS_OUTCOME_REPLACED)
        fuse_lowlevel_notify_inval_inode(session, ino_of(found->replaced), -1, 0);
    entry->ino = ino_of(found->node);
    /* Ids are never used again, so all nodes have one generation. The root's has to be 0. */
    entry->generation = entry->ino == FUSE_ROOT_ID ? 0 : found->generation;
    entry->attr_timeout = entry->entry_timeout = TIMEOUT;
}

/* Looks up a name, and counts that. With `.` (the node itself) and `..` (the directory above it)
 * the kernel asks for the files of old handles. */
static int look_up(fuse_ino_t parent, const char *name, struct fuse_entry_param *entry)
{
    const hs_reference directory = {.node = parent};
    hs_entry found;
    if (check(hs_lookup(export, &directory, name, strlen(name), HS_TOKEN_REFERENCE, lookups,
                        &found, &error)))
        return -1;
    if (found.registration.node == 0)
        return errno = ENOENT, -1;
    fill_entry(entry, &found.registration);
    const hs_file *file = &found.file;
    const hs_attributes *more = &found.attributes;
    entry->attr = (struct stat){
        .st_ino = file->inode, .st_mode = file->mode, .st_nlink = file->links,
        .st_size = (off_t)file->size, .st_uid = more->uid, .st_gid = more->gid,
        .st_rdev = more->rdev, .st_blocks = (blkcnt_t)more->blocks, .st_blksize = more->block_size,
        .st_atim = {more->atime, more->atime_nsec}, .st_mtim = {more->mtime, more->mtime_nsec},
        .st_ctim = {more->ctime, more->ctime_nsec}};
    return 0;
}

static void reply_entry(fuse_req_t req, int failed, fuse_ino_t parent, const char *name,
                        struct fuse_file_info *fi)
{
    struct fuse_entry_param entry = {0};
    if (failed || look_up(parent, name, &entry) || (fi && record_open(entry.ino, fi)))
        reply(req, -1);
    else
        fi ? fuse_reply_create(req, &entry, fi) : fuse_reply_entry(req, &entry);
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    reply_entry(req, 0, parent, name, NULL);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
    uint64_t left = 1;
    hs_unpin(lookups, node_of(ino), count, &left, NULL);
    /* Opens are left if clients are killed together with a server. */
    if (left == 0 && !hs_open_files_remove_all(opens, node_of(ino), NULL))
        unpark(node_of(ino));
    fuse_reply_none(req);
}

/* ---- Changes of names ---- */

/* What a killed server had read but not answered, the kernel sends again. Most requests can simply
 * be repeated. Before it changes a name, a server notes its intent in the journal, and forgets it
 * after the reply. If one is noted already, the names as they are show whether it was done. */
static int was_done(int directory, int new_directory)
{
    int done = 0;
    hs_journal_was_done(journal, number(), directory, new_directory, &done, NULL);
    return done;
}

static int note(const hs_intent *intent)
{
    return check(hs_journal_note(journal, number(), intent, &error));
}

/* An intent to make a name says that the name was free. */
static int note_new_name(int directory, const hs_intent *intent)
{
    struct stat status;
    if (fstatat(directory, intent->name, &status, AT_SYMLINK_NOFOLLOW))
        return note(intent);
    return errno = EEXIST, -1;
}

/* New files belong to the caller, under its umask. The thread keeps its capabilities meanwhile
 * (see serve), because the kernel has checked already that the caller may do this. */
static void act_as(uid_t uid, gid_t gid, mode_t mask)
{
    umask(mask);
    setfsgid(gid);
    setfsuid(uid);
}

/* Makes a file of any type. For CREATE, opens it. */
static void make(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t device,
                 const char *target, struct fuse_file_info *fi)
{
    const hs_intent intent = {.operation = HS_INTENT_CREATE, .type = mode & S_IFMT,
                              .name = name, .name_length = strlen(name)};
    const struct fuse_ctx *caller = fuse_req_ctx(req);
    DESCRIPTOR directory = open_path(parent);
    act_as(caller->uid, caller->gid, caller->umask);
    int failed = directory < 0 ||
                 (!was_done(directory, -1) &&
                  (note_new_name(directory, &intent) ||
                   (S_ISDIR(mode)   ? mkdirat(directory, name, mode)
                    : S_ISLNK(mode) ? symlinkat(target, directory, name)
                                    : mknodat(directory, name, mode, device))));
    act_as(0, 0, 0);
    /* Somebody else has made the file that is to be created. ESTALE has the kernel look it up, and
     * check whether the caller may open it. */
    if (failed && errno == EEXIST && fi && !(fi->flags & O_EXCL))
        errno = ESTALE;
    reply_entry(req, failed, parent, name, fi);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
    make(req, parent, name, mode | S_IFDIR, 0, NULL, NULL);
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t device)
{
    make(req, parent, name, mode, device, NULL, NULL);
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
    make(req, parent, name, S_IFLNK, 0, target, NULL);
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
                      struct fuse_file_info *fi)
{
    make(req, parent, name, mode | S_IFREG, 0, NULL, fi);
}

/* Records that a file has a name in another directory now, so that its handle leads to it even when
 * the kernel has forgotten the name. */
static void record_move(int directory, const char *name, fuse_ino_t parent)
{
    hs_file file;
    if (hs_file_at(directory, name, strlen(name), node_of(parent), &file, &error) ||
        hs_record_move(store, filesystem, &file, node_of(parent), NULL, &error))
        warnx("%s may be stale until it is looked up: %s", name, error.text);
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
    hs_file file;
    const hs_intent intent = {.operation = HS_INTENT_LINK, .file = &file.handle,
                              .name = name, .name_length = strlen(name)};
    DESCRIPTOR fd = open_path(ino);
    DESCRIPTOR directory = fd < 0 ? -1 : open_path(parent);
    int failed = directory < 0 ||
                 (!was_done(directory, -1) &&
                  (check(hs_file_of(fd, 0, &file, &error)) || note_new_name(directory, &intent) ||
                   linkat(fd, "", directory, name, AT_EMPTY_PATH)));
    if (!failed)
        record_move(directory, name, parent);
    reply_entry(req, failed, parent, name, NULL);
}

/* UNLINK and RMDIR. */
static void op_remove(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    int flags = current->opcode == FUSE_RMDIR ? AT_REMOVEDIR : 0;
    hs_file file;
    const hs_intent intent = {.operation = HS_INTENT_REMOVE, .file = &file.handle,
                              .name = name, .name_length = strlen(name)};
    DESCRIPTOR directory = open_path(parent);
    reply(req, directory < 0 || (!was_done(directory, -1) &&
                                 (read_victim(directory, name, &file) || note(&intent) ||
                                  unlinkat(directory, name, flags))));
}

static int rename_once(int from, const char *name, int to, const char *new_name, unsigned flags)
{
    hs_file file, other;
    int is_exchange = (flags & RENAME_EXCHANGE) != 0;
    const hs_intent intent = {
        .operation = is_exchange ? HS_INTENT_EXCHANGE : HS_INTENT_RENAME,
        .file = &file.handle, .name = name, .name_length = strlen(name),
        .other = &other.handle, .new_name = new_name, .new_name_length = strlen(new_name)};
    if (check(hs_file_at(from, name, strlen(name), 0, &file, &error)) ||
        (read_victim(to, new_name, &other) && (errno != ENOENT || is_exchange)))
        return -1;
    return note(&intent) ? -1 : renameat2(from, name, to, new_name, flags);
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
                      const char *new_name, unsigned flags)
{
    const struct fuse_ctx *caller = fuse_req_ctx(req);
    DESCRIPTOR from = open_path(parent);
    DESCRIPTOR to = from < 0 ? -1 : open_path(new_parent);
    act_as(caller->uid, caller->gid, 0); /* who gets what RENAME_WHITEOUT leaves behind */
    int failed = to < 0 || (!was_done(from, to) && rename_once(from, name, to, new_name, flags));
    act_as(0, 0, 0);
    if (!failed && parent != new_parent)
        record_move(to, new_name, new_parent);
    if (!failed && parent != new_parent && flags & RENAME_EXCHANGE)
        record_move(from, name, parent);
    reply(req, failed);
}

static void reply_attributes(fuse_req_t req, int failed, int fd)
{
    struct stat status;
    failed || get_status(fd, &status) ? reply(req, -1) : fuse_reply_attr(req, &status, TIMEOUT);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    DESCRIPTOR fd = open_node(ino, fi, HS_OPEN_PATH);
    reply_attributes(req, fd < 0, fd);
}

/* Only ftruncate(2), and not truncate(2), changes the times of a file that keeps its size. */
static int resize(fuse_ino_t ino, struct fuse_file_info *fi, int fd, off_t size)
{
    if (!fi)
        return truncate(path_of(fd), size);
    DESCRIPTOR file = open_node(ino, fi, HS_OPEN_WRITE_ONLY);
    return file < 0 ? -1 : ftruncate(file, size);
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *wanted, int which,
                       struct fuse_file_info *fi)
{
    uid_t uid = which & FUSE_SET_ATTR_UID ? wanted->st_uid : (uid_t)-1;
    gid_t gid = which & FUSE_SET_ATTR_GID ? wanted->st_gid : (gid_t)-1;
    struct timespec times[] = {wanted->st_atim, wanted->st_mtim};
    if (which & FUSE_SET_ATTR_ATIME_NOW || !(which & FUSE_SET_ATTR_ATIME))
        times[0].tv_nsec = which & FUSE_SET_ATTR_ATIME ? UTIME_NOW : UTIME_OMIT;
    if (which & FUSE_SET_ATTR_MTIME_NOW || !(which & FUSE_SET_ATTR_MTIME))
        times[1].tv_nsec = which & FUSE_SET_ATTR_MTIME ? UTIME_NOW : UTIME_OMIT;
    DESCRIPTOR fd = open_node(ino, fi, HS_OPEN_PATH);
    /* The owner comes first, because a change of owner clears set-user-id bits. */
    int failed = fd < 0 ||
                 (which & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID) &&
                  fchownat(fd, "", uid, gid, AT_EMPTY_PATH)) ||
                 (which & FUSE_SET_ATTR_MODE && chmod(path_of(fd), wanted->st_mode)) ||
                 (which & FUSE_SET_ATTR_SIZE && resize(ino, fi, fd, wanted->st_size)) ||
                 (which & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME) &&
                  utimensat(fd, "", times, AT_EMPTY_PATH));
    reply_attributes(req, failed, fd);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
    char target[PATH_MAX + 1] = "";
    DESCRIPTOR fd = open_path(ino);
    int failed = fd < 0 || readlinkat(fd, "", target, PATH_MAX) < 0;
    failed ? reply(req, -1) : fuse_reply_readlink(req, target);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
    struct statvfs status;
    DESCRIPTOR fd = open_path(ino);
    fd < 0 || fstatvfs(fd, &status) ? reply(req, -1) : fuse_reply_statfs(req, &status);
}

/* ---- Files and directories ---- */

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    /* chattr(1) may forbid writing, of which the kernel's check of the mode knows nothing. */
    int mode = (fi->flags & O_ACCMODE) == O_RDONLY ? HS_OPEN_PATH : HS_OPEN_WRITE_ONLY;
    DESCRIPTOR fd = open_node(ino, NULL, mode);
    fd < 0 || record_open(ino, fi) ? reply(req, -1) : fuse_reply_open(req, fi);
}

static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    DESCRIPTOR fd = open_path(ino); /* the gate decides, also of what the kernel has in its cache */
    fd < 0 ? reply(req, -1) : fuse_reply_open(req, fi);
}

static void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    int is_open = 1;
    pthread_mutex_lock(&opens_lock);
    hs_open_files_remove(opens, fi->fh, NULL);
    hs_open_files_state(opens, node_of(ino), &is_open, NULL, NULL);
    if (!is_open)
        unpark(node_of(ino));
    pthread_mutex_unlock(&opens_lock);
    reply(req, 0);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                    struct fuse_file_info *fi)
{
    DESCRIPTOR fd = open_node(ino, fi, HS_OPEN_READ_ONLY);
    struct fuse_bufvec bytes = {.count = 1, .buf[0] = {
        .size = size, .flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK, .fd = fd, .pos = offset}};
    fd < 0 ? reply(req, -1) : fuse_reply_data(req, &bytes, 0);
}

/* Never with O_APPEND: the kernel says where to write, and a write that is sent again has to go to
 * the same place. */
static void op_write(fuse_req_t req, fuse_ino_t ino, const char *bytes, size_t size, off_t offset,
                     struct fuse_file_info *fi)
{
    DESCRIPTOR fd = open_node(ino, fi, HS_OPEN_WRITE_ONLY);
    ssize_t written = fd < 0 ? -1 : pwrite(fd, bytes, size, offset);
    written < 0 ? reply(req, -1) : fuse_reply_write(req, (size_t)written);
}

static void op_fsync(fuse_req_t req, fuse_ino_t ino, int is_data_only, struct fuse_file_info *fi)
{
    DESCRIPTOR fd = open_node(ino, fi, HS_OPEN_READ_ONLY);
    reply(req, fd < 0 || (is_data_only ? fdatasync(fd) : fsync(fd)));
}

static void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length,
                         struct fuse_file_info *fi)
{
    DESCRIPTOR fd = open_node(ino, fi, HS_OPEN_WRITE_ONLY);
    reply(req, fd < 0 || fallocate(fd, mode, offset, length));
}

static void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence,
                     struct fuse_file_info *fi)
{
    DESCRIPTOR fd = open_node(ino, fi, HS_OPEN_READ_ONLY);
    off_t found = fd < 0 ? -1 : lseek(fd, offset, whence);
    found < 0 ? reply(req, -1) : fuse_reply_lseek(req, found);
}

/* Opens the entries one after the other, and registers all with one commit. The status of one that
 * cannot be opened stays 0. If the store's disk is full, none gets a node: the listing goes on. */
static void look_up_entries(int fd, uint64_t node, const char *entries, ssize_t length,
                            struct stat *status, hs_registration *found)
{
    hs_file files[MOST_ENTRIES];
    size_t count = 0;
    const struct dirent64 *entry;
    for (ssize_t at = 0; at < length; at += entry->d_reclen, status++) {
        entry = (void *)(entries + at);
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        DESCRIPTOR file = open_name(fd, entry->d_name);
        if (file >= 0 && !hs_file_of(file, node, &files[count], NULL) && !get_status(file, status))
            count++;
    }
    if (count > 0)
        hs_register_batch(store, filesystem, files, count, lookups, found, NULL);
}

/* The offsets are those of the backing filesystem. So they mean the same when the directory is
 * opened again, by the next server too. */
static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                           struct fuse_file_info *fi)
{
    /* No entry is shorter than 24 bytes, and none gets more than seven times as long. So all that
     * are read fit into the reply, and no lookup has to be taken back. */
    _Alignas(struct dirent64) char entries[MOST_ENTRIES * 24];
    char answer[sizeof entries * 7];
    size_t i = 0, filled = 0, room = size < sizeof answer ? size : sizeof answer;
    struct stat status[MOST_ENTRIES] = {0};
    hs_registration registrations[MOST_ENTRIES] = {0}, *found = registrations;
    const struct dirent64 *file;
    DESCRIPTOR fd = open_node(ino, fi, HS_OPEN_READ_ONLY);
    ssize_t length = -1;
    if (fd >= 0 && lseek(fd, offset, SEEK_SET) >= 0)
        length = getdents64(fd, entries, room / 7);
    look_up_entries(fd, node_of(ino), entries, length, status, found);
    for (ssize_t at = 0; at < length; at += file->d_reclen, i++) {
        file = (void *)(entries + at);
        struct fuse_entry_param entry = {.attr = status[i]};
        if (entry.attr.st_mode != 0)
            fill_entry(&entry, found++);
        else /* no node: the kernel has to look it up if it needs to */
            entry.attr = (struct stat){.st_ino = file->d_ino, .st_mode = file->d_type << 12};
        filled += fuse_add_direntry_plus(req, answer + filled, room - filled, file->d_name, &entry,
                                         file->d_off);
    }
    length < 0 ? reply(req, -1) : fuse_reply_buf(req, answer, filled);
}

/* Reads a value; without a name, the names of all. Size 0 asks for the length. */
static void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
    char value[XATTR_SIZE_MAX];
    DESCRIPTOR fd = open_path(ino);
    ssize_t length = fd < 0 ? -1
                     : name ? getxattr(path_of(fd), name, value, size)
                            : listxattr(path_of(fd), value, size);
    length < 0  ? reply(req, -1)
    : size == 0 ? fuse_reply_xattr(req, (size_t)length)
                : fuse_reply_buf(req, value, (size_t)length);
}

static void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
    op_getxattr(req, ino, NULL, size);
}

/* Before an attribute is made or removed: whether this request has done so. If not, notes the
 * intent, which says that the attribute was not there, or that it was. */
static int attribute_was_done(int fd, const char *name, uint32_t operation)
{
    int done = 0, exists = getxattr(path_of(fd), name, NULL, 0) >= 0;
    const hs_intent intent = {.operation = operation};
    hs_journal_attribute_was_done(journal, number(), exists, &done, NULL);
    if (!done && exists == (operation == HS_INTENT_REMOVE_ATTRIBUTE))
        note(&intent);
    return done;
}

static void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
                        size_t size, int flags)
{
    DESCRIPTOR fd = open_path(ino);
    int done = fd >= 0 && flags & XATTR_CREATE &&
               attribute_was_done(fd, name, HS_INTENT_CREATE_ATTRIBUTE);
    reply(req, fd < 0 || (!done && setxattr(path_of(fd), name, value, size, flags)));
}

static void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
    DESCRIPTOR fd = open_path(ino);
    reply(req, fd < 0 || (!attribute_was_done(fd, name, HS_INTENT_REMOVE_ATTRIBUTE) &&
                          removexattr(path_of(fd), name)));
}

/* ---- The session ---- */

/* Each source has an export of its own in the store. Its name is the node of its root. */
static int open_export(void)
{
    const int source = SOURCE_FD;
    char name[32];
    hs_file file;
    hs_registration found;
    if (hs_file_of(source, 0, &file, &error) ||
        hs_register(store, filesystem, &file, NULL, &found, &error))
        return -1;
    root = found.node;
    snprintf(name, sizeof name, "%llu", (unsigned long long)root);
    return hs_export_open(store, name, &export, &error) &&
           hs_export_add(store, name, &source, 1, 0, HS_CONTAINMENT_ANY, &export, &error);
}

static int open_session(const char *path)
{
    /* The server of a mount that has just ended may need a moment to close the store. */
    for (int i = 0; hs_store_open(path, NULL, &store, &error) == HS_IN_USE && i < 50; i++)
        usleep(100000);
    return !store || hs_attach(store, SOURCE_FD, &filesystem, &error) || open_export() ||
           hs_journal_open(JOURNAL_FD, 1024, &journal, &error) ||
           hs_open_files_open(OPENS_FD, -1, &opens, &error) ||
           hs_pins_open(store, LOOKUPS_FD, &lookups, &error) ||
           hs_pins_open(store, PARKED_FD, &parked, &error) ||
           hs_parking_open(PARKING_FD, &parking, &error);
}

static void op_init(void *data, struct fuse_conn_info *connection)
{
    (void)data;
    /* Nothing else, and no locks above all: those that the kernel keeps outlive this server. */
    connection->want = connection->capable &
        (FUSE_CAP_EXPORT_SUPPORT | FUSE_CAP_DONT_MASK | FUSE_CAP_POSIX_ACL | FUSE_CAP_ASYNC_READ |
         FUSE_CAP_ASYNC_DIO | FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_PARALLEL_DIROPS |
         FUSE_CAP_READDIRPLUS);
}

static const struct fuse_lowlevel_ops operations = {
    .init = op_init, .lookup = op_lookup, .forget = op_forget, .getattr = op_getattr,
    .setattr = op_setattr, .readlink = op_readlink, .statfs = op_statfs, .mknod = op_mknod,
    .mkdir = op_mkdir, .symlink = op_symlink, .link = op_link, .unlink = op_remove,
    .rmdir = op_remove, .rename = op_rename, .create = op_create, .open = op_open,
    .opendir = op_opendir, .release = op_release, .read = op_read, .write = op_write,
    .fsync = op_fsync, .fsyncdir = op_fsync, .fallocate = op_fallocate, .lseek = op_lseek,
    .readdirplus = op_readdirplus, .getxattr = op_getxattr, .listxattr = op_listxattr,
    .setxattr = op_setxattr, .removexattr = op_removexattr,
};

/* Takes over the connection, from the supervisor or from a server that was killed. */
static int open_connection(void)
{
    char *arguments[] = {"handlefs-mini", NULL}, init[FUSE_MIN_READ_BUFFER], path[32];
    struct fuse_args args = FUSE_ARGS_INIT(1, arguments);
    snprintf(path, sizeof path, "/dev/fd/%d", FUSE_FD);
    session = fuse_session_new(&args, &operations, sizeof operations, NULL);
    fuse_opt_free_args(&args);
    ssize_t length = pread(INIT_FD, init, sizeof init, 0);
    if (!session || length < 0 || fuse_session_mount(session, path))
        return -1;
    /* libfuse has to see the kernel's first request. A second answer to it is refused: no harm. */
    fuse_session_process_buf(session, &(struct fuse_buf){.mem = init, .size = (size_t)length});
    /* Have what is read and not answered sent again: once, and before the first read. */
    const struct fuse_out_header notice = {.len = sizeof notice, .error = FUSE_NOTIFY_RESEND};
    return write(FUSE_FD, &notice, sizeof notice) < 0 ? -1 : 0;
}

static void *serve(void *unused)
{
    /* Memory that is populated: if this process is killed while the kernel copies a request to a
     * page that is not there, the request fails and is not sent again. */
    struct fuse_buf buffer = {.mem = mmap(NULL, MOST_BYTES, PROT_READ | PROT_WRITE,
                                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0)};
    if (buffer.mem == MAP_FAILED || mlock(buffer.mem, MOST_BYTES))
        err(1, "memory for requests");
    /* A umask of its own, and capabilities that stay while the thread acts for another user. */
    if (unshare(CLONE_FS) || prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP))
        err(1, "the credentials of a thread");
    current = buffer.mem;
    int length;
    while ((length = fuse_session_receive_buf(session, &buffer)) > 0 || length == -EINTR) {
        if (length > 0)
            fuse_session_process_buf(session, &buffer);
        hs_journal_forget(journal, number(), NULL);
    }
    return unused;
}

int main(int count, char **arguments)
{
    pthread_t thread;
    if (count != 2)
        errx(2, "handlefs-mini starts this program");
    signal(SIGINT, SIG_IGN); /* it is for the supervisor */
    if (open_session(arguments[1]))
        errx(1, "%s", error.text);
    if (open_connection())
        err(1, "the connection to the kernel");
    for (int i = 1; i < THREADS; i++)
        if (pthread_create(&thread, NULL, serve, NULL))
            errx(1, "a thread cannot be started");
    serve(NULL);
    hs_store_close(store, NULL);
    return 0;
}
