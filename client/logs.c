/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All logs are opened first, then read side by side. The end of a log that is followed has a reason
 * which its pipe does not tell: the service was deleted, or the daemon has gone. So the daemon is
 * asked. A log that ends by itself may have ended with the daemon, too. */

#include "logs.h"

#include "base/clock.h"
#include "batch.h"
#include "call.h"
#include "log-reader.h"

#include <stdio.h>

typedef struct LogsRun LogsRun;

typedef struct LogsLog {
    LogsRun *run;
    const char *id;
} LogsLog;

struct LogsRun {
    Client *client;
    LogQuery query;
    LogReader *reader;
    LogText *text;
    GString *shown;
    GPtrArray *ids; /* of those that could be opened */
    GArray *fds;    /* theirs */
    LogsLog *logs;  /* and what their ends are told by */
    unsigned n_ended;
    bool has_lines; /* any of them */
    Outcome outcome;
};

typedef struct LogsItem {
    BatchItem base;
    LogsRun *run;
    int fd; /* 0: none */
} LogsItem;

/* Opening */

static int on_logs_opened(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    LogsItem *item = data;
    CallSubject subject = {.verb = "read the log of", .id = item->base.id};
    const sd_bus_error *error = sd_bus_message_get_error(reply);
    Outcome outcome = OUTCOME_DONE;

    if (error != NULL) {
        outcome = call_report(&subject, error);
    } else {
        int fd = log_open_take(reply);

        if (fd >= 0)
            item->fd = fd;
        else
            outcome = client_fail(OUTCOME_FAILED, "cannot read the log of '%s': %s", item->base.id,
                                  g_strerror(-fd));
    }
    batch_item_done(&item->base, outcome);
    return 1;
}

static void logs_begin(BatchItem *base, void *data)
{
    LogsRun *run = data;
    LogsItem *item = (LogsItem *)base;

    item->run = run;
    Outcome outcome = log_open(run->client, base->id, &run->query, on_logs_opened, item);
    if (outcome != OUTCOME_DONE)
        batch_item_done(base, outcome);
}

static void logs_end(BatchItem *base, void *data)
{
    LogsRun *run = data;
    int fd = ((LogsItem *)base)->fd;

    if (fd == 0)
        return;
    g_ptr_array_add(run->ids, g_strdup(base->id));
    g_array_append_val(run->fds, fd);
}

/* Reading */

static void on_logs_entry(unsigned log, const LogEntry *entry, void *data)
{
    LogsRun *run = data;

    run->has_lines = true;
    log_text_add(run->text, log, entry, run->shown);
}

static bool on_logs_pause(void *data)
{
    LogsRun *run = data;

    output_write(run->shown->str, run->shown->len);
    g_string_set_size(run->shown, 0);
    run->client->output.now = clock_wall_usec(clock_system()); /* another day may have begun */
    return output_flush();
}

/* Before a message, what is on the screen of the last line is ended. */
static void logs_break(LogsRun *run)
{
    log_text_end(run->text, run->shown);
    (void)on_logs_pause(run); /* the next line tells it, too */
}

static void logs_join(LogsRun *run, Outcome outcome)
{
    run->outcome = outcome_join(run->outcome, outcome);
}

static Outcome logs_judge_end(const char *id, const sd_bus_error *error)
{
    CallSubject subject = {.verb = "follow", .id = id};

    if (error == NULL)
        return client_fail(OUTCOME_FAILED, "cannot follow '%s': svcmgrd has ended it", id);
    if (call_outcome(error) != OUTCOME_NO_SERVICE)
        return call_report(&subject, error);
    output_note("'%s' was deleted", id);
    return OUTCOME_DONE;
}

static int on_logs_answered(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    LogsLog *log = data;
    LogsRun *run = log->run;

    logs_break(run);
    Outcome outcome = logs_judge_end(log->id, sd_bus_message_get_error(reply));
    logs_join(run, outcome);
    if (outcome == OUTCOME_NO_DAEMON)
        log_reader_stop(run->reader); /* the other logs have ended with it */
    log_reader_release(run->reader);
    return 1;
}

static int on_logs_pinged(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    LogsRun *run = data;
    CallSubject subject = {.verb = "be sure that this is all"};
    const sd_bus_error *error = sd_bus_message_get_error(reply);

    logs_break(run);
    if (error != NULL)
        logs_join(run, call_report(&subject, error));
    log_reader_release(run->reader);
    return 1;
}

/* Why has it ended? Of those that end by themselves the last one asks for all. */
static void logs_ask(LogsRun *run, LogsLog *log)
{
    CallTarget state = {
            .id = log->id, .verb = "follow", .interface = SERVICE_INTERFACE, .member = "GetState"};
    CallTarget ping = {.path = MANAGER_PATH,
                       .verb = "be sure that this is all",
                       .interface = "org.freedesktop.DBus.Peer",
                       .member = "Ping"};
    Outcome outcome = run->query.follow
                              ? call_async(run->client, &state, on_logs_answered, log, NULL)
                              : call_async(run->client, &ping, on_logs_pinged, run, NULL);

    logs_join(run, outcome);
    if (outcome == OUTCOME_DONE)
        log_reader_hold(run->reader);
    else
        log_reader_stop(run->reader);
}

static void on_logs_end(unsigned index, int error, void *data)
{
    LogsRun *run = data;
    LogsLog *log = &run->logs[index];

    run->n_ended++;
    if (error != 0) {
        logs_break(run);
        logs_join(run, client_fail(OUTCOME_FAILED, "cannot read the log of '%s': %s", log->id,
                                   g_strerror(-error)));
    }
    if (run->query.follow ? error == 0 : run->n_ended == run->fds->len)
        logs_ask(run, log);
}

static void logs_read(LogsRun *run, LogStyle style)
{
    static const LogReaderFuncs funcs = {on_logs_entry, on_logs_pause, on_logs_end};
    unsigned n = run->fds->len;

    g_ptr_array_add(run->ids, NULL);
    g_autoptr(LogText) text = log_text_new(&run->client->output, style, (char **)run->ids->pdata);
    g_autofree LogsLog *logs = g_new0(LogsLog, n);
    for (unsigned i = 0; i < n; i++)
        logs[i] = (LogsLog){run, run->ids->pdata[i]};
    run->text = text;
    run->logs = logs;
    run->reader = log_reader_new(run->client, (const int *)(void *)run->fds->data, n,
                                 run->query.follow, &funcs, run);
    if (run->reader == NULL) {
        logs_join(run, client_fail(OUTCOME_FAILED, "cannot read logs: no event loop"));
        return;
    }
    log_reader_run(run->reader);
    logs_break(run);
    log_reader_free(run->reader);
}

/* Silence has a reason: a run that is not there, or a log that has nothing yet. */
static void logs_tell_silence(const LogsRun *run)
{
    const LogQuery *query = &run->query;
    unsigned n = run->fds->len;
    g_autofree char *logs =
            n == 1 ? g_strdup_printf("the log of '%s' has", (char *)run->ids->pdata[0])
                   : g_strdup_printf("these %u logs have", n);

    if (run->has_lines || query->follow || query->lines == 0 || run->client->output.is_quiet)
        return;
    output_note("%s no lines%s%s%s", logs, query->invocation != NULL ? " of run " : "",
                query->invocation != NULL ? query->invocation : "",
                query->since_usec != 0 ? " since then" : "");
}

Outcome logs_run(Client *client, char **arguments, const LogQuery *query, LogStyle style)
{
    static const BatchSteps steps = {sizeof(LogsItem), logs_begin, logs_end, .has_more = true};
    g_autoptr(GString) shown = g_string_new(NULL);
    g_autoptr(GPtrArray) ids = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(int));
    LogsRun run = {.client = client, .query = *query, .shown = shown, .ids = ids, .fds = fds};

    run.outcome = batch_run(client, arguments, &steps, &run);
    if (fds->len > 0)
        logs_read(&run, style);
    if (fds->len > 0 && run.outcome == OUTCOME_DONE)
        logs_tell_silence(&run);
    return run.outcome;
}
