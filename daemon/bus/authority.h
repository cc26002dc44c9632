/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who may do what: the one place that decides. Methods without an action are open to everybody; the
 * others are for root and for the user that the daemon runs as. */

#include "bus/internal.h"

typedef struct Call Call;

/* The call's credentials must be known if its method has an action. False: error AccessDenied, and
 * the denial has been logged. */
bool authorise(const Call *call, GError **error);
/* Whether whoever calls might act; an unknown caller may not. */
bool authority_allows_caller(const Call *call);
bool authority_allows_uid(const Bus *bus, uint32_t uid);
