/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What changed definitions say of other services, tried before any of it is done. */

#include "core/map.h"
#include "store/definition-set.h"

/* The ids (of char *, the definitions') of changed, created, and of those unchanged that have no
 * service, in an order in which each can be taken over without a cycle on the way. One that would
 * close a cycle, or sets what runs in conflict with what runs, is not among them: it gets that as
 * its definition's error, and changes have to be compared anew (*ret_refused). Of those that close
 * a cycle together the last one is refused: by id, the new ones behind the others. */
GPtrArray *reload_order(Map *map, const DefinitionChanges *changes, bool *ret_refused);
