/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From the feed of core to signals: one PropertiesChanged per transition, InterfacesAdded and
 * InterfacesRemoved once each, and after each of them its Event. The kind's own properties are
 * collected and go with the next transition of their service, or at the end of the turn. */

#include "bus/internal.h"

Changes *changes_new(Bus *bus);
void changes_free(Changes *changes); /* accepts NULL */
