/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is kept is first in the log of the database. A daemon that has nothing else to do moves it
 * into the file: seen in a copy of the file that has no log beside it. */

#include "support/daemon-fixture.h"

#include "base/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sqlite3.h>
#include <sys/inotify.h>
#include <unistd.h>

static bool checkpoint_has_service(const DaemonFixture *fixture, const char *path, const char *id)
{
    g_autofree char *copy = g_build_filename(fixture->root, "copy.db", NULL);
    g_autofree char *uri = g_strdup_printf("file:%s?immutable=1", copy);
    g_autofree char *bytes = NULL;
    sqlite3 *database = NULL;
    sqlite3_stmt *statement = NULL;
    size_t length;

    g_assert_true(g_file_get_contents(path, &bytes, &length, NULL));
    g_assert_true(g_file_set_contents(copy, bytes, (gssize)length, NULL));
    g_assert_cmpint(sqlite3_open_v2(uri, &database, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL),
                    ==, SQLITE_OK);
    /* One that is being written may be read as nonsense: it is looked at again then. */
    bool has_it = sqlite3_prepare_v2(database, "SELECT 1 FROM service WHERE id = ?", -1, &statement,
                                     NULL) == SQLITE_OK &&
                  sqlite3_bind_text(statement, 1, id, -1, SQLITE_STATIC) == SQLITE_OK &&
                  sqlite3_step(statement) == SQLITE_ROW;
    (void)sqlite3_finalize(statement); /* says again what step said */
    g_assert_cmpint(sqlite3_close(database), ==, SQLITE_OK);
    return has_it;
}

/* Until it is written to; drops what else there is to say by then. */
static void checkpoint_await_write(int watch, uint64_t deadline)
{
    struct pollfd written = {.fd = watch, .events = POLLIN};
    uint64_t now = test_now_usec();
    char events[4096];

    if (now >= deadline || poll(&written, 1, (int)((deadline - now) / 1000)) <= 0)
        g_error("nothing is moved from the log into the file");
    while (read(watch, events, sizeof(events)) > 0)
        continue;
    g_assert_cmpint(errno, ==, EAGAIN);
}

static void test_idle(DaemonFixture *fixture, const void *unused)
{
    static const char *const ids[] = {"first", "second"};
    g_autofree char *path = g_build_filename(fixture->root, "state", "svcmgr.db", NULL);
    autofd int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

    daemon_fixture_start(fixture, NULL);
    g_assert_cmpint(inotify_add_watch(watch, path, IN_MODIFY), >=, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(ids); i++) {
        uint64_t deadline = test_now_usec() + DAEMON_PATIENCE_USEC;

        client_create(fixture->client, ids[i], "process", "{\"exec\": [\"/bin/true\"]}", false);
        while (!checkpoint_has_service(fixture, path, ids[i]))
            checkpoint_await_write(watch, deadline);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/checkpoint/idle", DaemonFixture, NULL, daemon_fixture_set_up, test_idle,
               daemon_fixture_tear_down);
    return g_test_run();
}
