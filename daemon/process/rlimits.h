/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The limits of setrlimit(2) by the names that definitions use. RLIMIT_LOCKS is not among them: it
 * carries the mark of the daemon (host-internal.h). */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

#define LIMIT_INFINITY UINT64_MAX /* RLIM64_INFINITY */

typedef struct SpawnLimit {
    int resource;  /* RLIMIT_* */
    uint64_t soft; /* at most hard; LIMIT_INFINITY: none */
    uint64_t hard;
} SpawnLimit;

typedef struct LimitName {
    const char *name; /* "nofile" */
    int resource;
    bool is_bytes;
} LimitName;
#define LIMIT_N_NAMES 15
/* Ends with a NULL name. */
extern const LimitName limit_names[LIMIT_N_NAMES + 1];

/* NULL: no limit that has a name. */
const char *limit_to_string(int resource);
/* "1024", "infinity". */
char *limit_value_to_string(uint64_t value);

/* Puts limit into *limits (of SpawnLimit, ordered by resource; made if it is NULL). It takes the
 * place of one of the same resource. */
void limits_set(GArray **limits, const SpawnLimit *limit);
/* limits may be NULL. Borrowed; NULL: there is none for this resource. */
const SpawnLimit *limits_find(const GArray *limits, int resource);
bool limits_are_equal(const GArray *a, const GArray *b); /* each may be NULL, which is none */
