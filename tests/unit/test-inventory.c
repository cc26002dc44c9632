/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What services there should be, out of definitions and what was kept. */

#include "base/errors.h"
#include "core-fixture.h"
#include "store/inventory.h"

#include <string.h>

static CoreFixture fixture;
static Map *map;

static void set_up(void)
{
    core_fixture_init(&fixture);
    map = map_new(fixture.core, ID_REQUIRED, 0);
    map_register_kind(map, &kind_fake);
    map_register_kind(map, &kind_fake_other);
}

static void tear_down(void)
{
    map_free(map);
    core_fixture_done(&fixture);
}

/* A definition; id NULL: none. */
typedef struct Defined {
    const char *id;
    const char *kind;   /* NULL: broken */
    const char *config; /* or NULL */
    bool enabled;
    bool bad; /* broken, but says its kind */
} Defined;

typedef struct Revision {
    uint64_t revision; /* 0: none */
    const char *text;
} Revision;

/* What was kept; id NULL: nothing. */
typedef struct Kept {
    const char *id;
    const char *kind; /* of one that was created; else NULL */
    int enabled;
    const char *state; /* NULL: none; "wanted", "unwanted" */
    Revision latest;
    Revision defined;
} Kept;

typedef struct Case {
    const char *name;
    Defined defined[3];
    Kept kept[3];
    bool unread;
    const char *items;
    const char *messages;
} Case;

static GPtrArray *case_saved(const Case *row)
{
    GPtrArray *saved = g_ptr_array_new_with_free_func((GDestroyNotify)saved_service_free);

    for (size_t i = 0; i < G_N_ELEMENTS(row->kept) && row->kept[i].id != NULL; i++) {
        const Kept *kept = &row->kept[i];
        const Revision *revisions[] = {&kept->latest, &kept->defined};
        SavedService *service = saved_service_new(kept->id);
        DurableRevision **targets[] = {&service->latest, &service->defined};

        service->created = kept->kind != NULL;
        service->kind = g_strdup(kept->kind);
        service->enabled = kept->enabled;
        service->has_state = kept->state != NULL;
        service->wanted = g_strcmp0(kept->state, "wanted") == 0;
        service->failed_attempts = service->has_state ? 3 : 0;
        service->error = service->has_state ? g_strdup("why") : NULL;
        for (size_t r = 0; r < G_N_ELEMENTS(revisions); r++) {
            if (revisions[r]->revision == 0)
                continue;
            *targets[r] = g_new0(DurableRevision, 1);
            (*targets[r])->revision = revisions[r]->revision;
            (*targets[r])->source = revisions[r]->revision == kept->defined.revision
                                            ? CONFIG_FROM_DEFINITION
                                            : CONFIG_FROM_BUS;
            (*targets[r])->text = g_strdup(revisions[r]->text);
            (*targets[r])->length = strlen(revisions[r]->text);
        }
        g_ptr_array_add(saved, service);
    }
    return saved;
}

static Definitions *case_definitions(const Case *row)
{
    Definitions *definitions = definitions_new();

    for (size_t i = 0; i < G_N_ELEMENTS(row->defined) && row->defined[i].id != NULL; i++) {
        const Defined *defined = &row->defined[i];
        Definition *definition = definition_new(g_intern_static_string("/d"), defined->id);

        definition->kind = g_strdup(defined->kind);
        definition->config = g_strdup(defined->config);
        definition->enabled = defined->enabled;
        if (defined->kind == NULL || defined->bad)
            error_set(&definition->error, ERROR_INVALID_CONFIG, "bad");
        g_ptr_array_add(definitions->list, definition);
    }
    if (row->unread) {
        DefinitionUnread *unread = g_new0(DefinitionUnread, 1);

        unread->directory = g_intern_static_string("/e");
        error_set(&unread->error, ERROR_FAILED, "unread");
        g_ptr_array_add(definitions->unread, unread);
    }
    return definitions;
}

/* A configuration is the definition's if it is, or is to be, the revision that is kept of that, or
 * if none is kept at all. */
static void item_check_source(const InventoryItem *item)
{
    const SavedService *saved = item->saved;
    const DurableRevision *defined = saved != NULL ? saved->defined : NULL;
    bool is_defined = item->record_revision || saved == NULL || saved->latest == NULL ||
                      (defined != NULL && defined->revision == item->spec.revision);

    if (item->spec.config != NULL)
        g_assert_cmpint(item->spec.config_source, ==,
                        is_defined ? CONFIG_FROM_DEFINITION : CONFIG_FROM_BUS);
}

/* "ID bus|definition kind=K config=C@REVISION on wanted record (ERROR)" */
static void item_describe(GString *text, const InventoryItem *item)
{
    const CreateSpec *spec = &item->spec;

    if (item->drop) {
        g_assert_nonnull(item->saved);
        g_assert_null(item->definition);
        g_string_append_printf(text, "%s drop\n", spec->id);
        return;
    }
    g_string_append_printf(text, "%s %s", spec->id,
                           spec->source == SOURCE_BUS ? "bus" : "definition");
    g_assert_cmpint(item->definition != NULL, ==, spec->source == SOURCE_DEFINITION);
    g_assert_cmpstr(spec->directory, ==, spec->source == SOURCE_DEFINITION ? "/d" : NULL);
    g_assert_cmpuint(spec->config_length, ==, spec->config != NULL ? strlen(spec->config) : 0);
    item_check_source(item);
    g_string_append_printf(text, " %s", spec->kind != NULL ? spec->kind : "-");
    if (item->error == NULL)
        g_string_append_printf(text, " %s@%" G_GUINT64_FORMAT,
                               spec->config != NULL ? spec->config : "-", spec->revision);
    g_string_append(text, spec->enabled ? " on" : "");
    g_string_append(text, item->wanted_known ? item->wanted ? " wanted" : " unwanted" : "");
    if (spec->state != NULL) {
        g_assert_cmpuint(spec->state->failed_attempts, ==, 3);
        g_assert_cmpstr(spec->state->error, ==, "why");
        g_assert_cmpint(spec->state->wanted, ==, item->wanted);
    }
    g_assert_cmpint(spec->state != NULL, ==, item->wanted_known);
    g_string_append(text, item->record_revision ? " record" : "");
    if (item->error != NULL)
        g_string_append_printf(text, " (%s)", item->error->message);
    g_string_append_c(text, '\n');
}

static char *messages_to_text(const GPtrArray *messages)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (unsigned i = 0; i < messages->len; i++) {
        const DefinitionMessage *message = g_ptr_array_index(messages, i);

        g_string_append_printf(text, "%s: %s\n", log_level_to_string(message->level),
                               message->text);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

#define V "{\"value\": \"x\"}"
#define W "{\"value\": \"y\"}"
#define BAD "{\"valu\": \"y\"}"
#define EDITED(revision)                                                                           \
    "notice: service 'a': /d/a.json has been edited, its configuration is revision " revision      \
    " from now on\n"

static const Case cases[] = {
        {"nothing", {{0}}, {{0}}, false, "", ""},
        /* definitions that nothing is kept of */
        {"new",
         {{"a", "fake", V, true}, {"b", "other", V}, {"c", "fake", NULL}},
         {{0}},
         false,
         "a definition fake " V "@1 on\n"
         "b definition other " V "@1\n"
         "c definition fake -@0\n",
         ""},
        {"kept-without-config",
         {{"a", "fake", V}, {"b", "fake", V}},
         {{"a", NULL, 1}, {"b", NULL, -1, "wanted"}},
         false,
         "a definition fake " V "@1 on\n"
         "b definition fake " V "@1 wanted\n",
         ""},
        {"broken", {{"a", NULL, V, true}}, {{0}}, false, "a definition - on (bad)\n", ""},
        {"broken-keeps-what-was-said",
         {{"a", NULL, V, true}},
         {{"a", NULL, 0, "wanted", {2, W}, {1, V}}},
         false,
         "a definition - wanted (bad)\n",
         ""},
        {"broken-and-mended-over-the-bus",
         {{"a", "fake", NULL, true, true}},
         {{"a", NULL, -1, "wanted", {2, W}}},
         false,
         "a definition fake " W "@2 on wanted\n",
         "error: service 'a': its configuration stays revision 2, for its definition cannot be "
         "used: "
         "bad\n"},
        /* created over the bus */
        {"created",
         {{0}},
         {{"a", "fake", 1, "wanted", {4, V}}, {"b", "other", -1}, {"c", "fake", 0, "unwanted"}},
         false,
         "a bus fake " V "@4 on wanted\n"
         "b bus other -@0\n"
         "c bus fake -@0 unwanted\n",
         ""},
        {"created-stands-above",
         {{"a", "other", W, true}},
         {{"a", "fake", -1, NULL, {4, V}}},
         false,
         "a bus fake " V "@4\n",
         "warning: service 'a' was created over the bus and stands above /d/a.json\n"},
        {"created-of-no-kind",
         {{0}},
         {{"a", "gone", 1, "wanted", {4, V}}},
         false,
         "a bus gone on wanted (it was created with the kind 'gone', which there is not any "
         "more)\n",
         ""},
        {"created-of-bad-config",
         {{0}},
         {{"a", "fake", -1, NULL, {4, BAD}}},
         false,
         "a bus fake (revision 4: valu: unknown member; did you mean \"value\"?)\n",
         ""},
        /* enabled */
        {"enabled",
         {{"a", "fake", NULL, true}, {"b", "fake", NULL, true}, {"c", "fake", NULL, false}},
         {{"a", NULL, -1}, {"b", NULL, 0}, {"c", NULL, 1}},
         false,
         "a definition fake -@0 on\n"
         "b definition fake -@0\n"
         "c definition fake -@0 on\n",
         ""},
        /* the configuration of what is defined */
        {"as-kept",
         {{"a", "fake", V}},
         {{"a", NULL, -1, NULL, {3, V}, {3, V}}},
         false,
         "a definition fake " V "@3\n",
         ""},
        {"configured-over-the-bus",
         {{"a", "fake", V}},
         {{"a", NULL, -1, NULL, {5, W}, {3, V}}},
         false,
         "a definition fake " W "@5\n",
         ""},
        {"edited-since",
         {{"a", "fake", V}},
         {{"a", NULL, -1, "unwanted", {5, W}, {3, "{}"}}},
         false,
         "a definition fake " V "@6 unwanted record\n",
         EDITED("6")},
        {"edited-to-what-the-bus-said",
         {{"a", "fake", W}},
         {{"a", NULL, -1, NULL, {5, W}, {3, V}}},
         false,
         "a definition fake " W "@6 record\n",
         EDITED("6")},
        {"bus-first",
         {{"a", "fake", V}},
         {{"a", NULL, -1, NULL, {1, W}}},
         false,
         "a definition fake " V "@2 record\n",
         EDITED("2")},
        {"bus-of-no-config",
         {{"a", "fake", NULL}},
         {{"a", NULL, -1, NULL, {1, W}}},
         false,
         "a definition fake " W "@1\n",
         ""},
        {"config-gone",
         {{"a", "fake", NULL}},
         {{"a", NULL, -1, NULL, {3, V}, {3, V}}},
         false,
         "a definition fake -@4 record\n",
         EDITED("4")},
        {"config-gone-before",
         {{"a", "fake", NULL}},
         {{"a", NULL, -1, NULL, {4, ""}, {4, ""}}},
         false,
         "a definition fake -@4\n",
         ""},
        {"config-gone-and-the-bus",
         {{"a", "fake", NULL}},
         {{"a", NULL, -1, NULL, {5, W}, {4, ""}}},
         false,
         "a definition fake " W "@5\n",
         ""},
        {"bus-not-accepted-any-more",
         {{"a", "fake", V}},
         {{"a", NULL, -1, NULL, {5, BAD}, {3, V}}},
         false,
         "a definition fake (revision 5: valu: unknown member; did you mean \"value\"?)\n",
         ""},
        {"not-edited-unread",
         {{"a", "fake", V}, {"b", "fake", V}, {"c", "fake", V}},
         {{"a", NULL, -1, NULL, {5, W}, {3, "{}"}}, {"b", NULL, -1, NULL, {3, BAD}, {3, BAD}}},
         true,
         "a definition fake " W "@5\n"
         "b definition fake (revision 3: valu: unknown member; did you mean \"value\"?)\n"
         "c definition fake " V "@1\n",
         "warning: service 'a': its configuration stays revision 5 until all definitions can be "
         "read\n"
         "warning: service 'b': its configuration stays revision 3 until all definitions can be "
         "read\n"},
        /* what there is no more */
        {"dropped",
         {{"b", "fake", NULL}},
         {{"a", NULL, 1}, {"b", NULL, -1}, {"c", NULL, -1, "wanted"}},
         false,
         "a drop\nb definition fake -@0\nc drop\n",
         "notice: service 'a' is not defined any more: what was kept of it is dropped\n"
         "notice: service 'c' is not defined any more: what was kept of it is dropped\n"},
        {"not-dropped-unread",
         {{"b", "fake", NULL}},
         {{"a", NULL, 1}, {"c", "fake", 1}},
         true,
         "b definition fake -@0\nc bus fake -@0 on\n",
         ""},
};

static void test_case(const void *data)
{
    const Case *row = data;

    set_up();
    g_autoptr(Definitions) definitions = case_definitions(row);
    g_autoptr(GPtrArray) saved = case_saved(row);
    g_autoptr(Inventory) inventory = inventory_new(definitions, saved, map);
    g_autoptr(GString) items = g_string_new(NULL);
    g_autofree char *messages = messages_to_text(inventory->messages);

    for (unsigned i = 0; i < inventory->items->len; i++)
        item_describe(items, g_ptr_array_index(inventory->items, i));
    g_assert_cmpstr(items->str, ==, row->items);
    g_assert_cmpstr(messages, ==, row->messages);
    tear_down();
}

/* What starts */

typedef struct Start {
    bool enabled;
    const char *state;
    bool broken;
    const char *modes; /* in which it starts: e, w, n */
} Start;

static const Start starts[] = {
        {false, NULL, false, ""},       {true, NULL, false, "ew"},
        {false, "wanted", false, "w"},  {true, "wanted", false, "ew"},
        {false, "unwanted", false, ""}, {true, "unwanted", false, "e"},
        {true, "wanted", true, ""},
};

static void test_starts(void)
{
    static const char letters[_RESTORE_MAX] = {
            [RESTORE_ENABLED] = 'e', [RESTORE_WANTED] = 'w', [RESTORE_NONE] = 'n'};

    for (size_t i = 0; i < G_N_ELEMENTS(starts); i++) {
        const Case row = {
                .defined = {{"a", starts[i].broken ? NULL : "fake", NULL, starts[i].enabled}},
                .kept = {{"a", NULL, -1, starts[i].state}},
        };
        g_autoptr(Definitions) definitions = case_definitions(&row);
        g_autoptr(GPtrArray) saved = case_saved(&row);

        set_up();
        g_autoptr(Inventory) inventory = inventory_new(definitions, saved, map);
        for (Restore mode = 0; mode < _RESTORE_MAX; mode++) {
            bool expected = strchr(starts[i].modes, letters[mode]) != NULL;

            g_test_message("case %zu, %s", i, restore_to_string(mode));
            g_assert_cmpint(inventory_item_starts(inventory->items->pdata[0], mode), ==, expected);
        }
        tear_down();
    }
}

static void test_dropped_never_starts(void)
{
    const InventoryItem item = {
            .spec.enabled = true, .wanted_known = true, .wanted = true, .drop = true};

    for (Restore mode = 0; mode < _RESTORE_MAX; mode++)
        g_assert_false(inventory_item_starts(&item, mode));
}

static void test_restore_names(void)
{
    for (Restore mode = 0; mode < _RESTORE_MAX; mode++)
        g_assert_cmpint(restore_from_string(restore_to_string(mode)), ==, mode);
    g_assert_cmpint(restore_from_string("enabled"), ==, RESTORE_ENABLED);
    g_assert_cmpint(restore_from_string("auto"), ==, _RESTORE_INVALID);
}

/* Kinds */

static void test_check(void)
{
    static const Case row = {
            .defined = {{"a", "fake", V}, {"b", "fake", BAD}, {"c", "gone", NULL}},
    };
    static const char *const errors[] = {
            NULL,
            "/d/b.json: config.valu: unknown member; did you mean \"value\"?",
            "/d/c.json: kind: there is no kind 'gone'; the kinds are fake, other",
    };
    g_autoptr(Definitions) definitions = case_definitions(&row);

    set_up();
    definitions_check(definitions, map);
    definitions_check(definitions, map); /* what is broken is left alone */
    for (unsigned i = 0; i < definitions->list->len; i++) {
        const Definition *definition = g_ptr_array_index(definitions->list, i);

        g_assert_cmpstr(definition->error != NULL ? definition->error->message : NULL, ==,
                        errors[i]);
    }
    tear_down();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/inventory/%s", cases[i].name);

        g_test_add_data_func(path, &cases[i], test_case);
    }
    g_test_add_func("/inventory/starts", test_starts);
    g_test_add_func("/inventory/dropped-never-starts", test_dropped_never_starts);
    g_test_add_func("/inventory/restore-names", test_restore_names);
    g_test_add_func("/inventory/check", test_check);
    return g_test_run();
}
