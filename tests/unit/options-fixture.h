/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Options read from a directory and an environment of the test's own: no variable that matters is
 * set but HOME, XDG_RUNTIME_DIR and CONFIGURATION_DIRECTORY, which name folders of root. */

#include "run/options.h"

typedef struct OptionsFixture {
    char *root;       /* removed at the end */
    char *config_dir; /* root/config, in which svcmgrd.json would be */
    GString *log;     /* warnings, one a line */
    bool is_root;     /* false at first */
    Options options;  /* of the last read */
} OptionsFixture;

/* For g_test_add. */
void options_fixture_set_up(OptionsFixture *fixture, const void *unused);
void options_fixture_tear_down(OptionsFixture *fixture, const void *unused);

/* Reads all sources as the daemon does. arguments: as for a shell. */
bool options_fixture_read(OptionsFixture *fixture, const char *arguments, GError **error);
/* Its message, which is asserted to be there; to be freed. */
char *options_fixture_fail(OptionsFixture *fixture, const char *arguments);
/* Writes the file of this name, relative to root, and returns its path; to be freed. */
char *options_fixture_write(OptionsFixture *fixture, const char *name, const char *text);
/* The text with every "ROOT" in it replaced by root; to be freed. */
char *options_fixture_expand(const OptionsFixture *fixture, const char *text);
