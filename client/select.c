/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Only patterns cost a question to the daemon. */

#include "select.h"

#include "call.h"

#include <string.h>

static Outcome select_new_call(Client *client, const Selection *selection, const char *page_token,
                               sd_bus_message **ret_call)
{
    sd_bus_message *call = NULL;
    Outcome outcome = call_manager_new(client, "ListServices", &call);

    if (outcome != OUTCOME_DONE)
        return outcome;
    (void)sd_bus_message_open_container(call, 'a', "{sv}"); /* cannot fail on a new message */
    if (selection->ids != NULL)
        call_append_option_strv(call, "ids", selection->ids);
    if (selection->kinds != NULL)
        call_append_option_strv(call, "kinds", selection->kinds);
    if (selection->states != NULL)
        call_append_option_strv(call, "states", selection->states);
    if (selection->pattern != NULL)
        call_append_option(call, "pattern", "s", selection->pattern);
    if (selection->fields != NULL)
        call_append_option_strv(call, "fields", (char **)selection->fields);
    if (page_token != NULL)
        call_append_option(call, "page_token", "s", page_token);
    (void)sd_bus_message_close_container(call);
    *ret_call = call;
    return OUTCOME_DONE;
}

/* One page more. *page_token: where to go on; NULL after the last. */
static Outcome select_list_page(Client *client, const Selection *selection, json_t *services,
                                char **page_token)
{
    CallSubject subject = {.verb = "list services"};
    sd_bus_message *call = NULL;
    sd_bus_message *reply = NULL;
    g_autoptr(json_t) page = NULL;
    const char *token = NULL;
    Outcome outcome = select_new_call(client, selection, *page_token, &call);

    if (outcome != OUTCOME_DONE)
        return outcome;
    outcome = call_send(client, &subject, call, &reply);
    sd_bus_message_unref(call);
    if (outcome == OUTCOME_DONE &&
        (value_read(reply, &page) < 0 || sd_bus_message_read(reply, "s", &token) < 0))
        outcome = client_fail(OUTCOME_FAILED, "cannot list services: the answer is no list");
    g_free(*page_token);
    *page_token = token != NULL && token[0] != '\0' ? g_strdup(token) : NULL;
    sd_bus_message_unref(reply);
    if (outcome == OUTCOME_DONE)
        (void)json_array_extend(services, page); /* fails only without memory */
    return outcome;
}

Outcome select_list(Client *client, const Selection *selection, json_t **ret_services)
{
    g_autoptr(json_t) services = json_array();
    g_autofree char *page_token = NULL;
    Outcome outcome;

    do {
        outcome = select_list_page(client, selection, services, &page_token);
    } while (outcome == OUTCOME_DONE && page_token != NULL);
    if (outcome == OUTCOME_DONE)
        *ret_services = g_steal_pointer(&services);
    return outcome;
}

bool select_is_pattern(const char *argument)
{
    return strpbrk(argument, "*?[") != NULL;
}

static void select_add(GPtrArray *ids, GHashTable *seen, const char *id)
{
    if (g_hash_table_contains(seen, id))
        return;
    char *copy = g_strdup(id);
    g_ptr_array_add(ids, copy);
    (void)g_hash_table_add(seen, copy); /* it is new */
}

static Outcome select_add_pattern(Client *client, const char *pattern, GPtrArray *ids,
                                  GHashTable *seen)
{
    static const char *const fields[] = {"Id", NULL};
    Selection selection = {.pattern = pattern, .fields = fields};
    g_autoptr(json_t) services = NULL;
    size_t index;
    json_t *service;
    Outcome outcome = select_list(client, &selection, &services);

    if (outcome != OUTCOME_DONE)
        return outcome;
    if (json_array_size(services) == 0)
        return client_fail(OUTCOME_NO_SERVICE, "no service matches '%s' (see: svcmgr list)",
                           pattern);
    json_array_foreach(services, index, service) select_add(ids, seen, value_string(service, "Id"));
    return OUTCOME_DONE;
}

Outcome select_ids(Client *client, char **arguments, char ***ret_ids)
{
    g_autoptr(GPtrArray) ids = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal); /* borrows from ids */
    Outcome outcome = OUTCOME_DONE;

    for (; *arguments != NULL && outcome == OUTCOME_DONE; arguments++) {
        if (select_is_pattern(*arguments))
            outcome = select_add_pattern(client, *arguments, ids, seen);
        else
            select_add(ids, seen, *arguments);
    }
    if (outcome != OUTCOME_DONE)
        return outcome;
    g_ptr_array_add(ids, NULL);
    *ret_ids = (char **)g_ptr_array_steal(ids, NULL);
    return OUTCOME_DONE;
}
