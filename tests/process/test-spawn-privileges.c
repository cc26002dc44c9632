/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Capabilities and new privileges, as /proc tells them of the program. The test process is the
 * daemon here: it has what it has. */

#include "base/errors.h"
#include "process/capabilities.h"
#include "spawn-fixture.h"

#include <inttypes.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BIT(number) (UINT64_C(1) << (number))

static bool skips_without(unsigned capability)
{
    uint64_t effective, bounding;

    g_assert_true(capabilities_read_own(&effective, &bounding));
    if ((effective >> capability & 1) != 0)
        return false;
    g_test_skip("the test itself has not the privileges");
    return true;
}

/* set: "CapBnd". */
static void assert_set(const char *text, const char *set, uint64_t expected)
{
    g_autofree char *status = lines_of(text, "status");
    g_autofree char *line = g_strdup_printf("%s:\t%016" PRIx64, set, expected);

    assert_contains(status, line);
}

static void assert_no_new(const char *text, bool expected)
{
    g_autofree char *status = lines_of(text, "status");

    assert_contains(status, expected ? "NoNewPrivs:\t1" : "NoNewPrivs:\t0");
}

static void test_bounding_of_root(ProcessFixture *fixture, const void *mode)
{
    SpawnSpec spec = {SPAWN_KEEP_ALL, .sets_capabilities = true};
    uint64_t effective, bounding;

    if (spawn_skips_unless_root() || skips_without(CAP_SETPCAP))
        return;
    spec.capabilities = BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE);
    g_autofree char *some = spawn_print(fixture, &spec);
    assert_set(some, "CapBnd", spec.capabilities);
    assert_set(some, "CapPrm", spec.capabilities);
    assert_set(some, "CapEff", spec.capabilities);
    assert_set(some, "CapInh", 0);
    assert_set(some, "CapAmb", 0);
    assert_no_new(some, false);

    spec.capabilities = 0;
    g_autofree char *none = spawn_print(fixture, &spec);
    assert_set(none, "CapBnd", 0);
    assert_set(none, "CapEff", 0);

    spec.sets_capabilities = false;
    g_assert_true(capabilities_read_own(&effective, &bounding));
    g_autofree char *all = spawn_print(fixture, &spec);
    assert_set(all, "CapBnd", bounding);
    assert_set(all, "CapEff", effective);
    g_assert_cmpint(prctl(PR_GET_DUMPABLE), ==, 1);
}

static void test_bounding_of_another(ProcessFixture *fixture, const void *mode)
{
    SpawnSpec spec = {SPAWN_KEEP_ALL, .sets_capabilities = true, .user = (char *)"nobody"};

    if (spawn_skips_unless_root() || skips_without(CAP_SETPCAP))
        return;
    spec.capabilities = BIT(CAP_NET_BIND_SERVICE);
    g_autofree char *text = spawn_print(fixture, &spec);
    assert_set(text, "CapBnd", spec.capabilities);
    assert_set(text, "CapPrm", 0);
    assert_set(text, "CapEff", 0);
    assert_set(text, "CapInh", 0);
    assert_no_new(text, true);
}

/* More than there is cannot be had: what is asked for and missing stays missing. */
static void test_unknown_to_the_kernel(ProcessFixture *fixture, const void *mode)
{
    SpawnSpec spec = {SPAWN_KEEP_ALL, .sets_capabilities = true, .capabilities = UINT64_MAX};
    uint64_t effective, bounding;

    g_assert_true(capabilities_read_own(&effective, &bounding));
    g_autofree char *text = spawn_print(fixture, &spec);
    assert_set(text, "CapBnd", bounding);
}

typedef struct Sets {
    struct __user_cap_header_struct header;
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
} Sets;

static void set_inheritable(Sets *sets, uint64_t inheritable)
{
    *sets = (Sets){.header = {.version = _LINUX_CAPABILITY_VERSION_3}};
    g_assert_cmpint(syscall(SYS_capget, &sets->header, sets->data), ==, 0);

    Sets changed = *sets;
    changed.data[0].inheritable = (uint32_t)inheritable;
    changed.data[1].inheritable = (uint32_t)(inheritable >> 32);
    g_assert_cmpint(syscall(SYS_capset, &changed.header, changed.data), ==, 0);
}

/* What the daemon was given to pass on comes through no bounding set. */
static void test_inheritable(ProcessFixture *fixture, const void *mode)
{
    SpawnSpec spec = {SPAWN_KEEP_ALL, .sets_capabilities = true, .capabilities = BIT(CAP_CHOWN)};
    Sets original;

    if (spawn_skips_unless_root() || skips_without(CAP_SETPCAP))
        return;
    set_inheritable(&original, BIT(CAP_CHOWN) | BIT(CAP_NET_ADMIN) | BIT(CAP_BPF));
    g_assert_cmpint(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_ADMIN, 0, 0), ==, 0);
    g_assert_cmpint(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0), ==, 0);
    g_autofree char *text = spawn_print(fixture, &spec);
    spec.user = (char *)"nobody";
    g_autofree char *another = spawn_print(fixture, &spec);
    g_assert_cmpint(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_NET_ADMIN, 0, 0), ==, 1);
    g_assert_cmpint(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), ==, 0);
    g_assert_cmpint(syscall(SYS_capset, &original.header, original.data), ==, 0);

    assert_set(text, "CapInh", BIT(CAP_CHOWN));
    assert_set(text, "CapPrm", BIT(CAP_CHOWN));
    assert_set(text, "CapAmb", 0);
    assert_set(another, "CapInh", BIT(CAP_CHOWN));
    assert_set(another, "CapEff", 0);
    assert_set(another, "CapAmb", 0);
}

typedef struct PrivilegesRow {
    SpawnPrivileges privileges;
    const char *user;
    bool no_new;
} PrivilegesRow;

static const PrivilegesRow privileges_rows[] = {
        {SPAWN_PRIVILEGES_AUTO, NULL, false},      {SPAWN_PRIVILEGES_AUTO, "root", false},
        {SPAWN_PRIVILEGES_AUTO, "nobody", true},   {SPAWN_PRIVILEGES_NEW, "nobody", false},
        {SPAWN_PRIVILEGES_NO_NEW, "nobody", true}, {SPAWN_PRIVILEGES_NEW, NULL, false},
        {SPAWN_PRIVILEGES_NO_NEW, NULL, true},
};

static void test_no_new_privileges(ProcessFixture *fixture, const void *mode)
{
    if (spawn_skips_unless_root())
        return;
    for (size_t i = 0; i < G_N_ELEMENTS(privileges_rows); i++) {
        const PrivilegesRow *row = &privileges_rows[i];
        SpawnSpec spec = {SPAWN_KEEP_ALL, .privileges = row->privileges, .user = (char *)row->user};
        g_autofree char *text = spawn_print(fixture, &spec);

        g_test_message("%d %s", row->privileges, row->user != NULL ? row->user : "");
        assert_no_new(text, row->no_new);
    }
    g_assert_cmpint(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), ==, 0);
}

static void test_names(void)
{
    static const char *const strangers[] = {"",    "CAP_",          "12",     "CAP_12",
                                            "FLY", "CAP_CAP_CHOWN", "chown ", "net-admin"};
    unsigned number = 77;

    g_assert_true(capability_from_string("CAP_NET_ADMIN", &number));
    g_assert_cmpuint(number, ==, CAP_NET_ADMIN);
    g_assert_true(capability_from_string("Sys_Nice", &number));
    g_assert_cmpuint(number, ==, CAP_SYS_NICE);
    for (size_t i = 0; i < G_N_ELEMENTS(strangers); i++)
        g_assert_false(capability_from_string(strangers[i], &number));
    g_assert_cmpuint(number, ==, CAP_SYS_NICE);
    for (unsigned each = 0; each <= CAP_LAST_CAP; each++) {
        g_autofree char *name = capability_to_string(each);

        g_assert_true(g_str_has_prefix(name, "CAP_"));
        g_assert_true(capability_from_string(name, &number));
        g_assert_cmpuint(number, ==, each);
    }
    g_assert_null(capability_to_string(63));
    g_assert_null(capability_to_string(1000));
}

static const SpawnTest tests[] = {
        {"bounding/root", test_bounding_of_root},
        {"bounding/another", test_bounding_of_another},
        {"bounding/unknown", test_unknown_to_the_kernel},
        {"inheritable", test_inheritable},
        {"no-new-privileges", test_no_new_privileges},
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/spawn-privileges/names", test_names);
    spawn_tests_add("spawn-privileges", tests, G_N_ELEMENTS(tests));
    return g_test_run();
}
