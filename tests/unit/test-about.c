/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What people say about a service: equality, copies, and how a change of it is told. */

#include "service-fixture.h"

#include "core/about.h"

static GHashTable *labels_of(const char *name, const char *value)
{
    GHashTable *labels = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);

    if (name != NULL)
        g_hash_table_insert(labels, g_strdup(name), g_strdup(value));
    return labels;
}

static void test_labels_equal(void)
{
    g_autoptr(GHashTable) none = labels_of(NULL, NULL), a1 = labels_of("a", "1");
    g_autoptr(GHashTable) same = labels_of("a", "1"), a2 = labels_of("a", "2");
    g_autoptr(GHashTable) b1 = labels_of("b", "1"), more = labels_of("a", "1");

    g_hash_table_insert(more, g_strdup("b"), g_strdup("1"));
    g_assert_true(about_labels_equal(NULL, NULL));
    g_assert_true(about_labels_equal(NULL, none));
    g_assert_true(about_labels_equal(none, NULL));
    g_assert_true(about_labels_equal(a1, same));
    g_assert_false(about_labels_equal(a1, NULL));
    g_assert_false(about_labels_equal(NULL, a1));
    g_assert_false(about_labels_equal(a1, a2));
    g_assert_false(about_labels_equal(a1, b1));
    g_assert_false(about_labels_equal(a1, more));
    g_assert_false(about_labels_equal(more, a1));
}

static void test_equal_in_everything(void)
{
    g_autoptr(GHashTable) labels = labels_of("a", "1");
    const About base = {.description = (char *)"an A"};
    About others[] = {base, base, base, base, base, base};
    g_autoptr(About) copy = about_new(&base);

    g_assert_true(about_equal(copy, copy));
    g_assert_true(about_equal(copy, &base));
    others[0].source = SOURCE_TRANSIENT;
    others[1].enabled = true;
    others[2].directory = g_intern_string("/etc");
    others[3].description = NULL;
    others[4].description = (char *)"a B";
    others[5].labels = labels;
    for (unsigned i = 0; i < G_N_ELEMENTS(others); i++) {
        g_assert_false(about_equal(copy, &others[i]));
        g_assert_false(about_equal(&others[i], copy));
    }
}

static void test_copy_is_its_own(void)
{
    char description[] = "an A";
    GHashTable *labels = labels_of("a", "1");
    g_autoptr(About) about = about_new(&(About){.description = description, .labels = labels});

    g_hash_table_unref(labels);
    description[0] = 'X';
    g_assert_cmpstr(about->description, ==, "an A");
    g_assert_cmpstr(g_hash_table_lookup(about->labels, "a"), ==, "1");
    about_unref(about_ref(about));
    g_assert_cmpstr(about->description, ==, "an A");
    about_unref(NULL);
}

/* A change of its record, with a serial, in the state that it is in. */
static void test_told_as_a_change(void)
{
    setup(CONFIG);
    g_autoptr(StateRecord) before = state_record_ref(service_state(service));
    About about = *service_about(service);

    about.description = (char *)"an A";
    service_set_about(service, &about, &origin_test);
    assert_seen("inactive(method) ");
    g_assert_cmpuint(service_state(service)->serial, ==, before->serial + 1);
    g_assert_null(state_record_about(before)->description);
    g_assert_cmpstr(service_about(service)->description, ==, "an A");
    service_set_about(service, &about, &origin_test);
    service_set_enabled(service, false, &origin_test);
    assert_seen(""); /* it said so before */
    start();
    assert_seen("starting(method) ");
    service_set_enabled(service, true, &origin_test);
    assert_seen("starting(method) ");
    g_assert_true(service_about(service)->enabled);
    g_assert_true(fake_of(service)->context_open); /* it goes on */
    fake_apply_ok(service);
    g_assert_cmpstr(service_about(service)->description, ==, "an A");
    assert_seen("active(applied) ");
    HistoryEntry moves[SERVICE_HISTORY];

    g_assert_cmpuint(service_history(service, moves), ==, 2); /* no moves */
    teardown();
}

/* Nothing has happened to one that nobody sees. */
static void test_before_it_is_published(void)
{
    core_fixture_init(&fixture);
    service = service_new(fixture.core, "web", &kind_fake);
    service_set_about(service, &(About){.enabled = true}, &origin_test);
    g_assert_true(service_about(service)->enabled);
    g_assert_cmpuint(service_state(service)->time, ==, 0);
    g_assert_cmpuint(feed_serial(fixture.core->feed), ==, 0);
    service_publish(service, &origin_test);
    setup_listener();
    g_assert_true(service_about(service)->enabled);
    teardown();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/about/labels-equal", test_labels_equal);
    g_test_add_func("/about/equal-in-everything", test_equal_in_everything);
    g_test_add_func("/about/copy-is-its-own", test_copy_is_its_own);
    g_test_add_func("/about/told-as-a-change", test_told_as_a_change);
    g_test_add_func("/about/before-it-is-published", test_before_it_is_published);
    return g_test_run();
}
