/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who writes and who reads are in one thread: what was looked at holds until the end of a call,
 * unless somebody else is at the files. */

#include "process/service-log-walk.h"

#include "process/service-log-internal.h"

#include "base/fds.h"

#include <errno.h>
#include <fcntl.h>

/* As the rotation will reckon it. */
static uint64_t service_log_row_next_number(const ServiceLogs *logs, const char *service_id,
                                            const GArray *numbers)
{
    const ServiceLog *log = g_hash_table_lookup(logs->logs, service_id);
    uint64_t last = log != NULL ? log->last_number : 0;

    if (numbers->len > 0)
        last = MAX(last, g_array_index(numbers, uint64_t, numbers->len - 1));
    return last + 1;
}

static int service_log_row_look_into(const Sys *sys, int directory_fd, ServiceLogRow *row)
{
    struct stat status;
    GArray *numbers = service_log_directory_numbers(sys, directory_fd);

    if (numbers == NULL)
        return -errno;
    row->numbers = numbers;
    if (sys->fstatat(directory_fd, SERVICE_LOG_CURRENT, &status, AT_SYMLINK_NOFOLLOW) == 0)
        row->current_size = S_ISREG(status.st_mode) ? (uint64_t)status.st_size : 0;
    else if (errno != ENOENT)
        return -errno;
    return 0;
}

int service_log_row_look(const ServiceLogs *logs, const char *service_id, ServiceLogRow *ret_row)
{
    g_autofree char *path = service_log_directory_path(logs, service_id);
    autofd int directory_fd =
            sys_open(logs->sys, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    g_auto(ServiceLogRow) row = {0};
    int r = 0;

    if (directory_fd >= 0)
        r = service_log_row_look_into(logs->sys, directory_fd, &row);
    else if (errno == ENOENT)
        row.numbers = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    else
        r = -errno;
    if (r < 0)
        return r;
    row.current_number = service_log_row_next_number(logs, service_id, row.numbers);
    *ret_row = row;
    row.numbers = NULL;
    return 0;
}

void service_log_row_clear(ServiceLogRow *row)
{
    g_clear_pointer(&row->numbers, g_array_unref);
}

/* The first that is there of the walk's number and those after it. */
static int service_log_walk_open_of(const ServiceLogWalk *walk, const ServiceLogRow *row,
                                    uint64_t *ret_number)
{
    for (unsigned i = 0; i < row->numbers->len; i++) {
        uint64_t number = g_array_index(row->numbers, uint64_t, i);

        if (number < walk->number)
            continue;
        *ret_number = number;
        int fd = service_log_files_open(walk->logs, walk->service_id, number);
        if (fd >= 0 || errno != ENOENT)
            return fd;
    }
    *ret_number = row->current_number;
    return service_log_files_open(walk->logs, walk->service_id, 0);
}

int service_log_walk_open(ServiceLogWalk *walk, uint64_t *ret_removed)
{
    g_auto(ServiceLogRow) row = {0};
    uint64_t number;
    int r = service_log_row_look(walk->logs, walk->service_id, &row);

    if (r < 0)
        return r;
    walk->fd = service_log_walk_open_of(walk, &row, &number);
    if (walk->fd < 0 && errno != ENOENT)
        return -errno;
    *ret_removed = number > walk->number ? number - walk->number : 0;
    if (number != walk->number)
        walk->offset = 0;
    walk->number = number;
    return walk->fd >= 0 ? 0 : -ENOENT;
}

int service_log_walk_is_done(ServiceLogWalk *walk)
{
    uint64_t number = service_log_files_find(walk->logs, walk->service_id, walk->fd);

    if (number == UINT64_MAX)
        return errno != 0 ? -errno : 1;
    if (number == 0)
        return 0;
    walk->number = number;
    return 1;
}

void service_log_walk_leave(ServiceLogWalk *walk)
{
    walk->fd = fd_close(walk->fd);
    walk->number++;
    walk->offset = 0;
}
