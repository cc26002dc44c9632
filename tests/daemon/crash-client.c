/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "crash-client.h"

#include "support/client.h"

#include <string.h>

#define CRASH_OPEN_MAX 6
#define CRASH_NOISE_PERCENT 16
#define CRASH_PATIENCE_USEC (60 * USEC_PER_SEC)

/* Each number has its own way of being reloaded and stopped. */
static const char *crash_config_members(unsigned tag)
{
    static const char *const members[] = {
            ", \"readiness\": \"notify\"",
            ", \"readiness\": \"notify\", \"reload_exec\": [\"/bin/sleep\", \"0.02\"]",
            ", \"readiness\": \"notify\", \"reload_exec\": [\"/bin/false\"],"
            " \"stop_exec\": [\"/bin/true\"]",
            ", \"readiness\": \"notify\", \"stop_exec\": [\"/bin/sleep\", \"0.02\"]",
            ", \"readiness\": \"notify\", \"watchdog\": \"1h\"",
    };

    return members[tag % G_N_ELEMENTS(members)];
}

char *crash_config_text(const CrashField *field, unsigned tag, bool is_oneshot)
{
    const char *word = is_oneshot ? ", \"end\"" : tag % 3 == 0 ? ", \"child\"" : "";

    return lockers_config(field->lockers, word, tag, is_oneshot ? "" : crash_config_members(tag));
}

unsigned crash_config_processes(unsigned tag)
{
    return tag % 3 == 0 ? 2 : 1;
}

/* The calls */

typedef struct CrashSent {
    CrashClient *client;
    CrashService *service;    /* NULL: a call that changes nothing */
    const char *const *noise; /* then: the errors that it may have */
    CrashCall *call;
} CrashSent;

static void crash_append(sd_bus_message *message, const char *types, ...)
{
    va_list args;

    va_start(args, types);
    g_assert_cmpint(sd_bus_message_appendv(message, types, args), >=, 0);
    va_end(args);
}

static void crash_fill_create(CrashSent *sent, sd_bus_message *message)
{
    GRand *rand = sent->client->rand;
    CrashField *field = sent->client->field;
    CrashCall *call = sent->call;

    call->number = ++field->number;
    call->start = g_rand_boolean(rand);
    call->enabled = g_rand_int_range(rand, 0, 3) == 0;

    g_autofree char *text = crash_config_text(field, call->number, sent->service->is_oneshot);
    g_autofree char *description = g_strdup_printf("%u", call->number);
    crash_append(message, "sssa{sv}", sent->service->id,
                 sent->service->is_oneshot ? "oneshot" : "process", text, 4, "start", "b",
                 (int)call->start, "enabled", "b", (int)call->enabled, "description", "s",
                 description, "labels", "a{ss}", 1, "made", description);
}

static void crash_fill_delete(CrashSent *sent, sd_bus_message *message)
{
    crash_append(message, "sa{sv}", sent->service->id, 0);
}

static void crash_fill_configure(CrashSent *sent, sd_bus_message *message)
{
    g_autofree char *text = NULL;

    sent->call->number = ++sent->client->field->number;
    text = crash_config_text(sent->client->field, sent->call->number, sent->service->is_oneshot);
    crash_append(message, "s", text);
}

static void crash_fill_enabled(CrashSent *sent, sd_bus_message *message)
{
    crash_append(message, "b", (int)(sent->call->operation == CRASH_ENABLE));
}

static const struct {
    unsigned weight;
    const char *interface;
    const char *member;
    void (*fill)(CrashSent *sent, sd_bus_message *message);
} crash_members[_CRASH_OPERATION_MAX] = {
        [CRASH_CREATE] = {30, CLIENT_MANAGER, "CreateService", crash_fill_create},
        [CRASH_DELETE] = {12, CLIENT_MANAGER, "DeleteService", crash_fill_delete},
        [CRASH_CONFIGURE] = {20, CLIENT_SERVICE, "Configure", crash_fill_configure},
        [CRASH_ENABLE] = {6, CLIENT_SERVICE, "SetEnabled", crash_fill_enabled},
        [CRASH_DISABLE] = {6, CLIENT_SERVICE, "SetEnabled", crash_fill_enabled},
        [CRASH_START] = {20, CLIENT_SERVICE, "Start", NULL},
        [CRASH_STOP] = {12, CLIENT_SERVICE, "Stop", NULL},
        [CRASH_RESTART] = {10, CLIENT_SERVICE, "Restart", NULL},
};

static CrashOperation crash_operation_random(GRand *rand)
{
    unsigned sum = 0;

    for (CrashOperation i = 0; i < _CRASH_OPERATION_MAX; i++)
        sum += crash_members[i].weight;
    int at = g_rand_int_range(rand, 0, (int)sum);
    CrashOperation operation = 0;
    while ((at -= (int)crash_members[operation].weight) >= 0)
        operation++;
    return operation;
}

/* Answers */

/* The bus says so for the daemon that is gone, or sd-bus for the connection. */
static bool crash_error_is_loss(const char *name)
{
    static const char *const losses[] = {"NoReply", "Disconnected", "ServiceUnknown",
                                         "NameHasNoOwner", NULL};
    static const char prefix[] = "org.freedesktop.DBus.Error.";

    return g_str_has_prefix(name, prefix) && g_strv_contains(losses, name + strlen(prefix));
}

static void crash_see_serial(CrashField *field, sd_bus_message *answer)
{
    uint64_t serial;

    if (!g_str_has_prefix(sd_bus_message_get_signature(answer, true), "st"))
        return;
    g_assert_cmpint(sd_bus_message_read(answer, "st", NULL, &serial), >, 0);
    field->last_serial = MAX(field->last_serial, serial);
}

static void crash_client_go_on(CrashClient *client);

static int on_crash_answer(sd_bus_message *answer, void *data, sd_bus_error *ret_error)
{
    g_autofree CrashSent *sent = data;
    CrashField *field = sent->client->field;
    const sd_bus_error *error = sd_bus_message_get_error(answer);
    bool is_lost = error != NULL && crash_error_is_loss(error->name);

    sent->client->n_open--;
    field->n_answers++;
    field->n_lost += is_lost;
    field->n_full += error != NULL && g_str_equal(error->name, SD_BUS_ERROR_FAILED);
    if (error == NULL && sent->service != NULL) {
        field->n_done++;
        field->n_done_of[sent->call->operation]++;
    }
    if (error == NULL)
        crash_see_serial(field, answer);
    if (sent->service == NULL)
        g_assert_true(error == NULL || is_lost || g_strv_contains(sent->noise, error->name));
    else if (!is_lost)
        crash_service_answer(sent->service, sent->call, error != NULL ? error->name : NULL);
    else
        sent->call->answer = CRASH_LOST;
    crash_client_go_on(sent->client);
    return 0;
}

static void crash_client_send(CrashClient *client, CrashSent *sent, sd_bus_message *message)
{
    g_assert_cmpint(sd_bus_call_async(client->bus, NULL, message, on_crash_answer, sent,
                                      CRASH_PATIENCE_USEC),
                    >=, 0);
    sd_bus_message_unref(message);
    client->n_open++;
}

static sd_bus_message *crash_message_new(CrashClient *client, const char *path,
                                         const char *interface, const char *member)
{
    sd_bus_message *message = NULL;

    g_assert_cmpint(sd_bus_message_new_method_call(client->bus, &message, client->destination, path,
                                                   interface, member),
                    >=, 0);
    return message;
}

/* What runs reads its files again: nothing of it is kept. */
static sd_bus_message *crash_noise_service(CrashClient *client, CrashSent *sent)
{
    static const char *const errors[] = {"org.svcmgr1.Error.NotSupported",
                                         "org.svcmgr1.Error.AlreadyLoading",
                                         "org.svcmgr1.Error.Busy",
                                         "org.svcmgr1.Error.NotFound",
                                         "org.freedesktop.DBus.Error.UnknownObject",
                                         NULL};
    int at = g_rand_int_range(client->rand, 0, (int)client->services->len);
    const CrashService *service = g_ptr_array_index(client->services, at);
    g_autofree char *path = client_service_path(service->id);

    sent->noise = errors;
    return crash_message_new(client, path, CLIENT_SERVICE, "Reload");
}

/* Nothing has changed in the files, so nothing may come of it. */
static sd_bus_message *crash_noise_definitions(CrashClient *client, CrashSent *sent)
{
    static const char *const errors[] = {NULL};
    sd_bus_message *message =
            crash_message_new(client, CLIENT_ROOT, CLIENT_MANAGER, "ReloadDefinitions");

    crash_append(message, "a{sv}", 0);
    sent->noise = errors;
    return message;
}

static void crash_client_make_noise(CrashClient *client)
{
    CrashSent *sent = g_new0(CrashSent, 1);

    sent->client = client;
    crash_client_send(client, sent,
                      g_rand_boolean(client->rand) ? crash_noise_service(client, sent)
                                                   : crash_noise_definitions(client, sent));
}

static void crash_client_operate(CrashClient *client)
{
    int at = g_rand_int_range(client->rand, 0, (int)client->services->len);
    CrashOperation operation = crash_operation_random(client->rand);
    CrashSent *sent = g_new0(CrashSent, 1);
    bool of_service = g_str_equal(crash_members[operation].interface, CLIENT_SERVICE);
    g_autofree char *path = NULL;

    sent->client = client;
    sent->service = g_ptr_array_index(client->services, at);
    sent->call = crash_service_send(sent->service, operation);
    sent->service->was_full |= client->field->was_full;
    path = of_service ? client_service_path(sent->service->id) : g_strdup(CLIENT_ROOT);

    sd_bus_message *message = crash_message_new(client, path, crash_members[operation].interface,
                                                crash_members[operation].member);
    if (crash_members[operation].fill != NULL)
        crash_members[operation].fill(sent, message);
    crash_client_send(client, sent, message);
}

static void crash_client_go_on(CrashClient *client)
{
    while (!client->is_ending && client->n_open < CRASH_OPEN_MAX) {
        if (g_rand_int_range(client->rand, 0, 100) < CRASH_NOISE_PERCENT)
            crash_client_make_noise(client);
        else
            crash_client_operate(client);
    }
}

void crash_client_begin(CrashClient *client)
{
    crash_client_go_on(client);
}

void crash_client_end(CrashClient *client)
{
    client->is_ending = true;
}

CrashClient *crash_client_new(CrashField *field, GPtrArray *services, const char *address,
                              const char *destination, uint32_t seed, sd_event *event)
{
    CrashClient *client = g_new0(CrashClient, 1);

    client->field = field;
    client->services = services;
    client->destination = destination;
    client->rand = g_rand_new_with_seed(seed);
    g_assert_cmpint(sd_bus_new(&client->bus), >=, 0);
    g_assert_cmpint(sd_bus_set_address(client->bus, address), >=, 0);
    g_assert_cmpint(sd_bus_set_bus_client(client->bus, destination != NULL), >=, 0);
    g_assert_cmpint(sd_bus_start(client->bus), >=, 0);
    g_assert_cmpint(sd_bus_attach_event(client->bus, event, SD_EVENT_PRIORITY_NORMAL), >=, 0);
    return client;
}

void crash_client_free(CrashClient *client)
{
    g_assert_cmpuint(client->n_open, ==, 0);
    (void)sd_bus_flush_close_unref(client->bus); /* always NULL */
    g_rand_free(client->rand);
    g_free(client);
}
