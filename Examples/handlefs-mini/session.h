/* What the supervisor opens for all servers of a mount. A server finds each under its number. */
#ifndef SESSION_H
#define SESSION_H

enum {
    FUSE_FD = 3, /* the connection to the kernel (/dev/fuse) */
    SOURCE_FD,   /* the directory that is shown */
    INIT_FD,     /* memory: the kernel's first request */
    JOURNAL_FD,  /* memory: the requests that were begun */
    OPENS_FD,    /* memory: the files that are open */
    LOOKUPS_FD,  /* memory: how often the kernel has looked up each node */
    PARKED_FD,   /* memory: which files the supervisor keeps open */
    PARKING_FD,  /* a socket: over it the server sends those files */
    LAST_FD = PARKING_FD,
};

#endif
