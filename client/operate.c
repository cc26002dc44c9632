/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each service goes through the same steps, each step a call whose reply leads to the next:
 *
 *   call the method -> wait for the outcome -> ask for the record where the outcome needs words
 *
 * A reply that shows the goal already saves the steps that are left. The words of a failed start
 * end with what the program said last, for those who may read it. */

#include "operate.h"

#include "base/clock.h"
#include "base/parse.h"
#include "batch.h"
#include "call.h"
#include "failure-report.h"
#include "last-lines.h"
#include "record.h"

#include <stdio.h>
#include <string.h>

#define OPERATE_TIMEOUT "org.svcmgr1.Error.Timeout"
#define OPERATE_LAST_LINES 10
#define OPERATE_LAST_LINES_COLUMNS 400 /* the rest is told by svcmgr logs */

typedef struct OperateRun {
    Client *client;
    const Operation *operation;
    const char *remark;
    uint64_t after_serial;
    uint64_t deadline_usec; /* monotonic */
    bool is_called;         /* the call was made before: only follow it */
} OperateRun;

typedef struct OperateItem {
    BatchItem base;
    const OperateRun *run;
    uint64_t after_serial;
    bool is_already; /* there was nothing to do */
    bool is_late;    /* it was waited for in vain; its record is asked for to say how it is */
    json_t *record;  /* of a failure, while its report is awaited */
} OperateItem;

static void operate_done(OperateItem *item, Outcome outcome)
{
    batch_item_done(&item->base, outcome);
}

/* In JSON, what failed is a result like any other; the words go to standard error all the same. */
static void operate_json_error(OperateItem *item, const sd_bus_error *error)
{
    Output *output = &item->run->client->output;

    if (output->json != JSON_MODE_NONE)
        output_json_element(output, call_error_to_json(item->base.id, error));
}

/* What the call before has done, though what follows fails. */
static void operate_say_remark(const OperateItem *item)
{
    if (item->run->remark != NULL)
        output_say(&item->run->client->output, "%s: %s", item->base.id, item->run->remark);
}

static void operate_fail(OperateItem *item, const sd_bus_error *error)
{
    CallSubject subject = {.verb = item->run->operation->verb, .id = item->base.id};

    operate_say_remark(item);
    operate_json_error(item, error);
    operate_done(item, call_report(&subject, error));
}

static bool operate_is_goal(const Operation *operation, const char *state)
{
    for (size_t i = 0; i < G_N_ELEMENTS(operation->goals) && operation->goals[i] != NULL; i++) {
        if (g_str_equal(operation->goals[i], state))
            return true;
    }
    return false;
}

/* Whether there is an outcome to be waited for and judged. */
static bool operate_item_waits(const OperateItem *item)
{
    const Operation *operation = item->run->operation;
    bool is_final = item->is_already && operation->already != NULL;

    return operation->until != NULL && !is_final &&
           (operation->member == NULL || !item->run->client->options.no_wait);
}

static void operate_print(OperateItem *item, const char *state, const char *sub_state,
                          uint64_t serial)
{
    Output *output = &item->run->client->output;
    const char *remark = item->run->remark;
    bool has_detail = g_str_equal(state, "inactive") && sub_state[0] != '\0' &&
                      !g_str_equal(sub_state, state);

    if (output->json != JSON_MODE_NONE) {
        output_json_element(output, json_pack("{s:s, s:s, s:I, s:b}", "Id", item->base.id, "State",
                                              state, "StateSerial", (json_int_t)serial, "Changed",
                                              !item->is_already));
        return;
    }
    if (item->is_already && item->run->operation->already != NULL)
        output_say(output, "%s is already %s%s", item->base.id, item->run->operation->already,
                   g_str_equal(state, "failed") ? " (failed)" : "");
    else if (item->is_already)
        output_say(output, "%s is already %s", item->base.id, state);
    else
        output_say(output, "%s: %s%s%s%s%s%s", item->base.id, remark != NULL ? remark : "",
                   remark != NULL ? ", " : "", state, has_detail ? " (" : "",
                   has_detail ? sub_state : "", has_detail ? ")" : "");
}

/* The daemon was only given what was left of the time; the message names what was asked for. */
static void operate_fail_late(OperateItem *item, const json_t *record)
{
    const char *error = value_string(record, "Error");
    g_autofree char *waits =
            record_state_waits(value_string(record, "State"), value_string(record, "SubState"),
                               json_object_get(record, "WaitingFor"));
    const char *state = error[0] != '\0' ? value_string(record, "State") : waits;
    g_autofree char *duration = format_duration(item->run->client->timeout_usec);
    g_autofree char *message = g_strdup_printf("service '%s' was not %s within %s; it is %s%s%s",
                                               item->base.id, item->run->operation->until, duration,
                                               state, error[0] != '\0' ? ": " : "", error);

    operate_fail(item, &SD_BUS_ERROR_MAKE_CONST(OPERATE_TIMEOUT, message));
}

/* It is not given up: it waits. Where to look is not the service itself. */
static Outcome operate_report_blocked(const CallSubject *subject, const json_t *record)
{
    bool is_conflict = g_str_equal(value_string(record, "ErrorName"), "org.svcmgr1.Error.Conflict");
    g_autofree char *hint =
            g_strdup_printf("it starts when that is %s; see: svcmgr tree %s%s",
                            is_conflict ? "down" : "up", is_conflict ? "--all " : "", subject->id);

    return call_report_reason(subject, OUTCOME_FAILED, value_string(record, "Error"), hint);
}

/* The record says why it has failed. lines: what the program said last; NULL: that is not known. */
static void operate_fail_judged(OperateItem *item, const json_t *record, const json_t *lines)
{
    const Operation *operation = item->run->operation;
    Output *output = &item->run->client->output;
    CallSubject subject = {.verb = operation->verb, .id = item->base.id};
    const char *state = value_string(record, "State");
    const char *error = value_string(record, "Error");
    g_autofree char *next = record_next_attempt(record, clock_wall_usec(clock_system()));
    g_autofree char *note = next != NULL ? g_strdup_printf("next attempt %s", next) : NULL;
    g_autofree char *text =
            last_lines_text(output, lines, OPERATE_LAST_LINES, OPERATE_LAST_LINES_COLUMNS);
    bool is_blocked = g_str_equal(state, "waiting");

    if (operate_is_goal(operation, state))
        note = g_strdup_printf("it still is %s", state); /* there is no next attempt */
    operate_say_remark(item);
    operate_json_error(item, &SD_BUS_ERROR_MAKE_CONST(value_string(record, "ErrorName"), error));
    Outcome outcome = is_blocked ? operate_report_blocked(&subject, record)
                                 : call_report_service(&subject, error, note);
    if (text != NULL)
        fprintf(stderr, "  last output:\n%s", text);
    operate_done(item, outcome);
}

static int on_operate_report(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    OperateItem *item = data;
    bool has_report = sd_bus_message_get_error(reply) == NULL;
    g_autoptr(json_t) record = g_steal_pointer(&item->record);
    g_autoptr(json_t) report = has_report ? failure_report_take(reply) : NULL;
    const json_t *failure = json_object_get(report, "failure");
    bool is_of_this = value_unsigned(failure, "serial") > item->after_serial;

    operate_fail_judged(item, record, is_of_this ? json_object_get(report, "last_lines") : NULL);
    return 1;
}

/* Whether what the program said last was asked for, to be told with the failure. */
static bool operate_ask_report(OperateItem *item, json_t *record)
{
    const Client *client = item->run->client;

    if (!item->run->operation->shows_output || client->options.quiet ||
        client->output.json != JSON_MODE_NONE)
        return false;
    item->record = json_incref(record);
    if (failure_report_ask(item->run->client, item->base.id, on_operate_report, item) ==
        OUTCOME_DONE)
        return true;
    json_decref(g_steal_pointer(&item->record));
    return false;
}

/* The outcome is not plain success: the record says why. */
static void operate_judge(OperateItem *item, json_t *record)
{
    const Operation *operation = item->run->operation;
    const char *state = value_string(record, "State");
    const char *error = value_string(record, "Error");
    bool is_goal = operate_is_goal(operation, state);
    bool is_final = !operate_item_waits(item);

    if (error[0] != '\0' && (!is_goal || operation->minds_error) && !is_final) {
        if (!operate_ask_report(item, record))
            operate_fail_judged(item, record, NULL);
        return;
    }
    operate_print(item, state, value_string(record, "SubState"),
                  value_unsigned(record, "StateSerial"));
    operate_done(item, OUTCOME_DONE);
}

static int on_operate_record(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    OperateItem *item = data;
    const sd_bus_error *error = sd_bus_message_get_error(reply);
    g_autoptr(json_t) record = NULL;

    if (error != NULL)
        operate_fail(item, error);
    else if (value_read(reply, &record) < 0)
        operate_done(item,
                     client_fail(OUTCOME_FAILED, "cannot read the state of '%s'", item->base.id));
    else if (item->is_late)
        operate_fail_late(item, record);
    else
        operate_judge(item, record);
    return 1;
}

static void operate_ask_record(OperateItem *item)
{
    CallTarget target = {.id = item->base.id, .interface = SERVICE_INTERFACE, .member = "GetState"};
    Outcome outcome = call_async(item->run->client, &target, on_operate_record, item, NULL);

    if (outcome != OUTCOME_DONE)
        operate_done(item, outcome);
}

static void operate_reached(OperateItem *item, const char *state, uint64_t serial)
{
    const Operation *operation = item->run->operation;

    if (!operate_is_goal(operation, state) || operation->minds_error) {
        operate_ask_record(item);
        return;
    }
    operate_print(item, state, "", serial);
    operate_done(item, OUTCOME_DONE);
}

static bool operate_read_state(OperateItem *item, sd_bus_message *reply, const char **ret_state,
                               uint64_t *ret_serial)
{
    if (sd_bus_message_read(reply, "st", ret_state, ret_serial) >= 0)
        return true;
    operate_done(item, client_fail(OUTCOME_FAILED, "cannot read the state of '%s'", item->base.id));
    return false;
}

static int on_operate_waited(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    OperateItem *item = data;
    const sd_bus_error *error = sd_bus_message_get_error(reply);
    const char *state;
    uint64_t serial;

    item->is_late = error != NULL && sd_bus_error_has_name(error, OPERATE_TIMEOUT);
    if (item->is_late)
        operate_ask_record(item);
    else if (error != NULL)
        operate_fail(item, error);
    else if (operate_read_state(item, reply, &state, &serial))
        operate_reached(item, state, serial);
    return 1;
}

/* What is left until the deadline; 0: it is past, and Wait only looks. */
static uint64_t operate_time_left(const OperateRun *run)
{
    uint64_t now = clock_monotonic_usec(clock_system());

    if (run->deadline_usec == USEC_INFINITY)
        return USEC_INFINITY;
    return run->deadline_usec > now ? run->deadline_usec - now : 0;
}

static void operate_wait(OperateItem *item)
{
    const OperateRun *run = item->run;
    const char *until = run->operation->until;
    uint64_t left = operate_time_left(run);
    /* The daemon watches the time; only if it hangs itself, sd-bus does. */
    CallTarget target = {.id = item->base.id,
                         .interface = SERVICE_INTERFACE,
                         .member = "Wait",
                         .timeout_usec = usec_add(left, 5 * USEC_PER_SEC)};
    Outcome outcome;

    if (left == USEC_INFINITY)
        outcome = call_async(run->client, &target, on_operate_waited, item, "a{sv}", 2, "until",
                             "s", until, "after_serial", "t", item->after_serial);
    else
        outcome = call_async(run->client, &target, on_operate_waited, item, "a{sv}", 3, "until",
                             "s", until, "after_serial", "t", item->after_serial, "timeout_usec",
                             "t", left);
    if (outcome != OUTCOME_DONE)
        operate_done(item, outcome);
}

/* The call was accepted, and the reply shows the state that it made: it may be the outcome. */
static void operate_accepted(OperateItem *item, const char *state, uint64_t serial)
{
    if (!operate_item_waits(item)) {
        operate_print(item, state, "", serial);
        operate_done(item, OUTCOME_DONE);
        return;
    }
    if (operate_is_goal(item->run->operation, state)) {
        operate_reached(item, state, serial);
        return;
    }
    item->after_serial = serial > 0 ? serial - 1 : 0;
    operate_wait(item);
}

/* True if the error only says that there is nothing to do, or that it is being done. */
static bool operate_is_satisfied(OperateItem *item, const sd_bus_error *error)
{
    const Operation *operation = item->run->operation;

    if (item->run->client->options.strict)
        return false;
    if (operation->already_error != NULL && sd_bus_error_has_name(error, operation->already_error))
        item->is_already = true;
    else if (operation->joins_error == NULL ||
             !sd_bus_error_has_name(error, operation->joins_error))
        return false;
    return true;
}

static int on_operate_called(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    OperateItem *item = data;
    const sd_bus_error *error = sd_bus_message_get_error(reply);
    const char *state;
    uint64_t serial;

    if (error == NULL) {
        if (operate_read_state(item, reply, &state, &serial))
            operate_accepted(item, state, serial);
    } else if (!operate_is_satisfied(item, error)) {
        operate_fail(item, error);
    } else if (operate_item_waits(item)) {
        operate_wait(item);
    } else {
        operate_ask_record(item);
    }
    return 1;
}

static void operate_begin(BatchItem *base, void *data)
{
    const OperateRun *run = data;
    OperateItem *item = (OperateItem *)base;

    item->run = run;
    item->after_serial = run->after_serial;
    if (run->operation->member == NULL || run->is_called) {
        operate_wait(item);
        return;
    }
    CallTarget target = {
            .id = base->id, .interface = SERVICE_INTERFACE, .member = run->operation->member};
    Outcome outcome = call_async(run->client, &target, on_operate_called, item, NULL);
    if (outcome != OUTCOME_DONE)
        operate_done(item, outcome);
}

/* A report that was asked for may never have come. */
static void operate_end(BatchItem *base, void *data)
{
    json_decref(((OperateItem *)base)->record);
}

/* Order */

static int operate_compare_places(const void *a, const void *b, void *data)
{
    const char *const *left = a, *const *right = b;
    GHashTable *places = data;
    unsigned x = GPOINTER_TO_UINT(g_hash_table_lookup(places, *left));
    unsigned y = GPOINTER_TO_UINT(g_hash_table_lookup(places, *right));

    return (x > y) - (x < y);
}

/* Without a word: who calls tells what is wrong with which service. */
static void operate_ask_plan(const OperateRun *run, char **ids, json_t **ret_steps)
{
    sd_bus_message *call = NULL;
    sd_bus_message *reply = NULL;

    if (call_manager_new(run->client, run->operation->plan, &call) != OUTCOME_DONE)
        return;
    (void)sd_bus_message_append_strv(call, ids); /* cannot fail: checked text */
    (void)sd_bus_message_open_container(call, 'a', "{sv}");
    call_append_option(call, "dry_run", "b", 1);
    (void)sd_bus_message_close_container(call);
    if (sd_bus_call(run->client->bus, call, run->client->timeout_usec, NULL, &reply) >= 0)
        (void)value_read(reply, ret_steps); /* no list: no order */
    sd_bus_message_unref(reply);
    sd_bus_message_unref(call);
}

/* The daemon does at once what each call asks for. So whoever has to go first is called on first:
 * else a service stops before the daemon has heard that those who need it are to stop, too. */
static void operate_arrange(Client *client, char **ids, void *data)
{
    const OperateRun *run = data;
    g_autoptr(GHashTable) places = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(json_t) steps = NULL;
    size_t index;
    const json_t *step;

    if (run->operation->plan == NULL)
        return;
    operate_ask_plan(run, ids, &steps);
    json_array_foreach(steps, index, step)
    {
        g_hash_table_insert(places, (void *)value_string(step, "id"),
                            GUINT_TO_POINTER((unsigned)index + 1));
    }
    g_qsort_with_data(ids, (int)g_strv_length(ids), sizeof(*ids), operate_compare_places, places);
}

static Outcome operate_run(OperateRun *run, char **arguments)
{
    static const BatchSteps steps = {.item_size = sizeof(OperateItem),
                                     .arrange = operate_arrange,
                                     .begin = operate_begin,
                                     .end = operate_end};

    run->deadline_usec = usec_add(clock_monotonic_usec(clock_system()), run->client->timeout_usec);
    return batch_run(run->client, arguments, &steps, run);
}

Outcome operate(Client *client, const Operation *operation, char **arguments)
{
    OperateRun run = {
            .client = client, .operation = operation, .after_serial = operation->after_serial};

    return operate_run(&run, arguments);
}

Outcome operate_follow(Client *client, const Operation *operation, const char *id,
                       uint64_t after_serial, const char *remark)
{
    OperateRun run = {.client = client,
                      .operation = operation,
                      .remark = remark,
                      .after_serial = after_serial,
                      .is_called = true};
    char *arguments[] = {(char *)id, NULL};

    return operate_run(&run, arguments);
}
