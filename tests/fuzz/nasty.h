/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Random arguments of D-Bus calls: of a signature, with values that are often words which mean
 * something to the daemon (so that a call gets far), often extreme, and often hostile. All
 * randomness is GTest's, so that a seed brings it back. */

#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-bus.h>

/* below: exclusive. */
unsigned nasty_random(unsigned below);
/* True once in n times. */
bool nasty_once_in(unsigned n);
const char *nasty_pick(const char *const *words); /* NULL-terminated */

/* Ids of services that there may be. */
extern const char *const nasty_ids[];
/* Configurations that are accepted. Whatever is made of them, no program but true, false and sleep
 * is ever run. */
extern const char *const nasty_configs[];

/* Appends arguments of this signature. Negative: sd-bus refuses such a value; the message is of no
 * use then. */
int nasty_append(sd_bus_message *message, const char *signature);
/* A signature that is nearly this one, and valid. */
char *nasty_near_miss(const char *signature);
/* The path of an object that there is, may be, or is not. */
char *nasty_path(void);
