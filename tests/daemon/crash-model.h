/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What must be left of a service when the daemon dies. Calls are noted when they are sent; one that
 * was answered with a success has happened, one that was refused has not, and one that was never
 * answered may have happened as a whole or not at all. What is found after the crash must be what
 * some choice of those comes to, and is the truth from then on. */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum CrashOperation {
    CRASH_CREATE,
    CRASH_DELETE,
    CRASH_CONFIGURE,
    CRASH_ENABLE,
    CRASH_DISABLE,
    CRASH_START,
    CRASH_STOP,
    CRASH_RESTART,
    _CRASH_OPERATION_MAX,
} CrashOperation;

const char *crash_operation_to_string(CrashOperation operation);

typedef enum CrashWanted {
    CRASH_NEVER_ASKED, /* nobody has started or stopped it: it runs with the daemon if enabled */
    CRASH_UNWANTED,
    CRASH_WANTED,
    CRASH_WANTED_UNKNOWN, /* it does not run; one of the first two */
    _CRASH_WANTED_MAX,
} CrashWanted;

typedef struct CrashTruth {
    bool exists;
    bool enabled;
    CrashWanted wanted;
    unsigned made; /* the number of the create, in the description */
    unsigned tag;  /* the number of the configuration, in its text */
    uint64_t revision;
    bool may_be_stopping; /* a stop was begun that nothing has shown to be over */
} CrashTruth;

typedef enum CrashAnswer {
    CRASH_OPEN,
    CRASH_DONE,
    CRASH_REFUSED,
    CRASH_LOST, /* the daemon died before */
} CrashAnswer;

typedef struct CrashCall {
    CrashOperation operation;
    CrashAnswer answer;
    unsigned number; /* of a create, a configuration */
    bool start;      /* with the create */
    bool enabled;
    bool behind_delete; /* one was open when this was sent */
    unsigned index;     /* of its service's calls */
    char *error;        /* of a refusal */
} CrashCall;

typedef struct CrashService {
    char *id;
    bool is_defined; /* by a file */
    bool is_oneshot; /* ends by itself: whether it is wanted then is anybody's guess */
    CrashTruth truth;
    bool was_seen_active; /* when it was looked at last */
    bool was_full;        /* the disk, so it may refuse, and need not know what is wanted */
    GQueue calls;         /* of CrashCall, in the order in which they were sent */
    unsigned n_sent;
    unsigned deleted_until; /* calls below this index were sent while a delete was under way, */
    unsigned created_until; /* or a create: they may find that there is nothing yet */
} CrashService;

CrashService *crash_service_new(const char *id, bool is_defined, bool is_oneshot);
void crash_service_free(CrashService *service);

/* Noted as sent; the service's. */
CrashCall *crash_service_send(CrashService *service, CrashOperation operation);
/* error: the D-Bus name; NULL: a success. Asserts, when all calls before it are answered, that a
 * refusal is one that the truth explains. */
void crash_service_answer(CrashService *service, CrashCall *call, const char *error);

/* What is there after a crash, CRASH_WANTED if it runs, else CRASH_UNWANTED. False, and nothing has
 * changed: it cannot be. */
bool crash_service_accept(CrashService *service, const CrashTruth *seen);
/* Whether it must run when the daemon is back; not asked of a oneshot. */
bool crash_truth_runs(const CrashTruth *truth);
/* For a person; the caller's. */
char *crash_truth_to_text(const CrashTruth *truth);
char *crash_service_to_text(const CrashService *service);
