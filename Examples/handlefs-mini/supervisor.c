/*
 * handlefs-mini SOURCE MOUNTPOINT STORE: mounts, and starts a server whenever there is none.
 *
 * This process has the connection to the kernel and everything else that must outlive a server. It
 * does next to nothing, so it has little to crash on. It must never use the mount that it serves.
 */
#include "session.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

static char *mountpoint, *store;

/* Opens what servers inherit. Each number must be the next free one, so keep the order. */
static int open_session(const char *source)
{
    static const char *const memories[] = {"init", "journal", "opens", "lookups", "parked"};
    int sockets[2];
    close_range(FUSE_FD, ~0U, 0);
    if (open("/dev/fuse", O_RDWR) != FUSE_FD)
        err(1, "/dev/fuse");
    if (open(source, O_RDONLY | O_DIRECTORY) != SOURCE_FD)
        err(1, "%s", source);
    for (int fd = INIT_FD; fd <= PARKED_FD; fd++)
        if (memfd_create(memories[fd - INIT_FD], 0) != fd)
            err(1, "memory for %s", memories[fd - INIT_FD]);
    hs_error error = HS_ERROR_INIT;
    if (hs_parking_sockets(sockets, &error))
        errx(1, "%s", error.text);
    if (sockets[0] != PARKING_FD || fcntl(PARKING_FD, F_SETFD, 0) < 0)
        err(1, "sockets");
    return sockets[1];
}

/* Mounts, and keeps the kernel's first request: each server has to see it. */
static void mount_session(const char *source)
{
    char request[FUSE_MIN_READ_BUFFER], options[128];
    snprintf(options, sizeof options,
             "fd=%d,rootmode=40000,user_id=0,group_id=0,default_permissions,allow_other", FUSE_FD);
    if (mount(source, mountpoint, "fuse.handlefs-mini", 0, options))
        err(1, "%s", mountpoint);
    ssize_t length = read(FUSE_FD, request, sizeof request);
    if (length < 0 || pwrite(INIT_FD, request, (size_t)length, 0) != length)
        err(1, "the kernel's first request");
}

/* Files without a name stay alive as long as this process has descriptors of them. */
static void *keep_parked_files(void *socket)
{
    hs_parked_files *files;
    hs_error error = HS_ERROR_INIT;
    if (hs_parked_files_open(&files, &error))
        errx(1, "%s", error.text);
    for (int more = 1; more;)
        if (hs_parked_files_receive(files, *(int *)socket, &more, &error))
            warnx("%s", error.text);
    return NULL;
}

/* Unmounting waits for a server. So another process does it, and this one goes on. */
static void unmount(int signal)
{
    (void)signal;
    if (_Fork() == 0) {
        execlp("umount", "umount", mountpoint, NULL);
        _exit(1);
    }
}

static pid_t start_server(void)
{
    char path[PATH_MAX + 8] = "";
    pid_t server = fork();
    if (server != 0)
        return server;
    /* A mount that nobody supervises shall end, not linger. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX);
    strcpy(path + (length < 0 ? 0 : length), "-server");
    execl(path, path, store, NULL);
    err(1, "%s", path);
}

int main(int count, char **arguments)
{
    if (count != 4)
        errx(2, "usage: handlefs-mini SOURCE MOUNTPOINT STORE");
    if (!(mountpoint = realpath(arguments[2], NULL)))
        err(1, "%s", arguments[2]);
    store = arguments[3];
    /* This process takes a descriptor for each file that is open through the mount. */
    struct rlimit limit;
    if (!getrlimit(RLIMIT_NOFILE, &limit))
        setrlimit(RLIMIT_NOFILE, &(struct rlimit){limit.rlim_max, limit.rlim_max});
    int socket = open_session(arguments[1]), status, child;
    mount_session(arguments[1]);
    signal(SIGTERM, unmount);
    signal(SIGINT, unmount);
    pthread_t thread;
    if (pthread_create(&thread, NULL, keep_parked_files, &socket))
        errx(1, "no thread");
    pid_t server = start_server();
    while (server > 0 && ((child = wait(&status)) != server || WIFSIGNALED(status)))
        if (child == server) {
            usleep(10000); /* should each server crash at once, do not spin */
            server = start_server();
        }
    /* The server has ended by itself: with 0 after umount(8), else because it could not begin. */
    if (server > 0 && WEXITSTATUS(status) == 0)
        return 0;
    umount2(mountpoint, MNT_DETACH);
    return 1;
}
