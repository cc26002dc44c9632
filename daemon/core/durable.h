/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What must outlive the daemon, as an interface: store/database implements it over SQLite, tests
 * over memory (and over nothing, which fails when told to). Core writes through it and knows no
 * more.
 *
 * Writes come in groups: begin, writes, commit. A group is kept whole or not at all: when a write
 * or the commit fails, the implementation has undone the whole group (rollback is then allowed and
 * does nothing), and who reads sees nothing of it. One exception nobody can rule out: the machine
 * or the daemon dies after a commit that failed in its sync and before the next good one; the group
 * may then be there, whole, at the next open. Nothing but writes stands between begin and commit,
 * all within one call of the loop.
 *
 * Errors: code ERROR_FAILED with the file, what was tried and the reason. */

#include "base/clock.h"
#include "core/state.h"

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DURABLE_REVISIONS                                                                          \
    20 /* as many of each service are kept, and the newest of its definition */

typedef enum DurableLevel {
    DURABLE_CRASH, /* survives a crash of the daemon */
    DURABLE_POWER, /* and a loss of power: synced */
} DurableLevel;

/* Where a configuration came from. */
typedef enum ConfigSource {
    CONFIG_FROM_BUS,
    CONFIG_FROM_DEFINITION,
} ConfigSource;

typedef struct DurableConfig {
    uint64_t revision; /* 1 or more; a row that is there already is replaced */
    uint64_t time;     /* wall clock usec */
    ConfigSource source;
    const char *text; /* length bytes, UTF-8 without NUL */
    size_t length;
} DurableConfig;

/* What the daemon wants of a service and remembers of its troubles. */
typedef struct DurableState {
    bool wanted; /* it was started, and neither stopped nor given up since */
    unsigned failed_attempts;
    FailureClass failure_class;
    uint64_t error_time; /* wall clock usec; 0: none */
    const char *error;   /* or NULL */
} DurableState;

/* For reading. Freed with durable_revision_free. */
typedef struct DurableRevision {
    uint64_t revision;
    uint64_t time;
    ConfigSource source;
    char *text; /* NUL-terminated; NULL in lists */
    size_t length;
    char digest[CONFIG_DIGEST_STRING]; /* of lists alone, which have no texts; else "" */
} DurableRevision;
/* Accepts NULL. */
static inline void durable_revision_free(DurableRevision *revision)
{
    if (revision == NULL)
        return;
    g_free(revision->text);
    g_free(revision);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DurableRevision, durable_revision_free)

typedef struct Durable Durable;
struct Durable {
    bool (*begin)(Durable *durable, GError **error);
    bool (*commit)(Durable *durable, DurableLevel level, GError **error);
    void (*rollback)(Durable *durable);

    /* Within a group. */
    /* A service that was created over the bus; replaces one of that id with all that was kept of
     * it. labels: of strings, or NULL. description: or NULL. */
    bool (*put_service)(Durable *durable, const char *id, const char *kind, const char *description,
                        GHashTable *labels, GError **error);
    /* Everything that is kept of id, whether it was created over the bus or not. No error if
     * there is nothing. */
    bool (*drop_service)(Durable *durable, const char *id, GError **error);
    /* One more revision; the oldest beyond DURABLE_REVISIONS go, but for the newest that came from
     * the definition. */
    bool (*put_config)(Durable *durable, const char *id, const DurableConfig *config,
                       GError **error);
    bool (*put_enabled)(Durable *durable, const char *id, bool enabled, GError **error);
    bool (*put_state)(Durable *durable, const char *id, const DurableState *state, GError **error);

    /* Outside of a group: a group of its own, synced. From next on n serials may be given once it
     * is kept; ret_limit: the last of them. */
    bool (*reserve_serials)(Durable *durable, uint64_t next, uint64_t n, uint64_t *ret_limit,
                            GError **error);

    /* Reading, outside of a group. GPtrArray of DurableRevision, oldest first, without texts. */
    GPtrArray *(*list_revisions)(Durable *durable, const char *id, GError **error);
    /* NULL: NotFound, or another error. */
    DurableRevision *(*get_revision)(Durable *durable, const char *id, uint64_t revision,
                                     GError **error);
};
