/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The names of what may be asked for. */

#include "core/log-query.h"

static const char *const log_format_names[] = {
        [LOG_FORMAT_TEXT] = "text",
        [LOG_FORMAT_JSON] = "json",
        [LOG_FORMAT_BARE] = "bare",
};
G_STATIC_ASSERT(G_N_ELEMENTS(log_format_names) == _LOG_FORMAT_MAX);
ENUM_TABLE_DEFINE(LogFormat, log_format, log_format_names)
