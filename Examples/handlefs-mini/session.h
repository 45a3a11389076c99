/* What the supervisor and the server have in common. */
#ifndef SESSION_H
#define SESSION_H

#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <handlestore.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Linux 6.9; Debian's headers are older. */
#ifndef FUSE_UNIQUE_RESEND
#define FUSE_UNIQUE_RESEND (1ull << 63) /* in the number of a request: it is sent again */
#define FUSE_NOTIFY_RESEND 7             /* send again what was read and not answered */
#endif

/* What the supervisor opens for all servers of a mount. Each is inherited under its number. */
enum {
    FUSE_FD = 3, /* the connection to the kernel (/dev/fuse) */
    SOURCE_FD,   /* the directory that is shown */
    INIT_FD,     /* memory: the kernel's first request */
    JOURNAL_FD,  /* memory: the requests that were begun */
    OPENS_FD,    /* memory: the files that are open */
    LOOKUPS_FD,  /* memory: how often the kernel has looked up each node */
    PARKED_FD,   /* memory: which files the supervisor keeps open */
    PARKING_FD,  /* a socket: over it the server sends those files */
};

#endif
