/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The methods of the Manager that answer with lists. Lists are bounded by number and by size, and
 * say how to go on. */

#include "base/problem.h"
#include "bus/internal.h"

typedef struct Call Call;

#define LISTING_MAX_SERVICES 1000
/* An answer that has grown to this ends there. */
#define LISTING_MAX_BYTES (UINT64_C(8) * 1024 * 1024)

bool method_listing_read_services(Call *call, GError **error);
bool method_listing_services(Call *call, GError **error);
void listing_arguments_free(void *arguments);
bool method_listing_kinds(Call *call, GError **error);
bool method_listing_read_events(Call *call, GError **error);
bool method_listing_events(Call *call, GError **error);

/* Answers ValidateConfig. */
void listing_answer_problems(Call *call, const Problems *problems);
/* The kind, or NULL and an UnknownKind that names those there are. */
const Kind *listing_get_kind(Map *map, const char *name, GError **error);
