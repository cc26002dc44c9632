/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The one error domain. Every error that a person will read is a GError of SVCMGR_ERROR; its code
 * decides the D-Bus name under which it travels (see the table in errors.c and page "Errors" of
 * the README). Two bridges lead in and out: errno -> GError and GError -> D-Bus name. */

#include <glib.h>
#include <stdbool.h>

#define SVCMGR_ERROR (svcmgr_error_quark())
GQuark svcmgr_error_quark(void);

typedef enum ErrorCode {
    ERROR_FAILED,        /* anything that has no better name; org.freedesktop.DBus.Error.Failed */
    ERROR_INVALID_ARGS,  /* org.freedesktop.DBus.Error.InvalidArgs */
    ERROR_ACCESS_DENIED, /* org.freedesktop.DBus.Error.AccessDenied */
    ERROR_NOT_FOUND,     /* from here on org.svcmgr1.Error.* */
    ERROR_ID_EXISTS,
    ERROR_INVALID_ID,
    ERROR_UNKNOWN_KIND,
    ERROR_INVALID_CONFIG,
    ERROR_ALREADY_STARTED,
    ERROR_ALREADY_STOPPED,
    ERROR_ALREADY_LOADING,
    ERROR_BUSY,
    ERROR_IMMUTABLE,
    ERROR_DEPENDENCY_CYCLE,
    ERROR_DEPENDENCY_FAILED,
    ERROR_HAS_DEPENDENTS,
    ERROR_CONFLICT,
    ERROR_START_LIMIT_HIT,
    ERROR_TIMEOUT,
    ERROR_NOT_SUPPORTED,
    ERROR_SHUTTING_DOWN,
    ERROR_LIMIT_EXCEEDED,
    _ERROR_MAX,
    _ERROR_INVALID = -22,
} ErrorCode;

/* The D-Bus name of a code, static. */
const char *error_code_to_dbus_name(ErrorCode code);
/* The code of a D-Bus name; _ERROR_INVALID for a name that is not ours. */
ErrorCode error_code_from_dbus_name(const char *name);
/* The positive errno that a client sees for a code (registered with SD_BUS_ERROR_MAP by bus and
 * client). */
int error_code_to_errno(ErrorCode code);

/* The D-Bus name of any GError: ours by its code, every other domain as Failed. */
const char *error_to_dbus_name(const GError *error);
bool error_is(const GError *error, ErrorCode code);

/* Sets *error to "MESSAGE: strerror(|errno_value|)" with code ERROR_FAILED. Takes positive or
 * negative errno values. Returns false, so that a caller can write "return error_set_errno(...)".
 */
bool error_set_errno(GError **error, int errno_value, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* Sets *error; returns false for the same reason. */
bool error_set(GError **error, ErrorCode code, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* Joins errors to one: NULL for an empty array, a copy for one, else the messages one per line with
 * the code of the first. The array (of GError *) and its errors stay the caller's. */
GError *errors_join(GPtrArray *errors);
