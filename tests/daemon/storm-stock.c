/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "storm-stock.h"

#include "base/clock.h"
#include "base/fds.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define STORM_STOCK_PYTHON "/usr/bin/python3"
#define STORM_STOCK_PATIENCE_USEC (60 * USEC_PER_SEC)

/* A line without its end; the caller's. */
static char *storm_stock_read(const StormStock *stock)
{
    uint64_t deadline = usec_add(test_now_usec(), STORM_STOCK_PATIENCE_USEC);
    struct pollfd readable = {.fd = stock->fd, .events = POLLIN};
    GString *line = g_string_new(NULL);

    for (;;) {
        uint64_t now = test_now_usec();
        char c;

        if (now >= deadline || poll(&readable, 1, (int)((deadline - now) / 1000)) <= 0)
            g_error("the client of %s says nothing", stock->library);
        if (read(stock->fd, &c, 1) != 1)
            g_error("the client of %s has ended", stock->library);
        if (c == '\n')
            return g_string_free(line, FALSE);
        g_string_append_c(line, c);
    }
}

bool storm_stock_start(StormStock *stock, const char *library, const char *address,
                       char **ret_reason)
{
    g_auto(GStrv) environment = g_get_environ();
    ChildStreams streams = {.output_fd = -1, .error_fd = STDERR_FILENO};
    int fds[2];

    stock->library = library;
    if (!g_file_test(STORM_STOCK_PYTHON, G_FILE_TEST_IS_EXECUTABLE)) {
        *ret_reason = g_strdup("there is no " STORM_STOCK_PYTHON);
        return false;
    }
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    g_autofree char *number = g_strdup_printf("%d", fds[1]);
    const char *argv[] = {
            STORM_STOCK_PYTHON, "-B", g_getenv("STOCK_CACHE"), library, address, number, NULL};
    streams.keep_fd = fds[1];
    stock->fd = fds[0];
    child_spawn(&stock->child, argv, (const char *const *)environment, &streams);
    (void)fd_close(fds[1]); /* -1 */
    g_autofree char *line = storm_stock_read(stock);
    if (g_str_equal(line, "ready"))
        return true;
    g_assert_true(g_str_has_prefix(line, "skip: "));
    *ret_reason = g_steal_pointer(&line);
    storm_stock_end(stock);
    return false;
}

char *storm_stock_compare(const StormStock *stock)
{
    g_assert_cmpint(write(stock->fd, "\n", 1), ==, 1);
    return storm_stock_read(stock);
}

void storm_stock_end(StormStock *stock)
{
    stock->fd = fd_close(stock->fd);
    g_assert_cmpint(child_wait_exit(&stock->child, STORM_STOCK_PATIENCE_USEC), ==, 0);
}
