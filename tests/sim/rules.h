/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What every single change must be: one that was announced or that a timer makes, along a move that
 * its cause allows, with times, counts and delays as the documentation has them. */

#include "world.h"

/* The witness of all changes: a ChangeFunc, data is the World. */
void rules_on_change(const Change *change, void *data);
