/* Events of a filesystem, through fanotify(7). */
#define _GNU_SOURCE
#include "handlefs.h"
#include "result.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

int hf_watch(int fd, int unlimited)
{
    int watch = (int)result(fanotify_init(
        FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK | FAN_REPORT_DFID_NAME_TARGET | FAN_REPORT_TID |
            (unlimited ? FAN_UNLIMITED_QUEUE : 0),
        O_RDONLY));
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

int hf_is_watch(int fd)
{
    char path[64], target[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    long length = readlink(path, target, sizeof target - 1);
    if (length < 0)
        return -errno;
    target[length] = 0;
    return strstr(target, "fanotify") != NULL;
}

int hf_is_local(int fd)
{
    struct statfs status;
    if (fstatfs(fd, &status))
        return -errno;
    switch (status.f_type) {
    case EXT4_SUPER_MAGIC:
    case XFS_SUPER_MAGIC:
    case BTRFS_SUPER_MAGIC:
    case F2FS_SUPER_MAGIC:
    case TMPFS_MAGIC: return 1;
    default: return 0;
    }
}

void *hf_map_events(int fd)
{
    if (ftruncate(fd, HF_EVENTS_SIZE))
        return NULL;
    void *memory = mmap(NULL, HF_EVENTS_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

size_t hf_length_of_events(const void *buffer)
{
    size_t length = 0;
    while (length + sizeof(struct fanotify_event_metadata) <= HF_EVENTS_SIZE) {
        uint32_t event;
        memcpy(&event, (const char *)buffer + length, sizeof event);
        if (event < sizeof(struct fanotify_event_metadata) || event > HF_EVENTS_SIZE - length)
            break;
        length += event;
    }
    return length;
}

long hf_read_events(int watch, int wait, void *buffer)
{
    struct pollfd state = {.fd = watch, .events = POLLIN};
    while (wait && poll(&state, 1, -1) < 0 && errno == EINTR)
        ;
    long length = result(read(watch, buffer, HF_EVENTS_SIZE));
    return length == -EAGAIN ? 0 : length;
}
