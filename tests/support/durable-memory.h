/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Durable state in memory, for tests: groups are kept whole or not at all, every call is written
 * down, and any of them fails when told to. Asserts what core owes it: no group inside another, no
 * write outside of one, nothing after a failure but the rollback. */

#include "core/durable.h"

typedef enum MemoryCall {
    MEMORY_BEGIN,
    MEMORY_COMMIT,
    MEMORY_PUT_SERVICE,
    MEMORY_DROP_SERVICE,
    MEMORY_PUT_CONFIG,
    MEMORY_PUT_ENABLED,
    MEMORY_PUT_STATE,
    MEMORY_RESERVE,
    MEMORY_READ,
    _MEMORY_MAX,
} MemoryCall;

/* What is kept under one id. */
typedef struct MemoryService {
    bool created; /* over the bus; false: only said about a definition's */
    char *kind;
    char *description;
    GHashTable *labels; /* a reference, or NULL */
    bool enabled;
    bool has_state;
    DurableState state;   /* error is owned */
    GPtrArray *revisions; /* of DurableRevision with text, oldest first */
    DurableLevel level;   /* of the last group that wrote it */
} MemoryService;

typedef struct DurableMemory {
    Durable durable;
    GHashTable *services; /* id -> MemoryService, kept */
    GHashTable *group;    /* the same of the group that is open; NULL: dropped */
    bool is_open;
    bool has_failed; /* the group */
    bool is_broken;  /* every call but reading fails */
    unsigned fail_at[_MEMORY_MAX];
    /* Or NULL: asked at every call. */
    bool (*fails)(MemoryCall call, void *data);
    void *fails_data;
    unsigned n_calls[_MEMORY_MAX];
    /* "begin service:web config:web:1 enabled:web:1 state:web:wanted,0 drop:web commit:power\n"; a
     * call that failed ends with "!", an error in a state with its text. */
    GString *log;
    uint64_t limit; /* the last serial that is reserved */
} DurableMemory;

DurableMemory *durable_memory_new(void);
/* No group may be open. Accepts NULL. */
void durable_memory_free(DurableMemory *memory);
/* The n-th call of that kind from now on fails; 1: the next. */
void durable_memory_fail(DurableMemory *memory, MemoryCall call, unsigned n);
/* Borrowed, until the next commit; NULL: nothing is kept under id. */
const MemoryService *durable_memory_find(DurableMemory *memory, const char *id);
/* The newest revision that is kept, or NULL. */
const DurableRevision *durable_memory_config(const MemoryService *kept);
/* What was called since the last time. */
void durable_memory_assert_log(DurableMemory *memory, const char *expected);
