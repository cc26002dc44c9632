/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The composition root: makes every layer, gives each what it needs, and takes them through the
 * daemon's life. */

#define DAEMON_EXIT_OK 0
#define DAEMON_EXIT_FAILURE 1
#define DAEMON_EXIT_USAGE 2

/* The whole daemon, from the command line to the exit code. */
int daemon_main(int argc, char **argv);
