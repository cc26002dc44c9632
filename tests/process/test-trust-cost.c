/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a look at the property Usage costs: with cgroups no more than the kernel wants for its own
 * numbers where it has them all, and nothing for who asks again soon. What a stop costs: of a
 * cgroup only what is needed to know whom it is for. */

#include "trust-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

#define COST_MEMORY 123456
#define COST_DAEMONS 4
#define COST_CRASHES 100

static unsigned n_looks;        /* at single processes */
static unsigned n_files;        /* of cgroups */
static unsigned n_lists;        /* of directories */
static const char *memory_path; /* instead of memory.current; NULL: what there is */

static int cost_open(const char *path, int flags)
{
    n_looks += g_str_has_prefix(path, "/proc/") && strstr(path, "/stat") != NULL;
    return sys_linux.open(path, flags);
}

static int cost_openat(int directory_fd, const char *path, int flags)
{
    n_files++;
    if (!g_str_has_suffix(path, "memory.current"))
        return sys_linux.openat(directory_fd, path, flags);
    if (memory_path != NULL)
        return sys_linux.open(memory_path, flags);
    errno = ENOENT;
    return -1;
}

static ssize_t cost_getdents64(int fd, void *buffer, size_t size)
{
    n_lists++;
    return sys_linux.getdents64(fd, buffer, size);
}

static uint64_t cost_read(Service *service, const char *name)
{
    KindEntry entries[KIND_ENTRIES_MAX];
    const KindProperty *property = service_kind(service)->properties;

    while (!g_str_equal(property->name, "Usage"))
        property++;
    size_t n = property->get_entries(service_instance(service), entries);
    for (size_t i = 0; i < n; i++) {
        if (g_str_equal(entries[i].name, name))
            return entries[i].type == 'u' ? entries[i].value.u : entries[i].value.t;
    }
    g_error("no \"%s\"", name);
}

static Service *cost_start(TrustFixture *fixture)
{
    Service *service =
            trust_start(fixture, "{'exec': ['@PROGRAMS/program-daemoniser', 'stay', 'many', '4', "
                                 "'@DIR/pids']}");

    trust_wait_file(fixture, "pids", "\n");
    fixture->process.sys.open = cost_open;
    fixture->process.sys.openat = cost_openat;
    fixture->process.clock.ahead_usec = 2 * USEC_PER_SEC;
    memory_path = NULL;
    n_looks = n_files = 0;
    return service;
}

static void cost_forget(TrustFixture *fixture)
{
    fixture->process.clock.ahead_usec -= USEC_PER_SEC;
    n_looks = n_files = 0;
}

static void test_counted(TrustFixture *fixture, const void *unused)
{
    Service *service = cost_start(fixture);

    g_assert_cmpuint(cost_read(service, "processes"), ==, COST_DAEMONS + 1);
    g_assert_cmpuint(n_looks, >, COST_DAEMONS); /* nobody counts memory */
    if (fixture->has_cgroups) {
        memory_path = fixture_path(&fixture->process, "memory");
        g_assert_true(g_file_set_contents(memory_path, G_STRINGIFY(COST_MEMORY) "\n", -1, NULL));
        cost_forget(fixture);
        g_assert_cmpuint(cost_read(service, "processes"), ==, COST_DAEMONS + 1);
        g_assert_cmpuint(cost_read(service, "memory_bytes"), ==, COST_MEMORY);
        g_assert_cmpuint(n_looks, ==, 0);
    }
    fixture_drop(&fixture->process, service);
}

static void test_kept(TrustFixture *fixture, const void *unused)
{
    Service *service = cost_start(fixture);

    (void)cost_read(service, "processes");
    g_assert_cmpuint(n_looks, >, 0);
    n_looks = n_files = 0;
    for (unsigned i = 0; i < 10; i++)
        g_assert_cmpuint(cost_read(service, "processes"), ==, COST_DAEMONS + 1);
    g_assert_cmpuint(n_looks, ==, 0);
    g_assert_cmpuint(n_files, ==, 0);
    cost_forget(fixture);
    (void)cost_read(service, "processes");
    g_assert_cmpuint(n_looks, >, 0);
    fixture_drop(&fixture->process, service);
}

/* How many cgroups it may have, the cgroup itself, and whether it is frozen. */
static void test_start(TrustFixture *fixture, const void *unused)
{
    fixture->process.sys.openat = cost_openat;
    fixture->process.sys.getdents64 = cost_getdents64;
    n_files = n_lists = 0;
    Service *service = trust_start(fixture, "{'exec': ['@PROGRAMS/program-stayer']}");
    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    g_assert_cmpuint(n_files, ==, fixture->has_cgroups ? 3 : 0);
    g_assert_cmpuint(n_lists, ==, 0);
    fixture_drop(&fixture->process, service);
}

/* What has crashed is described without a look at any file, however many crash at once. */
static void test_crash(TrustFixture *fixture, const void *unused)
{
    Service *services[COST_CRASHES];

    for (size_t i = 0; i < COST_CRASHES; i++) {
        services[i] = trust_start(fixture, "{'exec': ['@PROGRAMS/program-stayer'], "
                                           "'readiness': 'notify', 'restart': {'policy': 'no'}}");
        fixture_wait_state(&fixture->process, services[i], STATE_ACTIVE);
    }
    fixture->process.sys.open = cost_open;
    fixture->process.sys.getdents64 = cost_getdents64;
    n_looks = n_lists = 0;
    for (size_t i = 0; i < COST_CRASHES; i++)
        g_assert_cmpint(kill(fixture_main_pid(services[i]), SIGKILL), ==, 0);
    for (size_t i = 0; i < COST_CRASHES; i++)
        fixture_wait_state(&fixture->process, services[i], STATE_FAILED);
    g_assert_cmpuint(n_looks, ==, 0);
    g_assert_cmpuint(n_lists, ==, 0);
    for (size_t i = 0; i < COST_CRASHES; i++)
        fixture_drop(&fixture->process, services[i]);
}

static int cost_pidfd_cgroup(int pidfd, uint64_t *ret_id)
{
    errno = ENOTTY;
    return -1;
}

/* A service of one process: is it frozen, who is in it, and, of a kernel that does not tell, has
 * the main process left it. Kernels that count a dead one for another moment are asked for that
 * moment, and are waited for. */
static void test_stop(TrustFixture *fixture, const void *unused)
{
    static const Origin origin = {.cause = CAUSE_METHOD, .method = "Test"};
    Service *service = trust_start(fixture, "{'exec': ['@PROGRAMS/program-stayer'], "
                                            "'readiness': 'notify'}");
    g_autoptr(GError) error = NULL;

    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    fixture->process.sys.openat = cost_openat;
    fixture->process.sys.getdents64 = cost_getdents64;
    fixture->process.sys.pidfd_cgroup = cost_pidfd_cgroup;
    n_files = n_lists = 0;
    g_assert_true(service_stop(service, &origin, &error));
    fixture_wait_state(&fixture->process, service, STATE_INACTIVE);
    g_test_message("%u files", n_files);
    if (fixture->has_cgroups) {
        g_assert_cmpuint(n_files, >=, 3);
        g_assert_cmpuint(n_files, <=, 3 + 3);
        g_assert_cmpuint(n_lists, ==, 0);
    }
    fixture_drop(&fixture->process, service);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    trust_add("/trust/cost/counted", test_counted, NULL);
    trust_add("/trust/cost/kept", test_kept, NULL);
    trust_add("/trust/cost/start", test_start, NULL);
    trust_add("/trust/cost/stop", test_stop, NULL);
    trust_add("/trust/cost/crash", test_crash, NULL);
    return g_test_run();
}
