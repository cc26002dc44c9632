/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is wrong with a document: a list, since all mistakes are reported, not only the first. Each
 * has a place: a JSON Pointer (RFC 6901; "" is the document) and, where the parser knows them, line
 * and column (1-based; column in bytes), else 0. */

#include "base/enum-table.h"

#include <glib.h>
#include <stdbool.h>

typedef enum ProblemSeverity {
    PROBLEM_ERROR,
    PROBLEM_WARNING,
    _PROBLEM_MAX,
    _PROBLEM_INVALID = -22,
} ProblemSeverity;
ENUM_TABLE_DECLARE(ProblemSeverity, problem_severity); /* "error", "warning" */

typedef struct Problem {
    ProblemSeverity severity;
    char *pointer;
    unsigned line;
    unsigned column;
    char *message;
} Problem;

/* At most this many are kept of one document; the last one then says so. */
#define PROBLEMS_MAX 64

typedef struct Problems Problems;
Problems *problems_new(void);
void problems_free(Problems *problems);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Problems, problems_free)
void problems_add(Problems *problems, ProblemSeverity severity, const char *pointer, unsigned line,
                  unsigned column, const char *format, ...) G_GNUC_PRINTF(6, 7);
unsigned problems_count(const Problems *problems);
/* Whether what is added is only counted: no need to find words or places for it. */
bool problems_are_full(const Problems *problems);
const Problem *problems_get(const Problems *problems, unsigned index);
bool problems_have_errors(const Problems *problems);
/* An ERROR_INVALID_CONFIG of all errors (warnings left out), one per line, each "member.path:
 * message" with the pointer in people's dotted form, or "line L, column C: message" where only that
 * is known. NULL if none. */
GError *problems_to_error(const Problems *problems);
