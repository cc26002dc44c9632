/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The current file. Others may do to it what they like: before each write it is looked at whether
 * the name still leads to the file that is open here, and how long that is; if it does not, what
 * the name leads to is opened, or made. What lies in its place is neither followed nor waited for.
 * Nothing is synced: the files are as safe as the kernel. */

#include "process/service-log-internal.h"

#include "base/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define SERVICE_LOG_FILE_MODE 0600
#define SERVICE_LOG_DIRECTORY_MODE 0700
#define SERVICE_LOG_OTHERS 0077

void service_log_shut(ServiceLog *log)
{
    if (log->fd < 0)
        return;
    g_queue_unlink(&log->logs->open, &log->link);
    log->fd = fd_close(log->fd);
}

/* The directories */

/* All that is missing of it. */
static int service_log_make_directory(const Sys *sys, const char *path)
{
    if (sys->mkdir(path, SERVICE_LOG_DIRECTORY_MODE) == 0 || errno == EEXIST)
        return 0;
    if (errno != ENOENT)
        return -1;

    g_autofree char *parent = g_path_get_dirname(path);
    if (g_str_equal(parent, path) || service_log_make_directory(sys, parent) < 0)
        return -1;
    return sys->mkdir(path, SERVICE_LOG_DIRECTORY_MODE) < 0 && errno != EEXIST ? -1 : 0;
}

/* In what belongs to somebody else he could have put anything. */
static int service_log_check_directory(const Sys *sys, int fd)
{
    struct stat status;

    if (sys->fstatat(fd, "", &status, AT_EMPTY_PATH) < 0)
        return -1;
    if (status.st_uid != geteuid()) {
        errno = EPERM;
        return -1;
    }
    if ((status.st_mode & SERVICE_LOG_OTHERS) != 0)
        return sys->fchmod(fd, SERVICE_LOG_DIRECTORY_MODE);
    return 0;
}

/* Made if it is not there. -1 and errno. */
static int service_log_open_directory(const ServiceLog *log)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;
    const Sys *sys = log->logs->sys;
    g_autofree char *path = g_path_get_dirname(log->path);
    autofd int fd = sys_open(sys, path, flags);

    if (fd < 0 && errno == ENOENT && service_log_make_directory(sys, path) == 0)
        fd = sys_open(sys, path, flags);
    if (fd < 0 || service_log_check_directory(sys, fd) < 0)
        return -1;
    return fd_steal(&fd);
}

/* The file */

static int service_log_check_file(const Sys *sys, int fd, struct stat *ret_status)
{
    if (sys->fstatat(fd, "", ret_status, AT_EMPTY_PATH) < 0)
        return -1;
    if (!S_ISREG(ret_status->st_mode)) {
        errno = ESPIPE;
        return -1;
    }
    if (ret_status->st_uid != geteuid()) { /* he can read it */
        errno = EPERM;
        return -1;
    }
    if ((ret_status->st_mode & SERVICE_LOG_OTHERS) != 0)
        return sys->fchmod(fd, SERVICE_LOG_FILE_MODE);
    return 0;
}

/* So does the last line of a daemon that was killed within a write. */
static bool service_log_ends_within_line(int fd, off_t size)
{
    char last = '\n';

    return size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n';
}

static int service_log_open_once(ServiceLog *log)
{
    const int flags = O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    const Sys *sys = log->logs->sys;
    autofd int directory_fd = service_log_open_directory(log);
    struct stat status;

    if (directory_fd < 0)
        return -1;

    autofd int fd = sys->createat(directory_fd, SERVICE_LOG_CURRENT, flags, SERVICE_LOG_FILE_MODE);
    if (fd < 0 || service_log_check_file(sys, fd, &status) < 0)
        return -1;
    log->device = status.st_dev;
    log->inode = status.st_ino;
    log->size_bytes = (uint64_t)status.st_size;
    log->is_torn = service_log_ends_within_line(fd, status.st_size);
    return fd_steal(&fd);
}

/* The descriptors that are held for later are the first to go when there are none. */
static bool service_log_open_file(ServiceLog *log)
{
    GQueue *open = &log->logs->open;
    int fd = service_log_open_once(log);

    if (fd < 0 && (errno == EMFILE || errno == ENFILE) && !g_queue_is_empty(open)) {
        while (!g_queue_is_empty(open))
            service_log_shut(g_queue_peek_tail(open));
        fd = service_log_open_once(log);
    }
    if (fd < 0)
        return false;
    while (g_queue_get_length(open) >= log->logs->open_max)
        service_log_shut(g_queue_peek_tail(open));
    log->fd = fd;
    g_queue_push_head_link(open, &log->link);
    if (log->is_replaced)
        service_log_tell_replaced(log);
    log->is_replaced = false;
    return true;
}

/* NULL: there is no limit for all. */
static ServiceLogShare *service_log_share(ServiceLog *log)
{
    if (log->share == NULL && log->logs->total != NULL) {
        g_autofree char *name = service_log_directory_name(log->service_id);

        log->share = service_log_total_take(log->logs->total, name);
    }
    return log->share;
}

static bool service_log_is_in_place(ServiceLog *log)
{
    struct stat status;

    if (log->logs->sys->fstatat(AT_FDCWD, log->path, &status, AT_SYMLINK_NOFOLLOW) < 0) {
        log->is_replaced = errno == ENOENT;
        return false;
    }
    if (status.st_dev != log->device || status.st_ino != log->inode) {
        log->is_replaced = true;
        return false;
    }
    if ((uint64_t)status.st_size != log->size_bytes) /* somebody else has been at it */
        log->is_torn = service_log_ends_within_line(log->fd, status.st_size);
    log->size_bytes = (uint64_t)status.st_size;
    return true;
}

static bool service_log_prepare(ServiceLog *log)
{
    if (log->fd >= 0 && !service_log_is_in_place(log))
        service_log_shut(log);
    if (log->fd < 0)
        return service_log_open_file(log);
    g_queue_unlink(&log->logs->open, &log->link);
    g_queue_push_head_link(&log->logs->open, &log->link);
    return true;
}

/* Rotation */

static void service_log_remove_oldest(ServiceLog *log, int directory_fd, const GArray *numbers)
{
    unsigned there = numbers->len + 1;

    for (unsigned i = 0; i < there - MIN(there, log->rules.keep); i++) {
        char name[SERVICE_LOG_NAME_BYTES];

        service_log_file_name(
                i < numbers->len ? g_array_index(numbers, uint64_t, i) : log->last_number, name);
        /* What cannot be removed now is the oldest the next time, too. */
        (void)log->logs->sys->unlinkat(directory_fd, name, 0);
    }
}

/* The number is higher than all that were, also when the last ones have been removed since. Where
 * it was taken a moment ago another daemon rotates the same files: all is looked at anew. */
static bool service_log_rotate(ServiceLog *log)
{
    const Sys *sys = log->logs->sys;
    autofd int directory_fd = service_log_open_directory(log);
    char name[SERVICE_LOG_NAME_BYTES];

    if (directory_fd < 0)
        return false;

    g_autoptr(GArray) numbers = service_log_directory_numbers(sys, directory_fd);
    uint64_t number = log->last_number;
    if (numbers == NULL)
        return false; /* it could take the name of another */
    if (numbers->len > 0)
        number = MAX(number, g_array_index(numbers, uint64_t, numbers->len - 1));
    service_log_file_name(number + 1, name);
    if (sys->renameat(directory_fd, SERVICE_LOG_CURRENT, directory_fd, name) == 0)
        service_log_shut(log);
    else if (errno != EEXIST)
        return false;
    log->last_number = number + 1;
    service_log_remove_oldest(log, directory_fd, numbers);
    if (service_log_share(log) != NULL)
        service_log_total_rotated(log->logs->total, log->share);
    return true;
}

/* Writing */

/* As many whole lines as the file has room for; 0: it is full. */
static size_t service_log_cut(const ServiceLog *log, const char *lines, size_t length)
{
    uint64_t max = log->rules.max_size_bytes;
    uint64_t room = max > log->size_bytes ? max - log->size_bytes : 0;
    const char *end;

    if (length <= room)
        return length;
    end = memrchr(lines, '\n', (size_t)room);
    if (end == NULL && log->size_bytes > 0)
        return 0;
    if (end == NULL)
        end = memchr(lines, '\n', length);
    return end != NULL ? (size_t)(end + 1 - lines) : length;
}

/* All, or as much as there was room for; then errno says why. */
static size_t service_log_write_bytes(const ServiceLog *log, const char *bytes, size_t length)
{
    size_t done = 0;

    while (done < length) {
        ssize_t n = log->logs->sys->write(log->fd, bytes + done, length - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            errno = ENOSPC;
        if (n <= 0)
            return done;
        done += (size_t)n;
    }
    return done;
}

/* Of a line that did not fit nothing stays; where that cannot be, the next one begins anew. */
static size_t service_log_write_lines(ServiceLog *log, const char *lines, size_t length)
{
    size_t done = service_log_write_bytes(log, lines, length);
    int errno_value = errno;
    const char *end = done < length ? memrchr(lines, '\n', done) : NULL;
    size_t whole = end != NULL ? (size_t)(end + 1 - lines) : 0;

    if (done == length) {
        log->size_bytes += length;
        return length;
    }
    if (whole < done && log->logs->sys->ftruncate(log->fd, (off_t)(log->size_bytes + whole)) < 0) {
        log->is_torn = true;
        log->size_bytes += done;
    } else {
        log->size_bytes += whole;
    }
    errno = errno_value;
    return whole;
}

static bool service_log_mend(ServiceLog *log)
{
    if (log->is_torn && service_log_write_bytes(log, "\n", 1) == 1) {
        log->is_torn = false;
        log->size_bytes++;
    }
    return !log->is_torn;
}

/* Why a write has failed is still to be told. */
static void service_log_account(ServiceLog *log)
{
    int errno_value = errno;

    if (service_log_share(log) != NULL)
        service_log_total_written(log->logs->total, log->share, log->size_bytes);
    errno = errno_value;
}

size_t service_log_write(ServiceLog *log, const char *lines, size_t length)
{
    size_t done = 0;

    while (done < length) {
        if (!service_log_prepare(log) || !service_log_mend(log))
            return done;

        size_t part = service_log_cut(log, lines + done, length - done);
        if (part == 0) {
            if (!service_log_rotate(log))
                return done;
            continue;
        }
        size_t written = service_log_write_lines(log, lines + done, part);
        service_log_account(log);
        done += written;
        if (written < part)
            return done;
    }
    return done;
}
