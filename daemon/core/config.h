/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A configuration as it was accepted: the text and what was read from it. Immutable and
 * reference-counted, since the running one and the newest one are kept apart. What every kind has
 * in common (restart, start limit, timeouts, dependencies) is read here, once for all kinds; the
 * rest by the kind's member table. A member that the text does not name has the value of the kind's
 * `defaults` (kind.h), else the kind's own, else the built-in one; member by member, also within
 * `restart` and `start_limit`. */

#include "base/json.h"
#include "core/config-text.h"
#include "core/dependencies.h"
#include "core/restart.h"

typedef struct Kind Kind;

typedef struct CommonConfig {
    RestartPolicy restart;
    StartLimit start_limit;
    uint64_t start_timeout_usec; /* USEC_INFINITY: none */
    uint64_t stop_timeout_usec;
    Dependencies *dependencies; /* NULL: it names no other service */
} CommonConfig;

typedef struct Config Config;
struct Config {
    gatomicrefcount refs;
    const Kind *kind;
    ConfigText *text;
    CommonConfig common;
    void *own; /* the kind's */
};

/* NULL with problems added. Warnings may be added on success too. */
Config *config_parse(const Kind *kind, const char *text, size_t length, Problems *problems);
/* Of a text that was accepted from the same kind, which cannot fail; shares it. */
Config *config_parse_again(const Kind *kind, ConfigText *text);
Config *config_ref(Config *config);
void config_unref(Config *config); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Config, config_unref)

/* Adds what keeps value from being a kind's `defaults`: an object of the members that all kinds
 * have in common. */
void config_check_defaults(JsonContext *context, const JsonPath *path, const json_t *value);

/* Reads an array of exit codes (0-255) and signal names into an ExitSet; a JsonRead for kinds too.
 */
void config_read_exit_set(JsonContext *context, const JsonPath *path, const json_t *value,
                          void *field, const void *unused);
