/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Services in cgroups, and a kernel or an administrator who is in the way: no descriptor is left,
 * no more cgroups are allowed, a service is frozen, its directory is removed or its process moved
 * out of it from outside. A start says what is wrong, and a stop is done all the same. */

#include "inject-run.h"

#include "base/errors.h"
#include "base/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define NO_RESTART "'restart': {'policy': 'no'}"
#define STAYS "'readiness': 'notify', 'stop_timeout': '10s', " NO_RESTART "}"

static void real_init(InjectFixture *fixture, const void *unused)
{
    fixture_init(&fixture->process);
    inject_fixture_open_cgroups(fixture);
}

static void real_done(InjectFixture *fixture, const void *unused)
{
    inject_fixture_close_cgroups(fixture);
    fixture_done(&fixture->process);
}

static void write_file(const char *path, const char *text)
{
    autofd int fd = open(path, O_WRONLY | O_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(write(fd, text, strlen(text)), ==, (ssize_t)strlen(text));
}

/* A file of the service's cgroup. */
static void write_cgroup(const InjectFixture *fixture, Service *service, const char *file,
                         const char *text)
{
    g_autofree char *path = inject_fixture_cgroup_file(fixture, service, file);

    write_file(path, text);
}

static Service *start(InjectFixture *fixture, const char *words)
{
    g_autofree char *config =
            g_strdup_printf("{'exec': ['@PROGRAMS/program-stayer', %s], " STAYS, words);
    Service *service = fixture_start(&fixture->process, fixture->process.process, config);

    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    return service;
}

static void start_again(InjectFixture *fixture, Service *service)
{
    static const Origin origin = {.cause = CAUSE_METHOD, .method = "Test"};
    g_autoptr(GError) error = NULL;

    (void)service_start(service, &origin, &error);
    g_assert_no_error(error);
    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
}

static void stop(InjectFixture *fixture, Service *service)
{
    fixture_request_stop(service);
    fixture_wait_settled(&fixture->process, service);
}

static void drop(InjectFixture *fixture, Service *service)
{
    fixture_drop(&fixture->process, service);
    inject_fixture_wait_childless(fixture);
    g_assert_cmpuint(inject_fixture_count(fixture), ==, 0);
}

/* Returns the soft limit as it was. */
static rlim_t set_descriptors(rlim_t value)
{
    struct rlimit limit;

    g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &limit), ==, 0);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = value;
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &limit), ==, 0);
    return before;
}

static rlim_t first_free(void)
{
    autofd int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);

    g_assert_cmpint(fd, >=, 0);
    return (rlim_t)fd;
}

/* Not one descriptor is free: who is in a cgroup can be killed, and its end be seen. */
static void test_descriptors(InjectFixture *fixture, const void *unused)
{
    static const struct {
        const char *words;
        const char *timeout;
        State state;
    } stops[] = {
            {"'clean'", "10s", STATE_INACTIVE},
            {"'child', '@DIR/child'", "10s", STATE_INACTIVE},
            {"'stubborn'", "20ms", STATE_FAILED},
            {"'stubborn-child', '@DIR/stubborn'", "20ms", STATE_FAILED},
    };
    ProcessFixture *process = &fixture->process;

    for (unsigned i = 0; i < G_N_ELEMENTS(stops) && fixture->cgroups.base != NULL; i++) {
        g_autofree char *config =
                g_strdup_printf("{'exec': ['@PROGRAMS/program-stayer', %s], 'readiness': 'notify', "
                                "'stop_timeout': '%s', " NO_RESTART "}",
                                stops[i].words, stops[i].timeout);
        Service *service = fixture_start(process, process->process, config);

        fixture_wait_state(process, service, STATE_ACTIVE);
        rlim_t before = set_descriptors(first_free());
        stop(fixture, service);
        (void)set_descriptors(before);
        g_test_message("%s: %s", stops[i].words, process->history->str);
        assert_state(service, stops[i].state);
        g_assert_null(strstr(process->history->str, "unkillable"));
        g_assert_cmpuint(inject_fixture_count(fixture), ==, 0);
        start_again(fixture, service);
        drop(fixture, service);
    }
}

/* It is thawed, and gets its signal. */
static void test_frozen(InjectFixture *fixture, const void *words)
{
    if (fixture->cgroups.base == NULL)
        return;

    Service *service = start(fixture, words);
    write_cgroup(fixture, service, "cgroup.freeze", "1");
    stop(fixture, service);
    g_test_message("%s", fixture->process.history->str);
    assert_state(service, STATE_INACTIVE);
    g_assert_null(strstr(fixture->process.history->str, "sigkill"));
    start_again(fixture, service);
    drop(fixture, service);
}

/* The tree may have no more directories. */
static void test_descendants(InjectFixture *fixture, const void *unused)
{
    if (fixture->cgroups.base == NULL)
        return;

    g_autofree char *limit = g_build_filename(fixture->cgroups.base, "svcmgr-0123456789abcdef",
                                              "cgroup.max.descendants", NULL);
    Service *first = start(fixture, "'clean'");
    write_file(limit, "1");
    Service *second =
            fixture_start(&fixture->process, fixture->process.process,
                          "{'exec': ['@PROGRAMS/program-stayer', 'clean'], " NO_RESTART "}");
    fixture_wait_settled(&fixture->process, second);
    assert_failure(second, FAILURE_EXEC, "cannot make the cgroup /");
    assert_failure(second, FAILURE_EXEC, "Resource temporarily unavailable");
    assert_state(first, STATE_ACTIVE);
    stop(fixture, first);
    assert_state(first, STATE_INACTIVE);
    start_again(fixture, second);
    fixture_drop(&fixture->process, second);
    drop(fixture, first);
}

/* Out of the cgroup, and out of sight for it. */
static void test_moved(InjectFixture *fixture, const void *unused)
{
    if (fixture->cgroups.base == NULL)
        return;

    Service *service = start(fixture, "'clean'");
    pid_t pid = fixture_main_pid(service);
    cgroup_fixture_move(fixture->cgroups.base, pid);
    stop(fixture, service);
    assert_state(service, STATE_INACTIVE);
    fixture_wait_gone(&fixture->process, pid);
    start_again(fixture, service);

    /* By force as well. */
    pid = fixture_main_pid(service);
    cgroup_fixture_move(fixture->cgroups.base, pid);
    g_assert_cmpint(kill(pid, SIGSTOP), ==, 0);
    stop(fixture, service);
    fixture_wait_gone(&fixture->process, pid);
    drop(fixture, service);
}

/* Nothing is in it any more, and somebody tidies up. */
static void test_removed(InjectFixture *fixture, const void *unused)
{
    if (fixture->cgroups.base == NULL)
        return;

    Service *service = start(fixture, "'clean'");
    g_autofree char *directory = inject_fixture_cgroup_file(fixture, service, NULL);
    cgroup_fixture_move(fixture->cgroups.base, fixture_main_pid(service));
    g_assert_cmpint(rmdir(directory), ==, 0);
    stop(fixture, service);
    assert_state(service, STATE_INACTIVE);
    start_again(fixture, service);
    g_assert_cmpuint(inject_fixture_count(fixture), ==, 1);
    drop(fixture, service);
}

/* The whole tree is. */
static void test_tree_removed(InjectFixture *fixture, const void *unused)
{
    if (fixture->cgroups.base == NULL)
        return;

    g_autofree char *tree =
            g_build_filename(fixture->cgroups.base, "svcmgr-0123456789abcdef", NULL);
    g_assert_cmpint(rmdir(tree), ==, 0);
    Service *service =
            fixture_start(&fixture->process, fixture->process.process,
                          "{'exec': ['@PROGRAMS/program-stayer', 'clean'], " NO_RESTART "}");
    fixture_wait_settled(&fixture->process, service);
    g_test_message("%s", fixture->process.history->str);
    assert_failure(service, FAILURE_EXEC, "cannot make the cgroup /");
    fixture_drop(&fixture->process, service);
}

#define REAL_TEST(path, data, function)                                                            \
    g_test_add("/inject-real/" path, InjectFixture, data, real_init, function, real_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    REAL_TEST("descriptors", NULL, test_descriptors);
    REAL_TEST("frozen/clean", "'clean'", test_frozen);
    REAL_TEST("frozen/child", "'child', '@DIR/child'", test_frozen);
    REAL_TEST("descendants", NULL, test_descendants);
    REAL_TEST("moved", NULL, test_moved);
    REAL_TEST("removed", NULL, test_removed);
    REAL_TEST("tree-removed", NULL, test_tree_removed);
    return g_test_run();
}
