/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A database in a directory of its own, and short words for what tests write into it. What fails
 * where nothing should ends the test. */

#include "base/virtual.h"
#include "store/database.h"
#include "store/saved.h"

#include <glib.h>

typedef struct StoreFixture {
    char *root;      /* a temporary directory */
    char *state_dir; /* in it; made by the first open */
    char *path;      /* of the file */
    VirtualLoop *loop;
    RandomSeeded random;
    DatabaseOptions options;
    Database *database; /* NULL: closed */
    Durable *durable;
} StoreFixture;

/* Opens nothing. */
void store_fixture_set_up(StoreFixture *fixture, const void *unused);
void store_fixture_tear_down(StoreFixture *fixture, const void *unused);

void store_open(StoreFixture *fixture);
void store_close(StoreFixture *fixture);
void store_reopen(StoreFixture *fixture);
/* The error of an open that must fail. */
char *store_open_error(StoreFixture *fixture);
/* Notes a start of a run in this boot, as a daemon does. */
void store_note_start(StoreFixture *fixture);

void store_begin(StoreFixture *fixture);
void store_commit(StoreFixture *fixture, DurableLevel level);
/* Within a group. */
void store_put_service(StoreFixture *fixture, const char *id);
void store_put_config(StoreFixture *fixture, const char *id, uint64_t revision, ConfigSource source,
                      const char *text);
void store_put_state(StoreFixture *fixture, const char *id, bool wanted, const char *error);
/* A group of its own: n services "s00000", ... with configuration, enabled and state. */
void store_fill(StoreFixture *fixture, unsigned n);

GPtrArray *store_load(StoreFixture *fixture);
const SavedService *store_find(GPtrArray *services, const char *id);
/* Everything that can be read, as one text. */
char *store_digest(Database *database);

char *store_read_file(const char *path, size_t *ret_length);
void store_write_file(const char *path, const char *bytes, size_t length);
/* Names in the state directory that begin with prefix. */
GPtrArray *store_names(StoreFixture *fixture, const char *prefix);
