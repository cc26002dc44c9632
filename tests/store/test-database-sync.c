/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names outlive a loss of power only when their folder was synced after they were given. What the
 * database asks of the kernel for that is written down here: this program has a fsync and a rename
 * of its own, which come before those of the C library. */

#include "store-fixture.h"

#include "base/fds.h"
#include "store/database-internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static GPtrArray
        *sync_calls; /* "sync NAME" and "rename NAME NAME", in order; NULL: not of interest */

int fsync(int fd)
{
    g_autofree char *link = g_strdup_printf("/proc/self/fd/%d", fd);
    g_autofree char *path = g_file_read_link(link, NULL);
    int result = (int)syscall(SYS_fsync, fd);

    if (sync_calls != NULL && result == 0) {
        g_autofree char *name = g_path_get_basename(path);

        g_ptr_array_add(sync_calls, g_strconcat("sync ", name, NULL));
    }
    return result;
}

int rename(const char *from, const char *to)
{
    int result = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);

    if (sync_calls != NULL && result == 0) {
        g_autofree char *from_name = g_path_get_basename(from);
        g_autofree char *to_name = g_path_get_basename(to);

        g_ptr_array_add(sync_calls, g_strconcat("rename ", from_name, " ", to_name, NULL));
    }
    return result;
}

/* Opens the database; what it has asked for, one a line. */
static char *sync_open(StoreFixture *fixture)
{
    sync_calls = g_ptr_array_new_with_free_func(g_free);
    store_open(fixture);
    g_autoptr(GPtrArray) calls = g_steal_pointer(&sync_calls);
    g_ptr_array_add(calls, NULL);
    char *text = g_strjoinv("\n", (char **)calls->pdata);
    g_test_message("%s", text);
    return text;
}

static void test_new(StoreFixture *fixture, const void *unused)
{
    g_autofree char *first = sync_open(fixture);
    g_assert_true(g_str_equal(first, "sync state") || g_str_has_prefix(first, "sync state\n"));

    store_close(fixture);
    g_autofree char *again = sync_open(fixture);
    g_assert_null(strstr(again, "sync state")); /* it has its name */
}

/* The new file is whole before it has the name that says so, and has that before the old one goes;
 * both names are there for good before anything is done on them. */
static void test_mended(StoreFixture *fixture, const void *unused)
{
    store_open(fixture);
    store_note_start(fixture);
    store_fill(fixture, 10);
    store_close(fixture);
    autofd int fd = open(fixture->path, O_WRONLY | O_CLOEXEC);
    g_assert_cmpint(pwrite(fd, "nothing", 7, 0), ==, 7);

    g_autofree char *calls = sync_open(fixture);
    g_assert_cmpuint(database_messages(fixture->database)->len, >, 0);
    g_assert_nonnull(strstr(calls, "sync svcmgr.db.new\n"
                                   "rename svcmgr.db.new svcmgr.db.mended\n"
                                   "sync state\n"
                                   "rename svcmgr.db.mended svcmgr.db\n"
                                   "sync state"));
}

#define ADD(path, test)                                                                            \
    g_test_add("/database-sync/" path, StoreFixture, NULL, store_fixture_set_up, test,             \
               store_fixture_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("new", test_new);
    ADD("mended", test_mended);
    return g_test_run();
}
