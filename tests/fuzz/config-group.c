/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Configurations of the kind group: what is accepted names members that there may be, each once,
 * and means the same again, in other words too. */

#include "base/parse.h"
#include "config.h"
#include "fuzz.h"
#include "kinds/kinds.h"

#include <string.h>

static void group_assert_members(const Config *config)
{
    const Dependencies *dependencies = config->common.dependencies;
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

    g_assert_nonnull(dependencies);
    char **members = dependencies->lists[RELATION_MEMBERS];
    g_assert_nonnull(members);
    g_assert_nonnull(members[0]);
    for (char **id = members; *id != NULL; id++) {
        g_assert_true(parse_id(*id, NULL));
        g_assert_true(g_hash_table_add(seen, *id));
    }
    g_assert_cmpuint(g_hash_table_size(seen), <=, DEPENDENCIES_MAX);
    for (int i = 0; i < _RELATION_MAX; i++)
        g_assert_true(dependencies->lists[i] == NULL || dependencies->lists[i][0] != NULL);
}

static void group_assert_same(const Kind *kind, const Config *config, const char *text)
{
    g_autoptr(Problems) problems = problems_new();
    g_autoptr(Config) again = config_parse(kind, text, strlen(text), problems);

    g_assert_nonnull(again);
    g_assert_true(dependencies_equal(again->common.dependencies, config->common.dependencies));
    g_assert_cmpint(again->common.restart.mode, ==, config->common.restart.mode);
    g_assert_cmpuint(again->common.start_timeout_usec, ==, config->common.start_timeout_usec);
    g_assert_cmpuint(again->common.stop_timeout_usec, ==, config->common.stop_timeout_usec);
}

/* Members sorted, every character above ASCII escaped. */
static void group_assert_rewritten(const Kind *kind, const Config *config, const uint8_t *data,
                                   size_t size)
{
    json_t *document = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);

    g_assert_nonnull(document);
    char *text = json_dumps(document, JSON_SORT_KEYS | JSON_ENSURE_ASCII | JSON_INDENT(1));
    json_decref(document);
    if (strlen(text) <= JSON_MAX_BYTES)
        group_assert_same(kind, config, text);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree Kind *kind = kind_group_new(NULL);
    g_autoptr(Problems) problems = problems_new();
    g_autoptr(Config) config = config_parse(kind, (const char *)data, size, problems);

    if (config == NULL) {
        fuzz_config_assert_problems(problems);
        return 0;
    }
    g_assert_false(problems_have_errors(problems));
    group_assert_members(config);
    group_assert_rewritten(kind, config, data, size);
    return 0;
}
