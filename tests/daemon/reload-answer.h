/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What ReloadDefinitions says. */

#include "support/daemon-fixture.h"

typedef struct Answer {
    GHashTable *lists;  /* "created" ... -> ids, joined by blanks */
    GHashTable *failed; /* id -> reason */
} Answer;
void answer_free(Answer *answer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Answer, answer_free)

/* Calls it, or asks what it would do; the caller's. */
Answer *reload(DaemonFixture *fixture);
Answer *reload_dry(DaemonFixture *fixture);

/* name: "created", "changed", "removed" or "unchanged"; expected: ids, joined by blanks. */
void assert_list(Answer *answer, const char *name, const char *expected);
/* It is among the failed, and its reason has part. */
void assert_failed(Answer *answer, const char *id, const char *part);
