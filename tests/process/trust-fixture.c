/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guardian of the cgroups is the first to come and the last to go: it cleans up also after a
 * test that fails. */

#include "trust-fixture.h"

#include <string.h>
#include <unistd.h>

#define TRUST_PREFIX "0123456789abcdef"

typedef struct TrustCase {
    TrustFunc func;
    const void *data;
} TrustCase;

static void trust_init_session(void *fixture, const void *unused)
{
    fixture_init(&((TrustFixture *)fixture)->process);
}

static void trust_done_session(void *fixture, const void *unused)
{
    fixture_done(&((TrustFixture *)fixture)->process);
}

static void trust_init_cgroup(void *data, const void *unused)
{
    TrustFixture *fixture = data;
    g_autoptr(GError) error = NULL;

    cgroup_fixture_init(&fixture->cgroups, NULL);
    if (fixture->cgroups.base == NULL)
        return;
    /* That of the host, with the host's loop, takes its place. */
    g_clear_pointer(&fixture->cgroups.tree, cgroup_tree_free);
    fixture_init(&fixture->process);
    process_host_set_invocation_prefix(fixture->process.host, TRUST_PREFIX);
    (void)process_host_open_cgroups(fixture->process.host, fixture->cgroups.base, &error);
    g_assert_no_error(error);
    fixture->has_cgroups = true;
}

static void trust_done_cgroup(void *data, const void *unused)
{
    TrustFixture *fixture = data;

    if (!fixture->has_cgroups)
        return;
    fixture_done(&fixture->process);
    cgroup_fixture_done(&fixture->cgroups, NULL);
}

static void trust_run_session(void *fixture, const void *data)
{
    const TrustCase *test = data;

    test->func(fixture, test->data);
}

static void trust_run_cgroup(void *data, const void *test_data)
{
    TrustFixture *fixture = data;
    const TrustCase *test = test_data;

    if (fixture->has_cgroups) /* else it was skipped */
        test->func(fixture, test->data);
}

/* GTest keeps what it is given to its end. */
void trust_add(const char *path, TrustFunc func, const void *data)
{
    g_autofree char *cgroup = g_strconcat(path, "/cgroup", NULL);
    g_autofree char *session = g_strconcat(path, "/session", NULL);
    TrustCase *test = g_new(TrustCase, 1);

    *test = (TrustCase){func, data};
    g_test_add_vtable(cgroup, sizeof(TrustFixture), test, trust_init_cgroup, trust_run_cgroup,
                      trust_done_cgroup);
    g_test_add_vtable(session, sizeof(TrustFixture), test, trust_init_session, trust_run_session,
                      trust_done_session);
}

Service *trust_start(TrustFixture *fixture, const char *config)
{
    return fixture_start(&fixture->process, fixture->process.process, config);
}

bool trust_cgroup_exists(const TrustFixture *fixture, const char *control_group)
{
    if (!fixture->has_cgroups || *control_group == '\0')
        return false;

    const char *last = strrchr(control_group, '/');
    g_autofree char *path =
            g_build_filename(fixture->cgroups.base, "svcmgr-" TRUST_PREFIX, last, NULL);
    return access(path, F_OK) == 0;
}

static bool trust_process_has(const char *pid, const char *variable)
{
    g_autofree char *path = g_build_filename("/proc", pid, "environ", NULL);
    g_autofree char *text = NULL;
    size_t length;

    if (!g_file_get_contents(path, &text, &length, NULL))
        return false; /* it is no process, or is one no more */
    return memmem(text, length, variable, strlen(variable)) != NULL;
}

unsigned trust_count_processes(const char *invocation_id)
{
    g_autofree char *variable = g_strconcat("INVOCATION_ID=", invocation_id, NULL);
    g_autoptr(GDir) processes = g_dir_open("/proc", 0, NULL);
    unsigned n = 0;

    for (const char *name; (name = g_dir_read_name(processes)) != NULL;) {
        if (g_ascii_isdigit(name[0]) && trust_process_has(name, variable))
            n++;
    }
    return n;
}
