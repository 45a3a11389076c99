/* What happens on a file system, by fanotify(7). */
#define _GNU_SOURCE
#include "handlefs.h"
#include "result.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
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

static const struct file_handle *take_handle(const struct fanotify_event_info_fid *info,
                                             struct hf_handle *to)
{
    const struct file_handle *handle = (const void *)info->handle;
    if (handle->handle_bytes > sizeof to->bytes)
        return NULL;
    to->type = handle->handle_type;
    to->length = handle->handle_bytes;
    memcpy(to->bytes, handle->f_handle, to->length);
    return handle;
}

size_t hf_event_at(const void *buffer, size_t place, struct hf_event *event)
{
    const struct fanotify_event_metadata *data = (const void *)((const char *)buffer + place);
    const char *next = (const char *)data + data->metadata_len;
    const char *end = (const char *)data + data->event_len;
    *event = (struct hf_event){.mask = (uint32_t)(data->mask & ~(uint64_t)FAN_ONDIR)};
    while (next + sizeof(struct fanotify_event_info_header) <= end) {
        const struct fanotify_event_info_fid *info = (const void *)next;
        next += info->hdr.len;
        if (info->hdr.info_type == FAN_EVENT_INFO_TYPE_FID) {
            take_handle(info, &event->file);
        } else if (info->hdr.info_type == FAN_EVENT_INFO_TYPE_DFID_NAME) {
            const struct file_handle *handle = take_handle(info, &event->directory);
            if (handle)
                snprintf(event->name, sizeof event->name, "%s",
                         (const char *)handle->f_handle + handle->handle_bytes);
        }
    }
    return place + data->event_len;
}
