/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a new load changes. Definitions are made in memory; each case is a history of loads. */

#include "base/clock.h"
#include "base/errors.h"
#include "store/definition-set.h"

#include <string.h>
#include <time.h>

/* One definition of a load: "ID", or "!ID" for a broken one (kind is the reason then). */
typedef struct Row {
    const char *id;
    const char *kind;
    const char *config;
    const char *about; /* of "DESCRIPTION|LABEL" */
    bool enabled;
    const char *directory; /* NULL: "/a" */
    const char *patch;     /* its path, or NULL */
} Row;

typedef struct Load {
    Row rows[4];
    const char *unread; /* a directory, or NULL */
    const char *changes;
} Load;

typedef struct History {
    const char *name;
    Load loads[4];
} History;

static Definition *row_to_definition(const Row *row)
{
    bool is_broken = row->id[0] == '!';
    Definition *definition = definition_new(
            g_intern_string(row->directory != NULL ? row->directory : "/a"), row->id + is_broken);

    if (row->patch != NULL)
        definition->patches = g_strsplit(row->patch, "|", -1);
    if (is_broken) {
        error_set(&definition->error, ERROR_INVALID_CONFIG, "%s", row->kind);
        return definition;
    }
    definition->kind = g_strdup(row->kind);
    definition->config = g_strdup(row->config);
    definition->enabled = row->enabled;
    if (row->about != NULL) {
        g_auto(GStrv) parts = g_strsplit(row->about, "|", 2);

        definition->description = g_strdup(parts[0]);
        definition->labels = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        g_hash_table_insert(definition->labels, g_strdup("label"), g_strdup(parts[1]));
    }
    definition_take_digest(definition);
    return definition;
}

static Definitions *load_to_definitions(const Load *load)
{
    Definitions *definitions = definitions_new();

    for (size_t i = 0; i < G_N_ELEMENTS(load->rows) && load->rows[i].id != NULL; i++)
        g_ptr_array_add(definitions->list, row_to_definition(&load->rows[i]));
    if (load->unread != NULL) {
        DefinitionUnread *unread = g_new0(DefinitionUnread, 1);

        unread->directory = g_intern_string(load->unread);
        error_set(&unread->error, ERROR_FAILED, "unread");
        g_ptr_array_add(definitions->unread, unread);
    }
    return definitions;
}

static const char *const past_names[] = {
        [DEFINITION_WAS_ABSENT] = "absent",
        [DEFINITION_WAS_GOOD] = "good",
        [DEFINITION_WAS_BROKEN] = "broken",
};

static const struct {
    DefinitionPart part;
    const char *name;
} part_names[] = {
        {DEFINITION_KIND, "kind"},   {DEFINITION_CONFIG, "config"}, {DEFINITION_ENABLED, "on"},
        {DEFINITION_ABOUT, "about"}, {DEFINITION_DIRECTORY, "dir"},
};

static void changes_describe(GString *text, const char *name, const GPtrArray *array)
{
    for (unsigned i = 0; i < array->len; i++) {
        const DefinitionChange *change = g_ptr_array_index(array, i);
        bool is_first = true;

        g_string_append_printf(text, "%s %s", name, change->id);
        for (size_t p = 0; p < G_N_ELEMENTS(part_names); p++) {
            if ((change->parts & part_names[p].part) == 0)
                continue;
            g_string_append_printf(text, "%s%s", is_first ? "=" : "+", part_names[p].name);
            is_first = false;
        }
        if (change->reason != NULL)
            g_string_append_printf(text, "(%s, was %s%s%s)", change->reason->message,
                                   past_names[change->past],
                                   change->definition == NULL ? ", gone" : "",
                                   change->is_known_failure ? ", known" : "");
        g_string_append(text, "; ");
    }
}

static char *changes_to_text(const DefinitionChanges *changes)
{
    g_autoptr(GString) text = g_string_new(NULL);

    changes_describe(text, "created", changes->created);
    changes_describe(text, "changed", changes->changed);
    changes_describe(text, "removed", changes->removed);
    changes_describe(text, "unchanged", changes->unchanged);
    changes_describe(text, "failed", changes->failed);
    return g_string_free(g_steal_pointer(&text), FALSE);
}

#define A                                                                                          \
    {                                                                                              \
        "a", "process", "{}"                                                                       \
    }
#define ALL "kind+config+on+about+dir"

static const History histories[] = {
        {"nothing", {{{{0}}, NULL, ""}}},
        {"created-unchanged-removed",
         {{{A, {"b", "process"}}, NULL, "created a; created b; "},
          {{A, {"b", "process"}}, NULL, "unchanged a; unchanged b; "},
          {{{"b", "process"}}, NULL, "removed a; unchanged b; "}}},
        {"between",
         {{{{"b", "k"}}, NULL, "created b; "},
          {{{"a", "k"}, {"c", "k"}}, NULL, "created a; created c; removed b; "},
          {{{"b", "k"}, {"d", "k"}}, NULL, "created b; created d; removed a; removed c; "}}},
        {"kind",
         {{{A}, NULL, "created a; "}, {{{"a", "oneshot", "{}"}}, NULL, "changed a=kind; "}}},
        {"config",
         {{{A}, NULL, "created a; "},
          {{{"a", "process", "{ }"}}, NULL, "changed a=config; "},
          {{{"a", "process", NULL}}, NULL, "changed a=config; "},
          {{{"a", "process", ""}}, NULL, "changed a=config; "}}},
        {"enabled",
         {{{A}, NULL, "created a; "},
          {{{"a", "process", "{}", NULL, true}}, NULL, "changed a=on; "}}},
        {"about",
         {{{{"a", "process", "{}", "x|y"}}, NULL, "created a; "},
          {{{"a", "process", "{}", "x|z"}}, NULL, "changed a=about; "},
          {{{"a", "process", "{}", "xz|"}}, NULL, "changed a=about; "},
          {{A}, NULL, "changed a=about; "}}},
        {"about-has-borders",
         {{{{"a", "process", "{}", "a|label"}}, NULL, "created a; "},
          {{{"a", "process", "{}", "alabel|"}}, NULL, "changed a=about; "}}},
        {"directory",
         {{{A}, NULL, "created a; "},
          {{{"a", "process", "{}", NULL, false, "/b"}}, NULL, "changed a=dir; "}}},
        {"everything",
         {{{A}, NULL, "created a; "},
          {{{"a", "oneshot", "{1}", "x|y", true, "/b"}}, NULL, "changed a=" ALL "; "}}},
        /* what was good fails, and is compared with what it was when it is mended */
        {"fails-and-is-the-same",
         {{{A}, NULL, "created a; "},
          {{{"!a", "bad"}}, NULL, "failed a(bad, was good); "},
          {{{"!a", "bad"}}, NULL, "failed a(bad, was good, known); "},
          {{A}, NULL, "unchanged a; "}}},
        {"fails-and-is-another",
         {{{A}, NULL, "created a; "},
          {{{"!a", "bad"}}, NULL, "failed a(bad, was good); "},
          {{{"!a", "worse"}}, NULL, "failed a(worse, was good); "},
          {{{"a", "process", "{1}"}}, NULL, "changed a=config; "}}},
        {"fails-and-goes",
         {{{A}, NULL, "created a; "},
          {{{"!a", "bad"}}, NULL, "failed a(bad, was good); "},
          {{{0}}, NULL, "removed a; "}}},
        {"fails-once-mended-fails-anew",
         {{{A}, NULL, "created a; "},
          {{{"!a", "bad"}}, NULL, "failed a(bad, was good); "},
          {{A}, NULL, "unchanged a; "},
          {{{"!a", "bad"}}, NULL, "failed a(bad, was good); "}}},
        /* broken from the start */
        {"broken-and-mended",
         {{{{"!a", "bad"}}, NULL, "failed a(bad, was absent); "},
          {{{"!a", "bad"}}, NULL, "failed a(bad, was broken, known); "},
          {{{"!a", "worse"}}, NULL, "failed a(worse, was broken); "},
          {{A}, NULL, "changed a=" ALL "; "}}},
        {"broken-elsewhere",
         {{{{"!a", "bad"}}, NULL, "failed a(bad, was absent); "},
          {{{"!a", "bad", NULL, NULL, false, "/b"}}, NULL, "failed a(bad, was broken, known); "},
          {{{0}}, "/b", "failed a(unread, was broken, gone); "}}},
        {"broken-and-goes",
         {{{{"!a", "bad"}}, NULL, "failed a(bad, was absent); "}, {{{0}}, NULL, "removed a; "}}},
        /* what stands where nobody can read is not gone */
        {"unread",
         {{{A, {"b", "k", NULL, NULL, false, "/b"}}, NULL, "created a; created b; "},
          {{A}, "/b", "unchanged a; failed b(unread, was good, gone); "},
          {{A}, "/b", "unchanged a; failed b(unread, was good, gone, known); "},
          {{A, {"b", "k", NULL, NULL, false, "/b"}}, NULL, "unchanged a; unchanged b; "}}},
        {"unread-then-gone",
         {{{{"b", "k", NULL, NULL, false, "/b"}}, NULL, "created b; "},
          {{{0}}, "/b", "failed b(unread, was good, gone); "},
          {{{0}}, NULL, "removed b; "}}},
        {"unread-shows-an-earlier-one",
         {{{{"a", "k", NULL, NULL, false, "/b"}}, NULL, "created a; "},
          {{A}, "/b", "failed a(unread, was good); "},
          {{{"a", "k", NULL, NULL, false, "/b"}}, NULL, "unchanged a; "}}},
        {"unread-broken",
         {{{{"!a", "bad", NULL, NULL, false, "/b"}}, NULL, "failed a(bad, was absent); "},
          {{A}, "/b", "failed a(unread, was broken); "},
          {{A}, NULL, "changed a=" ALL "; "}}},
        {"unread-patch",
         {{{{"a", "k", NULL, NULL, false, NULL, "/a/a.json.d/x.json|/b/a.json.d/y.json"}},
           NULL,
           "created a; "},
          {{{"a", "k", NULL, NULL, false, NULL, "/a/a.json.d/x.json"}},
           "/b",
           "failed a(unread, was good); "},
          {{{"a", "k", NULL, NULL, false, NULL, "/a/a.json.d/x.json"}},
           "/b",
           "failed a(unread, was good, known); "},
          {{{"a", "k"}}, NULL, "unchanged a; "}}},
        {"unread-hides-nothing-new",
         {{{{0}}, "/b", ""}, {{A}, "/b", "created a; "}, {{A}, "/b", "unchanged a; "}}},
};

static void test_history(const void *data)
{
    const History *history = data;
    g_autoptr(DefinitionSet) set = definition_set_new();

    for (size_t i = 0; i < G_N_ELEMENTS(history->loads) && history->loads[i].changes != NULL; i++) {
        g_autoptr(Definitions) now = load_to_definitions(&history->loads[i]);
        g_autoptr(DefinitionChanges) changes = definition_set_compare(set, now);
        g_autofree char *text = changes_to_text(changes);

        g_test_message("load %zu", i);
        g_assert_cmpstr(text, ==, history->loads[i].changes);
        definition_set_take(set, now);
    }
}

/* Comparing changes nothing: asked again, it says the same. */
static void test_compare_is_pure(void)
{
    static const Load first = {{A, {"!b", "bad"}}, NULL, NULL};
    static const Load second = {{{"!a", "bad"}, {"c", "k"}}, NULL, NULL};
    g_autoptr(DefinitionSet) set = definition_set_new();
    g_autoptr(Definitions) before = load_to_definitions(&first);
    g_autoptr(Definitions) now = load_to_definitions(&second);

    definition_set_take(set, before);
    g_assert_cmpuint(definition_set_size(set), ==, 2);
    for (unsigned i = 0; i < 2; i++) {
        g_autoptr(DefinitionChanges) changes = definition_set_compare(set, now);
        g_autofree char *text = changes_to_text(changes);

        g_assert_cmpstr(text, ==, "created c; removed b; failed a(bad, was good); ");
    }
}

#define MANY 40000
#define MANY_RATIO 8
#define MANY_ROUNDS 5

static Definitions *make_many(unsigned n, const char *config)
{
    Definitions *definitions = definitions_new();

    for (unsigned i = 0; i < n; i++) {
        g_autofree char *id = g_strdup_printf("service-%05u", i);
        Row row = {id, "process", i % 100 == 0 ? config : "{}", "x|y"};

        g_ptr_array_add(definitions->list, row_to_definition(&row));
    }
    return definitions;
}

/* The time of this process, whatever else the machine does. */
static uint64_t many_now_usec(void)
{
    struct timespec now;

    g_assert_cmpint(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now), ==, 0);
    return (uint64_t)now.tv_sec * USEC_PER_SEC + (uint64_t)now.tv_nsec / 1000;
}

/* The shortest of a few comparisons. */
static uint64_t many_compare_usec(unsigned n)
{
    g_autoptr(DefinitionSet) set = definition_set_new();
    g_autoptr(Definitions) before = make_many(n, "{}");
    g_autoptr(Definitions) now = make_many(n, "{ }");
    uint64_t shortest = UINT64_MAX;

    definition_set_take(set, before);
    for (unsigned i = 0; i < MANY_ROUNDS; i++) {
        uint64_t begin = many_now_usec();
        g_autoptr(DefinitionChanges) changes = definition_set_compare(set, now);

        shortest = MIN(shortest, many_now_usec() - begin);
        g_assert_cmpuint(changes->changed->len, ==, n / 100);
        g_assert_cmpuint(changes->unchanged->len, ==, n - n / 100);
    }
    return shortest;
}

static void test_many(void)
{
    uint64_t few_usec = many_compare_usec(MANY / MANY_RATIO);
    uint64_t many_usec = many_compare_usec(MANY);

    g_test_message("%d definitions compared in %.1f ms, %d in %.1f ms", MANY / MANY_RATIO,
                   (double)few_usec / 1000, MANY, (double)many_usec / 1000);
    /* The square of it would be MANY_RATIO * MANY_RATIO. */
    g_assert_cmpuint(many_usec, <, few_usec * MANY_RATIO * 4);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(histories); i++) {
        g_autofree char *path = g_strdup_printf("/definition-set/%s", histories[i].name);

        g_test_add_data_func(path, &histories[i], test_history);
    }
    g_test_add_func("/definition-set/compare-is-pure", test_compare_is_pure);
    g_test_add_func("/definition-set/many", test_many);
    return g_test_run();
}
