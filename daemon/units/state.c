/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The state directory belongs to one daemon at a time: who holds the lock may open the database.
 * The database moves its log into its file when nothing else is to be done. */

#include "base/errors.h"
#include "base/fds.h"
#include "base/log.h"
#include "process/pid-file.h"
#include "units/units.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define STATE_IDLE_USEC (2 * USEC_PER_SEC)
#define STATE_BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"

static bool state_lock(Daemon *daemon, GError **error)
{
    const char *dir = daemon->options.state_dir;

    if (g_mkdir_with_parents(dir, 0700) < 0)
        return error_set_errno(error, errno, "cannot make the state directory %s", dir);
    daemon->lock = lock_file_take(dir, error);
    return daemon->lock != NULL;
}

void state_run_lock(void *data)
{
    Daemon *daemon = data;
    g_autoptr(GError) error = NULL;

    if (!state_lock(daemon, &error)) /* what went wrong is reported */
        hooks_unit_forget_shutdown(daemon);
    group_hook_done(daemon->group, HOOK_STARTUP, "lock", error);
}

void state_run_pid_file(void *data)
{
    Daemon *daemon = data;
    g_autofree char *stale = NULL;
    g_autoptr(GError) error = NULL;

    if (daemon->options.pid_file != NULL)
        daemon->has_pid_file = pid_file_write(daemon->options.pid_file, &stale, &error);
    if (stale != NULL)
        log_warning("%s", stale);
    if (error != NULL)
        hooks_unit_forget_shutdown(daemon);
    group_hook_done(daemon->group, HOOK_STARTUP, "pid-file", error);
}

void state_remove_pid_file(Daemon *daemon)
{
    if (daemon->has_pid_file)
        pid_file_remove(daemon->options.pid_file);
    daemon->has_pid_file = false;
}

void state_run_remove(void *data)
{
    Daemon *daemon = data;

    state_remove_pid_file(daemon);
    group_hook_done(daemon->group, HOOK_SHUTDOWN, "pid-file", NULL);
}

/* "": it cannot be told, and counts as a boot of its own. */
static char *state_boot_id(void)
{
    g_autofree char *text = NULL;
    size_t length;

    if (!file_read(AT_FDCWD, STATE_BOOT_ID_PATH, 64, &text, &length, NULL))
        return g_strdup("");
    return g_strdup(g_strstrip(text));
}

static Restore state_choose_restore(RestoreOption option, bool same_boot)
{
    static const Restore chosen[_RESTORE_OPTION_MAX] = {
            [RESTORE_OPTION_ENABLED] = RESTORE_ENABLED,
            [RESTORE_OPTION_WANTED] = RESTORE_WANTED,
            [RESTORE_OPTION_NONE] = RESTORE_NONE,
    };

    if (option != RESTORE_OPTION_AUTO)
        return chosen[option];
    return same_boot ? RESTORE_WANTED : RESTORE_ENABLED;
}

static const char *const state_restore_texts[_RESTORE_MAX] = {
        [RESTORE_ENABLED] = "services that are enabled will be started (--restore=enabled)",
        [RESTORE_WANTED] = "services that ran when the last daemon ended will be started "
                           "(--restore=wanted)",
        [RESTORE_NONE] = "no service will be started (--restore=none)",
};

static bool state_note_start(Daemon *daemon, GError **error)
{
    g_autofree char *boot_id = state_boot_id();
    bool same_boot = false, clean = true;

    if (!database_note_start(daemon->database, boot_id, daemon->instance_id, &same_boot, &clean,
                             error))
        return false;
    daemon->restore = state_choose_restore(daemon->options.restore, same_boot && *boot_id != '\0');
    if (database_is_copy(daemon->database))
        log_notice("the database is a copy: what a daemon on the original has started is none of "
                   "ours");
    if (!clean)
        log_warning("the last run did not end as it should: what it has left is cleared away");
    log_info("%s", state_restore_texts[daemon->restore]);
    return true;
}

static void state_log_database(const Daemon *daemon)
{
    const GPtrArray *messages = database_messages(daemon->database);

    for (unsigned i = 0; i < messages->len; i++)
        log_error("%s", (const char *)g_ptr_array_index(messages, i));
}

/* To load it may be to mend it, after which nothing of it is as it was. */
static bool state_load(Daemon *daemon, GError **error)
{
    daemon->saved = database_load(daemon->database, error);
    bool done = daemon->saved != NULL && state_note_start(daemon, error);
    state_log_database(daemon);
    return done;
}

/* Idle */

static void on_state_idle(void *data)
{
    Daemon *daemon = data;
    g_autoptr(GError) error = NULL;

    if (database_wants_checkpoint(daemon->database) &&
        !database_checkpoint(daemon->database, &error))
        log_warning("%s", error->message); /* nothing is lost: it stays in the log */
}

static void on_state_logged(void *data)
{
    Daemon *daemon = data;

    if (!timer_is_armed(daemon->idle))
        timer_arm(daemon->idle,
                  usec_add(clock_monotonic_usec(loop_clock(daemon->loop)), STATE_IDLE_USEC));
}

void state_watch(Daemon *daemon)
{
    daemon->idle = timer_new_last(loop_timers(daemon->loop), on_state_idle, daemon);
    database_listen(daemon->database, on_state_logged, daemon);
    if (database_wants_checkpoint(daemon->database))
        on_state_logged(daemon);
}

void state_unwatch(Daemon *daemon)
{
    database_listen(daemon->database, NULL, NULL);
    g_clear_pointer(&daemon->idle, timer_free);
}

/* The unit */

bool state_pre_run(void *data, GError **error)
{
    Daemon *daemon = data;
    DatabaseOptions options = {
            .state_dir = daemon->options.state_dir,
            .clock = loop_clock(daemon->loop),
            .random = random_system(),
            .uid = geteuid(),
    };

    daemon->database = database_open(&options, error);
    if (daemon->database == NULL)
        return false;
    if (state_load(daemon, error))
        return true;
    g_clear_pointer(&daemon->saved, g_ptr_array_unref);
    g_clear_pointer(&daemon->database, database_close);
    return false;
}

void state_undo(void *data)
{
    Daemon *daemon = data;
    g_autoptr(GError) error = NULL;

    g_clear_pointer(&daemon->saved, g_ptr_array_unref);
    if (!database_note_clean_end(daemon->database, &error))
        log_warning("%s", error->message);
    g_clear_pointer(&daemon->database, database_close);
}
