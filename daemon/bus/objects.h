/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The object tree: which path is what, for sd-bus. Services are one fallback that is asked by path,
 * so that ten thousand of them cost nothing until somebody asks. */

#include "bus/connection.h"

/* Registers every object of ours on the connection. Negative errno. */
int objects_register(Connection *connection);
/* What is decided about a message before sd-bus looks at it: 1: dealt with, 0: go on. */
int objects_filter(Connection *connection, sd_bus_message *message);

/* The path of a service, to be freed. */
char *objects_path(const char *id);
