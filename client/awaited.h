/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What services are waiting for while a person waits for them: asked once of each, then followed by
 * the daemon's signals. Nothing is asked before the first look. */

#include "client.h"

typedef struct Awaited Awaited;

/* Borrows the client, which must be connected for as long. */
Awaited *awaited_new(Client *client);
void awaited_free(Awaited *awaited); /* accepts NULL; nothing is called back any more */

/* From now on it is known of this one, unless there are too many. What cannot be had stays unknown.
 */
void awaited_look(Awaited *awaited, const char *id);
/* "waits for db", of a group that is starting its members; NULL: it does not, or that is not known
 * (yet). A new string. */
char *awaited_text(const Awaited *awaited, const char *id);
/* Whether there is something new since this was asked last. */
bool awaited_has_news(Awaited *awaited);
/* "active"; "": not known (yet). Borrowed until something is called back. */
const char *awaited_state(const Awaited *awaited, const char *id);
