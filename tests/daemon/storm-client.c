/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The operations are a table: how often, what is called, how its arguments are made up, what is
 * read from the answer, and which errors there may be. */

#include "storm-client.h"

#include "base/fds.h"
#include "storm-config.h"
#include "support/client.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STORM_NAME "org.svcmgr1"
#define STORM_OPEN_MAX 8
#define STORM_PATIENCE_USEC (60 * USEC_PER_SEC) /* no answer is a failure */

typedef struct StormCall {
    StormClient *client;
    const struct StormOperation *operation;
    const char *id;
} StormCall;

typedef struct StormOperation {
    const char *name;
    unsigned weight;
    const char *interface; /* NULL: no call, but act */
    const char *member;
    bool of_service;                                        /* the object; else the manager */
    void (*fill)(StormCall *call, sd_bus_message *message); /* NULL: no arguments */
    void (*see)(const StormCall *call, sd_bus_message *answer);
    /* Without their common prefix, which is org.svcmgr1.Error. unless there is a dot in it. */
    const char *errors;
} StormOperation;

/* What the answers say */

static void storm_see(const StormCall *call, const char *id, const char *state, uint64_t serial)
{
    StormSighting sighting = {
            .id = g_intern_string(id), .state = g_intern_string(state), .serial = serial};

    g_array_append_val(call->client->field->sightings, sighting);
}

static void storm_see_state(const StormCall *call, sd_bus_message *answer)
{
    const char *state;
    uint64_t serial;

    g_assert_cmpint(sd_bus_message_read(answer, "st", &state, &serial), >, 0);
    storm_see(call, call->id, state, serial);
}

static void storm_see_record(const StormCall *call, sd_bus_message *answer)
{
    g_autoptr(GHashTable) record = storm_table_new();

    storm_table_read(record, answer);
    storm_see(call, call->id, storm_table_get(record, "State"),
              storm_table_get_unsigned(record, "StateSerial"));
}

static void storm_see_list(const StormCall *call, sd_bus_message *answer)
{
    g_assert_cmpint(sd_bus_message_enter_container(answer, 'a', "a{sv}"), >=, 0);
    while (sd_bus_message_at_end(answer, false) == 0) {
        g_autoptr(GHashTable) record = storm_table_new();

        storm_table_read(record, answer);
        storm_see(call, storm_table_get(record, "Id"), storm_table_get(record, "State"),
                  storm_table_get_unsigned(record, "StateSerial"));
    }
}

/* Arguments */

static const char *storm_pick(GRand *rand, const char *const *words)
{
    return words[g_rand_int_range(rand, 0, (int)g_strv_length((char **)words))];
}

static void storm_append(sd_bus_message *message, const char *types, ...)
{
    va_list args;

    va_start(args, types);
    g_assert_cmpint(sd_bus_message_appendv(message, types, args), >=, 0);
    va_end(args);
}

static void storm_fill_create(StormCall *call, sd_bus_message *message)
{
    GRand *rand = call->client->rand;
    const char *kind;
    g_autofree char *config = storm_config_random(rand, &kind);

    storm_append(message, "sssa{sv}", call->id, kind,
                 g_rand_int_range(rand, 0, 10) == 0 ? "" : config, 3, "start", "b",
                 g_rand_boolean(rand), "description", "s", "one of many", "labels", "a{ss}", 1,
                 "storm", "yes");
}

static void storm_fill_create_minted(StormCall *call, sd_bus_message *message)
{
    call->id = "";
    storm_fill_create(call, message);
}

static void storm_fill_create_bad(StormCall *call, sd_bus_message *message)
{
    GRand *rand = call->client->rand;

    storm_append(message, "sssa{sv}", g_rand_int_range(rand, 0, 4) == 0 ? ".odd id" : call->id,
                 g_rand_int_range(rand, 0, 4) == 0 ? "nothing" : "process", storm_config_bad(rand),
                 1, "start", "b", 1);
}

static void storm_fill_delete(StormCall *call, sd_bus_message *message)
{
    storm_append(message, "sa{sv}", call->id, 1, "allow_missing", "b",
                 g_rand_boolean(call->client->rand));
}

static void storm_fill_id(StormCall *call, sd_bus_message *message)
{
    storm_append(message, "s", call->id);
}

static StormTable *storm_process_of(const StormCall *call)
{
    const StormObserver *observer = call->client->field->observer;
    g_autofree char *path = client_service_path(call->id);

    return observer->model != NULL ? storm_model_find(observer->model, path, CLIENT_PROCESS) : NULL;
}

static uint32_t storm_main_pid(const StormCall *call)
{
    StormTable *process = storm_process_of(call);

    return process != NULL ? (uint32_t)storm_table_get_unsigned(process, "MainPID") : 0;
}

static void storm_fill_pid(StormCall *call, sd_bus_message *message)
{
    storm_append(message, "u", storm_main_pid(call));
}

static void storm_fill_list(StormCall *call, sd_bus_message *message)
{
    GRand *rand = call->client->rand;

    storm_append(message, "a{sv}", 2, "limit", "u", (uint32_t)g_rand_int_range(rand, 1, 60),
                 "pattern", "s", g_rand_boolean(rand) ? "*" : "*3*");
}

static void storm_fill_validate(StormCall *call, sd_bus_message *message)
{
    const char *kind;
    g_autofree char *config = storm_config_random(call->client->rand, &kind);

    storm_append(message, "ss", kind,
                 g_rand_boolean(call->client->rand) ? config
                                                    : storm_config_bad(call->client->rand));
}

static void storm_fill_kind(StormCall *call, sd_bus_message *message)
{
    static const char *const kinds[] = {"process", "oneshot", "nothing", NULL};

    storm_append(message, "s", storm_pick(call->client->rand, kinds));
}

static void storm_fill_events(StormCall *call, sd_bus_message *message)
{
    uint64_t last = storm_observer_last_serial(call->client->field->observer);
    uint64_t back = (uint64_t)g_rand_int_range(call->client->rand, 0, 100);

    storm_append(message, "tu", last > back ? last - back : 0,
                 (uint32_t)g_rand_int_range(call->client->rand, 1, 200));
}

static void storm_fill_manager(StormCall *call, sd_bus_message *message)
{
    storm_append(message, "s", CLIENT_MANAGER);
}

static void storm_fill_service(StormCall *call, sd_bus_message *message)
{
    storm_append(message, "s", CLIENT_SERVICE);
}

static void storm_fill_process(StormCall *call, sd_bus_message *message)
{
    storm_append(message, "s", CLIENT_PROCESS);
}

static void storm_fill_property(StormCall *call, sd_bus_message *message)
{
    static const char *const names[] = {"State",          "SubState", "Error",
                                        "LastTransition", "Labels",   NULL};

    storm_append(message, "ss", CLIENT_SERVICE, storm_pick(call->client->rand, names));
}

static void storm_fill_good(StormCall *call, sd_bus_message *message)
{
    const char *kind;
    g_autofree char *config = storm_config_random(call->client->rand, &kind);

    storm_append(message, "s", config);
}

static void storm_fill_bad(StormCall *call, sd_bus_message *message)
{
    storm_append(message, "s", storm_config_bad(call->client->rand));
}

static void storm_fill_wait(StormCall *call, sd_bus_message *message)
{
    static const char *const untils[] = {"settled", "active", "inactive", "ready", NULL};
    GRand *rand = call->client->rand;

    storm_append(message, "a{sv}", 3, "until", "s", storm_pick(rand, untils), "timeout_usec", "t",
                 (uint64_t)g_rand_int_range(rand, 0, 80000), "after_serial", "t",
                 g_rand_boolean(rand) ? storm_observer_last_serial(call->client->field->observer)
                                      : 0);
}

static void storm_fill_signal(StormCall *call, sd_bus_message *message)
{
    static const int signals[] = {SIGTERM, SIGKILL, SIGUSR1, SIGHUP, SIGSTOP, SIGCONT, 0, 1000};
    GRand *rand = call->client->rand;

    storm_append(message, "si", g_rand_boolean(rand) ? "main" : "all",
                 signals[g_rand_int_range(rand, 0, G_N_ELEMENTS(signals))]);
}

/* Whether pid is a child of the daemon now. */
static bool storm_is_of_daemon(const StormCall *call, uint32_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%u/stat", pid), *text = NULL;
    unsigned parent = 0;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return false;
    const char *rest = strrchr(text, ')');
    return rest != NULL && sscanf(rest, ") %*c %u", &parent) == 1 &&
           parent == call->client->field->daemon_pid;
}

/* Kills the main process from outside; by descriptor, lest it is somebody else's by now. */
static void storm_kill(StormCall *call, sd_bus_message *unused)
{
    uint32_t pid = storm_main_pid(call);
    autofd int fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;

    if (fd >= 0 && storm_is_of_daemon(call, pid) &&
        syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) == 0)
        call->client->field->n_kills++;
}

#define DBUS(name) "org.freedesktop.DBus." name
#define GONE "NotFound " DBUS("Error.UnknownObject")

static const StormOperation operations[] = {
        {"create", 40, CLIENT_MANAGER, "CreateService", false, storm_fill_create, NULL, "IdExists"},
        {"create-minted", 2, CLIENT_MANAGER, "CreateService", false, storm_fill_create_minted, NULL,
         ""},
        {"create-bad", 20, CLIENT_MANAGER, "CreateService", false, storm_fill_create_bad, NULL,
         "IdExists InvalidId InvalidConfig UnknownKind"},
        {"delete", 12, CLIENT_MANAGER, "DeleteService", false, storm_fill_delete, NULL, "NotFound"},
        {"get", 10, CLIENT_MANAGER, "GetService", false, storm_fill_id, NULL, "NotFound"},
        {"by-pid", 10, CLIENT_MANAGER, "GetServiceByPID", false, storm_fill_pid, NULL, "NotFound"},
        {"list", 20, CLIENT_MANAGER, "ListServices", false, storm_fill_list, storm_see_list, ""},
        {"kinds", 5, CLIENT_MANAGER, "ListKinds", false, NULL, NULL, ""},
        {"schema", 5, CLIENT_MANAGER, "GetKindSchema", false, storm_fill_kind, NULL, "UnknownKind"},
        {"validate", 20, CLIENT_MANAGER, "ValidateConfig", false, storm_fill_validate, NULL, ""},
        {"events", 20, CLIENT_MANAGER, "GetEvents", false, storm_fill_events, NULL, ""},
        {"reset-all", 5, CLIENT_MANAGER, "ResetFailed", false, NULL, NULL, ""},
        {"objects", 5, DBUS("ObjectManager"), "GetManagedObjects", false, NULL, NULL, ""},
        {"manager", 10, DBUS("Properties"), "GetAll", false, storm_fill_manager, NULL, ""},
        {"unknown", 5, CLIENT_MANAGER, "Explode", false, NULL, NULL, DBUS("Error.UnknownMethod")},
        {"start", 140, CLIENT_SERVICE, "Start", true, NULL, storm_see_state,
         GONE " AlreadyStarted Busy StartLimitHit"},
        {"stop", 100, CLIENT_SERVICE, "Stop", true, NULL, storm_see_state,
         GONE " AlreadyStopped Busy"},
        {"restart", 80, CLIENT_SERVICE, "Restart", true, NULL, storm_see_state,
         GONE " Busy StartLimitHit"},
        {"configure", 80, CLIENT_SERVICE, "Configure", true, storm_fill_good, storm_see_state,
         GONE " AlreadyLoading Busy InvalidConfig"},
        {"configure-bad", 30, CLIENT_SERVICE, "Configure", true, storm_fill_bad, NULL,
         GONE " AlreadyLoading Busy InvalidConfig"},
        {"wait", 80, CLIENT_SERVICE, "Wait", true, storm_fill_wait, storm_see_state,
         GONE " Timeout StartLimitHit " DBUS("Error.Failed")},
        {"state", 60, CLIENT_SERVICE, "GetState", true, NULL, storm_see_record, GONE},
        {"config", 20, CLIENT_SERVICE, "GetConfig", true, NULL, NULL, GONE},
        {"signal", 50, CLIENT_SERVICE, "Signal", true, storm_fill_signal, NULL,
         GONE " AlreadyStopped " DBUS("Error.InvalidArgs")},
        {"reload", 60, CLIENT_SERVICE, "Reload", true, NULL, storm_see_state,
         GONE " AlreadyLoading Busy NotSupported"},
        {"reset", 30, CLIENT_SERVICE, "ResetFailed", true, NULL, NULL, GONE " Busy"},
        {"property", 40, DBUS("Properties"), "Get", true, storm_fill_property, NULL, GONE},
        {"properties", 30, DBUS("Properties"), "GetAll", true, storm_fill_service, storm_see_record,
         GONE},
        {"process", 20, DBUS("Properties"), "GetAll", true, storm_fill_process, NULL, GONE},
        {"introspect", 5, DBUS("Introspectable"), "Introspect", true, NULL, NULL, GONE},
        {"kill", 40, NULL, NULL, true, storm_kill, NULL, ""},
};

static const StormOperation *storm_operation_random(GRand *rand)
{
    unsigned sum = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(operations); i++)
        sum += operations[i].weight;
    int at = g_rand_int_range(rand, 0, (int)sum);
    size_t i = 0;
    while ((at -= (int)operations[i].weight) >= 0)
        i++;
    return &operations[i];
}

static bool storm_error_is_documented(const StormOperation *operation, const char *name)
{
    g_auto(GStrv) errors = g_strsplit(operation->errors, " ", 0);

    for (size_t i = 0; errors[i] != NULL; i++) {
        g_autofree char *full = strchr(errors[i], '.') != NULL
                                        ? g_strdup(errors[i])
                                        : g_strconcat("org.svcmgr1.Error.", errors[i], NULL);
        if (g_str_equal(full, name))
            return true;
    }
    return false;
}

static void storm_count(StormField *field, const char *operation, const char *outcome)
{
    char *key = g_strdup_printf("%s %s", operation, outcome);
    unsigned n = GPOINTER_TO_UINT(g_hash_table_lookup(field->outcomes, key));

    g_hash_table_replace(field->outcomes, key, GUINT_TO_POINTER(n + 1));
}

static void storm_client_go_on(StormClient *client);

static int on_storm_answer(sd_bus_message *answer, void *data, sd_bus_error *ret_error)
{
    g_autofree StormCall *call = data;
    const sd_bus_error *error = sd_bus_message_get_error(answer);

    if (error != NULL && !storm_error_is_documented(call->operation, error->name))
        g_error("%s of '%s': %s: %s", call->operation->name, call->id, error->name, error->message);
    if (error == NULL && call->operation->see != NULL)
        call->operation->see(call, answer);
    storm_count(call->client->field, call->operation->name, error != NULL ? error->name : "ok");
    call->client->field->n_answers++;
    g_assert_cmpuint(call->client->n_open, >, 0);
    call->client->n_open--;
    storm_client_go_on(call->client);
    return 0;
}

static void storm_client_operate(StormClient *client)
{
    const StormOperation *operation = storm_operation_random(client->rand);
    g_autofree StormCall *call = g_new0(StormCall, 1);
    g_autofree char *path = NULL;
    sd_bus_message *message = NULL;

    call->client = client;
    call->operation = operation;
    call->id = g_ptr_array_index(client->field->ids,
                                 g_rand_int_range(client->rand, 0, (int)client->field->ids->len));
    client->n_left--;
    if (operation->interface == NULL) {
        operation->fill(call, NULL);
        client->field->n_answers++;
        return;
    }
    path = operation->of_service ? client_service_path(call->id) : g_strdup(CLIENT_ROOT);
    g_assert_cmpint(sd_bus_message_new_method_call(client->bus, &message, STORM_NAME, path,
                                                   operation->interface, operation->member),
                    >=, 0);
    if (operation->fill != NULL)
        operation->fill(call, message);
    g_assert_cmpint(sd_bus_call_async(client->bus, NULL, message, on_storm_answer,
                                      g_steal_pointer(&call), STORM_PATIENCE_USEC),
                    >=, 0);
    sd_bus_message_unref(message);
    client->n_open++;
}

static void storm_client_go_on(StormClient *client)
{
    while (client->n_left > 0 && client->n_open < STORM_OPEN_MAX)
        storm_client_operate(client);
}

void storm_client_begin(StormClient *client)
{
    storm_client_go_on(client);
}

bool storm_client_is_done(const StormClient *client)
{
    return client->n_left == 0 && client->n_open == 0;
}

StormClient *storm_client_new(StormField *field, const char *address, uint32_t seed,
                              unsigned n_operations, sd_event *event)
{
    StormClient *client = g_new0(StormClient, 1);

    client->field = field;
    client->rand = g_rand_new_with_seed(seed);
    client->n_left = n_operations;
    g_assert_cmpint(sd_bus_new(&client->bus), >=, 0);
    g_assert_cmpint(sd_bus_set_address(client->bus, address), >=, 0);
    g_assert_cmpint(sd_bus_set_bus_client(client->bus, true), >=, 0);
    g_assert_cmpint(sd_bus_start(client->bus), >=, 0);
    g_assert_cmpint(sd_bus_attach_event(client->bus, event, SD_EVENT_PRIORITY_NORMAL), >=, 0);
    return client;
}

void storm_client_free(StormClient *client)
{
    (void)sd_bus_flush_close_unref(client->bus); /* always NULL */
    g_rand_free(client->rand);
    g_free(client);
}

StormField *storm_field_new(unsigned n_ids)
{
    static const char *const forms[] = {"service%u", "a.b-%u", "tty@%u", "x:y_%u", "%u"};
    StormField *field = g_new0(StormField, 1);

    field->ids = g_ptr_array_new_with_free_func(g_free);
    for (unsigned i = 0; i < n_ids; i++) {
        GString *id = g_string_new(forms[i % G_N_ELEMENTS(forms)]);
        g_autofree char *number = g_strdup_printf("%u", i);

        (void)g_string_replace(id, "%u", number, 0);
        g_ptr_array_add(field->ids, g_string_free(id, FALSE));
    }
    field->sightings = g_array_new(FALSE, FALSE, sizeof(StormSighting));
    field->outcomes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return field;
}

void storm_field_free(StormField *field)
{
    g_ptr_array_unref(field->ids);
    g_array_unref(field->sightings);
    g_hash_table_unref(field->outcomes);
    g_free(field);
}

char *storm_field_summary(const StormField *field)
{
    g_autoptr(GList) keys = g_list_sort(g_hash_table_get_keys(field->outcomes),
                                        (GCompareFunc)(void (*)(void))strcmp);
    GString *text = g_string_new(NULL);

    for (GList *key = keys; key != NULL; key = key->next)
        g_string_append_printf(text, "%s%s %u", key == keys ? "" : "; ", (char *)key->data,
                               GPOINTER_TO_UINT(g_hash_table_lookup(field->outcomes, key->data)));
    return g_string_free(text, FALSE);
}
