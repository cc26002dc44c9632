/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Calls whose effect has to be kept: they become requests (core/requests.h), which are written and
 * done in groups, and are answered then. */

#include "bus/call.h"

/* For methods that have request and answer in the table. Answers, keeps the call, or sets an error.
 */
bool staging_act(Call *call, GError **error);
/* Does what the peer (or NULL) has asked for before and what still waits to be written, so that its
 * next call does not overtake it. */
void staging_catch_up(const Bus *bus, Peer *peer);
