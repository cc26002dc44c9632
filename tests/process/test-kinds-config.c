/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading definitions of programs, and the schemas that describe them. */

#include "kinds/program.h"
#include "process-fixture.h"
#include "process/rlimits.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static void config_init(ProcessFixture *fixture, const void *unused)
{
    fixture_init(fixture);
}

static void config_done(ProcessFixture *fixture, const void *unused)
{
    fixture_done(fixture);
}

static Config *parse(const Kind *kind, const char *text, Problems *problems)
{
    g_autoptr(GString) json = g_string_new(text);

    (void)g_string_replace(json, "'", "\"", 0);
    return config_parse(kind, json->str, json->len, problems);
}

static void test_defaults(ProcessFixture *fixture, const void *unused)
{
    g_autoptr(Problems) problems = problems_new();
    g_autoptr(Config) process = parse(fixture->process, "{'exec': ['a']}", problems);
    g_autoptr(Config) oneshot = parse(fixture->oneshot, "{'exec': ['a']}", problems);
    const ProgramConfig *p = process->own, *o = oneshot->own;

    g_assert_cmpuint(p->spec.rules.start_timeout_usec, ==, 15 * USEC_PER_SEC);
    g_assert_cmpuint(o->spec.rules.start_timeout_usec, ==, USEC_INFINITY);
    g_assert_cmpuint(p->spec.rules.stop_timeout_usec, ==, 10 * USEC_PER_SEC);
    g_assert_cmpint(p->spec.rules.stop_signal, ==, SIGTERM);
    g_assert_cmpint(p->spec.readiness, ==, READINESS_SPAWNED);
    g_assert_cmpint(p->spec.stop_mode, ==, STOP_MODE_ALL);
    g_assert_cmpuint(p->spec.spawn.umask, ==, SPAWN_UMASK_KEEP);
    g_assert_null(p->spec.spawn.user);
    g_assert_false(p->spec.rules.runs_once);
    g_assert_true(o->spec.rules.runs_once);
    g_assert_false(o->remain_after_exit);
}

static void test_defaults_of_resources(ProcessFixture *fixture, const void *unused)
{
    g_autoptr(Problems) problems = problems_new();
    g_autoptr(Config) process = parse(fixture->process, "{'exec': ['a']}", problems);
    g_autoptr(Config) oneshot = parse(fixture->oneshot, "{'exec': ['a']}", problems);
    const SupervisorSpec *p = &((ProgramConfig *)process->own)->spec;
    const SupervisorSpec *o = &((ProgramConfig *)oneshot->own)->spec;

    g_assert_cmpint(p->spawn.nice, ==, SPAWN_NICE_KEEP);
    g_assert_cmpint(p->spawn.oom_score_adjust, ==, SPAWN_OOM_SCORE_KEEP);
    g_assert_null(p->spawn.limits);
    g_assert_cmpint(p->spawn.privileges, ==, SPAWN_PRIVILEGES_AUTO);
    g_assert_false(p->spawn.sets_capabilities);
    g_assert_null(p->stop_exec);
    g_assert_null(p->reload_exec);
    g_assert_cmpint(p->reload_signal, ==, 0);
    g_assert_cmpuint(p->watchdog_usec, ==, 0);
    g_assert_cmpuint(p->fd_store_max, ==, 64);
    g_assert_cmpuint(o->fd_store_max, ==, 0);
    g_assert_true(cgroup_limits_are_equal(&p->limits, &(CgroupLimits){0}));
}

static void assert_limit(const Config *config, int resource, uint64_t soft, uint64_t hard)
{
    const ProgramConfig *own = config->own;
    const SpawnLimit *limit = limits_find(own->spec.spawn.limits, resource);

    g_assert_nonnull(limit);
    g_assert_cmpuint(limit->soft, ==, soft);
    g_assert_cmpuint(limit->hard, ==, hard);
}

static void test_limits(ProcessFixture *fixture, const void *unused)
{
    g_autoptr(Problems) problems = problems_new();
    g_autoptr(Config) config =
            parse(fixture->oneshot,
                  "{'exec': ['a'], 'limits': {'as': '1GiB', 'core': 'infinity', 'cpu': 5,"
                  " 'data': 7, 'fsize': {'soft': 0, 'hard': '1KiB'}, 'memlock': 1, 'msgqueue': 2,"
                  " 'nice': 3, 'nofile': {'soft': 4, 'hard': 'infinity', '$comment': 'x'},"
                  " 'nproc': 6, 'rss': 8, 'rtprio': 9, 'rttime': 10, 'sigpending': 11,"
                  " 'stack': {'hard': '8MiB', 'soft': '8MiB'}, '$comment': 'x'}}",
                  problems);

    g_assert_nonnull(config);
    assert_limit(config, RLIMIT_AS, 1 << 30, 1 << 30);
    assert_limit(config, RLIMIT_CORE, RLIM64_INFINITY, RLIM64_INFINITY);
    assert_limit(config, RLIMIT_CPU, 5, 5);
    assert_limit(config, RLIMIT_DATA, 7, 7);
    assert_limit(config, RLIMIT_FSIZE, 0, 1024);
    assert_limit(config, RLIMIT_MEMLOCK, 1, 1);
    assert_limit(config, RLIMIT_MSGQUEUE, 2, 2);
    assert_limit(config, RLIMIT_NICE, 3, 3);
    assert_limit(config, RLIMIT_NOFILE, 4, RLIM64_INFINITY);
    assert_limit(config, RLIMIT_NPROC, 6, 6);
    assert_limit(config, RLIMIT_RSS, 8, 8);
    assert_limit(config, RLIMIT_RTPRIO, 9, 9);
    assert_limit(config, RLIMIT_RTTIME, 10, 10);
    assert_limit(config, RLIMIT_SIGPENDING, 11, 11);
    assert_limit(config, RLIMIT_STACK, 8 << 20, 8 << 20);
    g_assert_cmpuint(((ProgramConfig *)config->own)->spec.spawn.limits->len, ==, LIMIT_N_NAMES);
}

static void test_resources(ProcessFixture *fixture, const void *unused)
{
    g_autoptr(Problems) problems = problems_new();
    g_autoptr(Config) config =
            parse(fixture->process,
                  "{'exec': ['a'], 'nice': -20, 'oom_score_adjust': 1000,"
                  " 'no_new_privileges': false, 'capabilities': ['CAP_CHOWN', 'net_admin',"
                  " 'cap_Bpf', 'CHOWN'], 'cgroup': {'memory_max': '1MiB', 'pids_max': 5,"
                  " 'cpu_weight': 10000, 'io_weight': 1}}",
                  problems);
    g_assert_nonnull(config);
    const SupervisorSpec *spec = &((ProgramConfig *)config->own)->spec;

    g_assert_cmpint(spec->spawn.nice, ==, -20);
    g_assert_cmpint(spec->spawn.oom_score_adjust, ==, 1000);
    g_assert_cmpint(spec->spawn.privileges, ==, SPAWN_PRIVILEGES_NEW);
    g_assert_true(spec->spawn.sets_capabilities);
    g_assert_cmphex(spec->spawn.capabilities, ==, UINT64_C(1) << 39 | 1 << 12 | 1);
    g_assert_true(cgroup_limits_are_equal(&spec->limits, &(CgroupLimits){1 << 20, 5, 10000, 1}));

    g_autoptr(Config) none =
            parse(fixture->process,
                  "{'exec': ['a'], 'no_new_privileges': true, 'capabilities': []}", problems);
    spec = &((ProgramConfig *)none->own)->spec;
    g_assert_cmpint(spec->spawn.privileges, ==, SPAWN_PRIVILEGES_NO_NEW);
    g_assert_true(spec->spawn.sets_capabilities);
    g_assert_cmphex(spec->spawn.capabilities, ==, 0);
}

static void assert_output(const Config *config, OutputTarget target, bool has_no_timestamps,
                          uint64_t max_size_bytes, unsigned keep)
{
    const OutputSpec *output = &((const ProgramConfig *)config->own)->spec.output;

    g_assert_cmpint(output->target, ==, target);
    g_assert_cmpint(output->has_no_timestamps, ==, has_no_timestamps);
    g_assert_cmpuint(output->rules.max_size_bytes, ==, max_size_bytes);
    g_assert_cmpuint(output->rules.keep, ==, keep);
}

static void test_log(ProcessFixture *fixture, const void *unused)
{
    g_autoptr(Problems) problems = problems_new();
    g_autoptr(Config) none = parse(fixture->process, "{'exec': ['a']}", problems);
    g_autoptr(Config) empty = parse(fixture->oneshot, "{'exec': ['a'], 'log': {}}", problems);
    g_autoptr(Config) all = parse(fixture->oneshot,
                                  "{'exec': ['a'], 'log': {'target': 'inherit', 'max_size': '64KiB'"
                                  ", 'keep': 0, 'timestamps': false, '$comment': 'x'}}",
                                  problems);
    g_autoptr(Config) few = parse(fixture->process,
                                  "{'exec': ['a'], 'log': {'target': 'null', 'keep': 1000,"
                                  " 'timestamps': true}}",
                                  problems);

    g_assert_cmpuint(problems_count(problems), ==, 0);
    assert_output(none, OUTPUT_FILE, false, 10 << 20, 5);
    assert_output(empty, OUTPUT_FILE, false, 10 << 20, 5);
    assert_output(all, OUTPUT_INHERIT, true, 64 << 10, 0);
    assert_output(few, OUTPUT_NULL, false, 10 << 20, 1000);
}

static void test_supervision(ProcessFixture *fixture, const void *unused)
{
    g_autoptr(Problems) problems = problems_new();
    g_autoptr(Config) config =
            parse(fixture->process,
                  "{'exec': ['a'], 'readiness': 'fd', 'readiness_fd': 10, 'watchdog': '30s',"
                  " 'stop_exec': ['b', '$MAINPID'], 'reload_signal': 'HUP'}",
                  problems);
    g_assert_nonnull(config);
    const SupervisorSpec *spec = &((ProgramConfig *)config->own)->spec;

    g_assert_cmpint(spec->readiness, ==, READINESS_FD);
    g_assert_cmpint(spec->readiness_fd, ==, 10);
    g_assert_cmpuint(spec->fd_store_max, ==, 7);
    g_assert_cmpuint(spec->watchdog_usec, ==, 30 * USEC_PER_SEC);
    g_assert_cmpstr(spec->stop_exec[1], ==, "$MAINPID");
    g_assert_cmpint(spec->reload_signal, ==, SIGHUP);

    g_autoptr(Config) low =
            parse(fixture->process, "{'exec': ['a'], 'readiness': 'fd', 'reload_exec': ['/bin/c']}",
                  problems);
    spec = &((ProgramConfig *)low->own)->spec;
    g_assert_cmpint(spec->readiness_fd, ==, 3);
    g_assert_cmpuint(spec->fd_store_max, ==, 0);
    g_assert_cmpstr(spec->reload_exec[0], ==, "/bin/c");

    g_autoptr(Config) high =
            parse(fixture->process,
                  "{'exec': ['a'], 'readiness': 'fd', 'readiness_fd': 1023, 'fd_store_max': 1020}",
                  problems);
    g_assert_cmpuint(((ProgramConfig *)high->own)->spec.fd_store_max, ==, 1020);
}

static void test_all_members(ProcessFixture *fixture, const void *unused)
{
    g_autoptr(Problems) problems = problems_new();
    g_autoptr(Config) config =
            parse(fixture->process,
                  "{'$comment': 'x', 'exec': ['/bin/a', '', 'b'],"
                  " 'environment': {'A': '1', '$comment': 'y', '_B': ''},"
                  " 'environment_file': '/e', 'working_directory': '/w', 'umask': '0027',"
                  " 'user': 1000, 'group': 'adm', 'supplementary_groups': ['a', 7],"
                  " 'stop_signal': 'INT', 'stop_mode': 'main', 'readiness': 'notify',"
                  " 'success_exit_status': [1, 'SIGHUP'], 'start_timeout': '2s', 'stop_timeout': 3,"
                  " 'restart': {'policy': 'always'}, 'start_limit': {'burst': 1}}",
                  problems);
    g_assert_cmpuint(problems_count(problems), ==, 0);
    const ProgramConfig *own = config->own;
    const SpawnSpec *spawn = &own->spec.spawn;
    g_autofree char *exec = g_strjoinv("|", spawn->exec);
    g_autofree char *environment = g_strjoinv("|", spawn->environment);
    g_autofree char *groups = g_strjoinv("|", spawn->supplementary_groups);
    ExitStatus hup = {.known = true, .signaled = true, .value = SIGHUP};

    g_assert_cmpstr(exec, ==, "/bin/a||b");
    g_assert_cmpstr(environment, ==, "A=1|_B=");
    g_assert_cmpstr(groups, ==, "a|7");
    g_assert_cmpstr(spawn->environment_file, ==, "/e");
    g_assert_cmpstr(spawn->working_directory, ==, "/w");
    g_assert_cmpuint(spawn->umask, ==, 027);
    g_assert_cmpstr(spawn->user, ==, "1000");
    g_assert_cmpstr(spawn->group, ==, "adm");
    g_assert_cmpint(own->spec.rules.stop_signal, ==, SIGINT);
    g_assert_cmpint(own->spec.stop_mode, ==, STOP_MODE_MAIN);
    g_assert_cmpint(own->spec.readiness, ==, READINESS_NOTIFY);
    g_assert_true(exit_set_has(&own->spec.rules.success, &hup));
    g_assert_cmpuint(own->spec.rules.start_timeout_usec, ==, 2 * USEC_PER_SEC);
    g_assert_cmpuint(own->spec.rules.stop_timeout_usec, ==, 3 * USEC_PER_SEC);
}

typedef struct BadRow {
    const char *text;
    const char *expected;
} BadRow;

static const BadRow bad_rows[] = {
        {"{}", "exec"},
        {"{'exec': []}", "exec: expected the program and its arguments"},
        {"{'exec': 'a b'}", "exec: expected"},
        {"{'exec': ['']}", "expected an absolute path or the name of a program in PATH"},
        {"{'exec': ['./a']}", "expected an absolute path or the name of a program in PATH"},
        {"{'exec': ['a/b']}", "expected an absolute path or the name of a program in PATH"},
        {"{'exec': [1]}", "expected"},
        {"{'exec': ['a'], 'environment': []}", "environment: expected an object"},
        {"{'exec': ['a'], 'environment': {'A': 1}}", "environment.A: expected a string"},
        {"{'exec': ['a'], 'environment': {'1A': ''}}", "environment.1A: expected a name"},
        {"{'exec': ['a'], 'environment': {'': ''}}", "expected a name"},
        {"{'exec': ['a'], 'environment': {'A=B': ''}}", "expected a name"},
        {"{'exec': ['a'], 'environment': {'NOTIFY_SOCKET': ''}}",
         "environment.NOTIFY_SOCKET: is set by the daemon itself"},
        {"{'exec': ['a'], 'environment': {'INVOCATION_ID': ''}}", "is set by the daemon itself"},
        {"{'exec': ['a'], 'environment': {'SVCMGR_ID': ''}}", "is set by the daemon itself"},
        {"{'exec': ['a'], 'environment': {'MAINPID': ''}}", "is set by the daemon itself"},
        {"{'exec': ['a'], 'environment': {'WATCHDOG_PID': ''}}", "is set by the daemon itself"},
        {"{'exec': ['a'], 'environment': {'LISTEN_FDNAMES': ''}}", "is set by the daemon itself"},
        {"{'exec': ['a'], 'environment_file': 'e'}", "environment_file: expected"},
        {"{'exec': ['a'], 'working_directory': 'w'}", "working_directory: expected"},
        {"{'exec': ['a'], 'working_directory': '/a/../b'}", "working_directory: expected"},
        {"{'exec': ['a'], 'umask': 22}",
         "umask: expected an octal string such as \"0022\", got 22"},
        {"{'exec': ['a'], 'umask': '0999'}", "umask: expected an octal string"},
        {"{'exec': ['a'], 'umask': '01000'}", "umask: expected an octal string"},
        {"{'exec': ['a'], 'user': ''}", "user: expected a name or a number"},
        {"{'exec': ['a'], 'user': -1}", "user: expected a name or a number, got -1"},
        {"{'exec': ['a'], 'user': 4294967295}", "user: expected a name or a number"},
        {"{'exec': ['a'], 'group': true}", "group: expected a name or a number, got true"},
        {"{'exec': ['a'], 'supplementary_groups': 'a'}", "expected an array of names or numbers"},
        {"{'exec': ['a'], 'supplementary_groups': [null]}", "expected a name or a number"},
        {"{'exec': ['a'], 'stop_signal': 'SIGFOO'}", "stop_signal: expected the name of a signal"},
        {"{'exec': ['a'], 'stop_signal': '15'}", "stop_signal: expected the name of a signal"},
        {"{'exec': ['a'], 'stop_signal': 15}", "stop_signal: expected the name of a signal"},
        {"{'exec': ['a'], 'stop_mode': 'none'}", "stop_mode: expected \"all\" or \"main\""},
        {"{'exec': ['a'], 'readiness': 'no'}",
         "readiness: expected \"spawned\", \"notify\" or \"fd\", got \"no\""},
        {"{'exec': ['a'], 'nice': -21}", "nice: expected a number from -20 to 19, got -21"},
        {"{'exec': ['a'], 'nice': 1.5}", "nice: expected a number from -20 to 19, got 1.5"},
        {"{'exec': ['a'], 'oom_score_adjust': 1001}",
         "oom_score_adjust: expected a number from -1000 to 1000, got 1001"},
        {"{'exec': ['a'], 'oom_score_adjust': '0'}", "oom_score_adjust: expected a number"},
        {"{'exec': ['a'], 'limits': []}", "limits: expected an object"},
        {"{'exec': ['a'], 'limits': {'nofiles': 1}}",
         "limits.nofiles: unknown member; did you mean \"nofile\"?"},
        {"{'exec': ['a'], 'limits': {'locks': 1}}", "limits.locks: unknown member"},
        {"{'exec': ['a'], 'limits': {'nofile': -1}}",
         "limits.nofile: expected a number, or \"infinity\", got -1"},
        {"{'exec': ['a'], 'limits': {'nproc': '1K'}}",
         "limits.nproc: expected a number, or \"infinity\", got \"1K\""},
        {"{'exec': ['a'], 'limits': {'core': true}}",
         "limits.core: expected a size such as \"64MiB\", or \"infinity\", got true"},
        {"{'exec': ['a'], 'limits': {'core': '1XB'}}", "limits.core: expected a size such as"},
        {"{'exec': ['a'], 'limits': {'core': '9EiB'}}", "limits.core: expected a size from 0 to"},
        {"{'exec': ['a'], 'limits': {'cpu': {'soft': 1}}}", "limits.cpu.hard"},
        {"{'exec': ['a'], 'limits': {'cpu': {'soft': 2, 'hard': 1}}}",
         "limits.cpu.soft: expected at most hard"},
        {"{'exec': ['a'], 'limits': {'cpu': {'soft': 'infinity', 'hard': 1}}}",
         "limits.cpu.soft: expected at most hard"},
        {"{'exec': ['a'], 'limits': {'cpu': {'soft': {}, 'hard': 1}}}",
         "limits.cpu.soft: expected a number, or \"infinity\""},
        {"{'exec': ['a'], 'limits': {'cpu': {'soft': 1, 'hard': 1, 'max': 1}}}",
         "limits.cpu.max: unknown member"},
        {"{'exec': ['a'], 'no_new_privileges': 1}", "no_new_privileges: expected true or false"},
        {"{'exec': ['a'], 'capabilities': 'chown'}",
         "capabilities: expected an array of at most 64 names of capabilities"},
        {"{'exec': ['a'], 'capabilities': ['CAP_FLY']}",
         "capabilities[0]: expected the name of a capability such as \"CAP_NET_BIND_SERVICE\", "
         "got \"CAP_FLY\""},
        {"{'exec': ['a'], 'capabilities': ['chown', 0]}", "capabilities[1]: expected the name of"},
        {"{'exec': ['a'], 'capabilities': ['0']}", "capabilities[0]: expected the name of"},
        {"{'exec': ['a'], 'capabilities': ['']}", "capabilities[0]: expected the name of"},
        {"{'exec': ['a'], 'cgroup': {'memory_max': 0}}",
         "cgroup.memory_max: expected a size such as \"64MiB\", more than 0, got 0"},
        {"{'exec': ['a'], 'cgroup': {'pids_max': 0}}",
         "cgroup.pids_max: expected a number from 1 to 4194304, got 0"},
        {"{'exec': ['a'], 'cgroup': {'cpu_weight': 0}}",
         "cgroup.cpu_weight: expected a number from 1 to 10000, got 0"},
        {"{'exec': ['a'], 'cgroup': {'io_weight': 10001}}",
         "cgroup.io_weight: expected a number from 1 to 10000, got 10001"},
        {"{'exec': ['a'], 'cgroup': {'memory_high': 1}}", "cgroup.memory_high: unknown member"},
        {"{'exec': ['a'], 'stop_exec': []}", "stop_exec: expected the program and its arguments"},
        {"{'exec': ['a'], 'stop_exec': ['./a']}", "stop_exec[0]: expected an absolute path"},
        {"{'exec': ['a'], 'reload_exec': ['a/b']}", "reload_exec[0]: expected an absolute path"},
        {"{'exec': ['a'], 'reload_signal': 'KILL'}",
         "reload_signal: expected a signal that a program can handle, got \"KILL\""},
        {"{'exec': ['a'], 'reload_signal': 'SIGSTOP'}",
         "reload_signal: expected a signal that a program can handle"},
        {"{'exec': ['a'], 'reload_signal': 1}", "reload_signal: expected the name of a signal"},
        {"{'exec': ['a'], 'reload_signal': 'HUP', 'reload_exec': ['b']}",
         "reload_exec: expected either this or reload_signal, got both"},
        {"{'exec': ['a'], 'watchdog': 0}",
         "watchdog: expected a duration such as \"30s\", more than 0 and at most a year, got 0"},
        {"{'exec': ['a'], 'watchdog': '366d'}", "watchdog: expected a duration"},
        {"{'exec': ['a'], 'watchdog': 'infinity'}", "watchdog: expected a duration"},
        {"{'exec': ['a'], 'fd_store_max': 1025}",
         "fd_store_max: expected a number from 0 to 1024, got 1025"},
        {"{'exec': ['a'], 'readiness_fd': 3}", "readiness_fd: is only for readiness \"fd\""},
        {"{'exec': ['a'], 'readiness': 'fd', 'readiness_fd': 2}",
         "readiness_fd: expected a number from 3 to 1023, got 2"},
        {"{'exec': ['a'], 'readiness': 'fd', 'readiness_fd': 1024}",
         "readiness_fd: expected a number from 3 to 1023, got 1024"},
        {"{'exec': ['a'], 'readiness': 'fd', 'fd_store_max': 1}",
         "fd_store_max: expected at most 0: stored descriptors come before readiness_fd, 3"},
        {"{'exec': ['a'], 'readiness': 'fd', 'readiness_fd': 13, 'fd_store_max': 11}",
         "fd_store_max: expected at most 10: stored descriptors come before readiness_fd, 13"},
        {"{'exec': ['a'], 'success_exit_status': [256]}", "success_exit_status"},
        {"{'exec': ['a'], 'remain_after_exit': true}", "remain_after_exit"},
        {"{'exec': ['a'], 'log': 'file'}", "log: expected an object"},
        {"{'exec': ['a'], 'log': {'target': 'syslog'}}",
         "log.target: expected \"file\", \"journal\", \"inherit\" or \"null\", got \"syslog\""},
        {"{'exec': ['a'], 'log': {'target': null}}", "log.target: expected \"file\""},
        {"{'exec': ['a'], 'log': {'max_size': 65535}}",
         "log.max_size: expected a size such as \"10MiB\", from 64KiB to 1GiB, got 65535"},
        {"{'exec': ['a'], 'log': {'max_size': 1073741825}}",
         "log.max_size: expected a size such as \"10MiB\", from 64KiB to 1GiB, got 1073741825"},
        {"{'exec': ['a'], 'log': {'max_size': '8EiB'}}", "log.max_size: expected a size"},
        {"{'exec': ['a'], 'log': {'keep': -1}}",
         "log.keep: expected a number from 0 to 1000, got -1"},
        {"{'exec': ['a'], 'log': {'keep': 4294967296}}",
         "log.keep: expected a number from 0 to 1000, got 4294967296"},
        {"{'exec': ['a'], 'log': {'timestamps': 1}}",
         "log.timestamps: expected true or false, got 1"},
        {"{'exec': ['a'], 'log': {'file': '/x'}}", "log.file: unknown member"},
        {"{'exec': ['a'], 'exec': ['b']}", "exec"},
};

static void test_mistakes(ProcessFixture *fixture, const void *unused)
{
    for (size_t i = 0; i < G_N_ELEMENTS(bad_rows); i++) {
        g_autoptr(Problems) problems = problems_new();

        g_test_message("%s", bad_rows[i].text);
        g_assert_null(parse(fixture->process, bad_rows[i].text, problems));
        g_autoptr(GError) error = problems_to_error(problems);
        assert_contains(error->message, bad_rows[i].expected);
    }
}

/* What makes no sense of something that runs once. */
static void test_mistakes_of_oneshot(ProcessFixture *fixture, const void *unused)
{
    static const char *const members[] = {"'readiness': 'spawned'", "'readiness_fd': 3",
                                          "'watchdog': 1", "'reload_signal': 'HUP'",
                                          "'fd_store_max': 0"};

    for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
        g_autoptr(Problems) problems = problems_new();
        g_autofree char *text = g_strdup_printf("{'exec': ['a'], %s}", members[i]);

        g_assert_null(parse(fixture->oneshot, text, problems));
        g_autoptr(GError) error = problems_to_error(problems);
        assert_contains(error->message, "unknown member");
    }
}

static void test_all_mistakes_at_once(ProcessFixture *fixture, const void *unused)
{
    g_autoptr(Problems) problems = problems_new();

    g_assert_null(parse(fixture->oneshot,
                        "{'exec': ['./a'], 'umask': 1, 'user': '', 'readiness': 'notify',"
                        " 'environment': {'1': '', '2': ''}}",
                        problems));
    g_assert_cmpuint(problems_count(problems), ==, 6);
}

static void test_validate(ProcessFixture *fixture, const void *unused)
{
    g_autoptr(Problems) problems = problems_new();
    g_autoptr(Config) config =
            parse(fixture->process,
                  "{'exec': ['/no/such'], 'user': 'nobodyx', 'group': 'nobodyx',"
                  " 'working_directory': '/no/such', 'environment_file': '/no/such',"
                  " 'stop_exec': ['/no/such'], 'reload_exec': ['no-such-program']}",
                  problems);

    g_assert_nonnull(config);
    fixture->process->validate(config, problems);
    g_assert_cmpuint(problems_count(problems), ==, 7);
    g_assert_false(problems_have_errors(problems));
    g_assert_cmpstr(problems_get(problems, 0)->pointer, ==, "/exec");
    assert_contains(problems_get(problems, 0)->message, "No such file or directory");
    g_assert_cmpstr(problems_get(problems, 5)->pointer, ==, "/stop_exec");
    g_assert_cmpstr(problems_get(problems, 6)->pointer, ==, "/reload_exec");
    assert_contains(problems_get(problems, 6)->message, "not found in PATH");
}

/* Schemas */

static json_t *schema_of(const Kind *kind)
{
    json_error_t error;
    json_t *schema = json_loads(kind->schema, JSON_REJECT_DUPLICATES, &error);

    if (schema == NULL)
        g_error("%s, line %d: %s", kind->name, error.line, error.text);
    return schema;
}

static void test_schema_is_the_file(ProcessFixture *fixture, const void *unused)
{
    const Kind *kinds[] = {fixture->process, fixture->oneshot};

    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autofree char *path =
                g_strdup_printf("%s/%s.json", g_getenv("TEST_SCHEMAS"), kinds[i]->name);
        g_autofree char *text = NULL;

        g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
        g_assert_cmpstr(kinds[i]->schema, ==, text);
    }
}

/* What the schema knows, the parser knows, and the other way round. */
static void test_schema_members(ProcessFixture *fixture, const void *unused)
{
    static const char *const common[] = {"restart", "start_limit", "start_timeout", "stop_timeout",
                                         "$comment"};
    const Kind *kinds[] = {fixture->process, fixture->oneshot};

    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        json_t *schema = schema_of(kinds[i]);
        const json_t *properties = json_object_get(schema, "properties");
        size_t n = G_N_ELEMENTS(common);

        for (size_t k = 0; k < G_N_ELEMENTS(common); k++)
            g_assert_nonnull(json_object_get(properties, common[k]));
        for (const JsonMember *member = kinds[i]->members; member->name != NULL; member++, n++) {
            const json_t *property = json_object_get(properties, member->name);

            g_assert_nonnull(property);
            g_assert_nonnull(json_object_get(property, "description"));
        }
        for (const JsonMember *member = dependency_members; member->name != NULL; member++, n++)
            g_assert_nonnull(json_object_get(properties, member->name));
        g_assert_cmpuint(json_object_size(properties), ==, n);
        json_decref(schema);
    }
}

/* The members that name cannot do without, by their first examples. */
static void add_required(const json_t *schema, const char *name, json_t *document)
{
    const json_t *required = json_object_get(json_object_get(schema, "dependentRequired"), name);

    for (size_t i = 0; i < json_array_size(required); i++) {
        const char *other = json_string_value(json_array_get(required, i));
        const json_t *property = json_object_get(json_object_get(schema, "properties"), other);

        json_object_set(document, other, json_array_get(json_object_get(property, "examples"), 0));
    }
}

/* Every example of a member is accepted, beside exec and what it cannot do without. */
static void check_example(const Kind *kind, const json_t *schema, const char *name, json_t *example)
{
    g_autoptr(Problems) problems = problems_new();
    json_t *document = json_pack("{s:[s]}", "exec", "a");

    add_required(schema, name, document);
    json_object_set(document, name, example);
    char *text = json_dumps(document, 0);
    g_autoptr(Config) config = config_parse(kind, text, strlen(text), problems);
    if (config == NULL)
        g_error("%s: %s", name, problems_to_error(problems)->message);
    free(text);
    json_decref(document);
}

static void test_schema_examples(ProcessFixture *fixture, const void *unused)
{
    const Kind *kinds[] = {fixture->process, fixture->oneshot};

    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        json_t *schema = schema_of(kinds[i]), *property;
        unsigned n_examples = 0;
        const char *name;

        json_object_foreach(json_object_get(schema, "properties"), name, property)
        {
            const json_t *examples = json_object_get(property, "examples");
            json_t *value = json_object_get(property, "default");

            for (size_t k = 0; k < json_array_size(examples); k++, n_examples++)
                check_example(kinds[i], schema, name, json_array_get(examples, k));
            if (value != NULL)
                check_example(kinds[i], schema, name, value);
        }
        g_assert_cmpuint(n_examples, >=, 4);
        json_decref(schema);
    }
}

#define CONFIG_TEST(path, function)                                                                \
    g_test_add(path, ProcessFixture, NULL, config_init, function, config_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    CONFIG_TEST("/kinds-config/defaults", test_defaults);
    CONFIG_TEST("/kinds-config/all-members", test_all_members);
    CONFIG_TEST("/kinds-config/defaults/resources", test_defaults_of_resources);
    CONFIG_TEST("/kinds-config/limits", test_limits);
    CONFIG_TEST("/kinds-config/resources", test_resources);
    CONFIG_TEST("/kinds-config/log", test_log);
    CONFIG_TEST("/kinds-config/supervision", test_supervision);
    CONFIG_TEST("/kinds-config/mistakes", test_mistakes);
    CONFIG_TEST("/kinds-config/mistakes/oneshot", test_mistakes_of_oneshot);
    CONFIG_TEST("/kinds-config/all-mistakes-at-once", test_all_mistakes_at_once);
    CONFIG_TEST("/kinds-config/validate", test_validate);
    CONFIG_TEST("/kinds-config/schema/is-the-file", test_schema_is_the_file);
    CONFIG_TEST("/kinds-config/schema/members", test_schema_members);
    CONFIG_TEST("/kinds-config/schema/examples", test_schema_examples);
    return g_test_run();
}
