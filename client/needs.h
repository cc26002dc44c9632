/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the status of a service says of others: whom it waits for, whom it needs, who needs it.
 * Pure.
 */

#include "output.h"
#include "value.h"

/* Where the texts begin in a line: those of more lines are indented by as much. */
#define NEEDS_COLUMN 14

/* Whether it has to do with others: only then is it worth to ask for those. */
bool needs_has_any(const json_t *service);
/* Keeps with the properties of a service what the texts tell of others. entries: of
 * GetDependencyGraph, by id. */
void needs_add_entries(json_t *service, json_t *entries);

/* Each: a new string, harmless, of one line or, on a terminal, more; NULL: nothing to say. */
char *needs_text_waits(const Output *output, const json_t *service);
char *needs_text_requires(const Output *output, const json_t *service);
char *needs_text_members(const Output *output, const json_t *service);
char *needs_text_wants(const Output *output, const json_t *service);
char *needs_text_part_of(const Output *output, const json_t *service);
char *needs_text_after(const Output *output, const json_t *service);
char *needs_text_before(const Output *output, const json_t *service);
char *needs_text_conflicts(const Output *output, const json_t *service);
char *needs_text_required_by(const Output *output, const json_t *service);
