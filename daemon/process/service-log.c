/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who writes and who listens. There is one ServiceLog for a service, however many pipes lead to
 * it; who listens need not be writing, nor need anybody. */

#include "process/service-log-internal.h"

#include "base/fds.h"
#include "base/listeners.h"

#include <errno.h>
#include <string.h>

struct ServiceLogListener {
    ServiceLogs *logs;
    char *service_id;
    Listener *listener;
    void (*func)(bool is_deleted, void *data);
    void *data;
};

static void service_log_listeners_free(void *listeners)
{
    listeners_free(listeners);
}

/* What it has lost is told by nobody any more. */
static void service_log_free(void *data)
{
    ServiceLog *log = data;

    g_assert(log->n_users == 0);
    service_log_give_up(log);
    service_log_shut(log);
    if (log->share != NULL)
        service_log_total_give_back(log->logs->total, log->share);
    g_free(log->path);
    g_free(log->service_id);
    g_free(log);
}

ServiceLogs *service_logs_new(const ServiceLogsOptions *options)
{
    ServiceLogs *logs = g_new0(ServiceLogs, 1);

    logs->sys = options->sys;
    logs->clock = options->clock;
    logs->open_max = options->open_max > 0 ? options->open_max : SERVICE_LOG_OPEN_DEFAULT;
    logs->directory = g_canonicalize_filename(options->directory, NULL);
    logs->logs = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, service_log_free);
    logs->listeners =
            g_hash_table_new_full(g_str_hash, g_str_equal, g_free, service_log_listeners_free);
    g_queue_init(&logs->open);
    if (options->total_max_bytes > 0)
        logs->total = service_log_total_new(logs, options->timers, options->total_max_bytes);
    return logs;
}

void service_logs_free(ServiceLogs *logs)
{
    if (logs == NULL)
        return;
    g_hash_table_unref(logs->logs);
    service_log_total_free(logs->total);
    g_hash_table_unref(logs->listeners);
    g_free(logs->directory);
    g_free(logs);
}

/* Writing */

static ServiceLogRules service_log_rules(const ServiceLog *log, const ServiceLogRules *rules)
{
    static const ServiceLogRules unknown = {SERVICE_LOG_SIZE_DEFAULT, SERVICE_LOG_KEEP_MAX};

    if (rules == NULL)
        return log->n_users > 0 ? log->rules : unknown;
    if (rules->max_size_bytes != 0)
        return *rules;
    return (ServiceLogRules){.max_size_bytes = SERVICE_LOG_SIZE_DEFAULT,
                             .keep = SERVICE_LOG_KEEP_DEFAULT};
}

static ServiceLog *service_log_new(ServiceLogs *logs, const char *service_id)
{
    ServiceLog *log = g_new0(ServiceLog, 1);
    g_autofree char *directory = service_log_directory_path(logs, service_id);

    log->logs = logs;
    log->service_id = g_strdup(service_id);
    log->path = g_build_filename(directory, SERVICE_LOG_CURRENT, NULL);
    log->fd = -1;
    log->link.data = log;
    g_hash_table_insert(logs->logs, log->service_id, log);
    return log;
}

ServiceLog *service_log_open(ServiceLogs *logs, const char *service_id,
                             const ServiceLogRules *rules)
{
    ServiceLog *log = g_hash_table_lookup(logs->logs, service_id);

    if (log == NULL)
        log = service_log_new(logs, service_id);
    log->rules = service_log_rules(log, rules);
    log->n_users++;
    log->is_deleted = false;
    return log;
}

/* What has been lost waits for the next run of the service. */
static void service_log_drop_if_unused(ServiceLog *log)
{
    if (log->n_users == 0 && (log->lost_errno == 0 || log->is_deleted))
        g_hash_table_remove(log->logs->logs, log->service_id);
}

void service_log_close(ServiceLog *log)
{
    if (log == NULL || --log->n_users > 0)
        return;
    service_log_shut(log);
    service_log_drop_if_unused(log);
}

static void service_log_tell(ServiceLogs *logs, const char *service_id, bool is_deleted)
{
    Listeners *listeners = g_hash_table_lookup(logs->listeners, service_id);

    if (listeners != NULL)
        (void)listeners_notify(listeners, &is_deleted); /* nobody is left when it was freed */
}

/* With the line that tells what is missing before them: both, or none. */
static size_t service_log_write_after_loss(ServiceLog *log, const char *lines, size_t length)
{
    g_autofree char *loss = service_log_loss_line(log, lines, length);
    size_t loss_length = strlen(loss);
    g_autofree char *all = g_malloc(loss_length + length);

    memcpy(all, loss, loss_length);
    memcpy(all + loss_length, lines, length);

    size_t done = service_log_write(log, all, loss_length + length);
    if (done == 0)
        return 0;
    int errno_value = errno;
    service_log_regain(log);
    errno = errno_value;
    return done - loss_length;
}

void service_log_append(ServiceLog *log, const char *lines, size_t length)
{
    size_t done = log->lost_errno == 0 ? service_log_write(log, lines, length)
                                       : service_log_write_after_loss(log, lines, length);

    if (done < length)
        service_log_lose(log, lines + done, length - done, errno);
    if (done > 0)
        service_log_tell(log->logs, log->service_id, false);
}

/* Listening */

static void on_service_log_event(const void *event, void *data)
{
    ServiceLogListener *listener = data;

    listener->func(*(const bool *)event, listener->data);
}

ServiceLogListener *service_log_listen(ServiceLogs *logs, const char *service_id,
                                       void (*func)(bool is_deleted, void *data), void *data)
{
    ServiceLogListener *listener = g_new0(ServiceLogListener, 1);
    Listeners *listeners = g_hash_table_lookup(logs->listeners, service_id);

    if (listeners == NULL) {
        listeners = listeners_new();
        g_hash_table_insert(logs->listeners, g_strdup(service_id), listeners);
    }
    listener->logs = logs;
    listener->service_id = g_strdup(service_id);
    listener->func = func;
    listener->data = data;
    listener->listener = listeners_add(listeners, on_service_log_event, listener);
    return listener;
}

void service_log_unlisten(ServiceLogListener *listener)
{
    Listeners *listeners = g_hash_table_lookup(listener->logs->listeners, listener->service_id);

    listener_remove(listener->listener);
    if (listeners_count(listeners) == 0)
        g_hash_table_remove(listener->logs->listeners, listener->service_id);
    g_free(listener->service_id);
    g_free(listener);
}

void service_logs_tell_deleted(ServiceLogs *logs, const char *service_id)
{
    ServiceLog *log = g_hash_table_lookup(logs->logs, service_id);

    if (log != NULL) {
        log->is_deleted = true;
        service_log_drop_if_unused(log);
    }
    service_log_tell(logs, service_id, true);
}
