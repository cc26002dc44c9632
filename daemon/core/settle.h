/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What follows for other services when one moves. A move only marks who has to look again; the
 * queue lets each of them look once, before anything is executed in that turn of the loop, so that
 * none acts on half of what has happened. */

#include "core/graph.h"

typedef struct Core Core;
typedef struct StateRecord StateRecord;

/* From the one writer: this service has a new record. */
void settle_note_move(Service *service, const StateRecord *old, const StateRecord *now);
/* It has come (and is published), or is about to go: those that name it look again. */
void settle_note_present(GraphNode *node);
/* Its record has to say who requires it now. */
void settle_note_links(GraphNode *node);
/* It has to look again. */
void settle_mark(GraphNode *node);
/* Whether it comes back when it has stopped is another matter now. */
void settle_note_target(Service *service);
/* What could not be killed is waited for no more, neither by a stop nor by a start. */
void settle_note_unkillable(Service *service);
/* There may be room for one more that starts (slots.h). */
void settle_note_room(Core *core);
/* From the queue: it looks. */
void settle_look(GraphNode *node);
