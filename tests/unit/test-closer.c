/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Closers: nothing is added to what is closed, and the one who waits is told once, in the end. */

#include "base/closer.h"

#include <glib.h>

/* What happened, one letter each. */
typedef struct Trace {
    GString *text;
    Closer *closer;         /* freed with the d */
    ChannelCloser *channel; /* its receivers report with the e */
    unsigned n_receivers;
} Trace;

static void on_done(void *data)
{
    Trace *trace = data;

    g_string_append_c(trace->text, 'd');
    g_clear_pointer(&trace->closer, closer_free);
}

static void on_end_receivers(void *data)
{
    Trace *trace = data;

    g_string_append_c(trace->text, 'e');
    for (; trace->n_receivers > 0; trace->n_receivers--)
        channel_closer_receiver_done(trace->channel);
}

static void assert_trace(Trace *trace, const char *expected)
{
    g_assert_cmpstr(trace->text->str, ==, expected);
    g_string_truncate(trace->text, 0);
}

static void test_close(void)
{
    Closer *closer = closer_new();

    g_assert_true(closer_add(closer));
    g_assert_false(closer_is_closed(closer));
    g_assert_cmpuint(closer_count(closer), ==, 1);
    closer_close(closer);
    closer_close(closer);
    g_assert_true(closer_is_closed(closer));
    g_assert_false(closer_add(closer));
    g_assert_cmpuint(closer_count(closer), ==, 1);
    closer_done(closer);
    g_assert_cmpuint(closer_count(closer), ==, 0);
    closer_free(closer);
    closer_free(NULL);
}

static void test_close_then_wait(void)
{
    g_autoptr(GString) text = g_string_new(NULL);
    Trace trace = {.text = text, .closer = closer_new()};
    Closer *closer = trace.closer;

    g_assert_true(closer_add(closer));
    g_assert_true(closer_add(closer));
    closer_done(closer);
    assert_trace(&trace, "");
    g_assert_true(closer_add(closer));
    closer_close_then_wait(closer, on_done, &trace);
    g_assert_false(closer_add(closer));
    closer_done(closer);
    assert_trace(&trace, "");
    closer_done(closer);
    assert_trace(&trace, "d");
    g_assert_null(trace.closer);
}

static void on_count(void *data)
{
    ++*(unsigned *)data;
}

/* Whoever comes after the one who was told is told as well. */
static void test_wait_again(void)
{
    unsigned n_first = 0, n_second = 0;
    Closer *closer = closer_new();

    closer_close_then_wait(closer, on_count, &n_first);
    closer_close_then_wait(closer, on_count, &n_second);
    g_assert_cmpuint(n_first, ==, 1);
    g_assert_cmpuint(n_second, ==, 1);
    closer_free(closer);
}

static void test_close_idle(void)
{
    g_autoptr(GString) text = g_string_new(NULL);
    Trace trace = {.text = text, .closer = closer_new()};

    closer_close(trace.closer);
    closer_close_then_wait(trace.closer, on_done, &trace);
    assert_trace(&trace, "d");
}

static void test_free_while_waiting(void)
{
    g_autoptr(GString) text = g_string_new(NULL);
    Trace trace = {.text = text};
    Closer *closer = closer_new();

    g_assert_true(closer_add(closer));
    closer_close_then_wait(closer, on_done, &trace);
    closer_free(closer);
    assert_trace(&trace, "");
}

/* Senders and receivers */

static void test_channel(void)
{
    g_autoptr(GString) text = g_string_new(NULL);
    Trace trace = {.text = text};
    ChannelCloser *channel = channel_closer_new(on_end_receivers, &trace);

    g_assert_true(channel_closer_add_sender(channel));
    g_assert_true(channel_closer_add_sender(channel));
    g_assert_true(channel_closer_add_receiver(channel));
    g_assert_true(channel_closer_add_receiver(channel));
    channel_closer_close_then_wait(channel, on_done, &trace);
    g_assert_false(channel_closer_add_sender(channel));
    g_assert_false(channel_closer_add_receiver(channel));
    channel_closer_receiver_done(channel);
    channel_closer_sender_done(channel);
    assert_trace(&trace, "");
    channel_closer_sender_done(channel);
    assert_trace(&trace, "e");
    channel_closer_receiver_done(channel);
    assert_trace(&trace, "d");
    channel_closer_free(channel);
}

static void test_channel_receivers_end_first(void)
{
    g_autoptr(GString) text = g_string_new(NULL);
    Trace trace = {.text = text};
    ChannelCloser *channel = channel_closer_new(NULL, NULL);

    g_assert_true(channel_closer_add_sender(channel));
    g_assert_true(channel_closer_add_receiver(channel));
    channel_closer_close_then_wait(channel, on_done, &trace);
    channel_closer_receiver_done(channel);
    assert_trace(&trace, "");
    channel_closer_sender_done(channel);
    assert_trace(&trace, "d");
    channel_closer_free(channel);
    channel_closer_free(NULL);
}

static void test_channel_reports_at_once(void)
{
    g_autoptr(GString) text = g_string_new(NULL);
    Trace trace = {.text = text, .n_receivers = 2};
    ChannelCloser *channel = channel_closer_new(on_end_receivers, &trace);

    trace.channel = channel;
    g_assert_true(channel_closer_add_receiver(channel));
    g_assert_true(channel_closer_add_receiver(channel));
    channel_closer_close_then_wait(channel, on_done, &trace);
    assert_trace(&trace, "ed");
    channel_closer_free(channel);
}

static void test_channel_empty(void)
{
    g_autoptr(GString) text = g_string_new(NULL);
    Trace trace = {.text = text};
    ChannelCloser *channel = channel_closer_new(on_end_receivers, &trace);

    channel_closer_close_then_wait(channel, on_done, &trace);
    assert_trace(&trace, "ed");
    channel_closer_free(channel);
}

/* Several in order */

static void test_group(void)
{
    g_autoptr(GString) text = g_string_new(NULL);
    Trace trace = {.text = text};
    GroupCloser *group = group_closer_new();
    Closer *first = closer_new(), *last = closer_new();
    ChannelCloser *channel = channel_closer_new(on_end_receivers, &trace);

    group_closer_add(group, first);
    group_closer_add_channel(group, channel);
    group_closer_add(group, last);
    g_assert_true(closer_add(first));
    g_assert_true(channel_closer_add_sender(channel));
    g_assert_true(closer_add(last));
    group_closer_close_then_wait(group, on_done, &trace);
    g_assert_true(closer_is_closed(first));
    g_assert_true(channel_closer_add_receiver(channel)); /* its turn has not come */
    closer_done(first);
    g_assert_false(channel_closer_add_receiver(channel));
    g_assert_true(closer_add(last));
    channel_closer_sender_done(channel);
    assert_trace(&trace, "e");
    g_assert_false(closer_is_closed(last));
    channel_closer_receiver_done(channel);
    g_assert_true(closer_is_closed(last));
    closer_done(last);
    assert_trace(&trace, "");
    closer_done(last);
    assert_trace(&trace, "d");
    group_closer_free(group);
    closer_free(first);
    closer_free(last);
    channel_closer_free(channel);
}

static void test_group_empty(void)
{
    g_autoptr(GString) text = g_string_new(NULL);
    Trace trace = {.text = text};
    GroupCloser *group = group_closer_new();

    group_closer_close_then_wait(group, on_done, &trace);
    assert_trace(&trace, "d");
    group_closer_free(group);
    group_closer_free(NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/closer/close", test_close);
    g_test_add_func("/closer/close-then-wait", test_close_then_wait);
    g_test_add_func("/closer/close-idle", test_close_idle);
    g_test_add_func("/closer/wait-again", test_wait_again);
    g_test_add_func("/closer/free-while-waiting", test_free_while_waiting);
    g_test_add_func("/closer/channel/order", test_channel);
    g_test_add_func("/closer/channel/receivers-end-first", test_channel_receivers_end_first);
    g_test_add_func("/closer/channel/reports-at-once", test_channel_reports_at_once);
    g_test_add_func("/closer/channel/empty", test_channel_empty);
    g_test_add_func("/closer/group/order", test_group);
    g_test_add_func("/closer/group/empty", test_group_empty);
    return g_test_run();
}
