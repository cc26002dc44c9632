/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading thousands of files takes longer than a call may have to wait, so a reload reads a few in
 * each turn of the loop. One reload is under way at a time; what it has found is taken over at
 * once. */

#include "base/errors.h"
#include "base/log.h"
#include "units/manager.h"
#include "units/reload.h"
#include "units/units.h"

#include <string.h>
#include <unistd.h>

#define DEFINITIONS_A_TURN 64

static void on_definitions_turn(void *data);

/* Reading */

/* ret_directories: what the options point to. */
static DefinitionsOptions definitions_options(const Daemon *daemon,
                                              DefinitionDirectory **ret_directories)
{
    char **paths = daemon->options.services_dirs;
    size_t n = g_strv_length(paths);

    *ret_directories = g_new0(DefinitionDirectory, n);
    for (size_t i = 0; i < n; i++)
        (*ret_directories)[i] =
                (DefinitionDirectory){paths[i], !daemon->options.services_dirs_given};
    return (DefinitionsOptions){
            .directories = *ret_directories,
            .n_directories = n,
            .trust = {.check = geteuid() == 0, .uid = geteuid()},
            .max_definitions = (unsigned)daemon->options.max_services,
    };
}

Definitions *definitions_unit_load(Daemon *daemon, GError **error)
{
    g_autofree DefinitionDirectory *directories = NULL;
    DefinitionsOptions options = definitions_options(daemon, &directories);
    Definitions *definitions = definitions_load(&options, error);

    if (definitions != NULL)
        definitions_check(definitions, daemon->map);
    return definitions;
}

void definitions_unit_log(const GPtrArray *messages)
{
    for (unsigned i = 0; i < messages->len; i++) {
        const DefinitionMessage *message = g_ptr_array_index(messages, i);

        log_full(message->level, __FILE__, __LINE__, __func__, NULL, NULL, "%s", message->text);
    }
}

/* Reloads */

struct DefinitionsRun {
    bool dry_run;
    Origin origin;
    ReloadDone done; /* NULL: nobody waits any more */
    void *data;
};

static void definitions_run_end(DefinitionsRun *run, const ReloadReport *report,
                                const GError *error)
{
    if (run->done != NULL)
        run->done(report, error, run->data);
    caller_unref(run->origin.caller);
    g_free(run);
}

static Daemon *definitions_daemon(Reloader *reloader)
{
    return (Daemon *)(void *)((char *)reloader - offsetof(Daemon, reloader));
}

static void definitions_next_turn(Daemon *daemon)
{
    if (daemon->reading == NULL)
        daemon->reading = timer_new(loop_timers(daemon->loop), on_definitions_turn, daemon);
    timer_arm(daemon->reading, clock_monotonic_usec(loop_clock(daemon->loop)));
}

static void definitions_take(Daemon *daemon, const DefinitionsRun *run, ReloadReport *report)
{
    g_autoptr(Definitions) now = definitions_reader_take(g_steal_pointer(&daemon->reader));

    definitions_unit_log(now->messages);
    requests_flush(daemon->requests); /* what was asked for before is done before */
    reload_report_init(report);
    reload_run(daemon, now, run->dry_run, &run->origin, report);
}

static void definitions_finish(Daemon *daemon)
{
    DefinitionsRun *run = g_queue_pop_head(&daemon->reloads);
    ReloadReport report;

    definitions_take(daemon, run, &report);
    definitions_run_end(run, &report, NULL);
    reload_report_clear(&report);
}

static void definitions_begin(Daemon *daemon)
{
    g_autoptr(GError) error = NULL;
    g_autofree DefinitionDirectory *directories = NULL;
    DefinitionsOptions options = definitions_options(daemon, &directories);

    daemon->reader = definitions_reader_new(&options, &error);
    if (daemon->reader == NULL)
        definitions_run_end(g_queue_pop_head(&daemon->reloads), NULL, error);
}

static void on_definitions_turn(void *data)
{
    Daemon *daemon = data;

    if (daemon->reader == NULL)
        definitions_begin(daemon);
    else if (definitions_reader_step(daemon->reader, daemon->map, DEFINITIONS_A_TURN))
        definitions_finish(daemon);
    if (!g_queue_is_empty(&daemon->reloads))
        definitions_next_turn(daemon);
}

static void definitions_unit_reload(Reloader *reloader, bool dry_run, const Origin *origin,
                                    ReloadDone done, void *data)
{
    Daemon *daemon = definitions_daemon(reloader);
    DefinitionsRun *run = g_new0(DefinitionsRun, 1);

    *run = (DefinitionsRun){dry_run, *origin, done, data};
    if (run->origin.caller != NULL)
        caller_ref(run->origin.caller);
    g_queue_push_tail(&daemon->reloads, run);
    definitions_next_turn(daemon);
}

static void definitions_unit_forget(Reloader *reloader, void *data)
{
    for (GList *link = definitions_daemon(reloader)->reloads.head; link != NULL;
         link = link->next) {
        DefinitionsRun *run = link->data;

        if (run->data == data)
            run->done = NULL;
    }
}

const Reloader definitions_unit_reloader = {definitions_unit_reload, definitions_unit_forget};

void definitions_unit_cancel(Daemon *daemon)
{
    g_autoptr(GError) error = g_error_new_literal(SVCMGR_ERROR, ERROR_SHUTTING_DOWN,
                                                  "svcmgrd is shutting down: nothing is reloaded");
    DefinitionsRun *run;

    g_clear_pointer(&daemon->reading, timer_free);
    g_clear_pointer(&daemon->reader, definitions_reader_free);
    while ((run = g_queue_pop_head(&daemon->reloads)) != NULL)
        definitions_run_end(run, NULL, error);
    reload_cancel(daemon);
}

static void on_definitions_reloaded(const ReloadReport *report, const GError *error, void *data)
{
    if (error != NULL)
        log_error("nothing is reloaded: %s", error->message);
    manager_tell_ready();
}

void definitions_unit_reload_by_signal(Daemon *daemon)
{
    static const Origin origin = {.cause = CAUSE_METHOD, .method = "ReloadDefinitions"};

    manager_tell_reloading(clock_monotonic_usec(loop_clock(daemon->loop)));
    definitions_unit_reload(&daemon->reloader, false, &origin, on_definitions_reloaded, NULL);
}
