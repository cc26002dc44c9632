/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One table says what an error code is called on the bus and which errno a client sees for it. The
 * table is the whole mapping: both directions read it, and nothing else knows a D-Bus error name.
 */

#include "base/errors.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

G_DEFINE_QUARK(svcmgr - error - quark, svcmgr_error)

#define ERROR_STANDARD "org.freedesktop.DBus.Error."
#define ERROR_OURS "org.svcmgr1.Error."

static const struct {
    const char *dbus_name;
    int errno_value;
} error_table[_ERROR_MAX] = {
        [ERROR_FAILED] = {ERROR_STANDARD "Failed", EIO},
        [ERROR_INVALID_ARGS] = {ERROR_STANDARD "InvalidArgs", EINVAL},
        [ERROR_ACCESS_DENIED] = {ERROR_STANDARD "AccessDenied", EACCES},
        [ERROR_NOT_FOUND] = {ERROR_OURS "NotFound", ENOENT},
        [ERROR_ID_EXISTS] = {ERROR_OURS "IdExists", EEXIST},
        [ERROR_INVALID_ID] = {ERROR_OURS "InvalidId", EINVAL},
        [ERROR_UNKNOWN_KIND] = {ERROR_OURS "UnknownKind", EPROTONOSUPPORT},
        [ERROR_INVALID_CONFIG] = {ERROR_OURS "InvalidConfig", EBADMSG},
        [ERROR_ALREADY_STARTED] = {ERROR_OURS "AlreadyStarted", EALREADY},
        [ERROR_ALREADY_STOPPED] = {ERROR_OURS "AlreadyStopped", EALREADY},
        [ERROR_ALREADY_LOADING] = {ERROR_OURS "AlreadyLoading", EINPROGRESS},
        [ERROR_BUSY] = {ERROR_OURS "Busy", EBUSY},
        [ERROR_IMMUTABLE] = {ERROR_OURS "Immutable", EROFS},
        [ERROR_DEPENDENCY_CYCLE] = {ERROR_OURS "DependencyCycle", ELOOP},
        [ERROR_DEPENDENCY_FAILED] = {ERROR_OURS "DependencyFailed", ENOLINK},
        [ERROR_HAS_DEPENDENTS] = {ERROR_OURS "HasDependents", ENOTEMPTY},
        [ERROR_CONFLICT] = {ERROR_OURS "Conflict", EDEADLK},
        [ERROR_START_LIMIT_HIT] = {ERROR_OURS "StartLimitHit", ECANCELED},
        [ERROR_TIMEOUT] = {ERROR_OURS "Timeout", ETIMEDOUT},
        [ERROR_NOT_SUPPORTED] = {ERROR_OURS "NotSupported", EOPNOTSUPP},
        [ERROR_SHUTTING_DOWN] = {ERROR_OURS "ShuttingDown", ESHUTDOWN},
        [ERROR_LIMIT_EXCEEDED] = {ERROR_OURS "LimitExceeded", EDQUOT},
};

const char *error_code_to_dbus_name(ErrorCode code)
{
    g_assert((int)code >= 0 && code < _ERROR_MAX);
    return error_table[code].dbus_name;
}

ErrorCode error_code_from_dbus_name(const char *name)
{
    for (int i = 0; name != NULL && i < _ERROR_MAX; i++) {
        if (g_str_equal(error_table[i].dbus_name, name))
            return (ErrorCode)i;
    }
    return _ERROR_INVALID;
}

int error_code_to_errno(ErrorCode code)
{
    g_assert((int)code >= 0 && code < _ERROR_MAX);
    return error_table[code].errno_value;
}

const char *error_to_dbus_name(const GError *error)
{
    bool ours = error->domain == SVCMGR_ERROR && error->code >= 0 && error->code < _ERROR_MAX;

    return error_table[ours ? error->code : ERROR_FAILED].dbus_name;
}

bool error_is(const GError *error, ErrorCode code)
{
    return g_error_matches(error, SVCMGR_ERROR, (int)code);
}

bool error_set_errno(GError **error, int errno_value, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *message = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, SVCMGR_ERROR, ERROR_FAILED, "%s: %s", message, g_strerror(abs(errno_value)));
    return false;
}

bool error_set(GError **error, ErrorCode code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *message = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error_literal(error, SVCMGR_ERROR, (int)code, message);
    return false;
}

GError *errors_join(GPtrArray *errors)
{
    if (errors->len == 0)
        return NULL;

    const GError *first = g_ptr_array_index(errors, 0);
    if (errors->len == 1)
        return g_error_copy(first);

    g_autoptr(GString) text = g_string_new(NULL);
    for (unsigned i = 0; i < errors->len; i++) {
        const GError *error = g_ptr_array_index(errors, i);

        g_string_append_printf(text, "%s%s", i > 0 ? "\n" : "", error->message);
    }
    return g_error_new_literal(first->domain, first->code, text->str);
}
