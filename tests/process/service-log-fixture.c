/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "service-log-fixture.h"

#include "base/fds.h"
#include "base/log.h"

#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

static void on_log_fixture_told(LogLevel level, const char *service, const char *message,
                                void *data)
{
    GPtrArray *told = data;

    g_ptr_array_add(told, g_strdup_printf("%s: %s", service != NULL ? service : "", message));
}

static void log_fixture_begin(LogFixture *fixture)
{
    ServiceLogsOptions options = {
            .sys = &fixture->sys,
            .clock = virtual_loop_clock(fixture->loop),
            .timers = virtual_loop_timers(fixture->loop),
            .total_max_bytes = fixture->total_max_bytes,
            .directory = fixture->directory,
    };

    fixture->logs = service_logs_new(&options);
}

void log_fixture_init(LogFixture *fixture, const void *unused)
{
    fixture->n_fds = fd_count_open();
    fixture->base = g_dir_make_tmp("svcmgr-test-XXXXXX", NULL);
    g_assert_nonnull(fixture->base);
    fixture->directory = g_build_filename(fixture->base, "state", "log", NULL);
    fixture->loop = virtual_loop_new();
    fixture->sys = sys_linux;
    fixture->told = g_ptr_array_new_with_free_func(g_free);
    log_set_sink(on_log_fixture_told, fixture->told);
    log_fixture_begin(fixture);
}

static void log_fixture_remove(const char *path)
{
    if (!g_file_test(path, G_FILE_TEST_IS_SYMLINK) && g_file_test(path, G_FILE_TEST_IS_DIR)) {
        GDir *directory = g_dir_open(path, 0, NULL);
        const char *name;

        while ((name = g_dir_read_name(directory)) != NULL) {
            g_autofree char *below = g_build_filename(path, name, NULL);

            log_fixture_remove(below);
        }
        g_dir_close(directory);
    }
    g_assert_cmpint(g_remove(path), ==, 0);
}

void log_fixture_done(LogFixture *fixture, const void *unused)
{
    service_logs_free(fixture->logs);
    log_set_sink(NULL, NULL);
    g_ptr_array_unref(fixture->told);
    virtual_loop_free(fixture->loop);
    log_fixture_remove(fixture->base);
    g_free(fixture->directory);
    g_free(fixture->base);
    g_assert_cmpint(fd_count_open(), ==, fixture->n_fds);
}

void log_fixture_restart(LogFixture *fixture)
{
    service_logs_free(fixture->logs);
    log_fixture_begin(fixture);
}

ServiceLog *log_fixture_open(LogFixture *fixture, const char *id, uint64_t max_size_bytes,
                             uint32_t keep)
{
    ServiceLogRules rules = {.max_size_bytes = max_size_bytes, .keep = keep};

    return service_log_open(fixture->logs, id, &rules);
}

void log_fixture_say(ServiceLog *log, const char *lines)
{
    service_log_append(log, lines, strlen(lines));
}

void log_fixture_count(ServiceLog *log, unsigned from, unsigned to, size_t length)
{
    for (unsigned i = from; i <= to; i++) {
        g_autofree char *line = g_strdup_printf("%-*u\n", (int)length - 1, i);

        log_fixture_say(log, line);
    }
}

char *log_fixture_path(const LogFixture *fixture, const char *id, uint64_t number)
{
    g_autofree char *directory = service_log_directory_name(id);
    char name[SERVICE_LOG_NAME_BYTES];

    service_log_file_name(number, name);
    return g_build_filename(fixture->directory, directory, name, NULL);
}

char *log_fixture_text(const LogFixture *fixture, const char *id, uint64_t number)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = log_fixture_path(fixture, id, number);
    char *text = NULL;

    (void)g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    return text;
}

char *log_fixture_all(const LogFixture *fixture, const char *id)
{
    g_autoptr(GArray) numbers = service_log_files_list(fixture->logs, id);
    g_autoptr(GString) all = g_string_new(NULL);
    uint64_t current = 0;

    g_array_append_val(numbers, current);
    for (unsigned i = 0; i < numbers->len; i++) {
        g_autofree char *text = log_fixture_text(fixture, id, g_array_index(numbers, uint64_t, i));

        g_string_append(all, text);
    }
    return g_strdup(all->str);
}

unsigned log_fixture_n_told(const LogFixture *fixture, const char *words)
{
    unsigned n = 0;

    for (unsigned i = 0; i < fixture->told->len; i++)
        n += strstr(g_ptr_array_index(fixture->told, i), words) != NULL;
    return n;
}
