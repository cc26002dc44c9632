/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Random configurations of the program "erratic": services of every temper, in a hurry. */

#include <glib.h>

/* A kind, static, and a configuration for it that the daemon accepts; the caller's. */
char *storm_config_random(GRand *rand, const char **ret_kind);
/* One that it must refuse, whatever the kind; static. */
const char *storm_config_bad(GRand *rand);
