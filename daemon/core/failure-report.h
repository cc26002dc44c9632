/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Why a service failed, in one document: what core remembers of it (last-failure.h), what its kind
 * knows of the run, what that run said last, what has happened since, and how it is now. It may
 * hold secrets, as what programs say does. */

#include "core/service.h"

#define FAILURE_REPORT_LINES 50

/* A JSON object (RFC 8259) with indents and a newline at its end, members always in this order; the
 * caller's (g_free):
 * "service", "kind": strings;
 * "failure": {"serial", "time_usec", "from", "to": the change that told it; "class", "error",
 *     "error_name" (of the D-Bus error); "exit": {} or {"code"} or {"signal", "core_dumped"};
 *     "failed_attempts", "max_attempts" (0: unlimited)};
 * "run": what the kind says of the run that failed, or null;
 * "config": {"revision", "digest"} in force then, or null;
 * "history": the last moves, oldest first: {"serial", "time_usec", "from", "to", "cause"};
 * "last_lines": at most FAILURE_REPORT_LINES of that run, oldest first, as objects (LOG_FORMAT_JSON
 *     of log-query.h), or null where they cannot be read; none when nothing ran; the last that are
 *     kept, of whatever run, when the failure was before this daemon started;
 * "state", "sub_state", "state_serial", "next_attempt_usec" (0: none): how it is now.
 * Times are of the wall clock. NULL with ERROR_NOT_FOUND: it has not failed. */
char *failure_report(const Service *service, GError **error);
