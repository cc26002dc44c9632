/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keeper-fixture.h"

#include "base/errors.h"

#include <string.h>

DurableMemory *memory;
Keeper *keeper;
Requests *requests;
void (*on_answer)(void);
static GString *answers;
static char *refusal;

void keeper_setup_with(IdRule rule, unsigned max)
{
    setup_with(rule, max);
    memory = durable_memory_new();
    keeper = keeper_new(map, &memory->durable);
    requests = requests_new(keeper, map);
    answers = g_string_new(NULL);
    on_answer = NULL;
}

void keeper_setup(void)
{
    keeper_setup_with(ID_IS_UUID, 0);
}

void keeper_teardown(void)
{
    requests_flush(requests);
    requests_free(requests);
    keeper_free(keeper);
    teardown();
    durable_memory_free(memory);
    g_string_free(answers, TRUE);
    g_clear_pointer(&refusal, g_free);
}

static void on_done(const RequestOutcome *outcome, const GError *error, void *data)
{
    void (*func)(void) = on_answer;

    on_answer = NULL;
    g_assert_true((outcome == NULL) == (error != NULL));
    g_string_append_printf(answers, "%s:%s ", (const char *)data,
                           error == NULL ? "ok" : strrchr(error_to_dbus_name(error), '.') + 1);
    if (error != NULL) {
        g_free(refusal);
        refusal = g_strdup(error->message);
    }
    if (func != NULL)
        func();
}

void ask_spec(const char *name, const RequestSpec *spec)
{
    requests_add(requests, spec, on_done, (void *)name);
}

void ask(const char *name, RequestType type, const char *id)
{
    ask_spec(name, &(RequestSpec){.type = type, .id = id, .origin = origin_test});
}

static void ask_create_full(const char *name, const char *id, const char *config, bool start)
{
    ask_spec(name, &(RequestSpec){
                           .type = REQUEST_CREATE,
                           .origin = origin_test,
                           .create = {.id = id,
                                      .kind = "fake",
                                      .config = config,
                                      .config_length = strlen(config),
                                      .start = start},
                   });
}

void ask_create(const char *name, const char *id, bool start)
{
    ask_create_full(name, id, "{}", start);
}

void ask_create_with(const char *name, const char *id, const char *config)
{
    ask_create_full(name, id, config, false);
}

void ask_configure(const char *name, const char *id, const char *config)
{
    ask_spec(name, &(RequestSpec){
                           .type = REQUEST_CONFIGURE,
                           .id = id,
                           .origin = origin_test,
                           .config = config,
                           .config_length = strlen(config),
                   });
}

void ask_enabled(const char *name, const char *id, bool enabled)
{
    ask_spec(name, &(RequestSpec){
                           .type = REQUEST_SET_ENABLED,
                           .id = id,
                           .origin = origin_test,
                           .enabled = enabled,
                   });
}

void assert_answers(const char *expected)
{
    g_assert_cmpstr(answers->str, ==, expected);
    g_string_truncate(answers, 0);
}

void assert_log(const char *expected)
{
    durable_memory_assert_log(memory, expected);
}

void assert_refused_with(const char *text)
{
    g_assert_nonnull(refusal);
    if (strstr(refusal, text) == NULL)
        g_error("'%s' is not in '%s'", text, refusal);
}

Service *keep(const char *id, const char *config)
{
    CreateSpec create = {.id = id,
                         .kind = "fake",
                         .config = config,
                         .config_length = strlen(config),
                         .start = true};
    Service *made;

    ask_spec("keep",
             &(RequestSpec){.type = REQUEST_CREATE, .origin = origin_test, .create = create});
    core_fixture_settle(&fixture);
    made = map_find(map, id);
    g_assert_nonnull(made);
    fake_apply_ok(made);
    core_fixture_settle(&fixture);
    g_string_truncate(answers, 0);
    g_string_truncate(seen, 0);
    g_string_truncate(memory->log, 0);
    return made;
}
