/*
 * HandleStore: node ids for FUSE, virtiofs and userspace NFS servers that survive the server.
 *
 * A store keeps, for each file that a server has shown to its clients, a 64-bit node id and the
 * kernel's file handle (name_to_handle_at(2)). A node id belongs to one file for ever. The server
 * opens the file by it after a restart, a rename, or a kill -9, and gets HS_STALE once the file is
 * gone, even if another file has its inode number.
 *
 *     hs_store *store = NULL;
 *     hs_error error = HS_ERROR_INIT;
 *     uint32_t filesystem;
 *     hs_file file;
 *     hs_registration registration;
 *     int fd = -1, directory = open("/srv", O_RDONLY | O_DIRECTORY);
 *
 *     if (hs_store_open("/var/lib/nodes", NULL, &store, &error) ||
 *         hs_attach(store, directory, &filesystem, &error) ||
 *         hs_file_at(directory, "name", 4, 0, &file, &error) ||
 *         hs_register(store, filesystem, &file, NULL, &registration, &error) ||
 *         hs_open(store, registration.node, HS_OPEN_READ_ONLY, &fd, &error))
 *             fprintf(stderr, "%s\n", error.text);
 *
 * Results. A call that can fail returns HS_OK (0) or the code of an error, and then has changed
 * nothing that its description does not mention. If `error` is not NULL, the call also fills it in
 * on failure; it leaves it alone on success (so one hs_error for a thread will do). Values are
 * returned through pointers, which are written only on success; objects are set to NULL on failure.
 * An argument that must not be NULL but is, or a number out of its range, gives HS_BAD_VALUE. NULL
 * is allowed only if the description says so.
 *
 * Objects. An object is used until it is given to its hs_..._free function, which takes NULL
 * too. Using it after that is an error that the library cannot detect in every case, and a pointer
 * that never was an object crashes. Free what was made from a store before the store. Memory that
 * the caller passes stays the caller's. Descriptors that a call returns have FD_CLOEXEC, and the
 * caller closes them. Descriptors that the caller passes stay the caller's and are not kept, unless
 * the description says otherwise.
 *
 * Names and paths. The name of a file is 1 to 255 bytes (`length`) without a NUL or '/'; it need
 * not be UTF-8, and need not end with a NUL. An empty one is HS_BAD_VALUE, a longer one HS_SYSTEM
 * with ENAMETOOLONG, and one that no file can have (also `.` and `..`) HS_BAD_NAME. The name
 * of an export is UTF-8 and ends with a NUL, and so does a path, which need not be UTF-8.
 *
 * Threads. All calls may be made from any thread at any time, except that no other call may use an
 * object while it is freed. A write waits for a commit (HS_DURABILITY_PROCESS: no disk write, some
 * microseconds; HS_DURABILITY_POWER: a disk flush). Calls by name or handle wait as long as the
 * filesystem does. Only hs_park, hs_parked_files_receive and
 * hs_kept_files_… wait for another process.
 *
 * Processes. One process at a time has a store open for writing; others may read it meanwhile. In a
 * child of fork(2), each call on an object of the parent returns HS_FORKED, and frees nothing; so
 * does opening a store that the parent has open. A new program (exec) may open it.
 *
 * Signals. No call is async-signal-safe. A call that is interrupted by a signal goes on. The
 * library installs no signal handler. If a damaged store makes LMDB abort, the library says so on
 * standard error first. Ignore SIGXFSZ if the size of files is limited; the limit is HS_SYSTEM with
 * EFBIG then. The files of pins, journals and open files are mapped: if another process shortens
 * one, or if its disk is full and the filesystem does not write in place, SIGBUS ends the process.
 * Use a memfd. Such a file must be empty, or come from the same call; only one object at a time may
 * use it.
 *
 * Loading. After dlopen(3) the library stays loaded; dlclose does not unload it.
 *
 * Versions. A struct with an _INIT macro begins with its size, which the macro sets, so that later
 * versions can add members: the library reads and writes at most as much, and members that this
 * version does not know must be 0. Codes and members keep their numbers and places.
 */
#ifndef HANDLESTORE_H
#define HANDLESTORE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Versions ---- */

#define HS_VERSION_MAJOR 0
#define HS_VERSION_MINOR 2
#define HS_VERSION_PATCH 0
#define HS_VERSION "0.2.0"

/* The version of the library that the program runs with, as "0.2.0". */
const char *hs_version(void);

/* ---- Errors ---- */

/* The codes of errors. A code keeps its number in every version. */
enum {
    HS_OK = 0,
    HS_STALE                   = 1,  /* the node is stale: its file is gone */
    HS_STALE_HANDLE            = 2,  /* the handle is stale: its file is gone */
    HS_UNKNOWN_NODE            = 3,  /* there is no such node */
    HS_UNKNOWN_FILESYSTEM      = 4,  /* the store has no such filesystem */
    HS_NOT_ATTACHED            = 5,  /* the filesystem is not attached */
    HS_WRONG_FILESYSTEM        = 6,  /* the file is on another filesystem */
    HS_AMBIGUOUS_FILESYSTEM    = 7,  /* the filesystem may be a copy of another one */
    HS_TOO_MANY_FILESYSTEMS    = 8,  /* the store has no room for another filesystem */
    HS_NO_HANDLES              = 9,  /* the filesystem has no file handles */
    HS_NOT_OPENABLE            = 10,  /* neither a file nor a directory; use HS_OPEN_PATH */
    HS_NOT_OPENABLE_HANDLE     = 11,  /* the same of a node that was opened by a handle */
    HS_REFUSED                 = 20,  /* the gate of an export refused it; see hs_error.refusal */
    HS_NO_EXPORT               = 21,  /* there is no such export */
    HS_BAD_EXPORT              = 22,  /* the export cannot be added so */
    HS_READ_ONLY_EXPORT        = 23,  /* the export is read-only */
    HS_UNAVAILABLE             = 24,  /* the containment is not available here */
    HS_TOKEN_TOO_LONG          = 25,  /* the token needs more bytes */
    HS_BAD_NAME                = 26,  /* the name is not one component */
    HS_MOUNT_POINT             = 27,  /* the name is a mount point */
    HS_EXPOSED_KEYS            = 28,  /* others can read the file of keys */
    HS_NO_KEYS                 = 29,  /* the store has no keys */
    HS_UNUSABLE_KEYS           = 30,  /* the file of keys is damaged */
    HS_NO_KEY                  = 31,  /* there is no such key */
    HS_DAMAGED_FILE            = 32,  /* a file of the store is damaged */
    HS_FOREIGN_FILE            = 33,  /* a file belongs to another store */
    HS_IN_USE                  = 40,  /* another process has the store open for writing */
    HS_ALREADY_OPEN            = 41,  /* this process has the store open */
    HS_READ_ONLY_STORE         = 42,  /* the store was opened for reading only */
    HS_CLOSED                  = 43,  /* the store was closed */
    HS_FORKED                  = 44,  /* the store was opened before fork(2) */
    HS_NO_STORE                = 45,  /* there is no store */
    HS_NOT_A_STORE             = 46,  /* the directory has something else in it */
    HS_UNSUPPORTED_VERSION     = 47,  /* the store has another format */
    HS_DAMAGED                 = 48,  /* the store is damaged; run handlestore repair */
    HS_TORN                    = 49,  /* a power cut tore the store; run handlestore repair */
    HS_TORN_COPY               = 50,  /* the store is an incomplete copy */
    HS_SHARED_DATA             = 51,  /* two directories share one data file */
    HS_BAD_VALUE               = 52,  /* an argument is NULL or out of its range */
    HS_UNEXPECTED              = 53,  /* an error that should not happen */
    HS_DISK_FULL               = 60,  /* the disk or quota of the store is full */
    HS_TOO_MANY_OPEN_FILES     = 61,  /* the process or the system has too many open files */
    HS_TOO_MANY_CALLERS        = 62,  /* too many threads read at once */
    HS_NOT_PERMITTED           = 63,  /* a capability is missing */
    HS_SYSTEM                  = 64,  /* a system call failed; see hs_error.errnum */
    HS_DATABASE                = 65,  /* the database of a shared store refused */
};

/* Why a call failed. Give one to a call, or NULL. Only `size` must be set before. */
typedef struct hs_error {
    uint32_t size;    /* set by HS_ERROR_INIT */
    int32_t code;     /* what the call returned */
    int32_t errnum;   /* the errno that a file server replies to its client */
    int32_t refusal;  /* with HS_REFUSED: the number of the check that refused; otherwise 0 */
    char text[4608];  /* what failed, why, and what to do, in UTF-8 and without a newline */
} hs_error;

#define HS_ERROR_INIT {sizeof(hs_error), 0, 0, 0, ""}

/* Which check of the gate refused (hs_error.refusal), in their order. */
enum {
    HS_REFUSED_LENGTH            = 1,  /* it does not have the length of a token */
    HS_REFUSED_HANDLE_TYPE       = 2,  /* its handle has a type that no filesystem makes */
    HS_REFUSED_VERSION           = 3,  /* its version is not known */
    HS_REFUSED_KEY               = 4,  /* the server does not have its key, or not any more */
    HS_REFUSED_SIGNATURE         = 5,  /* it was forged, cut or changed */
    HS_REFUSED_EXPORT            = 6,  /* it is for another export */
    HS_REFUSED_UNKNOWN_NODE      = 7,  /* its node was dropped, or never existed */
    HS_REFUSED_STALE             = 8,  /* its file is gone */
    HS_REFUSED_REPLACED          = 9,  /* its inode belongs to another file now */
    HS_REFUSED_FILE_TYPE         = 10,  /* the file has another type now */
    HS_REFUSED_OUTSIDE           = 11,  /* the file is not in the export */
};

/* A few words on a code, in English; never NULL. The text of a hs_error says more. */
const char *hs_strerror(int code);

/* ---- Values ---- */

/* A kernel file handle. It has the layout of struct file_handle (man 2 open_by_handle_at) with room
 * for 128 bytes. */
typedef struct hs_handle {
    uint32_t length;         /* the number of bytes, 1 to 128 */
    int32_t type;            /* its type, as name_to_handle_at(2) gives it */
    unsigned char bytes[128];
} hs_handle;

/* A file as it was found: what the store needs to register it. Handle and status belong to the same
 * file. hs_file_of and hs_file_at fill it in; a server that has both already may do so itself. */
typedef struct hs_file {
    hs_handle handle;
    uint64_t inode;   /* st_ino */
    uint64_t size;    /* st_size */
    uint64_t device;  /* st_dev; never stored */
    uint64_t parent;  /* the node of the directory in which the file was found; 0 if not known */
    uint32_t mode;    /* st_mode */
    uint32_t links;   /* st_nlink */
    uint64_t reserved[4];  /* 0 */
} hs_file;

/* The state of a node. */
enum {
    HS_STATE_LIVE = 1,
    HS_STATE_STALE = 2,  /* its file is gone; it never comes back */
};

typedef struct hs_node {
    uint64_t id;
    uint64_t parent;      /* the node of its directory; 0 if not known */
    uint32_t filesystem;
    uint32_t state;       /* HS_STATE_LIVE or HS_STATE_STALE */
    uint32_t type;        /* the file's type, as in st_mode & S_IFMT */
    uint32_t since;       /* when it entered its state, in seconds since 1970 */
    hs_handle handle;
    uint64_t reserved[2];  /* 0 */
} hs_node;

/* What a registration did. */
enum {
    HS_OUTCOME_CREATED = 0,   /* the file has got a new node */
    HS_OUTCOME_EXISTING = 1,  /* the file has the node that it had */
    HS_OUTCOME_REPLACED = 2,  /* a new node; the file that had the inode number before is gone */
    HS_OUTCOME_GONE = 3,      /* in a batch: its inode number belongs to another file now; no node */
};

typedef struct hs_registration {
    uint64_t node;        /* the node's id; 0 with HS_OUTCOME_GONE */
    uint64_t replaced;    /* with HS_OUTCOME_REPLACED: the node that is stale now; otherwise 0 */
    uint32_t generation;  /* what goes on the wire with the id, the same for all nodes of a store */
    uint32_t outcome;     /* HS_OUTCOME_... */
} hs_registration;

/* How to open a file. */
enum {
    HS_OPEN_PATH = 0,        /* O_PATH: for files of any type, and does not touch the file */
    HS_OPEN_READ_ONLY = 1,
    HS_OPEN_WRITE_ONLY = 2,
    HS_OPEN_READ_WRITE = 3,
};

/* ---- Stores ---- */

typedef struct hs_store hs_store;

/* What an acknowledged change survives. */
enum {
    HS_DURABILITY_PROCESS = 0,  /* a kill -9; after a power cut the store is checked */
    HS_DURABILITY_POWER = 1,    /* a power cut too */
};

/* When nodes that nobody holds may be dropped. A pin or a watch holds a node. */
enum {
    HS_RETAIN_FOREVER = 0,  /* never */
    HS_RETAIN_SECONDS = 1,  /* so many seconds after the node became live or stale */
    HS_RETAIN_NODES = 2,    /* while the store has more nodes than so many */
};

typedef struct hs_store_options {
    uint32_t size;             /* set by HS_STORE_OPTIONS_INIT */
    uint32_t durability;       /* HS_DURABILITY_... */
    uint32_t read_only;        /* not 0: only read; another process may write */
    uint32_t retention;        /* HS_RETAIN_... */
    uint64_t retention_value;  /* seconds (up to 2^32 - 1) or nodes */
    uint64_t cache_size;       /* how many nodes to keep in memory, at 66 bytes each */
    uint64_t limbo_limit;      /* how many deleted nodes to keep for those who watch them */
} hs_store_options;

#define HS_STORE_OPTIONS_INIT \
    {sizeof(hs_store_options), HS_DURABILITY_PROCESS, 0, HS_RETAIN_FOREVER, 0, 65536, 16384}

/* Opens the store in a directory. If the directory is missing or empty, makes one there, unless it
 * is only read. Takes some milliseconds; longer for a copy, and after a power cut.
 * options: NULL for HS_STORE_OPTIONS_INIT.
 * Fails with HS_IN_USE, HS_ALREADY_OPEN, HS_NO_STORE, HS_NOT_A_STORE, HS_UNSUPPORTED_VERSION,
 * HS_TORN, HS_TORN_COPY, HS_SHARED_DATA, HS_DAMAGED, HS_DISK_FULL, HS_SYSTEM. */
int hs_store_open(const char *path, const hs_store_options *options, hs_store **store,
                  hs_error *error);

/* Makes a store in memory, which is gone when it is freed. For tests of a server. */
int hs_store_open_in_memory(const hs_store_options *options, hs_store **store, hs_error *error);

/* Flushes and closes a store. Calls of other threads finish first; later calls return HS_CLOSED
 * (except hs_detach and hs_store_statistics). A store that was not closed counts as crashed, but
 * loses nothing.
 * Fails with HS_DISK_FULL, HS_TOO_MANY_OPEN_FILES or HS_SYSTEM if the last flush failed; the store
 * is closed all the same. */
int hs_store_close(hs_store *store, hs_error *error);

/* Closes a store if it is open, and frees it. */
void hs_store_free(hs_store *store);

/* The generation that goes on the wire with each node id: a random number that stays with the
 * store. 0 if store is NULL, and in a forked child. */
uint32_t hs_store_generation(const hs_store *store);

/* ---- Filesystems ---- */

/* Attaches the filesystem of an open directory (or of a regular file), so that its files can be
 * opened. Registering needs a filesystem that was attached once. A filesystem that the store knows
 * gets the id that it had; a copy or one that was recreated gets another one. Keeps a descriptor of
 * its own, so that the filesystem cannot be unmounted before hs_detach or hs_store_close.
 * Fails with HS_NO_HANDLES, HS_AMBIGUOUS_FILESYSTEM, HS_TOO_MANY_FILESYSTEMS, HS_READ_ONLY_STORE,
 * HS_DISK_FULL, HS_SYSTEM. */
int hs_attach(hs_store *store, int fd, uint32_t *filesystem, hs_error *error);

/* Attaches every filesystem of the store that is mounted and visible to the process. Writes the ids
 * of up to `capacity` attached filesystems to `filesystems` (which may be NULL if capacity is 0),
 * and how many there are to `count` (may be NULL). */
int hs_attach_mounted(hs_store *store, uint32_t *filesystems, size_t capacity, size_t *count,
                      hs_error *error);

/* Lets go of a filesystem, so that it can be unmounted. Its nodes stay. Works on a closed store
 * too. */
int hs_detach(hs_store *store, uint32_t filesystem, hs_error *error);

/* ---- Files ---- */

/* Reads handle and status of an open file; O_PATH will do.
 * Fails with HS_SYSTEM: EOPNOTSUPP if the filesystem has no handles, EBADF. */
int hs_file_of(int fd, uint64_t parent, hs_file *file, hs_error *error);

/* Reads handle and status of a name in a directory. Does not follow a symbolic link.
 * Fails with HS_BAD_NAME, HS_TOO_MANY_OPEN_FILES and HS_SYSTEM: ENOENT, ENOTDIR, EACCES. */
int hs_file_at(int directory, const char *name, size_t length, uint64_t parent, hs_file *file,
               hs_error *error);

/* ---- Nodes ---- */

typedef struct hs_pins hs_pins;

/* Returns the node of a file: the one that it has, or a new one. Registers the file durably before
 * it returns. If the inode number belonged to another file before, that file's node becomes stale.
 * pins: where to count one pin of the node, so that it is not dropped; or NULL.
 * A file that is merely gone is registered; opening it gives HS_STALE.
 * Fails with HS_STALE_HANDLE if the inode number belongs to another file now, HS_NOT_ATTACHED,
 * HS_UNKNOWN_FILESYSTEM, HS_WRONG_FILESYSTEM, HS_READ_ONLY_STORE, HS_DISK_FULL, HS_DAMAGED,
 * HS_SYSTEM. */
int hs_register(hs_store *store, uint32_t filesystem, const hs_file *file, hs_pins *pins,
                hs_registration *registration, hs_error *error);

/* Registers several files with one commit, as for READDIRPLUS: much faster than one by one. Writes
 * one result for each file, in their order. On failure some may be registered, but none is pinned;
 * call again. At most 65,536 files. */
int hs_register_batch(hs_store *store, uint32_t filesystem, const hs_file *files, size_t count,
                      hs_pins *pins, hs_registration *registrations, hs_error *error);

/* Reads a node. Usually from memory: some tens of nanoseconds.
 * Fails with HS_UNKNOWN_NODE, HS_DAMAGED. A stale node is no error; see hs_node.state. */
int hs_get(const hs_store *store, uint64_t node, hs_node *result, hs_error *error);

/* Reads the node of a handle. result->id is 0 if no node has it. */
int hs_find(const hs_store *store, uint32_t filesystem, const hs_handle *handle, hs_node *result,
            hs_error *error);

/* Opens a node's file by its handle (open_by_handle_at(2); needs CAP_DAC_READ_SEARCH), wherever it
 * is now. What the caller may do with the file is not checked: that is the server's part.
 * mode: HS_OPEN_PATH, HS_OPEN_READ_ONLY, HS_OPEN_WRITE_ONLY or HS_OPEN_READ_WRITE.
 * Fails with HS_STALE if the file is gone, and retires the node; HS_UNKNOWN_NODE, HS_NOT_ATTACHED,
 * HS_NOT_OPENABLE, HS_NOT_PERMITTED, HS_TOO_MANY_OPEN_FILES, HS_SYSTEM. */
int hs_open(hs_store *store, uint64_t node, int mode, int *fd, hs_error *error);

/* Makes a node stale, because its file is gone. `changed` (may be NULL) is 1 if it was live. */
int hs_retire(hs_store *store, uint64_t node, int *changed, hs_error *error);

/* Drops a node that nobody holds, if the store's retention allows it (HS_RETAIN_FOREVER, the
 * default, never does): for FORGET. `dropped` (may be NULL) is 1 if it was dropped; its id is never
 * used again. */
int hs_forget(hs_store *store, uint64_t node, int *dropped, hs_error *error);

/* Drops all nodes that nobody holds and that the store's retention allows to drop. `dropped` (may
 * be NULL) says how many. Takes time with the number of nodes; other calls go on meanwhile. */
int hs_evict(hs_store *store, uint64_t *dropped, hs_error *error);

/* Lists nodes in the order of their ids: up to `capacity`, from `start` on. `next` is where to go
 * on, or 0 at the end.
 * filesystem: only nodes on that one; 0 for all. state: HS_STATE_LIVE or HS_STATE_STALE; 0 for
 * both. */
int hs_list(const hs_store *store, uint64_t start, uint32_t filesystem, uint32_t state, hs_node *nodes,
            size_t capacity, size_t *count, uint64_t *next, hs_error *error);

/* ---- Pins ---- */

/* Pins of one client, in a file that outlives the server: a memfd from the process that mounts, or
 * a file on ext4 or XFS. For each node, the number of lookups that the client has not forgotten.
 * Does not close the descriptor, and keeps none. */
int hs_pins_open(hs_store *store, int fd, hs_pins **pins, hs_error *error);

/* The store no longer looks at these pins, and they are freed. The file keeps its counts. */
void hs_pins_free(hs_pins *pins);

/* Adds to a node's pins. `pinned` (may be NULL) is 0 if there is no such node: it was dropped. */
int hs_pin(hs_store *store, uint64_t node, uint64_t count, hs_pins *pins, int *pinned,
           hs_error *error);

/* Takes back pins of a node. The count stops at 0. `left` (may be NULL) is what it is then. */
int hs_unpin(hs_pins *pins, uint64_t node, uint64_t count, uint64_t *left, hs_error *error);

/* Takes back all pins: the client is gone. */
int hs_unpin_all(hs_pins *pins, hs_error *error);

/* The number of pins of a node. */
int hs_pin_count(const hs_pins *pins, uint64_t node, uint64_t *count, hs_error *error);

/* Lists the pinned nodes in no order: writes up to `capacity`, and how many there are to `count`. */
int hs_pinned(const hs_pins *pins, uint64_t *nodes, size_t capacity, size_t *count, hs_error *error);

/* ---- Exports and tokens ---- */

typedef struct hs_export hs_export;

/* How an export checks that a file is inside (Docs/Exports.md). */
enum {
    HS_CONTAINMENT_ANY = 0,               /* the fastest that is available and keeps every rule */
    HS_CONTAINMENT_WHOLE_FILESYSTEM = 1,  /* the root is that of its filesystem */
    HS_CONTAINMENT_KERNEL = 2,
    HS_CONTAINMENT_CACHED = 3,
    HS_CONTAINMENT_WALK = 4,
};

/* What a client is given to name a file: signed bytes, which the gate of the export checks. */
typedef struct hs_token {
    uint32_t length;
    unsigned char bytes[128];
} hs_token;

/* How long a token may be. HS_TOKEN_REFERENCE makes one that names the node and is valid for this
 * store only; a limit of 64 to 128 makes one that contains the file's handle. */
enum {
    HS_TOKEN_REFERENCE = 32,
    HS_TOKEN_NFS3 = 64,
    HS_TOKEN_MAX = 128,
};

/* What a client names: a node (1 is the export's root), a token, or both: then the token counts if
 * the node is unknown or no longer leads to the file. */
typedef struct hs_reference {
    uint64_t node;          /* 0 for none */
    const hs_token *token;  /* NULL for none */
} hs_reference;

/* What a server tells its client besides the status in hs_file. */
typedef struct hs_attributes {
    uint32_t uid;          /* st_uid */
    uint32_t gid;          /* st_gid */
    uint64_t rdev;         /* st_rdev */
    uint64_t blocks;       /* st_blocks, of 512 bytes */
    int64_t atime, mtime, ctime;  /* st_atim and so on: seconds since 1970 */
    uint32_t atime_nsec, mtime_nsec, ctime_nsec;
    uint32_t block_size;   /* st_blksize */
} hs_attributes;

/* A file of an export that was looked up or created, and registered. */
typedef struct hs_entry {
    hs_file file;          /* handle and status; file.parent is 0 */
    hs_attributes attributes;
    hs_registration registration;
    hs_token token;
    int32_t fd;            /* after hs_create_or_open the open file, which the caller closes; else -1 */
    uint32_t was_created;  /* 1 if the call created the file */
    uint32_t reserved[9];  /* 0 */
} hs_entry;

/* Adds an export of 1 to 16 open directories, the upper layer first, and opens it. Each must be on
 * a filesystem of its own. Attaches their filesystems. The descriptors may be closed afterwards.
 * Fails with HS_BAD_EXPORT, HS_UNAVAILABLE, what hs_attach fails with. */
int hs_export_add(hs_store *store, const char *name, const int *roots, size_t count, int read_only,
                  int containment, hs_export **export_, hs_error *error);

/* Opens an export by its name. Attaches its filesystems, which must be mounted.
 * Fails with HS_NO_EXPORT, HS_NOT_ATTACHED, HS_AMBIGUOUS_FILESYSTEM, HS_STALE_HANDLE if its root is
 * gone, HS_UNAVAILABLE, HS_EXPOSED_KEYS. */
int hs_export_open(hs_store *store, const char *name, hs_export **export_, hs_error *error);

/* Removes an export from the store. Its nodes stay, and one that is open goes on working. */
int hs_export_remove(hs_store *store, const char *name, hs_error *error);

void hs_export_free(hs_export *export_);

/* The node of the root; 0 if export_ is NULL, and in a forked child. It is not 1, but clients may
 * name the root as node 1, too. In FUSE the root is always node 1 with generation 0: a server must
 * reply that. */
uint64_t hs_export_root(const hs_export *export_);

/* Looks up a name in a directory, and registers the file. entry->registration.node is 0 if there is
 * no such name. `.` is the directory itself; `..` the one above it, or the root if this is the
 * root.
 * token_limit: HS_TOKEN_REFERENCE, or HS_TOKEN_NFS3 to HS_TOKEN_MAX.
 * pins: where to count one pin of the file's node; or NULL.
 * Fails with HS_REFUSED if the gate refuses the directory, or if the file is not inside;
 * HS_BAD_NAME, HS_TOKEN_TOO_LONG, what hs_register fails with; HS_MOUNT_POINT if the export has no
 * private mount (which needs CAP_SYS_ADMIN), through which the covered directory is found. */
int hs_lookup(hs_export *export_, const hs_reference *parent, const char *name, size_t length,
              uint32_t token_limit, hs_pins *pins, hs_entry *entry, hs_error *error);

/* The same for a file that a client names. */
int hs_lookup_reference(hs_export *export_, const hs_reference *file, uint32_t token_limit,
                        hs_pins *pins, hs_entry *entry, hs_error *error);

/* Opens a file in a directory, and creates it if there is none; was_created says which.
 * mode: HS_OPEN_READ_ONLY, HS_OPEN_WRITE_ONLY or HS_OPEN_READ_WRITE. permissions: those of a new
 * file, less the umask. HS_TOKEN_TOO_LONG, HS_DISK_FULL and HS_TOO_MANY_OPEN_FILES may leave the
 * new file; call again to open it. */
int hs_create_or_open(hs_export *export_, const hs_reference *parent, const char *name, size_t length,
                      int mode, uint32_t permissions, uint32_t token_limit, hs_pins *pins,
                      hs_entry *entry, hs_error *error);

/* Opens a file that a client names, if it passes the gate. HS_OPEN_PATH does not touch the file. A
 * file that has lost its last name is in no directory, and the gate refuses it (HS_REFUSED_STALE)
 * though it may still be open somewhere: a server that knows that a client has it open uses
 * hs_open.
 * Fails with HS_REFUSED, HS_NOT_OPENABLE_HANDLE, HS_READ_ONLY_EXPORT, HS_SYSTEM. */
int hs_open_reference(hs_export *export_, const hs_reference *file, int mode, int *fd, hs_error *error);

/* Makes the token of a node. */
int hs_token_of(hs_export *export_, uint64_t node, uint32_t token_limit, hs_token *token,
                hs_error *error);

/* ---- Moves and copies ---- */

/* Gives a node another file: the copy of its file on the upper layer of a union. The node gets the
 * new handle and keeps the old one as an alias, by which its tokens still lead to it.
 * Fails with HS_STALE, HS_UNKNOWN_NODE, HS_BAD_VALUE if the copy has another type, and as
 * hs_register. */
int hs_copy_up(hs_store *store, uint64_t node, uint32_t filesystem, const hs_file *copy,
               hs_registration *registration, hs_error *error);

/* Records that a file has a name in another directory now: call it after a rename into another
 * directory, an exchange or a link. An export looks there when the kernel has forgotten the name.
 * `node` (may be NULL) is the file's node, or 0 if it has none. */
int hs_record_move(hs_store *store, uint32_t filesystem, const hs_file *file, uint64_t directory,
                   uint64_t *node, hs_error *error);

/* ---- Watches ---- */

/* A watched node, or one watcher of a node. */
typedef struct hs_watch_mask {
    uint64_t id;         /* the node's id, or the watcher's number */
    uint32_t mask;       /* the events, with the bits of inotify(7) */
    uint32_t reserved;   /* 0 */
} hs_watch_mask;

/* Records that a watcher watches a live node for the events of a mask (not 0); replaces its earlier
 * mask. A watcher is a number that the server gives to a client and keeps over restarts. A node
 * that is watched is not dropped. The store does not watch the file itself. */
int hs_watch(hs_store *store, uint64_t node, uint32_t mask, uint64_t watcher, hs_error *error);

/* Ends a watch. `ended` (may be NULL) is 0 if there was none. */
int hs_unwatch(hs_store *store, uint64_t node, uint64_t watcher, int *ended, hs_error *error);

/* Lists the watchers of a node: writes up to `capacity`, and how many there are to `count`. */
int hs_watchers(const hs_store *store, uint64_t node, hs_watch_mask *watchers, size_t capacity,
                size_t *count, hs_error *error);

/* Lists watched nodes by their ids, each with the masks of all its watchers combined: up to
 * `capacity`, from `start` on. `next` is where to go on, or 0 at the end. */
int hs_watched(const hs_store *store, uint64_t start, hs_watch_mask *nodes, size_t capacity,
               size_t *count, uint64_t *next, hs_error *error);

/* Takes watched nodes whose file is gone, each once: tell their watchers, and end the watches.
 * Writes up to `capacity`; if there are as many, there may be more. A server that was killed after
 * this call and before it told the watchers finds these nodes stale and still watched (hs_watched).
 * `overflowed` (may be NULL) is 1 if some were lost because there were too many. */
int hs_deletions(hs_store *store, uint64_t *nodes, size_t capacity, size_t *count, int *overflowed,
                 hs_error *error);

/* What one step of a sweep found. */
typedef struct hs_sweep_step {
    uint64_t next;        /* where the next step starts; 0 after the last one */
    uint64_t present;     /* live nodes whose file exists */
    uint64_t gone;        /* live nodes whose file is gone; they are stale now */
    uint64_t skipped;     /* live nodes not decided: not attached, unreadable, or the disk is full */
    uint64_t count;       /* how many nodes were written to `nodes` */
    uint32_t overflowed;  /* as for hs_deletions */
    uint32_t reserved;    /* 0 */
} hs_sweep_step;

/* Opens up to `capacity` watched files, from node `start` on, retires the nodes of those that are
 * gone, and writes to `nodes` what hs_deletions writes. After a restart, sweep from 0 until
 * step->next is 0, then call hs_deletions until it returns none. */
int hs_sweep(hs_store *store, uint64_t start, uint64_t *nodes, size_t capacity, hs_sweep_step *step,
             hs_error *error);

/* ---- Recovery: what outlives a killed server ---- */

typedef struct hs_journal hs_journal;

/* What a server is about to do for a request that must not be done twice. */
enum {
    HS_INTENT_CREATE             = 1,  /* type, name: the name is free */
    HS_INTENT_LINK               = 2,  /* file, name: the name is free */
    HS_INTENT_REMOVE             = 3,  /* file, name */
    HS_INTENT_RENAME             = 4,  /* file, name, new_name */
    HS_INTENT_EXCHANGE           = 5,  /* file, name, other, new_name */
    HS_INTENT_CREATE_ATTRIBUTE   = 6,  /* nothing else: the file has no such attribute */
    HS_INTENT_REMOVE_ATTRIBUTE   = 7,  /* nothing else: the file has the attribute */
    HS_INTENT_INSERT_RANGE       = 8,  /* size of the file before, length */
    HS_INTENT_COLLAPSE_RANGE     = 9,  /* size of the file before, length */
};

typedef struct hs_intent {
    uint32_t operation;  /* HS_INTENT_..., which says what else counts */
    uint32_t type;       /* as in st_mode & S_IFMT */
    const char *name;
    size_t name_length;
    const char *new_name;
    size_t new_name_length;
    const hs_handle *file;
    const hs_handle *other;
    uint64_t size;
    uint64_t length;
    uint64_t reserved[3];  /* 0 */
} hs_intent;

/* Opens the journal in a file that outlives the server (a memfd from the process that mounts), with
 * the requests that an earlier server left. capacity: 1 to 1,048,576 requests in progress; the file
 * takes a KiB for each at once. The descriptor may be closed afterwards. */
int hs_journal_open(int fd, size_t capacity, hs_journal **journal, hs_error *error);

void hs_journal_free(hs_journal *journal);

/* Notes an intent before the server acts; replaces an earlier one of the request. request: its
 * number, not 0; in FUSE its `unique` without bit 63.
 * Fails with HS_SYSTEM: ENOBUFS if `capacity` requests are noted. */
int hs_journal_note(hs_journal *journal, uint64_t request, const hs_intent *intent, hs_error *error);

/* Forgets a request after the reply. Does nothing if none is noted. */
int hs_journal_forget(hs_journal *journal, uint64_t request, hs_error *error);

/* The operation that is noted for a request (HS_INTENT_...), or 0 if there is none. */
int hs_journal_find(const hs_journal *journal, uint64_t request, uint32_t *operation, hs_error *error);

/* Whether a noted operation on names was done, judged by what the names lead to now. `done` is 0 if
 * it was not, and if nothing is noted, so a server may ask for each request. new_directory: that of
 * new_name, or -1 if it is the same. */
int hs_journal_was_done(const hs_journal *journal, uint64_t request, int directory, int new_directory,
                        int *done, hs_error *error);

/* The same of an extended attribute and of a range, judged by how the file is now. */
int hs_journal_attribute_was_done(const hs_journal *journal, uint64_t request, int has_attribute,
                                  int *done, hs_error *error);
int hs_journal_range_was_done(const hs_journal *journal, uint64_t request, uint64_t size, int *done,
                              hs_error *error);

typedef struct hs_open_files hs_open_files;

/* The files that clients have open, in a file that outlives the server, with what an earlier server
 * left in it. fuse: /dev/fuse of the mount, through which the kernel keeps files
 * (FUSE_PASSTHROUGH); it must stay open until the object is freed. Nothing else gives the kernel
 * files of this connection to keep: what is not on record is closed. -1: the kernel keeps none. */
int hs_open_files_open(int fd, int fuse, hs_open_files **files, hs_error *error);

void hs_open_files_free(hs_open_files *files);

/* Records an open. number: not 0; in FUSE the request's `unique` without bit 63. fd: the file for
 * the kernel to keep, or -1. `backing_id` is the number under which the kernel keeps it, or 0. */
int hs_open_files_add(hs_open_files *files, uint64_t number, uint64_t node, int fd,
                      uint32_t *backing_id, hs_error *error);

/* Records that an open has ended (RELEASE). Does nothing if there is none. */
int hs_open_files_remove(hs_open_files *files, uint64_t number, hs_error *error);

/* Records that all opens of a node have ended: the kernel does not know it any more (FORGET). An
 * open would stay on record for ever if the server was killed before it answered the request, and
 * the client too. */
int hs_open_files_remove_all(hs_open_files *files, uint64_t node, hs_error *error);

/* The node of an open, or 0 if there is none. */
int hs_open_files_find(const hs_open_files *files, uint64_t number, uint64_t *node, hs_error *error);

/* Whether a node is open, and whether its file must be parked before its last name is removed: it
 * is open and the kernel does not keep it. Either may be NULL. */
int hs_open_files_state(const hs_open_files *files, uint64_t node, int *is_open, int *needs_parking,
                        hs_error *error);

typedef struct hs_parking hs_parking;
typedef struct hs_parked_files hs_parked_files;

/* A file that is open but has no name any more is lost with its last descriptor. The server parks
 * it with another process, its supervisor, over a pair of sockets: the server has sockets[0]. */
int hs_parking_sockets(int sockets[2], hs_error *error);

/* The server's side. The socket stays the caller's, to close after the object is freed. */
int hs_parking_open(int socket, hs_parking **parking, hs_error *error);
void hs_parking_free(hs_parking *parking);

/* Sends a file, which is kept until its node is released. Waits if the supervisor does not keep
 * up. */
int hs_park(hs_parking *parking, int fd, uint64_t node, hs_error *error);
int hs_unpark(hs_parking *parking, uint64_t node, hs_error *error);

/* The supervisor's side: keeps the files that it receives until it is freed. It needs a descriptor
 * for each: raise RLIMIT_NOFILE. */
int hs_parked_files_open(hs_parked_files **files, hs_error *error);
void hs_parked_files_free(hs_parked_files *files);

/* Waits for one message. `more` (may be NULL) is 0 if the server's side is closed. */
int hs_parked_files_receive(hs_parked_files *files, int socket, int *more, hs_error *error);

typedef struct hs_kept_files hs_kept_files;

/* The files below a directory whose filesystem cannot open handles (overlayfs without nfs_export,
 * FUSE, 9p), or that the process may not open by handle (CAP_DAC_READ_SEARCH). They are kept open
 * (O_PATH) as long as a client has pinned their nodes, at most `limit` of them; hs_open opens them.
 * They are parked too (parking, may be NULL; free it after the object), so that the next server gets
 * them back: the supervisor must be in hs_parked_files_receive while this runs. When nobody has them
 * any more, as after an unmount, their nodes are stale. One object at a time for a store. */
int hs_kept_files_open(hs_store *store, int directory, size_t limit, hs_parking *parking,
                       hs_kept_files **kept, hs_error *error);

/* Closes the files. Those that are parked stay parked. */
void hs_kept_files_free(hs_kept_files *kept);

/* Registers an open file and keeps it. parent: the node of its directory, or 0. pins: may be NULL.
 * Fails with HS_SYSTEM and ENFILE if `limit` files are kept and in use. */
int hs_kept_files_register(hs_kept_files *kept, int fd, uint64_t parent, hs_pins *pins,
                           hs_registration *registration, hs_error *error);

/* Closes a node's file, if nobody holds the node (FORGET). `gone` (may be NULL): whether it is
 * closed. The node may be dropped with it: then the file gets a new node. */
int hs_kept_files_give_up(hs_kept_files *kept, uint64_t node, int *gone, hs_error *error);

/* The node of the directory, and how many files are kept. Either may be NULL. */
int hs_kept_files_state(const hs_kept_files *kept, uint64_t *root, size_t *count, hs_error *error);

/* Up to `capacity` nodes whose files were not used for longest: ask the kernel to forget them
 * (FUSE_NOTIFY_PRUNE) before the limit is reached. */
int hs_kept_files_least_used(hs_kept_files *kept, uint64_t *nodes, size_t capacity, size_t *count,
                             hs_error *error);

/* ---- Maintenance ---- */

/* Counts since the store was opened. Later versions may add members: set `size` with
 * HS_STATISTICS_INIT, and the members that fit are filled in. */
typedef struct hs_statistics {
    uint32_t size;
    uint32_t reserved;
    uint64_t created, existing, replaced;  /* registrations by their outcome */
    uint64_t retired, dropped;             /* nodes */
    uint64_t gets, cache_hits;             /* nodes read by id, and how many were in memory */
    uint64_t opened;                       /* files */
    uint64_t compared;                     /* handles made again after an open, and compared */
    uint64_t admitted;                     /* what passed the gate of an export */
    uint64_t refused[32];                  /* what did not, by HS_REFUSED_...; [0] is not used */
} hs_statistics;

#define HS_STATISTICS_INIT {sizeof(hs_statistics), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, {0}}

int hs_store_statistics(const hs_store *store, hs_statistics *statistics, hs_error *error);

/* Writes a copy of the store as it is now to another directory, which must be empty or missing.
 * Other calls go on meanwhile. Fails with HS_SYSTEM: ENOTEMPTY; HS_DISK_FULL, HS_DAMAGED. */
int hs_store_backup(hs_store *store, const char *path, hs_error *error);

/* Checks the store in a directory without LMDB, so that no damage can crash the process. The
 * process must not have the store open; another process may write to it. `findings` is how many
 * things are wrong; a text of up to `capacity` bytes with its NUL names the first of them, a line
 * each (`text` may be NULL if capacity is 0). */
int hs_store_check(const char *path, uint64_t *findings, char *text, size_t capacity, hs_error *error);

#ifdef __cplusplus
}
#endif

#endif
