/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where histories come from and how they read. One table says of each operation how often it comes,
 * how its parameters are drawn, and how it is told. */

#include "history.h"

#include "base/clock.h"
#include "base/parse.h"
#include "play.h"

#include <inttypes.h>

static const char *const break_names[_BREAK_MAX] = {
        [BREAK_NONE] = "none",
        [BREAK_DEAF_LISTENER] = "deaf-listener",
        [BREAK_GHOST] = "ghost",
        [BREAK_STUCK] = "stuck",
};
ENUM_TABLE_DEFINE(Break, break, break_names)

static uint64_t history_below(Random *random, uint64_t n)
{
    return random_next(random) % n;
}

static bool history_chance(Random *random, unsigned one_in)
{
    return history_below(random, one_in) == 0;
}

/* Parameters */

static void draw_nothing(Random *random, Step *step)
{
}

static void draw_any(Random *random, Step *step)
{
    step->a = (uint32_t)random_next(random) % 1024;
    step->b = (uint32_t)random_next(random) % 1024;
}

static void draw_create(Random *random, Step *step)
{
    static const struct {
        CreateBits bit;
        unsigned one_in;
    } rows[] = {
            {CREATE_START, 2},       {CREATE_OTHER_KIND, 3}, {CREATE_LABELS, 2},
            {CREATE_NO_ID, 3},       {CREATE_BAD_ID, 30},    {CREATE_UNKNOWN_KIND, 30},
            {CREATE_BAD_CONFIG, 20}, {CREATE_BROKEN, 20},    {CREATE_AT_STARTUP, 5},
    };
    draw_any(random, step);
    step->a = history_chance(random, 4) ? 0 : CREATE_CONFIG;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        step->a |= history_chance(random, rows[i].one_in) ? rows[i].bit : 0U;
}

/* From a millisecond to an hour, the short ones more often. */
static void draw_time(Random *random, Step *step)
{
    static const uint64_t most_usec[] = {
            5 * USEC_PER_MSEC,
            600 * USEC_PER_MSEC,
            3 * USEC_PER_SEC,
            12 * USEC_PER_SEC,
    };
    uint64_t most = most_usec[history_below(random, G_N_ELEMENTS(most_usec))];
    if (history_chance(random, 400))
        most = 3600 * USEC_PER_SEC;
    step->a = (uint32_t)history_below(random, most + 1);
}

/* Seconds, as a signed number: a nudge, or years. */
static void draw_wall(Random *random, Step *step)
{
    int64_t most = history_chance(random, 10) ? 100000000 : 5;
    step->a = (uint32_t)(history_below(random, 2 * (uint64_t)most + 1) - (uint64_t)most);
}

/* Telling */

static char *tell_create(const History *history, const Step *step)
{
    static const struct {
        CreateBits bit;
        const char *words;
    } rows[] = {
            {CREATE_START, ", start it"},
            {CREATE_OTHER_KIND, ", of the other kind"},
            {CREATE_LABELS, ", with labels"},
            {CREATE_NO_ID, ", without naming an id"},
            {CREATE_BAD_ID, ", under an invalid id"},
            {CREATE_UNKNOWN_KIND, ", of an unknown kind"},
            {CREATE_BAD_CONFIG, ", with a bad configuration"},
            {CREATE_BROKEN, ", as a broken definition"},
            {CREATE_AT_STARTUP, ", at startup"},
    };
    GString *text = g_string_new("create");
    if ((step->a & CREATE_CONFIG) != 0) {
        g_autofree char *config =
                profile_text(&history->world.profiles[step->b % N_PROFILES], step->b % N_PROFILES);
        g_string_append_printf(text, " with %s", config);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        if ((step->a & rows[i].bit) != 0)
            g_string_append(text, rows[i].words);
    }
    return g_string_free(text, FALSE);
}

static char *tell_configure(const History *history, const Step *step)
{
    if (step->b % 5 == 4)
        return g_strdup_printf("configure with %s", bad_config(step->a));
    g_autofree char *config =
            profile_text(&history->world.profiles[step->a % N_PROFILES], step->a % N_PROFILES);
    return g_strdup_printf("configure with %s", config);
}

static char *tell_time(const History *history, const Step *step)
{
    g_autofree char *span = format_duration(step->a);
    return g_strdup_printf("%s passes%s", span,
                           step->op == OP_LAZY_TIME ? " while the loop does nothing but timers"
                                                    : "");
}

static char *tell_wall(const History *history, const Step *step)
{
    return g_strdup_printf("the wall clock jumps by %d s", (int32_t)step->a);
}

static char *tell_end(const History *history, const Step *step)
{
    static const char *const how[] = {"cleanly", "with an error", "with exit status 7",
                                      "with exit status 9", "by its watchdog"};
    return g_strdup_printf("what runs %s %s", step->op == OP_ENDING ? "begins to end" : "ends",
                           how[step->a % G_N_ELEMENTS(how)]);
}

static char *tell_plan(const History *history, const Step *step)
{
    static const char *const how[_PLAN_MAX] = {"later", "well, at once", "with a failure, at once",
                                               "with an abort, at once"};
    return g_strdup_printf("from now on applies come out %s; stops %s", how[step->a % _PLAN_MAX],
                           how[step->b % _PLAN_MAX]);
}

static const char *const reactions[] = {
        "",
        " that will leave",
        " that will start what changed",
        " that will stop what changed",
        " that will restart what changed",
        " that will delete what changed",
        " that will reset what changed",
        " that will configure what changed",
        " that will create the service",
        " that will delete the service",
        " that will bring another listener",
        " that will send another listener away",
};

static char *tell_join(const History *history, const Step *step)
{
    unsigned reaction = (step->b >> 2) % 16;
    return g_strdup_printf(
            "listener %u joins, %s%s%s", step->a % 4,
            step->b % 2 == 0 ? "for all services" : "for the service",
            reaction < G_N_ELEMENTS(reactions) ? reactions[reaction] : "",
            reaction > 0 && reaction < G_N_ELEMENTS(reactions) ? " from inside its callback" : "");
}

typedef struct OpRow {
    unsigned weight;
    bool has_slot;
    void (*draw)(Random *random, Step *step);
    const char *words; /* where a is %u in them */
    char *(*tell)(const History *history, const Step *step);
} OpRow;

static const OpRow rows[_OP_MAX] = {
        [OP_CREATE] = {70, true, draw_create, NULL, tell_create},
        [OP_DELETE] = {25, true, draw_any, "delete", NULL},
        [OP_FORGET] = {3, false, draw_any, "whoever waits for a delete forgets it", NULL},
        [OP_START] = {60, true, draw_nothing, "start", NULL},
        [OP_STOP] = {40, true, draw_nothing, "stop", NULL},
        [OP_RESTART] = {30, true, draw_nothing, "restart", NULL},
        [OP_RELOAD] = {30, true, draw_nothing, "reload", NULL},
        [OP_RESET] = {20, true, draw_nothing, "reset-failed", NULL},
        [OP_CONFIGURE] = {60, true, draw_any, NULL, tell_configure},
        [OP_APPLY_OK] = {110, true, draw_nothing, "the apply succeeds", NULL},
        [OP_APPLY_FAIL] = {70, true, draw_any, "the apply fails (%u: 0 aborts)", NULL},
        [OP_RELOADING] = {30, true, draw_nothing, "what runs reloads by itself", NULL},
        [OP_ENDING] = {20, true, draw_any, NULL, tell_end},
        [OP_END] = {60, true, draw_any, NULL, tell_end},
        [OP_STOP_DONE] = {90, true, draw_any, "the stop is done (%u: 1 of 8 failed)", NULL},
        [OP_UNKILLABLE] = {12, true, draw_nothing, "the kind reports unkillable", NULL},
        [OP_LATE] = {15, true, draw_any, "a spent context reports (%u: even success)", NULL},
        [OP_PLAN] = {20, true, draw_any, NULL, tell_plan},
        [OP_SUB_STATE] = {25, true, draw_any, "sub-state (%u)", NULL},
        [OP_PROPERTIES] = {5, true, draw_any, "the kind's properties change", NULL},
        [OP_JOIN] = {30, true, draw_any, NULL, tell_join},
        [OP_LEAVE] = {10, false, draw_any, "a listener leaves (%u)", NULL},
        [OP_TURN] = {160, false, draw_nothing, "a turn of the loop", NULL},
        [OP_SETTLE] = {120, false, draw_nothing, "the loop does all that is due", NULL},
        [OP_TIME] = {120, false, draw_time, NULL, tell_time},
        [OP_LAZY_TIME] = {20, false, draw_time, NULL, tell_time},
        [OP_WALL] = {15, false, draw_wall, NULL, tell_wall},
        [OP_REST] = {2, false, draw_nothing, "requests cease until all is settled", NULL},
};

static unsigned total_weight(void)
{
    unsigned total = 0;
    for (int op = 0; op < _OP_MAX; op++)
        total += rows[op].weight;
    return total;
}

static Step history_draw_step(Random *random, unsigned n_slots)
{
    uint64_t at = history_below(random, total_weight());
    int op = 0;
    for (; at >= rows[op].weight; op++)
        at -= rows[op].weight;
    Step step = {.op = (Op)op};
    if (rows[op].has_slot)
        step.slot = (unsigned)history_below(random, n_slots);
    rows[op].draw(random, &step);
    return step;
}

static uint64_t history_pick(Random *random, const uint64_t *values, size_t n)
{
    return values[history_below(random, n)];
}

#define PICK(random, ...)                                                                          \
    history_pick(random, (const uint64_t[]){__VA_ARGS__},                                          \
                 sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

static Profile history_draw_profile(Random *random)
{
    Profile profile = {
            .mode = (RestartMode)history_below(random, _RESTART_MAX),
            .initial_usec = PICK(random, 0, 100, 100, 500, 2000, 10000) * USEC_PER_MSEC,
            .factor = PICK(random, 1, 2, 3),
            .min_usec = PICK(random, 0, 100, 700, USEC_INFINITY),
            .max_usec = PICK(random, 1, 10, 60) * USEC_PER_SEC,
            .max_attempts = (unsigned)PICK(random, 0, 0, 1, 2, 4),
            .jitter = history_chance(random, 3),
            .stable_usec = PICK(random, 0, 1, 3, 10) * USEC_PER_SEC,
            .burst = (unsigned)PICK(random, 0, 0, 0, 1, 3, 8),
            .reload = history_chance(random, 2),
    };
    if (profile.min_usec != USEC_INFINITY)
        profile.min_usec *= USEC_PER_MSEC;
    return profile;
}

static WorldSpec history_draw_world(Random *random, unsigned n_slots)
{
    WorldSpec world = {
            .seed = random_next(random),
            .id_rule = history_chance(random, 2) ? ID_REQUIRED
                                                 : (IdRule)history_below(random, _ID_RULE_MAX),
            .immutable = history_chance(random, 16),
            .few_ids = history_chance(random, 2),
            .n_slots = n_slots > 0 ? n_slots : 1 + (unsigned)history_below(random, 8),
            .first_serial = PICK(random, 1, 1, 1001, UINT64_C(1) << 40),
    };
    world.max_services = history_chance(random, 2) ? world.n_slots : 1 + world.n_slots / 2;
    for (unsigned i = 0; i < N_PROFILES; i++)
        world.profiles[i] = history_draw_profile(random);
    return world;
}

/* Many short ones, for beginnings and ends are where things go wrong; some so long that the ring of
 * events goes round. */
static size_t history_draw_length(Random *random)
{
    return 1 + history_below(random, PICK(random, 100, 100, 100, 100, 100, 100, 100, 100, 2000,
                                          2000, 2000, 2000, 2000, 10000, 10000, 40000));
}

void history_seed(RandomSeeded *random, uint64_t seed, uint64_t number)
{
    random_seeded_init(random, seed);
    random->state = random_next(&random->random) + number * UINT64_C(0xd1342543de82ef95);
}

static History *history_draw(uint64_t seed, uint64_t number, unsigned n_slots, int broken)
{
    RandomSeeded seeded;
    Random *random = &seeded.random;
    history_seed(&seeded, seed, number);
    History *history = g_new0(History, 1);
    history->number = number;
    history->game = &game_services;
    history->world = history_draw_world(random, n_slots);
    history->world.broken = (Break)broken;
    history->n_steps = history_draw_length(random);
    history->steps = g_new(Step, history->n_steps);
    for (size_t i = 0; i < history->n_steps; i++)
        history->steps[i] = history_draw_step(random, history->world.n_slots);
    return history;
}

History *history_copy(const History *history, size_t n_steps)
{
    History *copy = g_memdup2(history, sizeof *history);
    copy->steps = g_memdup2(history->steps, history->n_steps * sizeof *history->steps);
    copy->n_steps = n_steps;
    return copy;
}

void history_free(History *history)
{
    if (history == NULL)
        return;
    g_free(history->steps);
    g_free(history);
}

static char *step_words(const History *history, const Step *step)
{
    const OpRow *row = &rows[step->op];
    if (row->tell != NULL)
        return row->tell(history, step);
    g_autofree char *number = g_strdup_printf("%u", step->a);
    g_auto(GStrv) parts = g_strsplit(row->words, "%u", 2);
    return g_strjoinv(number, parts);
}

static char *step_to_string(const History *history, const Step *step)
{
    g_autofree char *words = step_words(history, step);
    if (!rows[step->op].has_slot)
        return g_steal_pointer(&words);
    return g_strdup_printf("s%u: %s", step->slot % history->world.n_slots, words);
}

static char *world_to_string(const History *history)
{
    const WorldSpec *spec = &history->world;
    static const char *const rules[_ID_RULE_MAX] = {"ids are required", "the id is the kind",
                                                    "ids are minted"};
    return g_strdup_printf("%s of at most %u services, %s%s, serials from %" PRIu64,
                           spec->immutable ? "a fixed map" : "a map", spec->max_services,
                           rules[spec->id_rule], spec->few_ids ? " (of few)" : "",
                           spec->first_serial);
}

static int history_find_break(const char *name)
{
    return (int)break_from_string(name);
}

/* Ids as they are given, and as many services as may be. */
static void world_simplify(History *history)
{
    history->world.immutable = false;
    history->world.id_rule = ID_REQUIRED;
    history->world.few_ids = false;
    history->world.first_serial = 1;
    history->world.max_services = history->world.n_slots;
}

const Game game_services = {
        .name = "services",
        .draw = history_draw,
        .play = play_history,
        .step_to_string = step_to_string,
        .world_to_string = world_to_string,
        .simplify_world = world_simplify,
        .settle = OP_SETTLE,
        .may_settle = 1U << OP_TIME | 1U << OP_REST | 1U << OP_TURN,
        .break_from_string = history_find_break,
};
