/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The command logs: what services have said. */

#include "client.h"
#include "log-open.h"
#include "log-text.h"

/* arguments: ids and patterns. */
Outcome logs_run(Client *client, char **arguments, const LogQuery *query, LogStyle style);
