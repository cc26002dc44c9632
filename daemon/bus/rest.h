/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What sd-bus has read already gets its turn, however busy the loop is. */

#include "bus/internal.h"

/* Watches over all of bus->connections, as long as it is there. */
Rest *rest_new(Bus *bus);
void rest_free(Rest *rest);
