/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of the options share: the table, and where each value came from. Whatever its
 * source, a value becomes JSON first and is then read by one reader per type. */

#include "base/json.h"
#include "run/options.h"

/* In the order of precedence. */
typedef enum OptionSource {
    OPTION_SOURCE_DEFAULT,
    OPTION_SOURCE_FILE,
    OPTION_SOURCE_ENVIRONMENT,
    OPTION_SOURCE_COMMAND_LINE,
    _OPTION_SOURCE_MAX,
    _OPTION_SOURCE_INVALID = -22,
} OptionSource;

typedef enum OptionType {
    OPTION_FLAG,         /* bool */
    OPTION_STRING,       /* char *; argument: what is expected, in words */
    OPTION_PATH,         /* char *; argument: a word that may stand in its place, or NULL */
    OPTION_WORD_OR_PATH, /* char *; argument: OptionWords; a relative path may be a misspelt word */
    OPTION_PATHS,        /* char **; several options, or one variable with ":" between them */
    OPTION_COUNT,        /* uint64_t; argument: JsonRange */
    OPTION_SIZE,         /* uint64_t, bytes; argument: JsonRange */
    OPTION_DURATION,     /* uint64_t, usec; argument: JsonRange */
    OPTION_ENUM,         /* of the size of int; argument: OptionEnum */
    OPTION_DEFAULTS,     /* json_t *, of services */
    _OPTION_TYPE_MAX,
    _OPTION_TYPE_INVALID = -22,
} OptionType;

typedef struct OptionEnum {
    JsonEnum strings;
    const char *(*to_string)(int value);
} OptionEnum;

typedef struct OptionWords {
    const char *const *words; /* NULL-terminated */
    const char *expected;
} OptionWords;

/* Flags of an entry. */
enum {
    OPTION_ON_COMMAND_LINE = 1 << 0,
    OPTION_IN_ENVIRONMENT = 1 << 1,
    OPTION_IN_FILE = 1 << 2,
    OPTION_EVERYWHERE = OPTION_ON_COMMAND_LINE | OPTION_IN_ENVIRONMENT | OPTION_IN_FILE,
    OPTION_MAY_BE_MISSING = 1 << 3, /* what the default names, but not what was given */
};

typedef struct OptionEntry {
    const char *name; /* "log-level" */
    OptionType type;
    unsigned flags;
    size_t offset; /* in Options */
    const void *argument;
    const char *description;
    const char *placeholder; /* or NULL */
} OptionEntry;

#define OPTIONS_MAX 32
extern const OptionEntry options_table[]; /* ends with a NULL name */
const OptionEntry *options_find_entry(const char *name);

/* As GOption writes them. */
typedef union OptionGiven {
    gboolean flag;
    char *text;
    char **list;
} OptionGiven;

typedef struct OptionsReading {
    OptionGiven given[OPTIONS_MAX]; /* by the place in the table */
    OptionSource sources[OPTIONS_MAX];
} OptionsReading;

OptionSource *options_source(const Options *options, const OptionEntry *entry);
void *options_field(const Options *options, const OptionEntry *entry);

/* "log_level", "SVCMGR_LOG_LEVEL" */
char *option_member(const OptionEntry *entry);
char *option_variable(const OptionEntry *entry);

GOptionArg option_arg(const OptionEntry *entry);
/* What a variable or an argument says, of which a relative path begins at the present directory.
 * NULL: it is not UTF-8. */
json_t *option_from_text(const OptionEntry *entry, const char *text);
json_t *option_from_list(const OptionEntry *entry, char **list);
/* Reads value into the field. */
void option_read(JsonContext *context, const JsonPath *path, const json_t *value, void *field,
                 const OptionEntry *entry);
/* As the config file would say it; NULL: it would not. */
json_t *option_to_json(const OptionEntry *entry, const void *field);

/* Values that need no place. */
void options_set_values(Options *options);
/* Where the config file is that nobody named, or NULL. */
char *options_default_config(bool is_user);
/* What is still missing, and what follows from the rest. */
void options_fill_in(Options *options, GPtrArray *errors);

void options_refuse(GPtrArray *errors, const char *format, ...) G_GNUC_PRINTF(2, 3);
