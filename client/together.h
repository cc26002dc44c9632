/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Several services started or stopped as one (StartServices, StopServices), or only the plan of it.
 */

#include "client.h"

typedef struct TogetherOptions {
    gboolean dry_run;
    gboolean atomic; /* a start always is: it only says that it is to be this way */
    gboolean ordered;
} TogetherOptions;

typedef struct TogetherWay {
    const char *verb;   /* "start", "stop" */
    const char *member; /* of the Manager */
    const char *goal;   /* the state to which it leads */
} TogetherWay;

/* arguments: ids and patterns. Returns when all have settled; a line for each service, or for each
 * step of the plan. */
Outcome together_run(Client *client, const TogetherWay *way, const TogetherOptions *options,
                     char **arguments);
