/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* On a terminal names fill lines of its width, and of many only the first are told; in a pipe they
 * are one line, and all of them. */

#include "needs.h"

#include "graph.h"
#include "record.h"
#include "text.h"

#include <string.h>

#define NEEDS_ENTRIES "Neighbours" /* no property has this name */
#define NEEDS_NAMES_MAX 24
#define NEEDS_REQUIRED_BY_MAX 8
#define NEEDS_WAITS_MAX 8

bool needs_has_any(const json_t *service)
{
    static const char *const lists[] = {"Requires",  "Wants",  "After",      "Before",
                                        "Conflicts", "PartOf", "WaitingFor", NULL};

    for (size_t i = 0; lists[i] != NULL; i++) {
        if (json_array_size(json_object_get(service, lists[i])) > 0)
            return true;
    }
    return g_str_equal(value_string(service, "Kind"), "group");
}

void needs_add_entries(json_t *service, json_t *entries)
{
    (void)json_object_set(service, NEEDS_ENTRIES, entries); /* fails only without memory */
}

static GraphNode needs_node(const json_t *service, const char *id)
{
    const json_t *entries = json_object_get(service, NEEDS_ENTRIES);

    return (GraphNode){.id = id, .entry = json_object_get(entries, id)};
}

/* A list that grows line by line. */
typedef struct NeedsText {
    GString *text;
    int left;  /* columns of the line; -1: without limit */
    int width; /* of a whole line; 0: without limit */
} NeedsText;

static NeedsText needs_text_new(const Output *output)
{
    int width = output->width > 0 ? MAX(output->width - NEEDS_COLUMN, 20) : 0;

    return (NeedsText){.text = g_string_new(NULL), .left = width, .width = width};
}

static void needs_text_break(NeedsText *needs)
{
    while (needs->text->len > 0 && needs->text->str[needs->text->len - 1] == ' ')
        g_string_truncate(needs->text, needs->text->len - 1);
    g_string_append_printf(needs->text, "\n%*s", NEEDS_COLUMN, "");
    needs->left = needs->width;
}

/* word: harmless, with what separates it from others; plain: the same without colours. */
static void needs_text_add(NeedsText *needs, const char *word, const char *plain)
{
    g_autofree char *trimmed = g_strchomp(g_strdup(plain)); /* a blank may stand over the edge */

    if (needs->width > 0 && needs->left < needs->width && text_width(trimmed) > needs->left) {
        needs_text_break(needs);
        word += strspn(word, " ");
    }
    g_string_append(needs->text, word);
    needs->left -= text_width(plain);
}

/* "failed", "inactive, exited"; "": not known. */
static char *needs_state(const GraphNode *node)
{
    const char *detail = graph_detail(node);
    g_autofree char *state = graph_is_missing(node)
                                     ? g_strdup("missing")
                                     : g_strconcat(value_string(node->entry, "state"),
                                                   detail != NULL ? ", " : "", detail, NULL);
    return text_escape(state);
}

/* "db (failed)". */
static void needs_add_name(const Output *output, NeedsText *needs, const GraphNode *node,
                           const char *comma)
{
    g_autofree char *state = needs_state(node);
    Colour colour = output_state_colour(graph_state_name(node));
    g_autofree char *id = text_escape(node->id);
    const char *open = state[0] != '\0' ? " (" : "";
    const char *close = state[0] != '\0' ? ")" : "";
    g_autofree char *plain = g_strconcat(id, open, state, close, comma, NULL);
    g_autofree char *word = g_strconcat(id, open, output_colour(output, colour), state,
                                        output_reset(output, colour), close, comma, NULL);

    needs_text_add(needs, word, plain);
}

static char *needs_names(const Output *output, const json_t *service, const json_t *ids,
                         size_t most)
{
    NeedsText needs = needs_text_new(output);
    size_t n = json_array_size(ids);
    size_t n_shown = output->width > 0 && n > most ? most : n;
    size_t index;
    const json_t *id;

    json_array_foreach(ids, index, id)
    {
        if (index >= n_shown || !json_is_string(id))
            break;
        GraphNode node = needs_node(service, json_string_value(id));
        needs_add_name(output, &needs, &node, index + 1 < n_shown ? ", " : "");
    }
    if (n > n_shown) {
        g_autofree char *more = g_strdup_printf(" and %zu more", n - n_shown);
        needs_text_add(&needs, more, more);
    }
    if (n > 0)
        return g_string_free(needs.text, FALSE);
    (void)g_string_free(needs.text, TRUE); /* NULL */
    return NULL;
}

static char *needs_property(const Output *output, const json_t *service, const char *name)
{
    return needs_names(output, service, json_object_get(service, name), NEEDS_NAMES_MAX);
}

/* "db, failed: exited with status 1", "db, waiting for disk". */
static char *needs_wait(const Output *output, const GraphNode *node, bool is_last)
{
    const char *error = value_string(node->entry, "error");
    g_autofree char *state = needs_state(node);
    g_autofree char *waits = record_state_waits(state, value_string(node->entry, "sub_state"),
                                                json_object_get(node->entry, "waiting_for"));
    bool has_error = error[0] != '\0';
    g_autofree char *line = g_strconcat(node->id, state[0] != '\0' ? ", " : "",
                                        has_error ? state : waits, has_error ? ": " : "", error,
                                        !is_last && output->width == 0 ? ";" : "", NULL);
    g_autofree char *harmless = text_escape(line);

    if (output->width == 0)
        return g_steal_pointer(&harmless);
    return text_cut(harmless, MAX(output->width - NEEDS_COLUMN, 20), output_ellipsis(output));
}

/* Whom it waits for; of a group that starts, its members that are not up. A new array. */
static json_t *needs_awaited(const json_t *service)
{
    json_t *awaited = json_array();
    GraphNode self = needs_node(service, value_string(service, "Id"));
    bool is_group = g_str_equal(value_string(service, "Kind"), "group");
    bool is_starting = g_str_equal(value_string(service, "State"), "starting");
    size_t index;
    json_t *id;

    (void)json_array_extend(awaited,
                            json_object_get(service, "WaitingFor")); /* there may be none */
    json_array_foreach(json_object_get(self.entry, "members"), index, id)
    {
        GraphNode member = needs_node(service, json_string_value(id));
        bool is_up = g_str_equal(value_string(member.entry, "state"), "active") ||
                     g_str_equal(value_string(member.entry, "sub_state"), "exited");

        if (is_group && is_starting && !is_up)
            (void)json_array_append(awaited, id); /* fails only without memory */
    }
    return awaited;
}

char *needs_text_waits(const Output *output, const json_t *service)
{
    g_autoptr(json_t) ids = needs_awaited(service);
    size_t n = json_array_size(ids);
    size_t n_shown = output->width > 0 && n > NEEDS_WAITS_MAX ? NEEDS_WAITS_MAX : n;
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);

    if (g_str_equal(value_string(service, "State"), "waiting") &&
        g_str_equal(value_string(service, "SubState"), "queued"))
        return g_strdup("its turn: as many services are starting as may (--max-starting)");
    if (n == 0)
        return NULL;
    for (size_t i = 0; i < n_shown; i++) {
        const char *id = json_string_value(json_array_get(ids, i));
        GraphNode node = needs_node(service, id != NULL ? id : "");
        g_ptr_array_add(lines, needs_wait(output, &node, i + 1 == n));
    }
    if (n > n_shown)
        g_ptr_array_add(lines, g_strdup_printf("and %zu more", n - n_shown));
    g_ptr_array_add(lines, NULL);
    g_autofree char *separator =
            output->width > 0 ? g_strdup_printf("\n%*s", NEEDS_COLUMN, "") : g_strdup(" ");
    return g_strjoinv(separator, (char **)lines->pdata);
}

char *needs_text_requires(const Output *output, const json_t *service)
{
    return needs_property(output, service, "Requires");
}

/* They are no property: the entry of the service itself tells them. */
char *needs_text_members(const Output *output, const json_t *service)
{
    GraphNode self = needs_node(service, value_string(service, "Id"));

    return needs_names(output, service, json_object_get(self.entry, "members"), NEEDS_NAMES_MAX);
}

char *needs_text_wants(const Output *output, const json_t *service)
{
    return needs_property(output, service, "Wants");
}

char *needs_text_part_of(const Output *output, const json_t *service)
{
    return needs_property(output, service, "PartOf");
}

char *needs_text_after(const Output *output, const json_t *service)
{
    return needs_property(output, service, "After");
}

char *needs_text_before(const Output *output, const json_t *service)
{
    return needs_property(output, service, "Before");
}

char *needs_text_conflicts(const Output *output, const json_t *service)
{
    return needs_property(output, service, "Conflicts");
}

char *needs_text_required_by(const Output *output, const json_t *service)
{
    return needs_names(output, service, json_object_get(service, "RequiredBy"),
                       NEEDS_REQUIRED_BY_MAX);
}
