/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Three directories of definitions in a place of their own, and what was loaded from them. */

#include "store/definitions.h"

typedef struct DefinitionFixture {
    char *root;
    char *first;
    char *second;
    char *third;  /* not there, and may be missing */
    GString *log; /* entries that were logged */
    DefinitionTrust trust;
    unsigned max_definitions;
    unsigned max_entries;
    Definitions *loaded;
} DefinitionFixture;

#define DEFINITION_TEST(path, function)                                                            \
    g_test_add("/definitions/" path, DefinitionFixture, NULL, definition_fixture_set_up, function, \
               definition_fixture_tear_down)

void definition_fixture_set_up(DefinitionFixture *fixture, const void *unused);
/* Nothing was logged: whoever loads tells. */
void definition_fixture_tear_down(DefinitionFixture *fixture, const void *unused);

/* Makes the directories of name as well. */
void definition_fixture_write(const char *directory, const char *name, const char *text);
bool definition_fixture_try_load(DefinitionFixture *fixture, GError **error);
void definition_fixture_load(DefinitionFixture *fixture);
Definition *definition_fixture_get(DefinitionFixture *fixture, unsigned index);
/* The same with no more rights than the modes of the files give, also as root. */
void definition_fixture_load_humbly(DefinitionFixture *fixture);
/* Loads one definition and compares its error; in expected, "PATH" stands for its path, "FIRST" and
 * "SECOND" for the directories. */
void definition_fixture_assert_error(DefinitionFixture *fixture, const char *expected);
/* The messages are exactly those, "warning: text\n" each, with "FIRST" and "SECOND". */
void definition_fixture_assert_messages(DefinitionFixture *fixture, const char *expected);
