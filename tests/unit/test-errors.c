/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The error table and the bridges into and out of it. */

#include "base/errors.h"

#include <errno.h>

/* Written down once more on purpose: these names are the contract with clients. */
static const struct {
    ErrorCode code;
    const char *name;
    int errno_value;
} expected_errors[] = {
        {ERROR_FAILED, "org.freedesktop.DBus.Error.Failed", EIO},
        {ERROR_INVALID_ARGS, "org.freedesktop.DBus.Error.InvalidArgs", EINVAL},
        {ERROR_ACCESS_DENIED, "org.freedesktop.DBus.Error.AccessDenied", EACCES},
        {ERROR_NOT_FOUND, "org.svcmgr1.Error.NotFound", ENOENT},
        {ERROR_ID_EXISTS, "org.svcmgr1.Error.IdExists", EEXIST},
        {ERROR_INVALID_ID, "org.svcmgr1.Error.InvalidId", EINVAL},
        {ERROR_UNKNOWN_KIND, "org.svcmgr1.Error.UnknownKind", EPROTONOSUPPORT},
        {ERROR_INVALID_CONFIG, "org.svcmgr1.Error.InvalidConfig", EBADMSG},
        {ERROR_ALREADY_STARTED, "org.svcmgr1.Error.AlreadyStarted", EALREADY},
        {ERROR_ALREADY_STOPPED, "org.svcmgr1.Error.AlreadyStopped", EALREADY},
        {ERROR_ALREADY_LOADING, "org.svcmgr1.Error.AlreadyLoading", EINPROGRESS},
        {ERROR_BUSY, "org.svcmgr1.Error.Busy", EBUSY},
        {ERROR_IMMUTABLE, "org.svcmgr1.Error.Immutable", EROFS},
        {ERROR_DEPENDENCY_CYCLE, "org.svcmgr1.Error.DependencyCycle", ELOOP},
        {ERROR_DEPENDENCY_FAILED, "org.svcmgr1.Error.DependencyFailed", ENOLINK},
        {ERROR_HAS_DEPENDENTS, "org.svcmgr1.Error.HasDependents", ENOTEMPTY},
        {ERROR_CONFLICT, "org.svcmgr1.Error.Conflict", EDEADLK},
        {ERROR_START_LIMIT_HIT, "org.svcmgr1.Error.StartLimitHit", ECANCELED},
        {ERROR_TIMEOUT, "org.svcmgr1.Error.Timeout", ETIMEDOUT},
        {ERROR_NOT_SUPPORTED, "org.svcmgr1.Error.NotSupported", EOPNOTSUPP},
        {ERROR_SHUTTING_DOWN, "org.svcmgr1.Error.ShuttingDown", ESHUTDOWN},
        {ERROR_LIMIT_EXCEEDED, "org.svcmgr1.Error.LimitExceeded", EDQUOT},
};

static void test_errors_table(void)
{
    g_assert_cmpuint(G_N_ELEMENTS(expected_errors), ==, _ERROR_MAX);
    for (size_t i = 0; i < G_N_ELEMENTS(expected_errors); i++) {
        ErrorCode code = expected_errors[i].code;

        g_assert_cmpint(code, ==, i);
        g_assert_cmpstr(error_code_to_dbus_name(code), ==, expected_errors[i].name);
        g_assert_cmpint(error_code_from_dbus_name(expected_errors[i].name), ==, code);
        g_assert_cmpint(error_code_to_errno(code), ==, expected_errors[i].errno_value);
    }
}

static void test_errors_strangers(void)
{
    g_assert_cmpint(error_code_from_dbus_name(NULL), ==, _ERROR_INVALID);
    g_assert_cmpint(error_code_from_dbus_name(""), ==, _ERROR_INVALID);
    g_assert_cmpint(error_code_from_dbus_name("org.svcmgr1.Error.notfound"), ==, _ERROR_INVALID);
    g_assert_cmpint(error_code_from_dbus_name("org.svcmgr1.Error.NotFoundX"), ==, _ERROR_INVALID);
}

static void test_errors_to_dbus_name(void)
{
    g_autoptr(GError) ours = g_error_new_literal(SVCMGR_ERROR, ERROR_BUSY, "x");
    g_autoptr(GError) wild = g_error_new_literal(SVCMGR_ERROR, _ERROR_MAX, "x");
    g_autoptr(GError) foreign =
            g_error_new_literal(G_CONVERT_ERROR, G_CONVERT_ERROR_ILLEGAL_SEQUENCE, "x");

    g_assert_cmpstr(error_to_dbus_name(ours), ==, "org.svcmgr1.Error.Busy");
    g_assert_cmpstr(error_to_dbus_name(wild), ==, "org.freedesktop.DBus.Error.Failed");
    g_assert_cmpstr(error_to_dbus_name(foreign), ==, "org.freedesktop.DBus.Error.Failed");
}

static void test_errors_set(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(error_set(&error, ERROR_NOT_FOUND, "service '%s': unknown", "100%s"));
    g_assert_error(error, SVCMGR_ERROR, (int)ERROR_NOT_FOUND);
    g_assert_cmpstr(error->message, ==, "service '100%s': unknown");
    g_assert_true(error_is(error, ERROR_NOT_FOUND));
    g_assert_false(error_is(error, ERROR_FAILED));
    g_assert_false(error_is(NULL, ERROR_FAILED));
    g_assert_false(error_set(NULL, ERROR_BUSY, "nobody listens"));
}

static void test_errors_set_errno(void)
{
    static const int signs[] = {ENOENT, -ENOENT};

    for (size_t i = 0; i < G_N_ELEMENTS(signs); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *expected = g_strdup_printf("open /x: %s", g_strerror(ENOENT));

        g_assert_false(error_set_errno(&error, signs[i], "open %s", "/x"));
        g_assert_error(error, SVCMGR_ERROR, (int)ERROR_FAILED);
        g_assert_cmpstr(error->message, ==, expected);
    }
    g_assert_false(error_set_errno(NULL, EIO, "nobody listens"));
}

static void test_errors_join(void)
{
    g_autoptr(GPtrArray) errors = g_ptr_array_new_with_free_func((GDestroyNotify)g_error_free);

    g_assert_null(errors_join(errors));

    g_ptr_array_add(errors, g_error_new_literal(SVCMGR_ERROR, ERROR_BUSY, "one"));
    g_autoptr(GError) single = errors_join(errors);
    g_assert_error(single, SVCMGR_ERROR, (int)ERROR_BUSY);
    g_assert_cmpstr(single->message, ==, "one");
    g_assert_true(single != g_ptr_array_index(errors, 0));

    g_ptr_array_add(errors, g_error_new_literal(SVCMGR_ERROR, ERROR_TIMEOUT, "two"));
    g_ptr_array_add(errors, g_error_new_literal(SVCMGR_ERROR, ERROR_FAILED, "three"));
    g_autoptr(GError) joined = errors_join(errors);
    g_assert_error(joined, SVCMGR_ERROR, (int)ERROR_BUSY);
    g_assert_cmpstr(joined->message, ==, "one\ntwo\nthree");
    g_assert_cmpuint(errors->len, ==, 3);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/errors/table", test_errors_table);
    g_test_add_func("/errors/strangers", test_errors_strangers);
    g_test_add_func("/errors/to-dbus-name", test_errors_to_dbus_name);
    g_test_add_func("/errors/set", test_errors_set);
    g_test_add_func("/errors/set-errno", test_errors_set_errno);
    g_test_add_func("/errors/join", test_errors_join);
    return g_test_run();
}
