/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a record (state.h) says of other services: what the configuration names, who requires this
 * one, and whom it waits for. Immutable and reference-counted, replaced as a whole; services that
 * have nothing to do with others have none. */

#include "core/dependencies.h"

/* More are not named; the rest shows in GetDependencyGraph. */
#define LINKS_WAITING_FOR_MAX 64
#define LINKS_REQUIRED_BY_MAX 1024

typedef struct Links {
    gatomicrefcount refs;
    Dependencies *own;  /* or NULL */
    char **required_by; /* of those that require it or have it as a member, sorted; or NULL */
    char **waiting_for; /* sorted; or NULL */
} Links;

/* Takes the lists (NULL, or NULL-terminated; empty is NULL), refers to own. NULL if there is
 * nothing to say. */
Links *links_new(Dependencies *own, char **required_by, char **waiting_for);
Links *links_ref(Links *links);
void links_unref(Links *links); /* accepts NULL */

/* Of a record's links, which may be NULL; borrowed; NULL: none. */
char *const *links_list(const Links *links, Relation relation);
char *const *links_required_by(const Links *links);
char *const *links_waiting_for(const Links *links);
