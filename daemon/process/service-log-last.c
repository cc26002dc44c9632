/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ends of the last files are put together in a buffer, which is read backwards. */

#include "process/service-log-stream.h"

#include "process/service-log-internal.h"
#include "process/service-log-search.h"
#include "process/service-log-walk.h"

#include "base/fds.h"

#include <fcntl.h>
#include <string.h>

#define LAST_BYTES ((size_t)256 * 1024)
/* A log may consist of a thousand files that are nearly empty. */
#define LAST_FILES_MAX 8

typedef struct LastLines {
    const ServiceLogs *logs;
    const char *service_id;
    char *bytes; /* LAST_BYTES */
    char *begin; /* of what is in them; it reaches to the end */
} LastLines;

/* Of a file that was cut within a line; there is room for one byte. */
static void service_log_last_end_line(LastLines *last, size_t length)
{
    if (length == 0 || last->begin[length - 1] == '\n')
        return;
    memmove(last->begin - 1, last->begin, length);
    last->begin--;
    last->begin[length] = '\n';
}

/* Before what is there. False: there is no more room, or it cannot be read. */
static bool service_log_last_put(LastLines *last, int fd)
{
    const Sys *sys = last->logs->sys;
    size_t room = (size_t)(last->begin - last->bytes);
    struct stat status;

    if (room <= 1 || sys->fstatat(fd, "", &status, AT_EMPTY_PATH) < 0)
        return false;

    uint64_t size = (uint64_t)status.st_size;
    size_t length = (size_t)MIN(size, room - 1);
    char *begin = last->begin - length;
    if (sys_pread(sys, fd, begin, length, size - length) != (ssize_t)length)
        return false;
    last->begin = begin;
    service_log_last_end_line(last, length);
    if (length == size)
        return true;

    /* The first line is not whole. */
    const char *newline = memchr(begin, '\n', length);
    last->begin = newline != NULL ? begin + (newline + 1 - begin) : last->bytes + LAST_BYTES;
    return false;
}

static bool service_log_last_put_file(LastLines *last, uint64_t number)
{
    autofd int fd = service_log_files_open(last->logs, last->service_id, number);

    return fd >= 0 && service_log_last_put(last, fd);
}

static void service_log_last_load(LastLines *last)
{
    g_auto(ServiceLogRow) row = {0};

    if (service_log_row_look(last->logs, last->service_id, &row) < 0)
        return;
    if (row.current_size > 0 && !service_log_last_put_file(last, 0))
        return;
    for (unsigned i = row.numbers->len, n = 1; i > 0 && n < LAST_FILES_MAX; i--, n++) {
        if (!service_log_last_put_file(last, g_array_index(row.numbers, uint64_t, i - 1)))
            return;
    }
}

/* The last one first. */
static GArray *service_log_last_choose(const LastLines *last, const ServiceLogFilter *filter,
                                       unsigned max_lines, size_t max_bytes)
{
    GArray *lines = g_array_new(FALSE, FALSE, sizeof(ServiceLogLine));
    ServiceLogCount count = {.most = max_lines};
    const char *end = last->bytes + LAST_BYTES;

    while (end > last->begin) {
        const char *text_end = end - 1; /* all lines have a newline here */
        const char *newline = text_end > last->begin
                                      ? memrchr(last->begin, '\n', (size_t)(text_end - last->begin))
                                      : NULL;
        ServiceLogLine line;

        end = newline != NULL ? newline + 1 : last->begin;
        if (!service_log_filter_read(filter, end, (size_t)(text_end - end), &line))
            continue;
        if (line.length > max_bytes || !service_log_count_add(&count, &line))
            break;
        max_bytes -= line.length;
        g_array_append_val(lines, line);
    }
    return lines;
}

void service_log_read_last(const ServiceLogs *logs, const char *service_id, const char *invocation,
                           unsigned max_lines, size_t max_bytes, ServiceLogLineFunc func,
                           void *data)
{
    ServiceLogFilter filter = {.invocation = invocation};
    g_autofree char *bytes = g_malloc(LAST_BYTES);
    LastLines last = {logs, service_id, bytes, bytes + LAST_BYTES};

    service_log_last_load(&last);
    g_autoptr(GArray) lines = service_log_last_choose(&last, &filter, max_lines, max_bytes);
    for (unsigned i = lines->len; i > 0; i--)
        func(&g_array_index(lines, ServiceLogLine, i - 1), data);
}
