/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The least that a daemon on a bus that keeps something can be: sd-bus on an sd-event loop, a
 * GHashTable, and a database with one row. It says a line when it is connected, and ends on
 * SIGTERM.
 *
 *     bench-bare ADDRESS DATABASE */

#include <glib.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

static void bare_check(int r, const char *what)
{
    if (r >= 0)
        return;
    (void)fprintf(stderr, "bench-bare: %s: %s\n", what, g_strerror(-r));
    exit(EXIT_FAILURE);
}

static sqlite3 *bare_open(const char *path)
{
    sqlite3 *sqlite = NULL;

    if (sqlite3_open(path, &sqlite) == SQLITE_OK &&
        sqlite3_exec(sqlite,
                     "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
                     "PRAGMA cache_size = -512; CREATE TABLE kept(id TEXT UNIQUE);"
                     "INSERT INTO kept VALUES('one')",
                     NULL, NULL, NULL) == SQLITE_OK)
        return sqlite;
    (void)fprintf(stderr, "bench-bare: %s: %s\n", path, sqlite3_errmsg(sqlite));
    exit(EXIT_FAILURE);
}

int main(int argc, char **argv)
{
    g_autoptr(GHashTable) table = g_hash_table_new(g_str_hash, g_str_equal);
    sd_event *event = NULL;
    sd_bus *bus = NULL;
    const char *name = NULL;
    sigset_t signals;

    if (argc != 3)
        return 2;
    (void)sigemptyset(&signals); /* none of these can fail with good arguments */
    (void)sigaddset(&signals, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &signals, NULL);
    bare_check(sd_event_new(&event), "sd_event_new");
    bare_check(sd_event_add_signal(event, NULL, SIGTERM, NULL, NULL), "sd_event_add_signal");
    bare_check(sd_bus_new(&bus), "sd_bus_new");
    bare_check(sd_bus_set_address(bus, argv[1]), "sd_bus_set_address");
    bare_check(sd_bus_set_bus_client(bus, true), "sd_bus_set_bus_client");
    bare_check(sd_bus_start(bus), "sd_bus_start");
    bare_check(sd_bus_attach_event(bus, event, 0), "sd_bus_attach_event");
    bare_check(sd_bus_get_unique_name(bus, &name), "sd_bus_get_unique_name");
    g_hash_table_add(table, (gpointer)name);
    sqlite3 *sqlite = bare_open(argv[2]);
    if (puts(name) < 0 || fflush(stdout) != 0)
        return EXIT_FAILURE;
    bare_check(sd_event_loop(event), "sd_event_loop");
    (void)sqlite3_close(sqlite);
    (void)sd_bus_flush_close_unref(bus);
    (void)sd_event_unref(event);
    return EXIT_SUCCESS;
}
