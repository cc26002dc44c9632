/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* First the names in all directories, then the files that count: nothing is read that another
 * directory overrides, and how much will be read is known before. */

#include "store/definitions.h"

#include "base/errors.h"
#include "base/fds.h"
#include "base/parse.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define DEFINITION_SUFFIX ".json"
#define DEFINITION_PATCHES_SUFFIX ".json.d"

/* Messages */

static void definition_message_free(void *data)
{
    DefinitionMessage *message = data;

    g_free(message->text);
    g_free(message);
}

GPtrArray *definition_messages_new(void)
{
    return g_ptr_array_new_with_free_func(definition_message_free);
}

void definition_messages_add(GPtrArray *messages, LogLevel level, const char *format, ...)
{
    DefinitionMessage *message = g_new0(DefinitionMessage, 1);
    va_list arguments;

    message->level = level;
    va_start(arguments, format);
    message->text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_ptr_array_add(messages, message);
}

/* Definitions */

static void definitions_free_one(void *definition)
{
    definition_free(definition);
}

static void definitions_free_unread(void *data)
{
    DefinitionUnread *unread = data;

    g_error_free(unread->error);
    g_free(unread);
}

Definitions *definitions_new(void)
{
    Definitions *definitions = g_new0(Definitions, 1);

    definitions->list = g_ptr_array_new_with_free_func(definitions_free_one);
    definitions->unread = g_ptr_array_new_with_free_func(definitions_free_unread);
    definitions->messages = definition_messages_new();
    return definitions;
}

void definitions_free(Definitions *definitions)
{
    if (definitions == NULL)
        return;
    g_ptr_array_unref(definitions->list);
    g_ptr_array_unref(definitions->unread);
    g_ptr_array_unref(definitions->messages);
    g_free(definitions);
}

const GError *definitions_find_unread(const Definitions *definitions, const char *directory)
{
    for (unsigned i = 0; i < definitions->unread->len; i++) {
        const DefinitionUnread *unread = g_ptr_array_index(definitions->unread, i);

        if (g_str_equal(unread->directory, directory))
            return unread->error;
    }
    return NULL;
}

/* Walking directories */

static int definitions_order_strings(const void *a, const void *b, void *unused)
{
    return strcmp(a, b);
}

/* What there is of an id. */
typedef struct DefinitionSource {
    const char *directory;        /* of the file; NULL: only patches */
    GPtrArray *patch_directories; /* those that have ID.json.d, in order; or NULL */
} DefinitionSource;

typedef struct DefinitionsLoad {
    const DefinitionsOptions *options;
    GTree *sources; /* id -> DefinitionSource */
    unsigned n_files;
    unsigned n_dropped; /* messages */
    Definitions *definitions;
} DefinitionsLoad;

static void definitions_free_source(void *data)
{
    DefinitionSource *source = data;

    g_clear_pointer(&source->patch_directories, g_ptr_array_unref);
    g_free(source);
}

static void definitions_warn(DefinitionsLoad *load, char *text)
{
    g_autofree char *owned = text;

    if (load->definitions->messages->len < DEFINITIONS_MAX_MESSAGES)
        definition_messages_add(load->definitions->messages, LOG_LEVEL_WARNING, "%s", owned);
    else
        load->n_dropped++;
}

static bool definitions_wants_name(const char *name)
{
    return name[0] != '.' && (g_str_has_suffix(name, DEFINITION_SUFFIX) ||
                              g_str_has_suffix(name, DEFINITION_PATCHES_SUFFIX));
}

static bool definitions_list_entries(const DefinitionsOptions *options, DIR *directory,
                                     const char *path, GPtrArray *names, GError **error)
{
    unsigned max = options->max_entries > 0 ? options->max_entries : DEFINITIONS_MAX_ENTRIES;
    unsigned n_entries = 0;

    errno = 0;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL; errno = 0) {
        if (g_str_equal(entry->d_name, ".") || g_str_equal(entry->d_name, ".."))
            continue;
        if (++n_entries > max)
            return error_set(error, ERROR_LIMIT_EXCEEDED, "%s has more than %u entries", path, max);
        if (definitions_wants_name(entry->d_name))
            g_ptr_array_add(names, g_strdup(entry->d_name));
    }
    if (errno != 0)
        return error_set_errno(error, errno, "cannot read the directory %s to its end", path);
    return true;
}

static int definitions_order_names(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;

    return strcmp(*x, *y);
}

/* The names of interest in it, sorted, or NULL. of: what is in it, for people. ret_errno: why it
 * could not be opened. */
static GPtrArray *definitions_list(const char *path, const char *of,
                                   const DefinitionsOptions *options, int *ret_errno,
                                   GError **error)
{
    autofd int fd = open(path, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    DIR *directory;

    if (fd < 0) {
        *ret_errno = errno;
        error_set_errno(error, errno, "cannot open the directory of %s %s", of, path);
        return NULL;
    }
    if (options->trust.check && !(file_check_trusted(fd, path, options->trust.uid, error) &&
                                  file_check_way_trusted(path, options->trust.uid, error)))
        return NULL;
    directory = fdopendir(fd);
    if (directory == NULL) {
        error_set_errno(error, errno, "cannot read the directory of %s %s", of, path);
        return NULL;
    }
    (void)fd_steal(&fd); /* the directory's */
    bool whole = definitions_list_entries(options, directory, path, names, error);
    (void)closedir(directory); /* only read from, nothing to lose */
    if (!whole)
        return NULL;
    g_ptr_array_sort(names, definitions_order_names);
    return g_steal_pointer(&names);
}

static DefinitionSource *definitions_get_source(DefinitionsLoad *load, const char *id)
{
    DefinitionSource *source = g_tree_lookup(load->sources, id);

    if (source == NULL) {
        source = g_new0(DefinitionSource, 1);
        g_tree_insert(load->sources, g_strdup(id), source);
    }
    return source;
}

static void definitions_add_name(DefinitionsLoad *load, const char *directory, const char *name)
{
    bool is_patches = g_str_has_suffix(name, DEFINITION_PATCHES_SUFFIX);
    const char *suffix = is_patches ? DEFINITION_PATCHES_SUFFIX : DEFINITION_SUFFIX;
    g_autofree char *id = g_strndup(name, strlen(name) - strlen(suffix));
    g_autoptr(GError) error = NULL;
    DefinitionSource *source;

    if (!parse_id(id, &error)) {
        definitions_warn(load,
                         g_strdup_printf("%s/%s: ignored: %s", directory, name, error->message));
        return;
    }
    source = definitions_get_source(load, id);
    if (is_patches) {
        if (source->patch_directories == NULL)
            source->patch_directories = g_ptr_array_new();
        g_ptr_array_add(source->patch_directories, (void *)directory);
    } else {
        load->n_files += source->directory == NULL;
        source->directory = directory;
    }
}

/* Takes error. */
static void definitions_leave_out(DefinitionsLoad *load, const char *directory, GError *error)
{
    DefinitionUnread *unread = g_new0(DefinitionUnread, 1);

    unread->directory = directory;
    unread->error = error;
    g_ptr_array_add(load->definitions->unread, unread);
    definition_messages_add(load->definitions->messages, LOG_LEVEL_ERROR,
                            "definitions are left out: %s", error->message);
}

/* False only if it is missing and must not be. */
static bool definitions_walk(DefinitionsLoad *load, const DefinitionDirectory *directory,
                             GError **error)
{
    g_autofree char *canonical = g_canonicalize_filename(directory->path, "/");
    const char *path = g_intern_string(canonical);
    int open_errno = 0;
    GError *cause = NULL;
    g_autoptr(GPtrArray) names =
            definitions_list(path, "definitions", load->options, &open_errno, &cause);

    for (unsigned i = 0; names != NULL && i < names->len; i++)
        definitions_add_name(load, path, g_ptr_array_index(names, i));
    if (names != NULL)
        return true;
    if (!directory->may_be_missing && (open_errno == ENOENT || open_errno == ENOTDIR)) {
        g_propagate_error(error, cause);
        return false;
    }
    if (open_errno == ENOENT)
        g_error_free(cause);
    else
        definitions_leave_out(load, path, cause);
    return true;
}

static bool definitions_walk_all(DefinitionsLoad *load, GError **error)
{
    g_autoptr(GPtrArray) errors = g_ptr_array_new_with_free_func((GDestroyNotify)g_error_free);
    unsigned max = load->options->max_definitions;

    for (size_t i = 0; i < load->options->n_directories; i++) {
        GError *cause = NULL;

        if (!definitions_walk(load, &load->options->directories[i], &cause))
            g_ptr_array_add(errors, cause);
    }
    if (errors->len > 0) {
        g_propagate_error(error, errors_join(errors));
        return false;
    }
    max = max > 0 ? max : MAP_MAX_SERVICES;
    if (load->n_files <= max)
        return true;
    return error_set(error, ERROR_LIMIT_EXCEEDED,
                     "there are %u definitions, more than the %u services that there may be (see "
                     "--max-services)",
                     load->n_files, max);
}

/* Kinds */

static GError *definitions_unknown_kind(const Definition *definition, Map *map)
{
    g_autofree char *excerpt = parse_excerpt(definition->kind);
    g_autoptr(GString) known = g_string_new(NULL);
    g_autoptr(GError) reason = NULL;

    for (const Kind *const *kind = map_kinds(map); *kind != NULL; kind++)
        g_string_append_printf(known, "%s%s", known->len > 0 ? ", " : "", (*kind)->name);
    error_set(&reason, ERROR_UNKNOWN_KIND, "kind: there is no kind '%s'; the kinds are %s", excerpt,
              known->str);
    return definition_error(definition, reason);
}

/* map NULL: not now. */
static void definitions_check_one(Definition *definition, Map *map)
{
    const Kind *kind;

    if (definition->error != NULL || map == NULL)
        return;
    kind = map_find_kind(map, definition->kind);
    if (kind == NULL)
        definition->error = definitions_unknown_kind(definition, map);
    else
        (void)definition_check_config(definition, kind, &definition->error); /* kept there */
}

/* Reading */

/* The paths of the patches in their order. */
static bool definitions_find_patches(const DefinitionsLoad *load, const char *id,
                                     const DefinitionSource *source, GPtrArray *ret_paths,
                                     GError **error)
{
    /* name -> path; the later directory's */
    g_autoptr(GTree) by_name = g_tree_new_full(definitions_order_strings, NULL, g_free, g_free);

    for (unsigned i = 0; i < source->patch_directories->len; i++) {
        const char *parent = g_ptr_array_index(source->patch_directories, i);
        g_autofree char *path = g_strdup_printf("%s/%s%s", parent, id, DEFINITION_PATCHES_SUFFIX);
        int unused;
        g_autoptr(GPtrArray) names =
                definitions_list(path, "patches", load->options, &unused, error);

        if (names == NULL)
            return false;
        for (unsigned n = 0; n < names->len; n++) {
            const char *name = g_ptr_array_index(names, n);

            if (g_str_has_suffix(name, DEFINITION_SUFFIX))
                g_tree_replace(by_name, g_strdup(name), g_build_filename(path, name, NULL));
        }
    }
    if (g_tree_nnodes(by_name) > DEFINITION_MAX_PATCHES)
        return error_set(error, ERROR_LIMIT_EXCEEDED, "more than %d patches",
                         DEFINITION_MAX_PATCHES);
    for (GTreeNode *node = g_tree_node_first(by_name); node != NULL; node = g_tree_node_next(node))
        g_ptr_array_add(ret_paths, g_strdup(g_tree_node_value(node)));
    return true;
}

static Definition *definitions_read(const DefinitionsLoad *load, const char *id,
                                    const DefinitionSource *source)
{
    Definition *definition = definition_new(source->directory, id);
    g_autoptr(GPtrArray) patches = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;

    if (source->patch_directories != NULL &&
        !definitions_find_patches(load, id, source, patches, &error)) {
        definition->error = definition_error(definition, error);
        g_ptr_array_set_size(patches, 0);
    }
    g_ptr_array_add(patches, NULL);
    definition_read(definition, (const char *const *)patches->pdata, &load->options->trust);
    return definition;
}

/* NULL: there are only patches. */
static Definition *definitions_read_source(DefinitionsLoad *load, GTreeNode *node)
{
    const char *id = g_tree_node_key(node);
    const DefinitionSource *source = g_tree_node_value(node);
    Definition *definition;

    if (source->directory == NULL) {
        definitions_warn(load, g_strdup_printf("%s/%s%s: ignored: there is no definition '%s'",
                                               (char *)source->patch_directories->pdata[0], id,
                                               DEFINITION_PATCHES_SUFFIX, id));
        return NULL;
    }
    definition = definitions_read(load, id, source);
    g_ptr_array_add(load->definitions->list, definition);
    return definition;
}

static void definitions_tell_dropped(const DefinitionsLoad *load)
{
    if (load->n_dropped > 0)
        definition_messages_add(load->definitions->messages, LOG_LEVEL_WARNING,
                                "%u more warnings of definitions are not listed", load->n_dropped);
}

struct DefinitionsReader {
    DefinitionsOptions options;
    DefinitionsLoad load;
    GTreeNode *next;
};

DefinitionsReader *definitions_reader_new(const DefinitionsOptions *options, GError **error)
{
    DefinitionsReader *reader = g_new0(DefinitionsReader, 1);

    reader->options = *options;
    reader->options.directories =
            g_memdup2(options->directories, options->n_directories * sizeof(DefinitionDirectory));
    reader->load = (DefinitionsLoad){
            .options = &reader->options,
            .sources = g_tree_new_full(definitions_order_strings, NULL, g_free,
                                       definitions_free_source),
            .definitions = definitions_new(),
    };
    if (!definitions_walk_all(&reader->load, error)) {
        definitions_reader_free(reader);
        return NULL;
    }
    reader->next = g_tree_node_first(reader->load.sources);
    return reader;
}

bool definitions_reader_step(DefinitionsReader *reader, Map *map, unsigned n)
{
    for (; n > 0 && reader->next != NULL; n--) {
        Definition *definition = definitions_read_source(&reader->load, reader->next);

        if (definition != NULL)
            definitions_check_one(definition, map);
        reader->next = g_tree_node_next(reader->next);
    }
    if (reader->next == NULL)
        definitions_tell_dropped(&reader->load);
    return reader->next == NULL;
}

Definitions *definitions_reader_take(DefinitionsReader *reader)
{
    Definitions *definitions = g_steal_pointer(&reader->load.definitions);

    definitions_reader_free(reader);
    return definitions;
}

void definitions_reader_free(DefinitionsReader *reader)
{
    if (reader == NULL)
        return;
    definitions_free(reader->load.definitions);
    g_tree_unref(reader->load.sources);
    g_free((void *)reader->options.directories);
    g_free(reader);
}

Definitions *definitions_load(const DefinitionsOptions *options, GError **error)
{
    DefinitionsReader *reader = definitions_reader_new(options, error);

    if (reader == NULL)
        return NULL;
    (void)definitions_reader_step(reader, NULL, UINT_MAX); /* all of them */
    return definitions_reader_take(reader);
}

void definitions_check(Definitions *definitions, Map *map)
{
    for (unsigned i = 0; i < definitions->list->len; i++)
        definitions_check_one(g_ptr_array_index(definitions->list, i), map);
}
