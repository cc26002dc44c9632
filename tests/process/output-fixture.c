/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "output-fixture.h"

#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>

void output_init(ProcessFixture *fixture, const void *unused)
{
    fixture_init(fixture);
    process_host_open_logs(fixture->host, fixture_path(fixture, "logs"), 0);
}

void output_done(ProcessFixture *fixture, const void *unused)
{
    fixture_done(fixture);
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* "current" is behind the numbers. */
GString *log_read(ProcessFixture *fixture, const char *id)
{
    g_autofree char *path = g_build_filename(fixture->directory, "logs", id, NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) directory = g_dir_open(path, 0, NULL);
    GString *all = g_string_new(NULL);

    for (const char *name; directory != NULL && (name = g_dir_read_name(directory)) != NULL;)
        g_ptr_array_add(names, g_strdup(name));
    g_ptr_array_sort(names, compare_names);
    for (unsigned i = 0; i < names->len; i++) {
        g_autofree char *file = g_build_filename(path, g_ptr_array_index(names, i), NULL);
        g_autofree char *text = NULL;
        size_t length;

        g_assert_true(g_file_get_contents(file, &text, &length, NULL));
        g_string_append_len(all, text, (gssize)length);
    }
    return all;
}

void log_foreach(ProcessFixture *fixture, const char *id, LogFunc func, void *data)
{
    g_autoptr(GString) all = log_read(fixture, id);
    const char *at = all->str, *end = all->str + all->len;

    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        ServiceLogLine line;

        g_assert_nonnull(newline);
        g_assert_true(service_log_line_parse(at, (size_t)(newline - at), &line));
        func(&line, data);
        at = newline + 1;
    }
}

typedef struct Said {
    const char *invocation; /* NULL: of all runs */
    OutputStream stream;
    GString *text;
} Said;

static void on_said(const ServiceLogLine *line, void *data)
{
    const Said *said = data;

    if (line->stream != said->stream ||
        (said->invocation != NULL &&
         (line->invocation_length != strlen(said->invocation) ||
          memcmp(line->invocation, said->invocation, line->invocation_length) != 0)))
        return;
    g_string_append_len(said->text, line->text, (gssize)line->length);
    if (line->piece != OUTPUT_PARTIAL)
        g_string_append(said->text, line->piece == OUTPUT_CUT ? "<cut>" : "\n");
}

GString *said_in(ProcessFixture *fixture, const char *id, OutputStream stream,
                 const char *invocation)
{
    Said said = {invocation, stream, g_string_new(NULL)};

    log_foreach(fixture, id, on_said, &said);
    return said.text;
}

void assert_said(ProcessFixture *fixture, const char *id, OutputStream stream,
                 const char *invocation, const char *expected)
{
    g_autoptr(GString) text = said_in(fixture, id, stream, invocation);

    g_assert_cmpstr(text->str, ==, expected);
}

typedef struct Wanted {
    ProcessFixture *fixture;
    const char *id;
    OutputStream stream;
    const char *invocation;
    const char *text;
} Wanted;

static bool is_said(void *data)
{
    const Wanted *wanted = data;
    g_autoptr(GString) text =
            said_in(wanted->fixture, wanted->id, wanted->stream, wanted->invocation);

    return g_str_equal(text->str, wanted->text);
}

void wait_said(ProcessFixture *fixture, const char *id, OutputStream stream, const char *invocation,
               const char *text)
{
    Wanted wanted = {fixture, id, stream, invocation, text};

    fixture_run_until(fixture, is_said, &wanted);
}

/* The journal */

/* A /run of our own. */
bool journal_enter(void)
{
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("test", "/run", "tmpfs", 0, NULL) == 0 &&
           g_mkdir_with_parents("/run/systemd/journal", 0755) == 0;
}

int journal_listen(int backlog)
{
    const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = JOURNAL_SOCKET};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(bind(fd, (const struct sockaddr *)&address, sizeof address), ==, 0);
    g_assert_cmpint(listen(fd, backlog), ==, 0);
    return fd;
}
