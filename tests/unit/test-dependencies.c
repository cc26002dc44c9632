/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a configuration says of other services: how it is read, and when two say the same. */

#include "core-fixture.h"

#include "base/errors.h"

#include <string.h>

/* What a group will do: one list more, into the same dependencies. */
typedef struct MembersConfig {
    char **members;
} MembersConfig;

static const JsonMember members_members[] = {
        {"members", dependencies_read_ids, offsetof(MembersConfig, members), NULL, false},
        {NULL, NULL, 0, NULL, false},
};

static void *members_new(void)
{
    return g_new0(MembersConfig, 1);
}

static void members_free(void *own)
{
    MembersConfig *config = own;
    g_strfreev(config->members);
    g_free(config);
}

static void members_check(JsonContext *context, Config *config)
{
    MembersConfig *own = config->own;
    config->common.dependencies->lists[RELATION_MEMBERS] = g_steal_pointer(&own->members);
}

static const Kind kind_members = {
        .name = "members",
        .members = members_members,
        .config_new = members_new,
        .config_free = members_free,
        .config_check = members_check,
};

static Config *parse(const char *text, Problems *problems)
{
    g_autoptr(GString) json = g_string_new(text);
    (void)g_string_replace(json, "'", "\"", 0);
    return config_parse(&kind_members, json->str, json->len, problems);
}

static Config *parse_well(const char *text)
{
    g_autoptr(Problems) problems = problems_new();
    Config *config = parse(text, problems);
    g_assert_cmpuint(problems_count(problems), ==, 0);
    g_assert_nonnull(config);
    return config;
}

static void assert_list(const Dependencies *dependencies, Relation relation, const char *expected)
{
    char **ids = dependencies->lists[relation];
    g_autofree char *got = ids != NULL ? g_strjoinv(" ", ids) : NULL;
    g_assert_cmpstr(got, ==, expected);
}

/* In the order given; one id may be in several lists. */
static void test_everything(void)
{
    g_autoptr(Config) config =
            parse_well("{'requires': ['db', 'a'], 'wants': ['b'], 'after': ['db', 'x@1:2'],"
                       " 'before': ['c'], 'conflicts': ['d', 'web'], 'part_of': ['db'],"
                       " 'members': ['m', 'l'], 'keep_up': {'grace': '2s', '$comment': 'x'}}");
    const Dependencies *dependencies = config->common.dependencies;
    assert_list(dependencies, RELATION_REQUIRES, "db a");
    assert_list(dependencies, RELATION_WANTS, "b");
    assert_list(dependencies, RELATION_AFTER, "db x@1:2");
    assert_list(dependencies, RELATION_BEFORE, "c");
    assert_list(dependencies, RELATION_CONFLICTS, "d web");
    assert_list(dependencies, RELATION_PART_OF, "db");
    assert_list(dependencies, RELATION_MEMBERS, "m l");
    g_assert_cmpuint(dependencies->keep_up_grace_usec, ==, 2 * USEC_PER_SEC);
}

static void test_nothing(void)
{
    static const char *const texts[] = {"{}", "{'requires': []}",
                                        "{'wants': [], 'after': [], 'members': []}"};
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(Config) config = parse_well(texts[i]);
        g_assert_null(config->common.dependencies);
    }
    g_autoptr(Config) config = parse_well("{'requires': ['a'], 'wants': []}");
    assert_list(config->common.dependencies, RELATION_WANTS, NULL);
    g_assert_cmpuint(config->common.dependencies->keep_up_grace_usec, ==, USEC_INFINITY);
}

static const struct {
    const char *text;
    const char *pointer;
    const char *message; /* begins so */
} mistakes[] = {
        {"{'requires': 'db'}", "/requires", "expected an array of ids, got \"db\""},
        {"{'wants': {}}", "/wants", "expected an array of ids, got"},
        {"{'after': null}", "/after", "expected an array of ids, got null"},
        {"{'before': [1]}", "/before/0", "expected the id of a service, got 1"},
        {"{'conflicts': ['a', ['b']]}", "/conflicts/1", "expected the id of a service, got"},
        {"{'part_of': ['a', 'b', '']}", "/part_of/2", "expected an id"},
        {"{'requires': ['.a']}", "/requires/0", "expected an id"},
        {"{'requires': ['-a']}", "/requires/0", "expected an id"},
        {"{'requires': ['a b']}", "/requires/0", "expected an id"},
        {"{'requires': ['../a']}", "/requires/0", "expected an id"},
        {"{'members': ['a/b']}", "/members/0", "expected an id"},
        {"{'wants': ['a', 'b', 'a']}", "/wants/2", "'a' is named twice"},
        {"{'members': ['a', 'a']}", "/members/1", "'a' is named twice"},
        {"{'requires': ['a'], 'conflicts': ['b', 'a']}", "/conflicts/1", "'a' is in requires, too"},
        {"{'wants': ['a'], 'conflicts': ['a']}", "/conflicts/0", "'a' is in wants, too"},
        {"{'members': ['a'], 'conflicts': ['a']}", "/conflicts/0", "'a' is in members, too"},
        {"{'keep_up': {'grace': 0}}", "/keep_up", "it has nothing to keep up with"},
        {"{'wants': ['a'], 'keep_up': {'grace': 0}}", "/keep_up", "it has nothing to keep up with"},
        {"{'requires': [], 'keep_up': {'grace': 0}}", "/keep_up", "it has nothing to keep up with"},
        {"{'requires': ['a'], 'keep_up': true}", "/keep_up", "expected an object"},
        {"{'requires': ['a'], 'keep_up': {}}", "/keep_up/grace", "required, but missing"},
        {"{'requires': ['a'], 'keep_up': {'grace': 'infinity'}}", "/keep_up/grace",
         "expected a duration such as \"30s\", at most a year"},
        {"{'requires': ['a'], 'keep_up': {'grace': -1}}", "/keep_up/grace", "expected a duration"},
        {"{'requires': ['a'], 'keep_up': {'grace': 1, 'x': 1}}", "/keep_up/x", "unknown member"},
};

static void test_mistakes(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(mistakes); i++) {
        g_autoptr(Problems) problems = problems_new();
        g_assert_null(parse(mistakes[i].text, problems));
        g_assert_cmpuint(problems_count(problems), ==, 1);
        const Problem *problem = problems_get(problems, 0);
        g_test_message("%s -> %s: %s", mistakes[i].text, problem->pointer, problem->message);
        g_assert_cmpstr(problem->pointer, ==, mistakes[i].pointer);
        g_assert_true(g_str_has_prefix(problem->message, mistakes[i].message));
    }
}

static void test_all_mistakes_at_once(void)
{
    g_autoptr(Problems) problems = problems_new();
    g_assert_null(parse("{'requires': ['a', 'a', '/'], 'wants': 1, 'keep_up': {}}", problems));
    g_assert_cmpuint(problems_count(problems), ==, 4);
}

/* An id of 255 bytes is one, of 256 is none. */
static void test_longest_id(void)
{
    g_autoptr(Problems) problems = problems_new();
    g_autofree char *longest = g_strnfill(255, 'x');
    g_autofree char *text = g_strdup_printf("{'wants': ['%s']}", longest);
    g_autofree char *too_long = g_strdup_printf("{'wants': ['%sx']}", longest);
    g_autoptr(Config) config = parse_well(text);
    assert_list(config->common.dependencies, RELATION_WANTS, longest);
    g_assert_null(parse(too_long, problems));
    g_assert_cmpstr(problems_get(problems, 0)->pointer, ==, "/wants/0");
}

static void ids_append(GString *text, const char *list, int n)
{
    g_string_append_printf(text, "%s'%s': [", text->len > 1 ? ", " : "", list);
    for (int i = 0; i < n; i++)
        g_string_append_printf(text, "%s's%d'", i > 0 ? "," : "", i);
    g_string_append(text, "]");
}

/* Ids in requires and in after; where they are too many, and what is said. */
static void test_limit(void)
{
    static const struct {
        int requires, after;
        const char *pointer; /* NULL: accepted */
        const char *message;
    } rows[] = {
            {4096, 0, NULL, NULL},
            {2048, 2048, NULL, NULL},
            {4097, 0, "/requires", "expected at most 4096 ids, got 4097"},
            {1, 10000, "/after", "expected at most 4096 ids, got 10000"},
            {4096, 1, "", "expected at most 4096 ids in all lists of other services, got 4097"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Problems) problems = problems_new();
        g_autoptr(GString) text = g_string_new("{");
        ids_append(text, "requires", rows[i].requires);
        ids_append(text, "after", rows[i].after);
        g_string_append_c(text, '}');
        g_autoptr(Config) config = parse(text->str, problems);
        g_assert_cmpint(config != NULL, ==, rows[i].pointer == NULL);
        if (config != NULL)
            continue;
        g_assert_cmpuint(problems_count(problems), ==, 1);
        g_assert_cmpstr(problems_get(problems, 0)->pointer, ==, rows[i].pointer);
        g_assert_cmpstr(problems_get(problems, 0)->message, ==, rows[i].message);
    }
}

/* What whoever runs the daemon wants of every service names none. */
static void test_not_in_defaults(void)
{
    for (const JsonMember *member = dependency_members; member->name != NULL; member++) {
        g_autoptr(Problems) problems = problems_new();
        g_autofree char *pointer = g_strdup_printf("/%s", member->name);
        JsonContext context = {.problems = problems};
        json_t *defaults = json_pack("{s:[s]}", member->name, "a");
        config_check_defaults(&context, NULL, defaults);
        g_assert_cmpuint(problems_count(problems), ==, 1);
        g_assert_cmpstr(problems_get(problems, 0)->pointer, ==, pointer);
        g_assert_true(g_str_has_prefix(problems_get(problems, 0)->message, "unknown member"));
        json_decref(defaults);
    }
}

static const struct {
    const char *a;
    const char *b;
    bool equal;
} pairs[] = {
        {"{}", "{}", true},
        {"{}", "{'wants': []}", true},
        {"{}", "{'wants': ['a']}", false},
        {"{'wants': ['a']}", "{'wants': ['a'], 'after': []}", true},
        {"{'wants': ['a']}", "{'after': ['a']}", false},
        {"{'wants': ['a', 'b']}", "{'wants': ['a', 'b']}", true},
        {"{'wants': ['a', 'b']}", "{'wants': ['b', 'a']}", false},
        {"{'wants': ['a']}", "{'wants': ['a', 'b']}", false},
        {"{'members': ['a']}", "{'members': ['b']}", false},
        {"{'requires': ['a']}", "{'requires': ['a'], 'keep_up': {'grace': 1}}", false},
        {"{'requires': ['a'], 'keep_up': {'grace': 1}}",
         "{'requires': ['a'], 'keep_up': {'grace': '1s'}}", true},
};

static void test_equal(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(pairs); i++) {
        g_autoptr(Config) a = parse_well(pairs[i].a), b = parse_well(pairs[i].b);
        const Dependencies *first = a->common.dependencies, *second = b->common.dependencies;
        g_assert_cmpint(dependencies_equal(first, second), ==, pairs[i].equal);
        g_assert_cmpint(dependencies_equal(second, first), ==, pairs[i].equal);
        g_assert_true(dependencies_equal(first, first));
    }
    g_autoptr(Dependencies) empty = dependencies_new();
    g_assert_true(dependencies_are_empty(empty));
    g_assert_true(dependencies_equal(empty, NULL));
}

/* At rest only the text is kept; it reads as the same again. */
static void test_read_again(void)
{
    g_autoptr(Config) config = parse_well("{'requires': ['a', 'b'], 'keep_up': {'grace': 3}}");
    g_autoptr(Config) again = config_parse_again(&kind_members, config->text);
    g_assert_true(dependencies_equal(config->common.dependencies, again->common.dependencies));
    g_autoptr(Dependencies) kept = dependencies_ref(config->common.dependencies);
    config_unref(g_steal_pointer(&config));
    assert_list(kept, RELATION_REQUIRES, "a b");
}

static void test_names(void)
{
    for (Relation relation = 0; relation < _RELATION_MAX; relation++)
        g_assert_cmpint(relation_from_string(relation_to_string(relation)), ==, relation);
    g_assert_cmpint(relation_from_string("needs"), <, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/dependencies/everything", test_everything);
    g_test_add_func("/dependencies/nothing", test_nothing);
    g_test_add_func("/dependencies/mistakes", test_mistakes);
    g_test_add_func("/dependencies/all-mistakes-at-once", test_all_mistakes_at_once);
    g_test_add_func("/dependencies/longest-id", test_longest_id);
    g_test_add_func("/dependencies/limit", test_limit);
    g_test_add_func("/dependencies/not-in-defaults", test_not_in_defaults);
    g_test_add_func("/dependencies/equal", test_equal);
    g_test_add_func("/dependencies/read-again", test_read_again);
    g_test_add_func("/dependencies/names", test_names);
    return g_test_run();
}
