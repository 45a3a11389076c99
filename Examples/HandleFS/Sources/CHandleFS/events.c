/* Events of a filesystem, through fanotify(7). */
#define _GNU_SOURCE
#include "handlefs.h"
#include "result.h"

#include <fcntl.h>
#include <sys/fanotify.h>
#include <unistd.h>

int hf_watch(int fd)
{
    int watch = (int)result(fanotify_init(
        FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_REPORT_DFID_NAME_TARGET, O_RDONLY));
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

long hf_read_events(int watch, void *buffer, size_t size)
{
    return result(read(watch, buffer, size));
}
