/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A kind says what a service really is: a table of callbacks that core drives. Nothing of a kind
 * may call a lifecycle operation (service.h) on its own service from inside a callback.
 *
 * The promise of a kind: when it reports a failed apply, an end, or the end of a stop, nothing of
 * the service runs any more, unless it says of an apply that what ran before it goes on. */

#include "core/config.h"
#include "core/log-query.h"
#include "core/state.h"

typedef struct Service Service;

/* The cancellation token of one apply or reload. Its end is reported exactly once by
 * apply_context_done; after a cancellation nothing is accepted from it any more. Valid until then;
 * whoever keeps it longer takes a reference. */
typedef struct ApplyContext ApplyContext;
ApplyContext *apply_context_ref(ApplyContext *context);
void apply_context_unref(ApplyContext *context); /* accepts NULL */
bool apply_context_is_cancelled(const ApplyContext *context);
/* failure NULL: success. May be called from inside apply. Ignored when cancelled or already done.
 */
void apply_context_done(ApplyContext *context, const Failure *failure);

typedef enum ConfigApplied {
    CONFIG_STORED,   /* not active: in force from the next start on */
    CONFIG_RELOADED, /* taken over by what runs */
    CONFIG_RESTARTED,
    _CONFIG_APPLIED_MAX,
    _CONFIG_APPLIED_INVALID = -22,
} ConfigApplied;
ENUM_TABLE_DECLARE(ConfigApplied, config_applied);

typedef enum SignalWhom {
    SIGNAL_MAIN,
    SIGNAL_ALL,
    _SIGNAL_WHOM_MAX,
    _SIGNAL_WHOM_INVALID = -22,
} SignalWhom;
ENUM_TABLE_DECLARE(SignalWhom, signal_whom); /* "main", "all" */

/* The kind's own D-Bus interface, as values: the bus layer turns them into properties. */
typedef struct KindValue {
    union {
        uint32_t u;
        int32_t i;
        uint64_t t;
        bool b;
        const char *s; /* borrowed from the instance, never NULL */
    };
} KindValue;
/* One entry of a property of many. */
#define KIND_ENTRIES_MAX 16
typedef struct KindEntry {
    const char *name; /* static */
    char type;        /* one of u i t b s */
    KindValue value;  /* strings are static */
} KindEntry;
typedef struct KindProperty {
    const char *name;
    char type; /* one of u i t b s, or 'a': a{sv}, by get_entries, and read only when asked for */
    /* instance NULL: of a service that was never started. */
    void (*get)(const void *instance, KindValue *ret_value);
    /* Returns how many. */
    size_t (*get_entries)(const void *instance, KindEntry ret_entries[KIND_ENTRIES_MAX]);
} KindProperty;
#define KIND_PROPERTIES_MAX 32

struct Kind {
    const char *name;
    const char *description;
    const char *schema; /* JSON Schema text */

    /* Configuration. members fills what config_new made; config_check adds what no single member
     * shows. */
    const JsonMember *members;
    void *(*config_new)(void);
    void (*config_free)(void *own);
    void (*common_defaults)(CommonConfig *common); /* optional */
    /* What whoever runs the daemon wants of every service that does not say otherwise; in force
     * over common_defaults. config_check_defaults has found no error in it. Borrowed, and the same
     * for as long as the kind is used; NULL: nothing. */
    const json_t *defaults;
    /* Optional. May add RELATION_MEMBERS to the dependencies. */
    void (*config_check)(JsonContext *context, Config *config);
    bool completes;   /* to end well by itself is what it is for */
    bool coordinates; /* it runs nothing itself, but starts other services */
    /* Deeper or slower checks than parsing, as warnings; for ValidateConfig. Optional. */
    void (*validate)(const Config *config, Problems *problems);

    /* Made when the service is started for the first time. */
    void *(*instance_new)(const Kind *kind, Service *service);
    void (*instance_free)(void *instance); /* only when nothing of it runs */

    /* Brings config into force, replacing what a former apply set up; ends by apply_context_done.
     */
    void (*apply)(void *instance, ApplyContext *context, Config *config);
    /* The context was cancelled: give up what is under way, asynchronously. A stop or a new apply
     * follows. */
    void (*cancel)(void *instance, ApplyContext *context);
    /* Ends everything; finishes by service_stop_done. */
    void (*stop)(void *instance);

    /* Optional from here on. */
    /* Of what is in force, which is not always what was configured last. Default: reloaded */
    ConfigApplied (*how_applied)(const void *instance, const Config *next);
    /* Whether this host has what config asks for; asked before a Configure of an active service,
     * which is refused with the error. */
    bool (*check_host)(const Kind *kind, const Config *config, GError **error);
    bool (*can_reload)(const Config *config);
    void (*reload)(void *instance, ApplyContext *context, Config *config);
    bool (*signal)(void *instance, SignalWhom whom, int signo, GError **error);
    /* Ends everything by force, what stop waits for as well; stop still finishes as it says. At any
     * time, also again. */
    void (*kill)(void *instance);
    bool (*owns_pid)(const void *instance, uint32_t pid); /* instance may be NULL as well */
    /* Nothing runs, and the apply that was due does not come: what was kept for it may go. */
    void (*rest)(void *instance);
    /* What the service has said. A descriptor to read it from (open(2): close-on-exec), the
     * caller's to close; -1 on an error, which does not say whose log. LimitExceeded: who asks has
     * too many. */
    int (*open_log)(const Kind *kind, const Service *service, const LogQuery *query,
                    GError **error);
    /* What is known of the last run, as an object that is the caller's: invocation_id, main_pid,
     * exit_code, exit_signal, core_dumped, control_group and usage, each where it is known. NULL:
     * it has never run. Asked in the turn in which a failure is told, too. */
    json_t *(*describe_run)(const Kind *kind, const Service *service);
    /* The last n lines that a run has said (invocation NULL: that were said at all), oldest first,
     * as an array of what LOG_FORMAT_JSON makes of each; it is the caller's. NULL: none can be
     * read. It reads files, so it is for who asks, and for nobody else. */
    json_t *(*last_lines)(const Kind *kind, const Service *service, const char *invocation,
                          unsigned n);
    const char *interface;          /* D-Bus name of the kind's own interface */
    const KindProperty *properties; /* ends with a NULL name */

    void *data; /* what the composition root gave the kind (its host) */
};

/* The kind of a service whose definition names no kind that there is: no configuration is good
 * enough for it. It stands in no registry. */
extern const Kind kind_invalid;
