/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whatever lies in a directory beside the files of the log is nobody's business here: names that
 * are not exactly ours are not seen. */

#include "process/service-log-internal.h"

#include "base/fds.h"
#include "process/file-name.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define SERVICE_LOG_SUFFIX ".log"
#define SERVICE_LOG_LIST_BYTES 8192
#define SERVICE_LOG_DIRECTORY_NAME_MAX 255

char *service_log_directory_name(const char *service_id)
{
    return file_name_from_id(service_id, SERVICE_LOG_DIRECTORY_NAME_MAX);
}

char *service_log_directory_path(const ServiceLogs *logs, const char *service_id)
{
    g_autofree char *name = service_log_directory_name(service_id);

    return g_build_filename(logs->directory, name, NULL);
}

void service_log_file_name(uint64_t number, char ret_name[SERVICE_LOG_NAME_BYTES])
{
    if (number == 0)
        (void)g_strlcpy(ret_name, SERVICE_LOG_CURRENT, SERVICE_LOG_NAME_BYTES);
    else
        (void)g_snprintf(ret_name, SERVICE_LOG_NAME_BYTES, "%012" PRIu64 SERVICE_LOG_SUFFIX,
                         number);
}

/* Half of all numbers, so that there always is a next one. */
uint64_t service_log_file_number(const char *name)
{
    char expected[SERVICE_LOG_NAME_BYTES];
    uint64_t number;

    if (!g_ascii_isdigit(name[0]))
        return 0;
    number = g_ascii_strtoull(name, NULL, 10);
    if (number == 0 || number > INT64_MAX)
        return 0;
    service_log_file_name(number, expected);
    return g_str_equal(name, expected) ? number : 0;
}

static int service_log_number_compare(const void *a, const void *b)
{
    uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;

    return one < other ? -1 : one > other;
}

GArray *service_log_directory_numbers(const Sys *sys, int directory_fd)
{
    g_autoptr(GArray) numbers = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    union {
        struct dirent64 alignment;
        char bytes[SERVICE_LOG_LIST_BYTES];
    } buffer;
    ssize_t n;

    while ((n = sys->getdents64(directory_fd, buffer.bytes, sizeof buffer.bytes)) > 0) {
        for (ssize_t at = 0; at < n;) {
            const struct dirent64 *entry = (const void *)(buffer.bytes + at);
            uint64_t number = service_log_file_number(entry->d_name);

            at += entry->d_reclen;
            if (number > 0)
                g_array_append_val(numbers, number);
        }
    }
    if (n < 0)
        return NULL;
    g_array_sort(numbers, service_log_number_compare);
    return g_steal_pointer(&numbers);
}

static int service_log_directory_open(const ServiceLogs *logs, const char *service_id)
{
    g_autofree char *path = service_log_directory_path(logs, service_id);

    return sys_open(logs->sys, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

GArray *service_log_files_list(const ServiceLogs *logs, const char *service_id)
{
    autofd int directory_fd = service_log_directory_open(logs, service_id);
    GArray *numbers =
            directory_fd < 0 ? NULL : service_log_directory_numbers(logs->sys, directory_fd);

    return numbers != NULL ? numbers : g_array_new(FALSE, FALSE, sizeof(uint64_t));
}

int service_log_files_open(const ServiceLogs *logs, const char *service_id, uint64_t number)
{
    autofd int directory_fd = service_log_directory_open(logs, service_id);
    char name[SERVICE_LOG_NAME_BYTES];
    struct stat status;

    if (directory_fd < 0)
        return -1;
    service_log_file_name(number, name);

    autofd int fd = logs->sys->openat(directory_fd, name,
                                      O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || logs->sys->fstatat(fd, "", &status, AT_EMPTY_PATH) < 0)
        return -1;
    if (!S_ISREG(status.st_mode)) {
        errno = ESPIPE;
        return -1;
    }
    return fd_steal(&fd);
}

/* 1, 0; -1 and errno. */
static int service_log_file_is(const Sys *sys, int directory_fd, uint64_t number,
                               const struct stat *sought)
{
    char name[SERVICE_LOG_NAME_BYTES];
    struct stat status;

    service_log_file_name(number, name);
    if (sys->fstatat(directory_fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -1;
    return status.st_dev == sought->st_dev && status.st_ino == sought->st_ino;
}

/* The one that was asked for is mostly among the last. */
static uint64_t service_log_find_rotated(const Sys *sys, int directory_fd,
                                         const struct stat *sought)
{
    g_autoptr(GArray) numbers = service_log_directory_numbers(sys, directory_fd);

    if (numbers == NULL)
        return UINT64_MAX;
    for (unsigned i = numbers->len; i > 0; i--) {
        uint64_t number = g_array_index(numbers, uint64_t, i - 1);
        int r = service_log_file_is(sys, directory_fd, number, sought);

        if (r != 0)
            return r > 0 ? number : UINT64_MAX;
    }
    errno = 0;
    return UINT64_MAX;
}

uint64_t service_log_files_find(const ServiceLogs *logs, const char *service_id, int fd)
{
    autofd int directory_fd = service_log_directory_open(logs, service_id);
    struct stat sought;
    int r;

    if (directory_fd < 0) {
        errno = errno == ENOENT ? 0 : errno;
        return UINT64_MAX;
    }
    if (logs->sys->fstatat(fd, "", &sought, AT_EMPTY_PATH) < 0)
        return UINT64_MAX;
    r = service_log_file_is(logs->sys, directory_fd, 0, &sought);
    if (r != 0)
        return r > 0 ? 0 : UINT64_MAX;
    return service_log_find_rotated(logs->sys, directory_fd, &sought);
}
