/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* An operation on many services side by side: a call on each, then the wait for what it leads to,
 * then a line about each. */

#include "client.h"

typedef struct Operation {
    const char *verb;          /* for errors: "cannot VERB 'ID'" */
    const char *member;        /* the method; NULL: only wait */
    const char *plan;          /* the Manager's method that tells an order; NULL: any will do */
    const char *until;         /* what Wait waits for; NULL: nothing */
    const char *goals[6];      /* the states in which it has succeeded, whatever error there was */
    bool minds_error;          /* there, too, an error is a failure */
    bool shows_output;         /* of a failure, with what the program said last */
    const char *already_error; /* the error that says that there is nothing to do, or NULL */
    const char *already;       /* "ID is already ALREADY", final; NULL: its state, once settled */
    const char *joins_error;   /* the error that says that the same is under way, or NULL */
    uint64_t after_serial;     /* without member: for Wait */
} Operation;

/* ids: as given, patterns are expanded. Without a member no pattern is needed either. */
Outcome operate(Client *client, const Operation *operation, char **arguments);
/* Only the wait, and its line, for a service on which the call was made already; remark is added to
 * the line, e.g. "created"; or NULL. after_serial: the state must be from a later serial. */
Outcome operate_follow(Client *client, const Operation *operation, const char *id,
                       uint64_t after_serial, const char *remark);
