/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What was taken of the buffer is given up when more than half of it is gone: then moving the rest
 * costs no more than reading it did. */

#include "log-source.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define LOG_SOURCE_SLICE ((size_t)64 * 1024)

void log_source_init(LogSource *source, int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags >= 0) /* a read that blocks would only be late */
        (void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    *source = (LogSource){.fd = fd, .buffer = g_string_new(NULL)};
}

void log_source_done(LogSource *source)
{
    if (source->buffer == NULL)
        return;
    (void)close(source->fd); /* only read from */
    (void)g_string_free(g_steal_pointer(&source->buffer), TRUE);
}

static void log_source_give_up_used(LogSource *source)
{
    if (source->used <= source->buffer->len / 2)
        return;
    g_string_erase(source->buffer, 0, (gssize)source->used);
    source->used = 0;
}

int log_source_read(LogSource *source)
{
    GString *buffer = source->buffer;

    log_source_give_up_used(source);
    size_t length = buffer->len;
    if (length - source->used > LOG_SOURCE_LINE_MAX) {
        source->is_over = true;
        return -EBADMSG;
    }
    g_string_set_size(buffer, length + LOG_SOURCE_SLICE);
    ssize_t n = read(source->fd, buffer->str + length, LOG_SOURCE_SLICE);
    int errno_value = errno;
    g_string_set_size(buffer, length + (n > 0 ? (size_t)n : 0));
    if (n < 0 && (errno_value == EAGAIN || errno_value == EINTR))
        return -EAGAIN;
    source->is_over = n <= 0;
    return n < 0 ? -errno_value : 0;
}

LogEntry *log_source_take(LogSource *source)
{
    LogEntry *entry = NULL;

    while (entry == NULL) {
        const char *line = source->buffer->str + source->used;
        size_t left = source->buffer->len - source->used;
        const char *end = left > 0 ? memchr(line, '\n', left) : NULL;

        if (end == NULL)
            return NULL;
        entry = log_entry_parse(line, (size_t)(end - line));
        source->used += (size_t)(end - line) + 1;
    }
    return entry;
}

/* False: it was waited for in vain. */
static bool log_source_await(const LogSource *source, uint64_t deadline_usec)
{
    struct pollfd pollfd = {.fd = source->fd, .events = POLLIN};
    uint64_t now = clock_monotonic_usec(clock_system());

    return now < deadline_usec &&
           poll(&pollfd, 1, (int)((deadline_usec - now) / USEC_PER_MSEC + 1)) != 0;
}

json_t *log_source_read_all(int fd, unsigned n, uint64_t timeout_usec)
{
    uint64_t deadline = usec_add(clock_monotonic_usec(clock_system()), timeout_usec);
    g_autoptr(json_t) lines = json_array();
    LogSource source;
    int r = 0;

    log_source_init(&source, fd);
    while (!source.is_over && (r == 0 || log_source_await(&source, deadline))) {
        LogEntry *entry;

        r = log_source_read(&source);
        while ((entry = log_source_take(&source)) != NULL) {
            (void)json_array_append(lines, entry->json); /* fails only without memory */
            log_entry_free(entry);
            if (json_array_size(lines) > n)
                (void)json_array_remove(lines, 0);
        }
    }
    bool is_read = source.is_over && r == 0;
    log_source_done(&source);
    return is_read ? g_steal_pointer(&lines) : NULL;
}
