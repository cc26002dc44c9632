/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A tree is made first, as JSON, and drawn then; so that both show the same. Drawing makes all
 * lines before it writes one, since the states stand below each other. */

#include "tree.h"

#include "record.h"
#include "text.h"

#include <string.h>

#define TREE_GAP 2
#define TREE_NAME_MAX 48 /* columns before the states; longer ones stand out */

typedef struct TreeWalk {
    const Graph *graph;
    const TreeOptions *options;
    GHashTable *shown;    /* GraphNodes: in a tree */
    GHashTable *expanded; /* those with what is below them */
    GPtrArray *deeper;    /* those that are too deep for that */
} TreeWalk;

static const struct {
    const char *name;
    const char *reverse_name;
    bool is_followed;
    bool is_quiet; /* shown where somebody waits for it, or with everything */
} tree_relations[_GRAPH_RELATION_MAX] = {
        [GRAPH_REQUIRES] = {"requires", "requires", true, false},
        [GRAPH_MEMBERS] = {"member", "group", true, false},
        [GRAPH_WANTS] = {"wants", "wants", true, false},
        [GRAPH_PART_OF] = {"part_of", "part_of", false, false},
        [GRAPH_AFTER] = {"after", "after", false, true},
        [GRAPH_CONFLICTS] = {"conflicts", "conflicts", false, true},
};

static const GPtrArray *tree_edges(const TreeWalk *walk, const GraphNode *node, size_t relation)
{
    return walk->options->reverse ? node->in[relation] : node->out[relation];
}

static bool tree_is_waiting(const GraphNode *node, const char *id)
{
    const json_t *ids = json_object_get(node->entry, "waiting_for");
    size_t index;
    const json_t *other;

    json_array_foreach(ids, index, other)
    {
        if (json_is_string(other) && g_str_equal(json_string_value(other), id))
            return true;
    }
    return false;
}

static bool tree_shows(const TreeWalk *walk, const GraphNode *node, const GraphNode *other,
                       size_t relation)
{
    if (!tree_relations[relation].is_quiet || walk->options->everything)
        return true;
    return walk->options->reverse ? tree_is_waiting(other, node->id)
                                  : tree_is_waiting(node, other->id);
}

static bool tree_has_children(const TreeWalk *walk, const GraphNode *node)
{
    for (size_t relation = 0; relation < _GRAPH_RELATION_MAX; relation++) {
        const GPtrArray *edges = tree_edges(walk, node, relation);

        for (unsigned i = 0; i < edges->len; i++) {
            if (tree_shows(walk, node, edges->pdata[i], relation))
                return true;
        }
    }
    return false;
}

static json_t *tree_make(TreeWalk *walk, GraphNode *node, const char *relation, unsigned depth);

static json_t *tree_make_children(TreeWalk *walk, const GraphNode *node, unsigned depth)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
    json_t *children = json_array();

    for (size_t relation = 0; relation < _GRAPH_RELATION_MAX; relation++) {
        const GPtrArray *edges = tree_edges(walk, node, relation);
        const char *name = walk->options->reverse ? tree_relations[relation].reverse_name
                                                  : tree_relations[relation].name;
        bool is_followed = tree_relations[relation].is_followed;

        for (unsigned i = 0; i < edges->len; i++) {
            GraphNode *other = edges->pdata[i];

            if (!tree_shows(walk, node, other, relation) || !g_hash_table_add(seen, other))
                continue;
            (void)json_array_append_new(
                    children, tree_make(walk, other, name, is_followed ? depth + 1 : UINT_MAX));
        }
    }
    return children;
}

/* depth UINT_MAX: a leaf, whatever it has. */
static json_t *tree_make(TreeWalk *walk, GraphNode *node, const char *relation, unsigned depth)
{
    static const char *const members[] = {"kind", "state", "sub_state", "error", "waiting_for"};
    json_t *tree = json_pack("{s:s, s:s}", "id", node->id, "relation", relation);

    for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
        json_t *value = json_object_get(node->entry, members[i]);
        if (value != NULL)
            (void)json_object_set(tree, members[i], value); /* fails only without memory */
    }
    (void)g_hash_table_add(walk->shown, node); /* it may be there already */
    if (depth == UINT_MAX || !tree_has_children(walk, node))
        return tree;
    if (g_hash_table_contains(walk->expanded, node)) {
        (void)json_object_set_new(tree, "repeated", json_true());
    } else if (depth >= TREE_DEPTH_MAX) {
        (void)json_object_set_new(tree, "deeper", json_true());
        g_ptr_array_add(walk->deeper, node);
    } else {
        (void)g_hash_table_add(walk->expanded, node); /* before its own, for there are cycles */
        (void)json_object_set_new(tree, "children", tree_make_children(walk, node, depth));
    }
    return tree;
}

/* Nobody leads to it. */
static bool tree_is_root(const TreeWalk *walk, const GraphNode *node)
{
    for (size_t relation = 0; relation < _GRAPH_RELATION_MAX; relation++) {
        const GPtrArray *edges = walk->options->reverse ? node->out[relation] : node->in[relation];

        if (tree_relations[relation].is_followed && edges->len > 0)
            return false;
    }
    return true;
}

static void tree_add_deeper(TreeWalk *walk, json_t *trees)
{
    for (unsigned i = 0; i < walk->deeper->len; i++) { /* there may be more after each */
        GraphNode *node = walk->deeper->pdata[i];

        if (!g_hash_table_contains(walk->expanded, node))
            (void)json_array_append_new(trees, tree_make(walk, node, "", 0));
    }
}

/* First those that nobody leads to; then one of each cycle that nobody leads to. */
static void tree_add_all(TreeWalk *walk, json_t *trees)
{
    const GPtrArray *nodes = graph_nodes(walk->graph);

    for (int turn = 0; turn < 2; turn++) {
        tree_add_deeper(walk, trees);
        for (unsigned i = 0; i < nodes->len; i++) {
            GraphNode *node = nodes->pdata[i];
            bool is_due = turn == 0 ? tree_is_root(walk, node)
                                    : !g_hash_table_contains(walk->shown, node);

            if (is_due && tree_has_children(walk, node))
                (void)json_array_append_new(trees, tree_make(walk, node, "", 0));
        }
    }
}

json_t *tree_new(const Graph *graph, char *const *ids, const TreeOptions *options,
                 size_t *ret_n_others)
{
    g_autoptr(GHashTable) shown = g_hash_table_new(NULL, NULL);
    g_autoptr(GHashTable) expanded = g_hash_table_new(NULL, NULL);
    g_autoptr(GPtrArray) deeper = g_ptr_array_new();
    TreeWalk walk = {.graph = graph,
                     .options = options,
                     .shown = shown,
                     .expanded = expanded,
                     .deeper = deeper};
    json_t *trees = json_array();

    for (char *const *id = ids; *id != NULL; id++)
        (void)json_array_append_new(trees, tree_make(&walk, graph_find(graph, *id), "", 0));
    if (*ids == NULL)
        tree_add_all(&walk, trees);
    tree_add_deeper(&walk, trees);
    if (ret_n_others != NULL)
        *ret_n_others = graph_nodes(graph)->len - g_hash_table_size(shown);
    return trees;
}

/* A line before it is written: what is drawn, and the service. */
typedef struct TreeLine {
    char *name; /* branches, id and label */
    int label;  /* where in it the label begins, in bytes; -1: it has none */
    const json_t *tree;
} TreeLine;

static void tree_clear_line(void *data)
{
    g_free(((TreeLine *)data)->name);
}

/* branches: what stands before the children of tree; as it was, at the end. */
static void tree_draw(const Output *output, const json_t *tree, const char *knot, GString *branches,
                      GArray *lines)
{
    const json_t *children = json_object_get(tree, "children");
    const char *relation = value_string(tree, "relation");
    bool has_label = relation[0] != '\0' && !g_str_equal(relation, "requires");
    g_autofree char *id = text_escape(value_string(tree, "id"));
    g_autofree char *label = has_label ? g_strdup_printf(" (%s)", relation) : g_strdup("");
    size_t size = branches->len;
    size_t index;
    const json_t *child;
    TreeLine line = {.name = g_strconcat(branches->str, knot, id, label, NULL),
                     .label = has_label ? (int)(size + strlen(knot) + strlen(id)) : -1,
                     .tree = tree};

    g_array_append_val(lines, line);
    if (knot[0] != '\0')
        g_string_append(branches, g_str_has_prefix(knot, output_branch(output, true))
                                          ? "   "
                                          : output_trunk(output));
    json_array_foreach(children, index, child)
            tree_draw(output, child, output_branch(output, index + 1 == json_array_size(children)),
                      branches, lines);
    g_string_truncate(branches, size);
}

static int tree_name_width(const Output *output, const GArray *lines)
{
    int most = output->width > 0 ? MIN(output->width / 2, TREE_NAME_MAX) : TREE_NAME_MAX;
    int width = 0;

    for (unsigned i = 0; i < lines->len; i++) {
        int own = text_width(g_array_index(lines, TreeLine, i).name);
        if (own <= most)
            width = MAX(width, own);
    }
    return width;
}

/* What stands behind the state: ": exited with status 1", " for db"; or where that was said. */
static char *tree_remark(const json_t *tree)
{
    const char *error = value_string(tree, "error");
    const char *state = value_string(tree, "state");
    const char *detour = value_boolean(tree, "deeper") ? ", goes on below" : "";
    g_autofree char *waits = record_state_waits(state, value_string(tree, "sub_state"),
                                                json_object_get(tree, "waiting_for"));
    g_autofree char *remark = error[0] != '\0' ? g_strdup_printf("%s: %s", detour, error)
                                               : g_strconcat(waits + strlen(state), detour, NULL);

    return value_boolean(tree, "repeated") ? g_strdup(", see above") : text_escape(remark);
}

static void tree_write_line(const Output *output, const TreeLine *line, int width, GString *text)
{
    GraphNode node = {.id = value_string(line->tree, "id"), .entry = line->tree};
    g_autofree char *state = graph_state(&node);
    g_autofree char *harmless = text_escape(state);
    g_autofree char *remark = tree_remark(line->tree);
    Colour colour = output_state_colour(graph_state_name(&node));
    int used = MAX(text_width(line->name), width) + TREE_GAP + text_width(harmless);
    g_autofree char *cut = output->width > 0 ? text_cut(remark, MAX(output->width - used, 0),
                                                        output_ellipsis(output))
                                             : g_strdup(remark);
    int plain = line->label < 0 ? (int)strlen(line->name) : line->label;
    Colour label_colour = line->label < 0 ? COLOUR_NONE : COLOUR_DIM;

    g_string_append_printf(
            text, "%.*s%s%s%s%*s%s%s%s%s\n", plain, line->name, output_colour(output, label_colour),
            line->name + plain, output_reset(output, label_colour),
            MAX(width - text_width(line->name), 0) + TREE_GAP, "", output_colour(output, colour),
            harmless, output_reset(output, colour), cut);
}

char *tree_text(const Output *output, const json_t *trees)
{
    g_autoptr(GArray) lines = g_array_new(FALSE, FALSE, sizeof(TreeLine));
    g_autoptr(GString) branches = g_string_new(NULL);
    GString *text = g_string_new(NULL);
    size_t index;
    const json_t *tree;

    g_array_set_clear_func(lines, tree_clear_line);
    json_array_foreach(trees, index, tree) tree_draw(output, tree, "", branches, lines);
    int width = tree_name_width(output, lines);
    for (unsigned i = 0; i < lines->len; i++)
        tree_write_line(output, &g_array_index(lines, TreeLine, i), width, text);
    return g_string_free(text, FALSE);
}
