/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A step reads the piece that ends where the last one has begun, and takes the lines that begin in
 * it; what stands before the first of them belongs to the next step. A line longer than a piece,
 * which only somebody else can have written, is stepped over until its beginning, and there its
 * stamp, is in a piece.
 *
 * A file that was written to for the last time before the time that is meant holds nothing that is,
 * nor do those before it, so that the last hour of a long log is found by looking at the dates of
 * files. */

#include "process/service-log-search.h"

#include "process/service-log-internal.h"

#include "base/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* File systems date a file with a clock that may be some milliseconds behind. */
#define SEARCH_DATE_USEC USEC_PER_SEC

struct ServiceLogSearch {
    const ServiceLogs *logs;
    const char *service_id;
    ServiceLogFilter filter;
    ServiceLogCount count;
    ServiceLogRow row;
    unsigned n_left;  /* of the row's numbers; those before are older */
    bool has_current; /* the current file is still to be looked at */
    int fd;
    uint64_t number;
    uint64_t offset; /* what is there and behind it has been looked at */
    bool is_within;  /* a line */
    bool is_over;
    uint64_t start_number;
    uint64_t start_offset;
};

/* Filter */

static bool service_log_is_of(const ServiceLogLine *line, const char *invocation)
{
    size_t length = strlen(invocation);

    return line->invocation_length >= length &&
           memcmp(line->invocation + line->invocation_length - length, invocation, length) == 0;
}

bool service_log_filter_read(const ServiceLogFilter *filter, const char *line, size_t length,
                             ServiceLogLine *ret_line)
{
    ServiceLogLine read;

    if (!service_log_line_parse(line, length, &read))
        read = (ServiceLogLine){.invocation = "", .text = line, .length = length};
    *ret_line = read;
    if (read.time_usec != 0 && read.time_usec < filter->since_usec)
        return false;
    return filter->invocation == NULL || service_log_is_of(&read, filter->invocation);
}

/* Count */

bool service_log_count_add(ServiceLogCount *count, const ServiceLogLine *line)
{
    size_t length = MIN(line->invocation_length, sizeof count->later[0].invocation);
    bool goes_on = line->piece == OUTPUT_PARTIAL && count->later[line->stream].is_there &&
                   count->later[line->stream].length == length &&
                   memcmp(count->later[line->stream].invocation, line->invocation, length) == 0;

    if (!goes_on && count->n == count->most)
        return false;
    count->n += !goes_on;
    if (line->time_usec == 0)
        return true;
    memcpy(count->later[line->stream].invocation, line->invocation, length);
    count->later[line->stream].length = length;
    count->later[line->stream].is_there = true;
    return true;
}

/* Search */

/* Found without a look: nothing, or everything. */
static void service_log_search_begin(ServiceLogSearch *search)
{
    const ServiceLogRow *row = &search->row;

    search->start_number = row->current_number;
    search->start_offset = row->current_size;
    search->is_over = search->count.most == 0;
    if (search->count.most != LOG_LINES_ALL || search->filter.since_usec != 0)
        return;
    if (row->numbers->len > 0)
        search->start_number = g_array_index(row->numbers, uint64_t, 0);
    search->start_offset = 0;
    search->is_over = true;
}

ServiceLogSearch *service_log_search_new(const ServiceLogs *logs, const char *service_id,
                                         const ServiceLogFilter *filter, uint32_t lines,
                                         ServiceLogRow *row)
{
    ServiceLogSearch *search = g_new0(ServiceLogSearch, 1);

    search->logs = logs;
    search->service_id = service_id;
    search->filter = *filter;
    search->count.most = lines;
    search->row = *row;
    row->numbers = NULL;
    search->n_left = search->row.numbers->len;
    search->has_current = search->row.current_size > 0;
    search->fd = -1;
    service_log_search_begin(search);
    return search;
}

void service_log_search_free(ServiceLogSearch *search)
{
    if (search == NULL)
        return;
    search->fd = fd_close(search->fd);
    service_log_row_clear(&search->row);
    g_free(search);
}

/* It may have been rotated since. */
static int service_log_search_open_current(const ServiceLogSearch *search)
{
    ServiceLogWalk walk = {
            .logs = search->logs,
            .service_id = search->service_id,
            .fd = -1,
            .number = search->row.current_number,
    };
    uint64_t removed;
    int r = service_log_walk_open(&walk, &removed);

    if (r < 0)
        return r;
    if (walk.number == search->row.current_number)
        return walk.fd;
    (void)fd_close(walk.fd);
    return -ENOENT;
}

static int service_log_search_open(ServiceLogSearch *search)
{
    int fd;

    if (search->has_current) {
        search->has_current = false;
        search->number = search->row.current_number;
        return service_log_search_open_current(search);
    }
    search->number = g_array_index(search->row.numbers, uint64_t, --search->n_left);
    fd = service_log_files_open(search->logs, search->service_id, search->number);
    return fd >= 0 ? fd : -errno;
}

static bool service_log_search_is_too_old(const ServiceLogSearch *search, const struct stat *status)
{
    uint64_t usec = (uint64_t)status->st_mtim.tv_sec * USEC_PER_SEC +
                    (uint64_t)status->st_mtim.tv_nsec / 1000;

    return usec_add(usec, SEARCH_DATE_USEC) < search->filter.since_usec;
}

static int service_log_search_older(ServiceLogSearch *search)
{
    struct stat status;
    int fd;

    if (!search->has_current && search->n_left == 0)
        return 1;
    fd = service_log_search_open(search);
    if (fd == -ENOENT)
        return 0; /* it was removed */
    if (fd < 0)
        return fd;
    search->fd = fd;
    if (search->logs->sys->fstatat(fd, "", &status, AT_EMPTY_PATH) < 0)
        return -errno;
    if (service_log_search_is_too_old(search, &status))
        return 1;
    search->offset = (uint64_t)status.st_size;
    if (search->number == search->row.current_number)
        search->offset = MIN(search->offset, search->row.current_size);
    if (search->count.most == LOG_LINES_ALL) {
        search->start_number = search->number;
        search->start_offset = 0;
        search->offset = 0;
    }
    return 0;
}

/* The beginning of the line of which end is the end, or its last part; NULL: it is further ahead.
 * Its newline goes. */
static const char *service_log_search_line(const ServiceLogSearch *search, const char *piece,
                                           const char *end, bool is_first, const char **ret_end)
{
    bool has_newline = !search->is_within && end[-1] == '\n';
    const char *text_end = has_newline ? end - 1 : end;
    const char *newline =
            text_end > piece ? memrchr(piece, '\n', (size_t)(text_end - piece)) : NULL;

    *ret_end = text_end;
    if (newline != NULL)
        return newline + 1;
    return is_first ? piece : NULL;
}

/* True: there are enough. */
static bool service_log_search_scan(ServiceLogSearch *search, const char *piece, size_t length)
{
    uint64_t from = search->offset - length;
    const char *end = piece + length;

    while (end > piece) {
        const char *text_end;
        const char *begin = service_log_search_line(search, piece, end, from == 0, &text_end);
        ServiceLogLine line;

        if (begin == NULL)
            break;
        if (service_log_filter_read(&search->filter, begin, (size_t)(text_end - begin), &line)) {
            if (!service_log_count_add(&search->count, &line))
                return true;
            search->start_number = search->number;
            search->start_offset = from + (uint64_t)(begin - piece);
        }
        search->is_within = false;
        end = begin;
    }
    search->is_within = end == piece + length;
    search->offset = from + (search->is_within ? SERVICE_LOG_STAMP_MAX : (uint64_t)(end - piece));
    return false;
}

static int service_log_search_piece(ServiceLogSearch *search, char *buffer)
{
    size_t length = MIN(search->offset, SERVICE_LOG_PIECE_BYTES);
    ssize_t n = sys_pread(search->logs->sys, search->fd, buffer, length, search->offset - length);

    if (n < 0)
        return -errno;
    if ((size_t)n < length) { /* somebody has made it shorter */
        search->offset -= length - (size_t)n;
        search->is_within = false;
        length = (size_t)n;
    }
    return length > 0 && service_log_search_scan(search, buffer, length);
}

int service_log_search_step(ServiceLogSearch *search, char *buffer)
{
    int r;

    if (search->is_over)
        return 1;
    r = search->fd < 0 ? service_log_search_older(search)
                       : service_log_search_piece(search, buffer);
    if (r == 0 && search->fd >= 0 && search->offset == 0)
        search->fd = fd_close(search->fd);
    search->is_over = r > 0;
    return r;
}

void service_log_search_get(const ServiceLogSearch *search, uint64_t *ret_number,
                            uint64_t *ret_offset)
{
    *ret_number = search->start_number;
    *ret_offset = search->start_offset;
}
