/* What the tests need of the system and Swift has no usable form of. */
#ifndef TESTSUPPORT_H
#define TESTSUPPORT_H

#include <stdint.h>
#include <sys/types.h>

/* FS_IOC_SHUTDOWN (EXT4_IOC_SHUTDOWN, XFS_IOC_GOINGDOWN): what a power cut does to a filesystem.
 * Returns 0 or -errno. */
int ts_shut_down(int fd, unsigned flags);

/* fork(2), which Swift does not offer. Returns the child's id, 0 in the child. */
pid_t ts_fork(void);

/* pipe2(2) with O_CLOEXEC. Returns 0 or -errno. */
int ts_pipe(int ends[2]);

/* environ(7). */
char **ts_environment(void);

/* memfd_create(2). Returns a descriptor, or the negated errno. */
int ts_memory_file(void);

/* Whether the calling thread uses CAP_SYS_ADMIN, if it is permitted. Returns 0 or -errno. */
int ts_use_admin(int use);

/* A signal to the calling thread ends calls that wait, and does nothing else (a handler without
 * SA_RESTART, and the signal is not blocked). Returns 0 or -errno. */
int ts_interrupt_by(int signal);

/* How many such signals have arrived in this process. */
int ts_interruptions(void);

/* sendmsg(2) of two words and two descriptors. Returns 0 or -errno. */
int ts_send_descriptors(int socket, uint64_t first, uint64_t second, int one, int other);

#endif
