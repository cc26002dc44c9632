/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Arrows go from the one that names to the one that is named. Each word of the picture is one of
 * the configuration, but for "requires", which is a plain arrow. What stands between quotes is
 * escaped as the language says: a quote and a backslash by a backslash, and an ampersand, which
 * would begin a character's name, by its own. */

#include "dot.h"

#include <string.h>

static const struct {
    const char *state;
    const char *fill;
} dot_states[] = {{"active", "#c8e6c9"},  {"failed", "#ffcdd2"},   {"backoff", "#ffe0b2"},
                  {"waiting", "#fff9c4"}, {"starting", "#fff9c4"}, {"reloading", "#fff9c4"},
                  {"stopping", "#fff9c4"}};

static const char *const dot_relations[_GRAPH_RELATION_MAX] = {
        [GRAPH_REQUIRES] = "",
        [GRAPH_MEMBERS] = " [label=\"member\", arrowtail=diamond, dir=both]",
        [GRAPH_WANTS] = " [label=\"wants\", style=dashed]",
        [GRAPH_PART_OF] = " [label=\"part_of\", style=dashed, color=\"#1565c0\"]",
        [GRAPH_AFTER] = " [label=\"after\", style=dotted]",
        [GRAPH_CONFLICTS] = " [label=\"conflicts\", dir=none, color=\"#c62828\"]",
};

static void dot_append_quoted(GString *text, const char *string)
{
    g_string_append_c(text, '"');
    for (; *string != '\0'; string++) {
        if (*string == '\n')
            g_string_append(text, "\\n");
        else if (*string == '&')
            g_string_append(text, "&amp;");
        else if ((unsigned char)*string >= ' ' && *string != '\177')
            g_string_append_printf(text, "%s%c", strchr("\"\\", *string) != NULL ? "\\" : "",
                                   *string);
    }
    g_string_append_c(text, '"');
}

static const char *dot_fill(const GraphNode *node)
{
    for (size_t i = 0; i < G_N_ELEMENTS(dot_states); i++) {
        if (g_str_equal(dot_states[i].state, graph_state_name(node)))
            return dot_states[i].fill;
    }
    return "#eeeeee";
}

static void dot_append_node(GString *text, const GraphNode *node)
{
    g_autofree char *state = graph_state(node);
    g_autofree char *reason = graph_reason(node);
    g_autofree char *label =
            g_strdup_printf("%s%s%s", node->id, state[0] != '\0' ? "\n" : "", state);
    bool is_group = g_str_equal(value_string(node->entry, "kind"), "group");

    g_string_append(text, "    ");
    dot_append_quoted(text, node->id);
    g_string_append(text, " [label=");
    dot_append_quoted(text, label);
    g_string_append_printf(text, ", fillcolor=\"%s\"", dot_fill(node));
    if (is_group)
        g_string_append(text, ", shape=tab");
    if (graph_is_missing(node))
        g_string_append(text, ", style=\"filled,dashed\"");
    if (reason != NULL) {
        g_string_append(text, ", tooltip=");
        dot_append_quoted(text, reason);
    }
    g_string_append(text, "];\n");
}

/* What comes after one that it requires or has as a member has an arrow to it already. */
static bool dot_is_implied(const GraphNode *node, GraphNode *other, size_t relation)
{
    return relation == GRAPH_AFTER && (g_ptr_array_find(node->out[GRAPH_REQUIRES], other, NULL) ||
                                       g_ptr_array_find(node->out[GRAPH_MEMBERS], other, NULL));
}

static void dot_append_edges(GString *text, const GraphNode *node)
{
    for (size_t relation = 0; relation < _GRAPH_RELATION_MAX; relation++) {
        for (unsigned i = 0; i < node->out[relation]->len; i++) {
            GraphNode *other = node->out[relation]->pdata[i];

            if (dot_is_implied(node, other, relation) ||
                (relation == GRAPH_CONFLICTS && strcmp(node->id, other->id) > 0))
                continue; /* a conflict is one line */
            g_string_append(text, "    ");
            dot_append_quoted(text, node->id);
            g_string_append(text, " -> ");
            dot_append_quoted(text, other->id);
            g_string_append_printf(text, "%s;\n", dot_relations[relation]);
        }
    }
}

static bool dot_is_alone(const GraphNode *node)
{
    for (size_t relation = 0; relation < _GRAPH_RELATION_MAX; relation++) {
        if (node->out[relation]->len + node->in[relation]->len > 0)
            return false;
    }
    return true;
}

char *dot_text(const Graph *graph, bool everything)
{
    const GPtrArray *nodes = graph_nodes(graph);
    GString *text = g_string_new("digraph svcmgr {\n"
                                 "    rankdir=LR;\n"
                                 "    node [shape=box, style=filled, fontname=\"sans-serif\"];\n"
                                 "    edge [fontname=\"sans-serif\", fontsize=10];\n");

    for (unsigned i = 0; i < nodes->len; i++) {
        if (everything || !dot_is_alone(nodes->pdata[i]))
            dot_append_node(text, nodes->pdata[i]);
    }
    for (unsigned i = 0; i < nodes->len; i++)
        dot_append_edges(text, nodes->pdata[i]);
    g_string_append(text, "}\n");
    return g_string_free(text, FALSE);
}
