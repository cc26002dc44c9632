/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Of each directory only its sums and its oldest file are kept, since there may be a thousand files
 * in each of ten thousand directories: the next oldest is found when the oldest has gone. */

#include "process/service-log-total.h"

#include "process/service-log-internal.h"

#include "base/fds.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* A slice of work, and the time that others have until the next one. Of one directory all files are
 * looked at: they are at most SERVICE_LOG_KEEP_MAX. */
#define SERVICE_LOG_TOTAL_LOOKS 80 /* at files and directories */
#define SERVICE_LOG_TOTAL_PIECE_BYTES 4096
#define SERVICE_LOG_TOTAL_REMOVALS 4
#define SERVICE_LOG_TOTAL_PAUSE_USEC (5 * USEC_PER_MSEC)
#define SERVICE_LOG_TOTAL_RETRY_USEC (60 * USEC_PER_SEC)

struct ServiceLogShare {
    char *name; /* of the directory */
    uint64_t current_bytes;
    uint64_t current_usec; /* when it was written to; wall clock, as oldest_usec */
    uint64_t rotated_bytes;
    uint64_t oldest_number; /* of the oldest rotated file; 0: there is none */
    uint64_t oldest_usec;
    unsigned n_users;
    bool has_current;
    bool is_stuck; /* something of it could not be removed */
};

/* The directory of all, while it is gone through. */
typedef struct ServiceLogScan {
    int fd;
    ssize_t at; /* in what was read of it last */
    ssize_t length;
    union {
        struct dirent64 alignment;
        char bytes[SERVICE_LOG_TOTAL_PIECE_BYTES];
    } buffer;
} ServiceLogScan;

struct ServiceLogTotal {
    ServiceLogs *logs;
    Clock *clock;
    Timer *timer;
    uint64_t max_bytes;
    uint64_t bytes;
    GHashTable *shares;          /* name -> ServiceLogShare */
    const ServiceLogShare *last; /* that was written to; NULL: it is gone */
    ServiceLogScan *scan;
    unsigned n_looks; /* in this turn */
    bool is_scanned;
    bool has_told; /* that something could not be removed */
};

static void service_log_share_free(void *data)
{
    ServiceLogShare *share = data;

    g_free(share->name);
    g_free(share);
}

static void service_log_scan_free(ServiceLogScan *scan)
{
    if (scan == NULL)
        return;
    scan->fd = fd_close(scan->fd);
    g_free(scan);
}

static void on_service_log_total_turn(void *data);

ServiceLogTotal *service_log_total_new(ServiceLogs *logs, TimerHost *timers, uint64_t max_bytes)
{
    ServiceLogTotal *total = g_new0(ServiceLogTotal, 1);

    total->logs = logs;
    total->clock = logs->clock;
    total->timer = timer_new(timers, on_service_log_total_turn, total);
    total->max_bytes = max_bytes;
    total->shares = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, service_log_share_free);
    return total;
}

void service_log_total_free(ServiceLogTotal *total)
{
    if (total == NULL)
        return;
    timer_free(total->timer);
    g_hash_table_unref(total->shares);
    service_log_scan_free(total->scan);
    g_free(total);
}

uint64_t service_log_total_bytes(const ServiceLogTotal *total)
{
    return total->bytes;
}

static void service_log_total_arm(ServiceLogTotal *total, uint64_t pause_usec)
{
    timer_arm(total->timer, usec_add(clock_monotonic_usec(total->clock), pause_usec));
}

/* Looking */

static uint64_t service_log_usec(const struct stat *status)
{
    return (uint64_t)status->st_mtim.tv_sec * USEC_PER_SEC +
           (uint64_t)status->st_mtim.tv_nsec / 1000;
}

static bool service_log_share_stat(const ServiceLogTotal *total, int directory_fd, uint64_t number,
                                   struct stat *ret_status)
{
    char name[SERVICE_LOG_NAME_BYTES];

    service_log_file_name(number, name);
    return total->logs->sys->fstatat(directory_fd, name, ret_status, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISREG(ret_status->st_mode);
}

static int service_log_share_open(const ServiceLogTotal *total, const ServiceLogShare *share)
{
    g_autofree char *path = g_build_filename(total->logs->directory, share->name, NULL);

    return sys_open(total->logs->sys, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

static void service_log_share_look_at(ServiceLogTotal *total, ServiceLogShare *share,
                                      int directory_fd)
{
    g_autoptr(GArray) numbers = service_log_directory_numbers(total->logs->sys, directory_fd);
    struct stat status;

    total->n_looks += 1 + (numbers != NULL ? numbers->len : 0);
    if (service_log_share_stat(total, directory_fd, 0, &status)) {
        share->has_current = true;
        share->current_bytes = (uint64_t)status.st_size;
        share->current_usec = service_log_usec(&status);
    }
    for (unsigned i = numbers != NULL ? numbers->len : 0; i > 0; i--) {
        uint64_t number = g_array_index(numbers, uint64_t, i - 1);

        if (!service_log_share_stat(total, directory_fd, number, &status))
            continue;
        share->rotated_bytes += (uint64_t)status.st_size;
        share->oldest_number = number;
        share->oldest_usec = service_log_usec(&status);
    }
}

/* What cannot be seen takes nothing. */
static void service_log_share_look(ServiceLogTotal *total, ServiceLogShare *share)
{
    autofd int directory_fd = service_log_share_open(total, share);

    total->bytes -= share->current_bytes + share->rotated_bytes;
    share->has_current = false;
    share->current_bytes = 0;
    share->rotated_bytes = 0;
    share->oldest_number = 0;
    if (directory_fd >= 0)
        service_log_share_look_at(total, share, directory_fd);
    total->bytes += share->current_bytes + share->rotated_bytes;
}

static bool service_log_share_is_empty(const ServiceLogShare *share)
{
    return !share->has_current && share->oldest_number == 0;
}

static void service_log_share_drop_if_empty(ServiceLogTotal *total, ServiceLogShare *share)
{
    if (share->n_users > 0 || !service_log_share_is_empty(share))
        return;
    if (total->last == share)
        total->last = NULL;
    g_hash_table_remove(total->shares, share->name);
}

static ServiceLogShare *service_log_share_new(ServiceLogTotal *total, const char *name)
{
    ServiceLogShare *share = g_new0(ServiceLogShare, 1);

    share->name = g_strdup(name);
    g_hash_table_insert(total->shares, share->name, share);
    service_log_share_look(total, share);
    return share;
}

/* The first look at all */

static void service_log_total_look_at(ServiceLogTotal *total, const struct dirent64 *entry)
{
    if ((entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN) ||
        g_str_equal(entry->d_name, ".") || g_str_equal(entry->d_name, "..") ||
        g_hash_table_contains(total->shares, entry->d_name))
        return;

    ServiceLogShare *share = service_log_share_new(total, entry->d_name);
    service_log_share_drop_if_empty(total, share); /* it is no log */
}

static bool service_log_scan_begin(ServiceLogTotal *total)
{
    int fd = sys_open(total->logs->sys, total->logs->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return false;
    total->scan = g_new0(ServiceLogScan, 1);
    total->scan->fd = fd;
    return true;
}

/* NULL: that was the last. */
static const struct dirent64 *service_log_scan_next(const Sys *sys, ServiceLogScan *scan)
{
    const struct dirent64 *entry;

    if (scan->at >= scan->length) {
        scan->at = 0;
        scan->length = sys->getdents64(scan->fd, scan->buffer.bytes, sizeof scan->buffer.bytes);
    }
    if (scan->length <= 0)
        return NULL;
    entry = (const void *)(scan->buffer.bytes + scan->at);
    scan->at += entry->d_reclen;
    return entry;
}

static void service_log_total_scan(ServiceLogTotal *total)
{
    total->n_looks = 0;
    while (total->n_looks < SERVICE_LOG_TOTAL_LOOKS) {
        const struct dirent64 *entry = service_log_scan_next(total->logs->sys, total->scan);

        if (entry == NULL) {
            g_clear_pointer(&total->scan, service_log_scan_free);
            total->is_scanned = true;
            return;
        }
        total->n_looks++;
        service_log_total_look_at(total, entry);
    }
}

/* Removing */

/* The age of what goes first of it; UINT64_MAX: nothing does. */
static uint64_t service_log_share_age(const ServiceLogTotal *total, const ServiceLogShare *share,
                                      bool is_current)
{
    if (share->is_stuck)
        return UINT64_MAX;
    if (!is_current)
        return share->oldest_number != 0 ? share->oldest_usec : UINT64_MAX;
    return share->has_current && share != total->last ? share->current_usec : UINT64_MAX;
}

static ServiceLogShare *service_log_total_oldest(const ServiceLogTotal *total, bool is_current)
{
    ServiceLogShare *oldest = NULL;
    uint64_t oldest_usec = UINT64_MAX;
    GHashTableIter iter;
    void *value;

    g_hash_table_iter_init(&iter, total->shares);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        uint64_t usec = service_log_share_age(total, value, is_current);

        if (usec < oldest_usec) {
            oldest = value;
            oldest_usec = usec;
        }
    }
    return oldest;
}

static void service_log_total_stick(ServiceLogTotal *total, ServiceLogShare *share)
{
    share->is_stuck = true;
    if (!total->has_told)
        log_warning("cannot remove old logs from %s/%s: %s; logs take more than they may",
                    total->logs->directory, share->name, g_strerror(errno));
    total->has_told = true;
}

/* Its blocks are free only when nobody has it open any more. */
static void service_log_total_shut(ServiceLogTotal *total, const ServiceLogShare *share)
{
    for (GList *link = total->logs->open.head; link != NULL; link = link->next) {
        ServiceLog *log = link->data;

        if (log->share == share) {
            service_log_shut(log);
            return;
        }
    }
}

static void service_log_total_remove(ServiceLogTotal *total, ServiceLogShare *share,
                                     uint64_t number)
{
    const Sys *sys = total->logs->sys;
    autofd int directory_fd = service_log_share_open(total, share);
    char name[SERVICE_LOG_NAME_BYTES];

    service_log_file_name(number, name);
    if ((directory_fd < 0 || sys->unlinkat(directory_fd, name, 0) < 0) && errno != ENOENT) {
        service_log_total_stick(total, share);
        return;
    }
    total->has_told = false;
    if (number == 0)
        service_log_total_shut(total, share);
    service_log_share_look(total, share);
    if (share->n_users == 0 && service_log_share_is_empty(share)) {
        g_autofree char *path = g_build_filename(total->logs->directory, share->name, NULL);

        /* What is not ours stays in it. */
        (void)sys->unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
    }
    service_log_share_drop_if_empty(total, share);
}

static bool service_log_total_remove_one(ServiceLogTotal *total)
{
    ServiceLogShare *share = service_log_total_oldest(total, false);

    if (share != NULL) {
        service_log_total_remove(total, share, share->oldest_number);
        return true;
    }
    share = service_log_total_oldest(total, true);
    if (share != NULL)
        service_log_total_remove(total, share, 0);
    return share != NULL;
}

/* What was stuck may go now. */
static bool service_log_total_loosen(ServiceLogTotal *total)
{
    GHashTableIter iter;
    void *value;
    bool has_loosened = false;

    g_hash_table_iter_init(&iter, total->shares);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        ServiceLogShare *share = value;

        has_loosened |= share->is_stuck;
        share->is_stuck = false;
    }
    return has_loosened;
}

static void service_log_total_make_room(ServiceLogTotal *total)
{
    for (unsigned i = 0; i < SERVICE_LOG_TOTAL_REMOVALS; i++) {
        if (total->bytes <= total->max_bytes)
            return;
        if (!service_log_total_remove_one(total)) {
            if (service_log_total_loosen(total))
                service_log_total_arm(total, SERVICE_LOG_TOTAL_RETRY_USEC);
            return;
        }
    }
    service_log_total_arm(total, SERVICE_LOG_TOTAL_PAUSE_USEC);
}

static void on_service_log_total_turn(void *data)
{
    ServiceLogTotal *total = data;

    if (total->is_scanned) {
        service_log_total_make_room(total);
        return;
    }
    if (total->scan == NULL && !service_log_scan_begin(total)) {
        service_log_total_arm(total, SERVICE_LOG_TOTAL_RETRY_USEC);
        return;
    }
    service_log_total_scan(total);
    service_log_total_arm(total, SERVICE_LOG_TOTAL_PAUSE_USEC);
}

/* Being told */

static void service_log_total_check(ServiceLogTotal *total)
{
    if ((!total->is_scanned || total->bytes > total->max_bytes) && !timer_is_armed(total->timer))
        service_log_total_arm(total, SERVICE_LOG_TOTAL_PAUSE_USEC);
}

ServiceLogShare *service_log_total_take(ServiceLogTotal *total, const char *directory_name)
{
    ServiceLogShare *share = g_hash_table_lookup(total->shares, directory_name);

    if (share == NULL)
        share = service_log_share_new(total, directory_name);
    share->n_users++;
    service_log_total_check(total);
    return share;
}

void service_log_total_give_back(ServiceLogTotal *total, ServiceLogShare *share)
{
    share->n_users--;
    service_log_share_drop_if_empty(total, share);
}

void service_log_total_written(ServiceLogTotal *total, ServiceLogShare *share, uint64_t size_bytes)
{
    total->bytes += size_bytes - share->current_bytes;
    total->last = share;
    share->has_current = true;
    share->current_bytes = size_bytes;
    share->current_usec = clock_wall_usec(total->clock);
    service_log_total_check(total);
}

void service_log_total_rotated(ServiceLogTotal *total, ServiceLogShare *share)
{
    service_log_share_look(total, share);
    service_log_total_check(total);
}
