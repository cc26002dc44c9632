/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The names and numbers all come from the one table of base/errors.c. */

#include "bus/errors.h"

#include "base/log.h"
#include "bus/text.h"

#include <errno.h>

#define BUS_ERRORS_OURS "org.svcmgr1.Error."

void bus_errors_register(void)
{
    static sd_bus_error_map map[_ERROR_MAX + 1];
    size_t n = 0;

    for (int code = 0; code < _ERROR_MAX; code++) {
        const char *name = error_code_to_dbus_name((ErrorCode)code);

        if (!g_str_has_prefix(name, BUS_ERRORS_OURS))
            continue; /* sd-bus knows the standard ones */
        map[n++] = (sd_bus_error_map)SD_BUS_ERROR_MAP(name, error_code_to_errno((ErrorCode)code));
    }
    map[n] = (sd_bus_error_map)SD_BUS_ERROR_MAP_END;
    /* Knows a map that it already has. */
    int r = sd_bus_error_add_map(map);
    g_assert(r >= 0);
}

void bus_errors_reply(sd_bus_message *call, const GError *error)
{
    g_autofree char *copy = NULL;
    sd_bus_error wire = SD_BUS_ERROR_MAKE_CONST(error_to_dbus_name(error),
                                                text_sendable(error->message, &copy));
    int r = sd_bus_reply_method_error(call, &wire);

    if (r < 0 && r != -ENOTCONN && r != -ECONNRESET)
        log_warning("cannot answer %s with an error: %s", sd_bus_message_get_member(call),
                    g_strerror(-r));
}

bool bus_errors_set_unreadable(GError **error, int result, const char *what)
{
    if (result == -EBADMSG)
        return error_set(error, ERROR_INVALID_ARGS,
                         "cannot read %s: the message is malformed (a string that is not UTF-8 or "
                         "has a NUL in it, or a wrong length)",
                         what);
    return error_set(error, ERROR_INVALID_ARGS, "cannot read %s: %s", what, g_strerror(-result));
}
