/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The commands that show who has to do with whom: tree, graph. */

#include "call.h"
#include "command.h"
#include "dot.h"
#include "draw.h"
#include "neighbours.h"
#include "select.h"
#include "tree.h"

#include <stdio.h>
#include <string.h>

static struct {
    gboolean reverse;
    gboolean everything;
    gboolean svg;
} depend_options;

static const GOptionEntry depend_tree_options[] = {
        {"reverse", 'r', 0, G_OPTION_ARG_NONE, &depend_options.reverse,
         "Below each service who needs it", NULL},
        {"all", 'a', 0, G_OPTION_ARG_NONE, &depend_options.everything, "Order and conflicts, too",
         NULL},
        {NULL},
};

static const GOptionEntry depend_graph_options[] = {
        {"svg", 0, 0, G_OPTION_ARG_NONE, &depend_options.svg, "As a picture (needs graphviz)",
         NULL},
        {NULL},
};

/* arguments: ids and patterns; none: everything. */
static Outcome depend_ask(Client *client, char **arguments, char ***ret_ids, json_t **ret_entries)
{
    g_auto(GStrv) ids = NULL;
    Outcome outcome = call_connect(client);

    if (outcome == OUTCOME_DONE)
        outcome = select_ids(client, arguments, &ids);
    if (outcome == OUTCOME_DONE)
        outcome = neighbours_ask(client, ids, depend_options.reverse, ret_entries);
    if (outcome == OUTCOME_DONE)
        *ret_ids = g_steal_pointer(&ids);
    return outcome;
}

/* Names that nobody has anything to do with. */
static Outcome depend_check(const Graph *graph, char **ids)
{
    for (; *ids != NULL; ids++) {
        if (graph_find(graph, *ids) == NULL)
            return client_fail(OUTCOME_NO_SERVICE, "no service '%s' (see: svcmgr list)", *ids);
    }
    return OUTCOME_DONE;
}

static void depend_print_tree(const Output *output, const json_t *trees, size_t n_others)
{
    g_autofree char *text = tree_text(output, trees);
    bool is_empty = text[0] == '\0';

    output_write(text, strlen(text));
    if (n_others == 0 || output->is_quiet)
        return;
    printf("%s%zu%s service%s nobody, and nobody needs %s (see: svcmgr list)\n",
           is_empty ? "" : "\n", n_others, is_empty ? "" : " more",
           n_others == 1 ? " needs" : "s need", n_others == 1 ? "it" : "them");
}

static Outcome depend_tree(Client *client, char **arguments)
{
    TreeOptions options = {.reverse = depend_options.reverse,
                           .everything = depend_options.everything};
    g_auto(GStrv) ids = NULL;
    g_autoptr(json_t) entries = NULL;
    size_t n_others = 0;
    Outcome outcome = depend_ask(client, arguments, &ids, &entries);

    if (outcome != OUTCOME_DONE)
        return outcome;
    g_autoptr(Graph) graph = graph_new(entries);
    outcome = depend_check(graph, ids);
    if (outcome != OUTCOME_DONE)
        return outcome;
    g_autoptr(json_t) trees = tree_new(graph, ids, &options, &n_others);
    if (client->output.json != JSON_MODE_NONE) {
        size_t index;
        json_t *tree;
        json_array_foreach(trees, index, tree)
                output_json_element(&client->output, json_incref(tree));
        output_json_finish(&client->output);
        return OUTCOME_DONE;
    }
    depend_print_tree(&client->output, trees, ids[0] == NULL ? n_others : 0);
    return OUTCOME_DONE;
}

static Outcome depend_print_graph(Client *client, json_t *entries, char **ids)
{
    size_t index;
    json_t *entry;

    if (client->output.json != JSON_MODE_NONE) {
        json_array_foreach(entries, index, entry)
                output_json_element(&client->output, json_incref(entry));
        output_json_finish(&client->output);
        return OUTCOME_DONE;
    }
    g_autoptr(Graph) graph = graph_new(entries);
    Outcome outcome = depend_check(graph, ids);
    if (outcome != OUTCOME_DONE)
        return outcome;
    g_autofree char *text = dot_text(graph, ids[0] != NULL);
    if (depend_options.svg)
        return draw_svg(text);
    output_write(text, strlen(text));
    return OUTCOME_DONE;
}

static Outcome depend_graph(Client *client, char **arguments)
{
    g_auto(GStrv) ids = NULL;
    g_autoptr(json_t) entries = NULL;

    if (depend_options.svg && client->output.json != JSON_MODE_NONE)
        return client_fail(OUTCOME_USAGE, "graph: only one of --svg and --json");
    Outcome outcome = depend_ask(client, arguments, &ids, &entries);
    return outcome == OUTCOME_DONE ? depend_print_graph(client, entries, ids) : outcome;
}

const Command depend_commands[] = {
        {"tree", "[ID|PATTERN...]", "Show what services need, as a tree",
         "Below each service what it requires, and what else it has to do with, with the word for "
         "it:\n"
         "member, wants, part_of; with --all, or where it waits for them, also after and "
         "conflicts.\n"
         "Without an ID: all that have to do with others.",
         "svcmgr tree --reverse db", 0, COMMAND_ANY, depend_tree_options, depend_tree},
        {"graph", "[ID|PATTERN...]", "Show who has to do with whom, as a graph",
         "In the DOT language of Graphviz: for each ID what it reaches. With --svg dot(1) draws "
         "it.",
         "svcmgr graph --svg >services.svg", 0, COMMAND_ANY, depend_graph_options, depend_graph},
        {NULL},
};
