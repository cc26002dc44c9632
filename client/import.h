/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The command import: definition files as services that the daemon keeps. */

#include "client.h"

/* arguments: files and folders. */
Outcome import_run(Client *client, char **arguments);
