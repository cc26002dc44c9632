/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The removal rules of base/listeners.h, each seen from inside a callback. The calls of a round are
 * written to a trace, one letter a call. */

#include "base/listeners.h"

#include <glib.h>

typedef struct Bed Bed;

typedef struct Player {
    Bed *bed;
    char letter;
    Listener *handle;
    void (*act)(struct Player *player); /* NULL: only traces */
    struct Player *other;
} Player;

struct Bed {
    Listeners *listeners;
    GString *trace;
    Player players[4]; /* a b c d */
    const void *last_event;
};

static void on_event(const void *event, void *data)
{
    Player *player = data;

    g_string_append_c(player->bed->trace, player->letter);
    player->bed->last_event = event;
    if (player->act != NULL)
        player->act(player);
}

static void player_add(Player *player)
{
    player->handle = listeners_add(player->bed->listeners, on_event, player);
}

static void player_remove(Player *player)
{
    listener_remove(g_steal_pointer(&player->handle));
}

/* The first n_added players listen. */
static void bed_init(Bed *bed, unsigned n_added)
{
    *bed = (Bed){.listeners = listeners_new(), .trace = g_string_new(NULL)};
    for (unsigned i = 0; i < G_N_ELEMENTS(bed->players); i++) {
        bed->players[i].bed = bed;
        bed->players[i].letter = (char)('a' + i);
        if (i < n_added)
            player_add(&bed->players[i]);
    }
}

static void bed_done(Bed *bed)
{
    listeners_free(g_steal_pointer(&bed->listeners));
    g_string_free(bed->trace, TRUE);
}

static void bed_assert_round(Bed *bed, const char *expected)
{
    g_string_truncate(bed->trace, 0);
    g_assert_true(listeners_notify(bed->listeners, NULL));
    g_assert_cmpstr(bed->trace->str, ==, expected);
}

static void act_remove_self(Player *player)
{
    player_remove(player);
}

static void act_remove_other(Player *player)
{
    if (player->other->handle != NULL)
        player_remove(player->other);
}

static void act_add_other(Player *player)
{
    if (player->other->handle == NULL)
        player_add(player->other);
}

static void act_replace_other(Player *player)
{
    player_remove(player->other);
    player_add(player->other);
}

static void act_free_list(Player *player)
{
    listeners_free(g_steal_pointer(&player->bed->listeners));
}

static void act_notify_nested(Player *player)
{
    player->act = NULL; /* once */
    g_string_append_c(player->bed->trace, '(');
    if (!listeners_notify(player->bed->listeners, NULL))
        g_string_append_c(player->bed->trace, '!');
    g_string_append_c(player->bed->trace, ')');
}

static void test_listeners_order(void)
{
    Bed bed;
    int event;

    bed_init(&bed, 3);
    g_assert_cmpuint(listeners_count(bed.listeners), ==, 3);
    bed_assert_round(&bed, "abc");
    g_assert_true(listeners_notify(bed.listeners, &event));
    g_assert_true(bed.last_event == &event);
    player_remove(&bed.players[1]);
    player_add(&bed.players[1]);
    bed_assert_round(&bed, "acb");
    bed_done(&bed);
}

static void test_listeners_nothing(void)
{
    Listeners *listeners = listeners_new();

    g_assert_true(listeners_notify(listeners, NULL));
    listeners_free(listeners);
    listeners_free(NULL);
    listener_remove(NULL);
    g_assert_cmpuint(listeners_count(NULL), ==, 0);
}

static void test_listeners_remove_self(void)
{
    Bed bed;

    bed_init(&bed, 3);
    bed.players[1].act = act_remove_self;
    bed_assert_round(&bed, "abc");
    g_assert_cmpuint(listeners_count(bed.listeners), ==, 2);
    bed_assert_round(&bed, "ac");
    bed_done(&bed);
}

static void test_listeners_remove_later(void)
{
    Bed bed;

    bed_init(&bed, 3);
    bed.players[0].act = act_remove_other;
    bed.players[0].other = &bed.players[1];
    bed_assert_round(&bed, "ac");
    g_assert_cmpuint(listeners_count(bed.listeners), ==, 2);
    bed_assert_round(&bed, "ac");
    bed_done(&bed);
}

static void test_listeners_remove_earlier(void)
{
    Bed bed;

    bed_init(&bed, 3);
    bed.players[2].act = act_remove_other;
    bed.players[2].other = &bed.players[0];
    bed_assert_round(&bed, "abc");
    bed_assert_round(&bed, "bc");
    bed_done(&bed);
}

static void test_listeners_remove_all(void)
{
    Bed bed;

    bed_init(&bed, 2);
    bed.players[0].act = act_remove_other;
    bed.players[0].other = &bed.players[1];
    bed_assert_round(&bed, "a");
    bed.players[0].act = act_remove_self;
    bed_assert_round(&bed, "a");
    g_assert_cmpuint(listeners_count(bed.listeners), ==, 0);
    bed_assert_round(&bed, "");
    bed_done(&bed);
}

static void test_listeners_add_in_round(void)
{
    Bed bed;

    bed_init(&bed, 2);
    bed.players[1].act = act_add_other;
    bed.players[1].other = &bed.players[2];
    bed_assert_round(&bed, "ab");
    g_assert_cmpuint(listeners_count(bed.listeners), ==, 3);
    bed_assert_round(&bed, "abc");
    bed_done(&bed);
}

static void test_listeners_replace_in_round(void)
{
    Bed bed;

    bed_init(&bed, 3);
    bed.players[0].act = act_replace_other;
    bed.players[0].other = &bed.players[1];
    bed_assert_round(&bed, "ac");
    bed.players[0].act = NULL;
    bed_assert_round(&bed, "acb");
    bed_done(&bed);
}

static void test_listeners_free_in_round(void)
{
    for (unsigned i = 0; i < 3; i++) {
        Bed bed;

        bed_init(&bed, 3);
        bed.players[i].act = act_free_list;
        g_assert_false(listeners_notify(bed.listeners, NULL));
        g_assert_cmpuint(bed.trace->len, ==, i + 1);
        g_assert_null(bed.listeners);
        bed_done(&bed);
    }
}

static void test_listeners_nested(void)
{
    Bed bed;

    /* b starts a round inside the round; in it, a removes c and adds d. */
    bed_init(&bed, 3);
    bed.players[1].act = act_notify_nested;
    bed_assert_round(&bed, "ab(abc)c");

    bed.players[1].act = act_notify_nested;
    bed.players[2].act = act_remove_self;
    bed_assert_round(&bed, "ab(abc)");
    bed_assert_round(&bed, "ab");
    bed_done(&bed);
}

static void test_listeners_nested_add(void)
{
    Bed bed;

    /* a adds c, then b starts a new round: c belongs to that one, not to the outer. */
    bed_init(&bed, 2);
    bed.players[0].act = act_add_other;
    bed.players[0].other = &bed.players[2];
    bed.players[1].act = act_notify_nested;
    bed_assert_round(&bed, "ab(abc)");
    bed_done(&bed);
}

static void test_listeners_nested_free(void)
{
    Bed bed;

    bed_init(&bed, 3);
    bed.players[0].act = act_notify_nested;
    bed.players[1].act = act_free_list;
    g_assert_false(listeners_notify(bed.listeners, NULL));
    g_assert_cmpstr(bed.trace->str, ==, "a(ab!)");
    bed_done(&bed);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/listeners/order", test_listeners_order);
    g_test_add_func("/listeners/nothing", test_listeners_nothing);
    g_test_add_func("/listeners/remove/self", test_listeners_remove_self);
    g_test_add_func("/listeners/remove/later", test_listeners_remove_later);
    g_test_add_func("/listeners/remove/earlier", test_listeners_remove_earlier);
    g_test_add_func("/listeners/remove/all", test_listeners_remove_all);
    g_test_add_func("/listeners/add-in-round", test_listeners_add_in_round);
    g_test_add_func("/listeners/replace-in-round", test_listeners_replace_in_round);
    g_test_add_func("/listeners/free-in-round", test_listeners_free_in_round);
    g_test_add_func("/listeners/nested/remove", test_listeners_nested);
    g_test_add_func("/listeners/nested/add", test_listeners_nested_add);
    g_test_add_func("/listeners/nested/free", test_listeners_nested_free);
    return g_test_run();
}
