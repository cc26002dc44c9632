/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the daemon costs when nothing happens (nothing), and how fast it is when something does. */

#include "support/daemon-fixture.h"

#include <string.h>

#if defined(ADDRESS_SANITIZED)
#define RESTART_MOST_USEC (100 * USEC_PER_MSEC)
#else
#define RESTART_MOST_USEC (10 * USEC_PER_MSEC)
#endif
#define N_SECONDS 4
#define N_KILLS 20

/* What strace sees of the daemon in a second; NULL: it cannot look. */
static char *trace_daemon(DaemonFixture *fixture)
{
    g_autofree char *path = g_build_filename(fixture->root, "trace", NULL);
    g_autofree char *pid = g_strdup_printf("%d", (int)fixture->daemon.pid);
    const char *argv[] = {"timeout", "-s", "INT", "1", "strace", "-f", "-o", path, "-p", pid, NULL};
    g_auto(GStrv) environment = g_get_environ();
    ChildStreams streams = {.output_fd = -1, .error_fd = -1, .keep_fd = -1};
    Child child;
    char *text = NULL;

    child_spawn(&child, argv, (const char *const *)environment, &streams);
    int code = child_wait_exit(&child, DAEMON_PATIENCE_USEC);
    if (code != 124 || !g_file_get_contents(path, &text, NULL, NULL) || *text == '\0')
        g_clear_pointer(&text, g_free);
    return text;
}

static void test_idle(DaemonFixture *fixture, const void *unused)
{
    g_autofree char *program = g_find_program_in_path("strace");

    if (program == NULL) {
        g_test_skip("strace is not installed");
        return;
    }
    client_create(fixture->client, "web", "process",
                  "{\"exec\": [\"/bin/sleep\", \"infinity\"], \"restart\": {\"policy\": "
                  "\"always\"}}",
                  true);
    client_create(fixture->client, "off", "process", "{\"exec\": [\"/bin/true\"]}", false);
    client_wait_state(fixture->client, "web", "active");

    /* The first seconds are for what still has to be told, and for the database. */
    g_autofree char *trace = NULL;
    for (unsigned i = 0; i < N_SECONDS; i++) {
        g_free(trace);
        trace = trace_daemon(fixture);
    }
    if (trace == NULL) {
        g_test_skip("strace cannot attach to the daemon");
        return;
    }
    g_auto(GStrv) lines = g_strsplit(g_strchomp(trace), "\n", -1);
    unsigned n_calls = 0;
    for (char **line = lines; *line != NULL; line++) {
        /* strace itself interrupts the wait that it finds. */
        if (strstr(*line, "EINTR") != NULL || strstr(*line, "<detached") != NULL ||
            strstr(*line, "strace: Process") != NULL)
            continue;
        n_calls++;
    }
    if (n_calls > 0)
        g_error("the idle daemon made calls:\n%s", trace);
    g_assert_nonnull(strstr(trace, "epoll_"));
    g_assert_cmpuint(g_strv_length(lines), <=, 2);
}

static int compare_usec(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static void test_restart_is_fast(DaemonFixture *fixture, const void *unused)
{
    uint64_t taken[N_KILLS];
    g_autofree char *path = client_service_path("web");

    client_create(fixture->client, "web", "process",
                  "{\"exec\": [\"/bin/sleep\", \"infinity\"], \"restart\": {\"policy\": "
                  "\"always\", \"initial_delay\": 0, \"factor\": 1}}",
                  true);
    client_wait_state(fixture->client, "web", "active");
    uint64_t pid = client_get_unsigned(fixture->client, path, CLIENT_PROCESS, "MainPID");
    for (unsigned i = 0; i < N_KILLS; i++) {
        uint64_t start = test_now_usec();

        g_assert_cmpint(kill((pid_t)pid, SIGKILL), ==, 0);
        pid = client_wait_main_pid(fixture->client, "web", pid);
        taken[i] = test_now_usec() - start;
    }
    qsort(taken, N_KILLS, sizeof(taken[0]), compare_usec);
    g_test_message("median %" G_GUINT64_FORMAT " us, longest %" G_GUINT64_FORMAT " us",
                   taken[N_KILLS / 2], taken[N_KILLS - 1]);
    g_assert_cmpuint(taken[N_KILLS / 2], <, RESTART_MOST_USEC);
}

static void fixture_set_up(DaemonFixture *fixture, const void *unused)
{
    daemon_fixture_set_up(fixture, NULL);
    daemon_fixture_start(fixture, NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/idle/one-wait", DaemonFixture, NULL, fixture_set_up, test_idle,
               daemon_fixture_tear_down);
    g_test_add("/idle/restart-is-fast", DaemonFixture, NULL, fixture_set_up, test_restart_is_fast,
               daemon_fixture_tear_down);
    return g_test_run();
}
