/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a service remembers of its last failure, from the moment of it until the next one: also when
 * it has recovered, for that is when people come to ask. The error is the one that the record
 * showed; how the run ended and what it used is asked of the kind at that moment, since the next
 * run takes its place. */

#include "core/config-text.h"
#include "core/state.h"

typedef struct Service Service;

typedef struct LastFailure {
    uint64_t serial; /* of the change that told it; 0 before the service was published */
    uint64_t time;   /* wall clock usec */
    State from : 8;
    State to : 8;
    FailureClass failure_class : 8;
    ExitStatus exit;
    unsigned failed_attempts; /* in a row, this one included */
    unsigned max_attempts;    /* 0: unlimited */
    GError *error;
    uint64_t config_revision;                 /* 0: it had none */
    char config_digest[CONFIG_DIGEST_STRING]; /* "": it had none */
    char *run; /* what the kind said of it: an object as JSON text; NULL: nothing ran */
} LastFailure;

void last_failure_free(LastFailure *failure); /* accepts NULL */
/* service is about to have this record, in which the error of a failure stands, and to move to that
 * state; serial: of the change that will tell it. previous: the last failure before, or NULL; it is
 * freed. exit may be NULL. The same failure may come twice, when it is told before what ran is gone
 * and when it is: then it keeps where it began. */
LastFailure *last_failure_renew(LastFailure *previous, const Service *service,
                                const StateRecord *record, State to, uint64_t serial,
                                const ExitStatus *exit);
