/* Mounts that map users and groups (mount_setattr(2)). */
#include "load.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>

/* Returns the user namespace of a process, which maps users and groups in the same way. */
static int mapping_namespace(const char *map)
{
    int ready[2], end[2];
    char path[64], byte = 0;
    MUST(pipe(ready));
    MUST(pipe(end));
    pid_t child = (pid_t)MUST(fork());
    if (child == 0) {
        close(end[1]);
        MUST(unshare(CLONE_NEWUSER));
        MUST(write(ready[1], &byte, 1));
        _exit((int)read(end[0], &byte, 1));
    }
    if (MUST(read(ready[0], &byte, 1)) != 1)
        fail("no user namespace");
    snprintf(path, sizeof path, "/proc/%d/uid_map", child);
    put(path, map);
    snprintf(path, sizeof path, "/proc/%d/gid_map", child);
    put(path, map);
    snprintf(path, sizeof path, "/proc/%d/ns/user", child);
    int found = (int)MUST(open(path, O_RDONLY | O_CLOEXEC));
    close(end[1]);
    MUST(waitpid(child, NULL, 0));
    return found;
}

/* Mounts a directory on another one. User INSIDE on the disk is user OUTSIDE there, and so on. */
static int map(int count, char **arguments)
{
    if (count < 5)
        return 2;
    char text[128];
    snprintf(text, sizeof text, "%s %s %s\n", arguments[2], arguments[3], arguments[4]);
    int tree = (int)MUST(syscall(SYS_open_tree, AT_FDCWD, arguments[0],
                                 OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
    struct mount_attr attributes = {
        .attr_set = MOUNT_ATTR_IDMAP,
        .userns_fd = (uint64_t)mapping_namespace(text),
    };
    MUST(mount_setattr(tree, "", AT_EMPTY_PATH, &attributes, sizeof attributes));
    MUST(syscall(SYS_move_mount, tree, "", AT_FDCWD, arguments[1], MOVE_MOUNT_F_EMPTY_PATH));
    return 0;
}

const struct command mapping[] = {
    {"map", "DIRECTORY TARGET INSIDE OUTSIDE COUNT", map},
    {NULL, NULL, NULL},
};
