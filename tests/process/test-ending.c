/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/clock.h"
#include "process/ending.h"

#include <signal.h>

#define CODE(code)                                                                                 \
    {                                                                                              \
        .known = true, .value = code                                                               \
    }
#define SIGNALED(signo)                                                                            \
    {                                                                                              \
        .known = true, .signaled = true, .value = signo                                            \
    }

typedef struct EndingRow {
    Ending ending;
    bool runs_once;
    const char *expected; /* NULL: clean */
    FailureClass failure_class;
} EndingRow;

/* Code 3 and SIGUSR1 count as success; the stop signal is SIGINT. */
static const EndingRow rows[] = {
        /* By itself, after it was ready. */
        {{.exit = CODE(0), .was_ready = true}, false, NULL, FAILURE_NONE},
        {{.exit = CODE(3), .was_ready = true}, false, NULL, FAILURE_NONE},
        {{.exit = SIGNALED(SIGUSR1), .was_ready = true}, false, NULL, FAILURE_NONE},
        {{.exit = CODE(1), .was_ready = true},
         false,
         "main process 7 exited with status 1",
         FAILURE_EXIT_CODE},
        {{.exit = SIGNALED(SIGTERM), .was_ready = true},
         false,
         "main process 7 was killed by SIGTERM",
         FAILURE_SIGNAL},
        {{.exit = {true, true, true, SIGSEGV}, .was_ready = true},
         false,
         "main process 7 was killed by SIGSEGV, core dumped",
         FAILURE_SIGNAL},
        {{.was_ready = true},
         false,
         "main process 7 ended, exit status unknown (not a child of the daemon)",
         FAILURE_EXIT_CODE},
        /* Before it was ready. */
        {{.exit = CODE(0)},
         false,
         "main process 7 exited with status 0 before it was ready (no READY=1 received)",
         FAILURE_PROTOCOL},
        {{.exit = CODE(1)},
         false,
         "main process 7 exited with status 1 before it was ready",
         FAILURE_EXIT_CODE},
        {{.exit = SIGNALED(SIGKILL)},
         false,
         "main process 7 was killed by SIGKILL before it was ready",
         FAILURE_SIGNAL},
        {{.exit = SIGNALED(SIGTERM), .start_timed_out = true},
         false,
         "not ready within 15s (no READY=1 received)",
         FAILURE_TIMEOUT},
        /* Once. */
        {{.exit = CODE(0)}, true, NULL, FAILURE_NONE},
        {{.exit = CODE(3)}, true, NULL, FAILURE_NONE},
        {{.exit = CODE(2)}, true, "main process 7 exited with status 2", FAILURE_EXIT_CODE},
        {{.exit = SIGNALED(SIGINT), .start_timed_out = true},
         true,
         "not finished within 15s",
         FAILURE_TIMEOUT},
        {{.exit = CODE(0), .start_timed_out = true},
         true,
         "not finished within 15s",
         FAILURE_TIMEOUT},
        /* When a stop was asked for, ready or not. */
        {{.exit = CODE(0), .was_ready = true, .stop_was_asked = true}, false, NULL, FAILURE_NONE},
        {{.exit = CODE(0), .stop_was_asked = true}, false, NULL, FAILURE_NONE},
        {{.exit = SIGNALED(SIGTERM), .stop_was_asked = true}, false, NULL, FAILURE_NONE},
        {{.exit = SIGNALED(SIGINT), .stop_was_asked = true}, true, NULL, FAILURE_NONE},
        {{.stop_was_asked = true}, false, NULL, FAILURE_NONE},
        {{.exit = SIGNALED(SIGINT), .stop_was_asked = true, .start_timed_out = true},
         false,
         NULL,
         FAILURE_NONE},
        {{.exit = CODE(1), .was_ready = true, .stop_was_asked = true},
         false,
         "main process 7 exited with status 1 when it was asked to stop",
         FAILURE_EXIT_CODE},
        {{.exit = SIGNALED(SIGSEGV), .was_ready = true, .stop_was_asked = true},
         false,
         "main process 7 was killed by SIGSEGV when it was asked to stop",
         FAILURE_SIGNAL},
        {{.exit = SIGNALED(SIGKILL), .stop_was_asked = true, .was_killed = true},
         false,
         "main process 7 did not end within 10s of SIGINT and was killed",
         FAILURE_TIMEOUT},
        {{.exit = CODE(0), .stop_was_asked = true, .was_killed = true},
         false,
         "some of its processes did not end within 10s of SIGINT and were killed",
         FAILURE_TIMEOUT},
        {{.exit = SIGNALED(SIGKILL), .stop_was_asked = true, .was_forced = true},
         false,
         "main process 7 was killed: its stop was given no more time",
         FAILURE_TIMEOUT},
        {{.exit = CODE(0), .stop_was_asked = true, .was_forced = true},
         false,
         "some of its processes were killed: its stop was given no more time",
         FAILURE_TIMEOUT},
        /* What was left of it had to be killed: the main process is what counts. */
        {{.exit = CODE(0), .was_ready = true, .was_killed = true}, false, NULL, FAILURE_NONE},
};

static void test_table(void)
{
    EndingRules rules = {
            .stop_signal = SIGINT,
            .start_timeout_usec = 15 * USEC_PER_SEC,
            .stop_timeout_usec = 10 * USEC_PER_SEC,
    };

    exit_set_add_code(&rules.success, 3);
    exit_set_add_signal(&rules.success, SIGUSR1);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        FailureClass failure_class = FAILURE_NONE;
        Ending ending = rows[i].ending;

        ending.pid = 7;
        rules.runs_once = rows[i].runs_once;
        g_autoptr(GError) error = ending_judge(&rules, &ending, &failure_class);
        g_test_message("row %zu", i);
        g_assert_cmpstr(error != NULL ? error->message : NULL, ==, rows[i].expected);
        g_assert_cmpstr(failure_class_to_string(failure_class), ==,
                        failure_class_to_string(rows[i].failure_class));
    }
    exit_set_clear(&rules.success);
}

static void test_signal_names(void)
{
    g_assert_cmpstr(ending_signal_name(SIGTERM), ==, "SIGTERM");
    for (int signo = 1; signo < NSIG; signo++)
        g_assert_nonnull(ending_signal_name(signo));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ending/judge", test_table);
    g_test_add_func("/ending/signal-names", test_signal_names);
    return g_test_run();
}
