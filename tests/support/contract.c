/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading introspection XML with GMarkup. The stack of elements is short: interface, member, arg or
 * annotation. */

#include "support/contract-private.h"

#include <stdarg.h>
#include <string.h>

typedef struct ContractParser {
    Contract *contract;
    ContractInterface *interface; /* open */
    ContractMember *member;       /* open */
} ContractParser;

bool contract_set_error(GError **error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *message = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error_literal(error, g_quark_from_static_string("contract-error"), 0, message);
    return false;
}

static void contract_member_free(void *data)
{
    ContractMember *member = data;

    g_free(member->name);
    g_string_free(member->in, TRUE);
    g_string_free(member->out, TRUE);
    g_ptr_array_unref(member->lines);
    g_hash_table_unref(member->annotations);
    g_free(member);
}

static void contract_interface_free(void *data)
{
    ContractInterface *interface = data;

    g_free(interface->name);
    g_hash_table_unref(interface->members);
    g_free(interface);
}

static const char *contract_attribute(const char **names, const char **values, const char *name)
{
    for (; *names != NULL; names++, values++) {
        if (g_str_equal(*names, name))
            return *values;
    }
    return "";
}

static void contract_open_interface(ContractParser *parser, const char *name)
{
    ContractInterface *interface = g_new0(ContractInterface, 1);

    interface->name = g_strdup(name);
    interface->members =
            g_hash_table_new_full(g_str_hash, g_str_equal, g_free, contract_member_free);
    g_hash_table_replace(parser->contract->interfaces, interface->name, interface);
    parser->interface = interface;
}

static void contract_open_member(ContractParser *parser, const char *element, const char **names,
                                 const char **values)
{
    ContractMember *member = g_new0(ContractMember, 1);
    const char *type = contract_attribute(names, values, "type");

    member->element = g_intern_string(element);
    member->name = g_strdup(contract_attribute(names, values, "name"));
    member->in = g_string_new(type);
    member->out = g_string_new(NULL);
    member->lines = g_ptr_array_new_with_free_func(g_free);
    member->annotations = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    if (*type != '\0')
        g_ptr_array_add(
                member->lines,
                g_strdup_printf("%s %s", type, contract_attribute(names, values, "access")));
    g_hash_table_replace(parser->interface->members,
                         g_strdup_printf("%s %s", element, member->name), member);
    parser->member = member;
}

static void contract_add_argument(ContractMember *member, const char **names, const char **values)
{
    const char *direction = contract_attribute(names, values, "direction");
    const char *type = contract_attribute(names, values, "type");
    bool is_signal = g_str_equal(member->element, "signal");
    bool out = !is_signal && g_str_equal(direction, "out");

    g_string_append(out ? member->out : member->in, type);
    g_ptr_array_add(member->lines,
                    g_strdup_printf("%s %s %s",
                                    is_signal ? "arg"
                                    : out     ? "out"
                                              : "in",
                                    contract_attribute(names, values, "name"), type));
}

static void on_contract_start(GMarkupParseContext *context, const char *element, const char **names,
                              const char **values, void *data, GError **error)
{
    ContractParser *parser = data;
    const char *name = contract_attribute(names, values, "name");

    if (g_str_equal(element, "interface"))
        contract_open_interface(parser, name);
    else if (parser->interface == NULL)
        return; /* nodes */
    else if (g_str_equal(element, "arg"))
        contract_add_argument(parser->member, names, values);
    else if (g_str_equal(element, "annotation") && parser->member != NULL)
        g_hash_table_replace(parser->member->annotations, g_strdup(name),
                             g_strdup(contract_attribute(names, values, "value")));
    else if (!g_str_equal(element, "annotation"))
        contract_open_member(parser, element, names, values);
}

static void on_contract_end(GMarkupParseContext *context, const char *element, void *data,
                            GError **error)
{
    ContractParser *parser = data;

    if (g_str_equal(element, "interface"))
        parser->interface = NULL;
    else if (!g_str_equal(element, "arg") && !g_str_equal(element, "annotation"))
        parser->member = NULL;
}

static bool contract_add(Contract *contract, const char *xml, GError **error)
{
    static const GMarkupParser functions = {.start_element = on_contract_start,
                                            .end_element = on_contract_end};
    ContractParser parser = {.contract = contract};
    GMarkupParseContext *context = g_markup_parse_context_new(&functions, 0, &parser, NULL);
    bool ok = g_markup_parse_context_parse(context, xml, -1, error) &&
              g_markup_parse_context_end_parse(context, error);

    g_markup_parse_context_free(context);
    return ok;
}

static int contract_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void contract_sort_names(Contract *contract)
{
    GHashTableIter iter;
    void *name;

    g_ptr_array_set_size(contract->names, 0);
    g_hash_table_iter_init(&iter, contract->interfaces);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        g_ptr_array_add(contract->names, name);
    g_ptr_array_sort(contract->names, contract_compare);
    g_ptr_array_add(contract->names, NULL);
}

static Contract *contract_new(void)
{
    Contract *contract = g_new0(Contract, 1);

    contract->interfaces =
            g_hash_table_new_full(g_str_hash, g_str_equal, NULL, contract_interface_free);
    contract->names = g_ptr_array_new();
    contract->calls = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return contract;
}

void contract_free(Contract *contract)
{
    if (contract == NULL)
        return;
    g_hash_table_unref(contract->interfaces);
    g_ptr_array_unref(contract->names);
    g_hash_table_unref(contract->calls);
    g_free(contract);
}

Contract *contract_parse(const char *xml, GError **error)
{
    g_autoptr(Contract) contract = contract_new();

    if (!contract_add(contract, xml, error))
        return NULL;
    contract_sort_names(contract);
    return g_steal_pointer(&contract);
}

Contract *contract_load(const char *directory, GError **error)
{
    g_autoptr(Contract) contract = contract_new();
    g_autoptr(GDir) files = g_dir_open(directory, 0, error);
    const char *name;

    if (files == NULL)
        return NULL;
    while ((name = g_dir_read_name(files)) != NULL) {
        g_autofree char *path = g_build_filename(directory, name, NULL);
        g_autofree char *xml = NULL;

        if (!g_str_has_suffix(name, ".xml"))
            continue;
        if (!g_file_get_contents(path, &xml, NULL, error) || !contract_add(contract, xml, error)) {
            g_prefix_error(error, "%s: ", path);
            return NULL;
        }
    }
    contract_sort_names(contract);
    return g_steal_pointer(&contract);
}

/* Looking */

const char *const *contract_interfaces(const Contract *contract)
{
    return (const char *const *)contract->names->pdata;
}

const ContractInterface *contract_find(const Contract *contract, const char *interface)
{
    return interface != NULL ? g_hash_table_lookup(contract->interfaces, interface) : NULL;
}

const ContractMember *contract_find_member(const ContractInterface *interface, const char *element,
                                           const char *name)
{
    g_autofree char *key = g_strdup_printf("%s %s", element, name);

    return g_hash_table_lookup(interface->members, key);
}

const char *contract_action(const Contract *contract, const char *interface, const char *method)
{
    const ContractMember *member =
            contract_find_member(contract_find(contract, interface), "method", method);

    return g_hash_table_lookup(member->annotations, "org.svcmgr1.Action");
}

const char *contract_arguments(const Contract *contract, const char *interface, const char *method)
{
    return contract_find_member(contract_find(contract, interface), "method", method)->in->str;
}

static const char **contract_members(const Contract *contract, const char *interface,
                                     const char *element)
{
    GPtrArray *names = g_ptr_array_new();
    GHashTableIter iter;
    void *data;

    g_hash_table_iter_init(&iter, contract_find(contract, interface)->members);
    while (g_hash_table_iter_next(&iter, NULL, &data)) {
        const ContractMember *member = data;

        if (g_str_equal(member->element, element))
            g_ptr_array_add(names, member->name);
    }
    g_ptr_array_sort(names, contract_compare);
    g_ptr_array_add(names, NULL);
    return (const char **)g_ptr_array_free(names, FALSE);
}

const char **contract_methods(const Contract *contract, const char *interface)
{
    return contract_members(contract, interface, "method");
}

const char **contract_properties(const Contract *contract, const char *interface)
{
    return contract_members(contract, interface, "property");
}

static void contract_describe_member(GString *text, const char *key, const ContractMember *member)
{
    g_autofree char **names = (char **)g_hash_table_get_keys_as_array(member->annotations, NULL);
    unsigned n = g_strv_length(names);

    g_string_append_printf(text, "%s\n", key);
    for (unsigned i = 0; i < member->lines->len; i++)
        g_string_append_printf(text, "    %s\n", (char *)g_ptr_array_index(member->lines, i));
    qsort(names, n, sizeof(*names), contract_compare);
    for (unsigned i = 0; i < n; i++) {
        if (!g_str_has_prefix(names[i], "org.svcmgr1."))
            g_string_append_printf(text, "    %s = %s\n", names[i],
                                   (char *)g_hash_table_lookup(member->annotations, names[i]));
    }
}

char *contract_describe(const Contract *contract, const char *interface)
{
    const ContractInterface *found = contract_find(contract, interface);
    g_autofree char **keys = NULL;
    GString *text;

    if (found == NULL)
        return NULL;
    keys = (char **)g_hash_table_get_keys_as_array(found->members, NULL);
    qsort(keys, g_strv_length(keys), sizeof(*keys), contract_compare);
    text = g_string_new(NULL);
    for (char **key = keys; *key != NULL; key++)
        contract_describe_member(text, *key, g_hash_table_lookup(found->members, *key));
    return g_string_free(text, FALSE);
}
