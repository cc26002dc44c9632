/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Everything at once, of 10,000 services: GetManagedObjects as a client in C sees it, from the call
 * until it has walked through the answer; and "busctl tree" as a process. */

#include "bench.h"

#include <string.h>
#include <unistd.h>

#define LISTING_MAX 32 /* rounds */

static unsigned listing_count_objects(sd_bus_message *reply)
{
    unsigned n = 0;

    g_assert_cmpint(sd_bus_message_enter_container(reply, 'a', "{oa{sa{sv}}}"), >, 0);
    while (sd_bus_message_enter_container(reply, 'e', "oa{sa{sv}}") > 0) {
        g_assert_cmpint(sd_bus_message_skip(reply, "oa{sa{sv}}"), >, 0);
        g_assert_cmpint(sd_bus_message_exit_container(reply), >, 0);
        n++;
    }
    return n;
}

/* Gives the seconds. */
static double listing_get_objects(const Bench *bench, unsigned n_services)
{
    sd_bus *bus = bench_connect_bus(bench->fixture.bus_address);
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *reply = NULL;
    uint64_t began_usec = test_now_usec();
    int r = sd_bus_call_method(bus, "org.svcmgr1", CLIENT_ROOT,
                               "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", &error,
                               &reply, NULL);

    if (r < 0)
        g_error("GetManagedObjects: %s", error.message);
    g_assert_cmpuint(listing_count_objects(reply), ==, n_services);
    uint64_t took_usec = test_now_usec() - began_usec;
    sd_bus_message_unref(reply);
    (void)sd_bus_flush_close_unref(bus); /* always NULL */
    return (double)took_usec / USEC_PER_SEC;
}

/* Gives the seconds; the tree is read from a file afterwards. */
static double listing_run_tree(const Bench *bench, unsigned n_services)
{
    g_autofree char *address = g_strdup_printf("--address=%s", bench->fixture.bus_address);
    g_autofree char *path = g_build_filename(bench->fixture.root, "tree", NULL);
    const char *argv[] = {"busctl", address, "--list", "tree", "org.svcmgr1", NULL};

    g_autofree char *text = NULL;
    unsigned n_lines = 0;
    int status = -1;
    double usec = bench_run_program(argv, path, &status);

    g_assert_cmpint(status, ==, 0);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    for (const char *line = text; (line = strchr(line, '\n')) != NULL; line++)
        n_lines++;
    g_assert_cmpuint(n_lines, >=, n_services);
    return usec / USEC_PER_SEC;
}

/* Seconds on the processor, of all three who have a part in it. */
typedef struct ListingOwn {
    double daemon;
    double bus;
    double client;
} ListingOwn;

static void listing_add_own(const Bench *bench, ListingOwn *own, double factor)
{
    factor /= USEC_PER_SEC;
    own->daemon += factor * (double)bench_cpu_usec(bench->fixture.daemon.pid);
    own->bus += factor * (double)bench_cpu_usec(bench->fixture.bus.pid);
    own->client += factor * (double)bench_cpu_usec(getpid());
}

int main(int argc, char **argv)
{
    double objects[LISTING_MAX], trees[LISTING_MAX];
    ListingOwn own = {0};
    Bench bench;

    bench_init(&bench, argc, argv);

    unsigned n_services = bench.quick ? 50 : 10000;
    unsigned rounds = bench.quick ? 1 : 7;
    bench_define(&bench, n_services, "process", "{\"exec\":[\"sleep\",\"1h\"]}", false);
    bench_start_daemon(&bench);
    for (unsigned i = 0; i < rounds; i++) {
        listing_add_own(&bench, &own, -1.0 / rounds);
        objects[i] = listing_get_objects(&bench, n_services);
        listing_add_own(&bench, &own, 1.0 / rounds);
        trees[i] = listing_run_tree(&bench, n_services);
    }
    bench_note("%u services; GetManagedObjects %.3f to %.3f s, busctl tree %.3f to %.3f s",
               n_services, bench_percentile(objects, rounds, 0),
               bench_percentile(objects, rounds, 100), bench_percentile(trees, rounds, 0),
               bench_percentile(trees, rounds, 100));
    bench_note("GetManagedObjects, seconds on the processor: daemon %.3f, bus %.3f, client %.3f",
               own.daemon, own.bus, own.client);
    bench_figure("listing/managed-objects", bench_median(objects, rounds), "s", "<= 0.5");
    bench_figure("listing/tree", bench_median(trees, rounds), "s", "<= 3");
    return bench_done(&bench);
}
