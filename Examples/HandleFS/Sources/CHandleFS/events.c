/* Events of a file system, through fanotify(7). */
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

/* The length of a record before the bytes of its handle; in some records a name follows the
 * handle. */
enum { RECORD_HEAD = sizeof(struct fanotify_event_info_fid) + sizeof(struct file_handle) };

/* Copies the handle out of a record; returns where the handle ends, or 0 if the record holds no
 * complete handle. */
static size_t take_handle(const struct fanotify_event_info_fid *info, struct hf_handle *to)
{
    const struct file_handle *handle = (const void *)info->handle;
    if (info->hdr.len < RECORD_HEAD || handle->handle_bytes > sizeof to->bytes ||
        handle->handle_bytes > info->hdr.len - RECORD_HEAD)
        return 0;
    to->type = handle->handle_type;
    to->length = handle->handle_bytes;
    memcpy(to->bytes, handle->f_handle, to->length);
    return RECORD_HEAD + to->length;
}

static void take_record(const struct fanotify_event_info_fid *info, struct hf_event *event)
{
    if (info->hdr.info_type == FAN_EVENT_INFO_TYPE_FID) {
        take_handle(info, &event->file);
    } else if (info->hdr.info_type == FAN_EVENT_INFO_TYPE_DFID_NAME) {
        size_t end = take_handle(info, &event->directory);
        if (end)
            snprintf(event->name, sizeof event->name, "%.*s", (int)(info->hdr.len - end),
                     (const char *)info + end);
    }
}

size_t hf_event_at(const void *buffer, size_t filled, size_t place, struct hf_event *event)
{
    const struct fanotify_event_metadata *data = (const void *)((const char *)buffer + place);
    *event = (struct hf_event){0};
    if (place > filled || filled - place < sizeof *data || data->event_len > filled - place ||
        data->metadata_len < sizeof *data || data->metadata_len > data->event_len) {
        /* The place of the next event is unknown. */
        event->mask = HF_EVENT_LOST;
        return filled;
    }
    event->mask = (uint32_t)(data->mask & ~(uint64_t)FAN_ONDIR);
    size_t at = data->metadata_len;
    while (data->event_len - at >= sizeof(struct fanotify_event_info_header)) {
        const struct fanotify_event_info_fid *info = (const void *)((const char *)data + at);
        if (info->hdr.len < sizeof info->hdr || info->hdr.len > data->event_len - at)
            break;
        take_record(info, event);
        at += info->hdr.len;
    }
    return place + data->event_len;
}
