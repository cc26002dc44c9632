/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who may do what: every method, for root, for the daemon's user and for a stranger. */

#include "bus-fixture.h"

#include "bus/authority.h"
#include "bus/methods.h"
#include "bus/rate-limit.h"

#include <string.h>
#include <unistd.h>

#define STRANGER 12345
#define DAEMON_USER 777

static BusFixture fixture;
static BusClient *client;

static void setup(void)
{
    bus_fixture_init(&fixture);
    client = bus_client_new(&fixture, BUS_CLIENT_LISTENING);
}

static void teardown(void)
{
    bus_fixture_done(&fixture);
}

/* Arguments that get past reading; whether the method then does anything is not asked here. */
static sd_bus_message *call_of(const Method *method)
{
    static const struct {
        const char *member;
        const char *types;
    } rows[] = {
            {"GetService", "s"},
            {"GetServiceByPID", "u"},
            {"ListServices", "a{sv}"},
            {"GetKindSchema", "s"},
            {"ValidateConfig", "ss"},
            {"CreateService", "sssa{sv}"},
            {"DeleteService", "sa{sv}"},
            {"GetDependencyGraph", "a{sv}"},
            {"StartServices", "Aa{sv}"}, /* A: no strings */
            {"StopServices", "Aa{sv}"},
            {"GetEvents", "tu"},
            {"Configure", "s"},
            {"Wait", "a{sv}"},
            {"Signal", "si"},
            {"SetEnabled", "b"},
            {"GetConfigRevision", "t"},
            {"ReloadDefinitions", "a{sv}"},
            {"OpenLog", "a{sv}"},
    };
    bool is_manager = g_str_equal(method->interface, MANAGER);
    sd_bus_message *call = bus_client_message(client, is_manager ? ROOT : service_path("web"),
                                              method->interface, method->member);

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (!g_str_equal(rows[i].member, method->member))
            continue;
        for (const char *type = rows[i].types; *type != '\0'; type += *type == 'a' ? 5 : 1) {
            static const uint64_t one = 1;

            if (*type == 'A')
                g_assert_cmpint(sd_bus_message_append_strv(call, NULL), >=, 0);
            else if (*type == 's')
                g_assert_cmpint(sd_bus_message_append(call, "s", "main"), >=, 0);
            else if (*type == 'a' && g_str_equal(method->member, "Wait"))
                g_assert_cmpint(
                        sd_bus_message_append(call, "a{sv}", 1, "timeout_usec", "t", (uint64_t)0),
                        >=, 0);
            else if (*type == 'a')
                g_assert_cmpint(sd_bus_message_append(call, "a{sv}", 0), >=, 0);
            else
                g_assert_cmpint(sd_bus_message_append_basic(call, *type, &one), >=, 0);
        }
    }
    return call;
}

static const char *error_name_of(const Method *method)
{
    g_autoptr(Pending) pending = bus_client_send(client, call_of(method));
    const sd_bus_error *error;

    bus_fixture_turn(&fixture);
    g_assert_nonnull(pending->reply);
    error = sd_bus_message_get_error(pending->reply);
    return error != NULL ? g_intern_string(error->name) : "";
}

static void assert_allowed(uint32_t uid, bool acting)
{
    for (const Method *method = method_table; method->interface != NULL; method++) {
        bool denied;

        bus_client_become(client, uid);
        denied = g_str_equal(error_name_of(method), SD_BUS_ERROR_ACCESS_DENIED);
        if (denied != (method->action != NULL && !acting))
            g_error("%s.%s for uid %u: %s", method->interface, method->member, uid,
                    denied ? "denied" : "allowed");
    }
}

static void test_matrix(void)
{
    setup();
    bus_fixture_create(&fixture, "web", "process", "{}", false);
    fixture.bus->uid = DAEMON_USER;
    assert_allowed(STRANGER, false);
    assert_allowed(UINT32_MAX, false);
    g_assert_cmpuint(service_state(map_find(fixture.map, "web"))->serial, ==, 1); /* no effect */
    assert_allowed(DAEMON_USER, true);
    assert_allowed(0, true);
    teardown();
}

static void test_denial(void)
{
    setup();
    bus_fixture_create(&fixture, "web", "process", "{}", true);
    fixture.bus->uid = DAEMON_USER;
    bus_client_become(client, STRANGER);
    bus_client_refused(client, ERROR_ACCESS_DENIED,
                       "stop on service 'web' is not allowed for uid 12345; call as root or as uid "
                       "777, which the daemon runs as",
                       service_path("web"), SERVICE, "Stop", NULL);
    g_assert_nonnull(
            strstr(fixture.core.log->str, "web: denied Stop (stop) to uid 12345, pid 42 (tester)"));
    fixture.bus->uid = 0;
    bus_client_refused(client, ERROR_ACCESS_DENIED,
                       "create is not allowed for uid 12345; call as "
                       "root, for example with sudo",
                       ROOT, MANAGER, "CreateService", "sssa{sv}", "x", "fake", "", 0);
    teardown();
}

/* The arguments are looked at first: a mistake is told as such to everybody. */
static void test_order_of_checks(void)
{
    setup();
    bus_fixture_create(&fixture, "web", "process", "{}", false);
    fixture.bus->uid = DAEMON_USER;
    bus_client_become(client, STRANGER);
    bus_client_refused(client, ERROR_INVALID_ARGS, "whom", service_path("web"), SERVICE, "Signal",
                       "si", "x", 1);
    bus_begin_shutdown(fixture.bus);
    bus_client_refused(client, ERROR_ACCESS_DENIED, NULL, service_path("web"), SERVICE, "Start",
                       NULL); /* and a stranger learns nothing else */
    teardown();
}

static unsigned count_lines(const char *text, const char *part)
{
    unsigned count = 0;

    for (const char *at = text; (at = strstr(at, part)) != NULL; at++)
        count++;
    return count;
}

static void test_denials_do_not_flood_the_log(void)
{
    setup();
    bus_fixture_create(&fixture, "web", "process", "{}", false);
    fixture.bus->uid = DAEMON_USER;
    bus_client_become(client, STRANGER);
    for (unsigned i = 0; i < 100; i++)
        bus_client_refused(client, ERROR_ACCESS_DENIED, NULL, service_path("web"), SERVICE, "Start",
                           NULL);
    g_assert_cmpuint(count_lines(fixture.core.log->str, "denied Start"), ==, 10);
    bus_fixture_advance(&fixture, 10 * USEC_PER_SEC);
    bus_client_refused(client, ERROR_ACCESS_DENIED, NULL, service_path("web"), SERVICE, "Start",
                       NULL);
    g_assert_cmpuint(count_lines(fixture.core.log->str, "90 more calls were denied"), ==, 1);
    teardown();
}

/* What the kernel says of this very process. */
static void test_kernel_credentials(void)
{
    const Caller *caller;

    setup();
    caller = bus_client_peer(client)->caller;
    g_assert_cmpuint(caller->uid, ==, geteuid());
    g_assert_cmpuint(caller->pid, ==, getpid());
    g_assert_nonnull(caller->comm);
    g_assert_cmpuint(fixture.bus->uid, ==, geteuid());
    teardown();
}

static void test_rate_limit(void)
{
    RateLimit limit = {.burst = 2, .interval_usec = 10};
    unsigned left_out = 9;

    g_assert_true(rate_limit_admit(&limit, 100, &left_out));
    g_assert_cmpuint(left_out, ==, 0);
    g_assert_true(rate_limit_admit(&limit, 105, &left_out));
    g_assert_false(rate_limit_admit(&limit, 106, &left_out));
    g_assert_false(rate_limit_admit(&limit, 109, &left_out));
    g_assert_true(rate_limit_admit(&limit, 110, &left_out));
    g_assert_cmpuint(left_out, ==, 2);
    g_assert_true(rate_limit_admit(&limit, 111, &left_out));
    g_assert_cmpuint(left_out, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/authority/matrix", test_matrix);
    g_test_add_func("/authority/denial", test_denial);
    g_test_add_func("/authority/order-of-checks", test_order_of_checks);
    g_test_add_func("/authority/denials-do-not-flood-the-log", test_denials_do_not_flood_the_log);
    g_test_add_func("/authority/kernel-credentials", test_kernel_credentials);
    g_test_add_func("/authority/rate-limit", test_rate_limit);
    return g_test_run();
}
