/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the histories of nets come from and how they read. Most edges lead from a slot to one of
 * those before it, so that most orders have no cycle; some lead anywhere. */

#include "net.h"

#include "base/clock.h"
#include "base/parse.h"
#include "play.h"

static const char *const net_break_names[_NET_BREAK_MAX] = {
        [NET_BREAK_NONE] = "none",
        [NET_BREAK_START_ORDER] = "start-order",
        [NET_BREAK_REQUIRED] = "required",
        [NET_BREAK_STOP_ORDER] = "stop-order",
        [NET_BREAK_CONFLICT] = "conflict",
        [NET_BREAK_SLOTS] = "slots",
        [NET_BREAK_WAITING_FOR] = "waiting-for",
        [NET_BREAK_BLOCKED] = "blocked",
        [NET_BREAK_REQUIRED_BY] = "required-by",
        [NET_BREAK_NODES] = "nodes",
        [NET_BREAK_PULL] = "pull",
        [NET_BREAK_PART_OF] = "part-of",
        [NET_BREAK_GRACE_LESS] = "grace-less",
        [NET_BREAK_GRACE_MORE] = "grace-more",
        [NET_BREAK_CYCLES] = "cycles",
        [NET_BREAK_STUCK] = "stuck",
};
ENUM_TABLE_DEFINE(NetBreak, net_break, net_break_names)

const NetBreakRow net_breaks[_NET_BREAK_MAX] = {
        [NET_BREAK_NONE] = {_NET_RULE_MAX, -1},
        [NET_BREAK_START_ORDER] = {NET_RULE_START_ORDER, RELATION_AFTER},
        [NET_BREAK_REQUIRED] = {NET_RULE_REQUIRED, RELATION_REQUIRES},
        [NET_BREAK_STOP_ORDER] = {NET_RULE_STOP_ORDER, RELATION_BEFORE},
        [NET_BREAK_CONFLICT] = {NET_RULE_CONFLICT, RELATION_CONFLICTS},
        [NET_BREAK_SLOTS] = {NET_RULE_SLOTS, -1},
        [NET_BREAK_WAITING_FOR] = {NET_RULE_WAITING_FOR, RELATION_AFTER},
        [NET_BREAK_BLOCKED] = {NET_RULE_BLOCKED, RELATION_REQUIRES},
        [NET_BREAK_REQUIRED_BY] = {NET_RULE_REQUIRED_BY, RELATION_REQUIRES},
        [NET_BREAK_NODES] = {NET_RULE_NODES, RELATION_WANTS},
        [NET_BREAK_PULL] = {NET_RULE_PULL, RELATION_WANTS},
        [NET_BREAK_PART_OF] = {NET_RULE_PART_OF, RELATION_PART_OF},
        [NET_BREAK_GRACE_LESS] = {NET_RULE_KEEP_UP_EARLY, -1},
        [NET_BREAK_GRACE_MORE] = {NET_RULE_KEEP_UP_LATE, -1},
        [NET_BREAK_CYCLES] = {NET_RULE_CYCLES, RELATION_AFTER},
        [NET_BREAK_STUCK] = {NET_RULE_SETTLES, -1},
};

const char *const net_rule_names[_NET_RULE_MAX] = {
        [NET_RULE_RECORD] = "3: a record agrees with itself",
        [NET_RULE_RUNS] = "2: what runs is what the state says",
        [NET_RULE_SERIALS] = "4: serials are without a gap",
        [NET_RULE_COUNTS] = "5: the counts equal a recount",
        [NET_RULE_START_ORDER] = "7: a start waits for what it comes after",
        [NET_RULE_REQUIRED] = "7: a start waits for what it requires",
        [NET_RULE_STOP_ORDER] = "7: a stop waits for what comes after it",
        [NET_RULE_CONFLICT] = "7: who conflicts never runs beside",
        [NET_RULE_SLOTS] = "7: no more start at once than may",
        [NET_RULE_WAITING] = "7: who waits has something to wait for",
        [NET_RULE_WAITING_FOR] = "7: WaitingFor is what a recomputation says",
        [NET_RULE_BLOCKED] = "7: blocked is what a recomputation says",
        [NET_RULE_LISTS] = "7: a record names what its configuration names",
        [NET_RULE_REQUIRED_BY] = "7: RequiredBy equals a recount",
        [NET_RULE_NODES] = "7: the nodes of the graph equal a recount",
        [NET_RULE_PULL] = "7: what is required or wanted is started along, what conflicts stopped",
        [NET_RULE_REASON] = "7: nobody is moved for others without a reason",
        [NET_RULE_PART_OF] = "7: what is part of another follows it",
        [NET_RULE_KEEP_UP_EARLY] = "7: the grace of keep_up is not cut short",
        [NET_RULE_KEEP_UP_LATE] = "7: the grace of keep_up comes to an end",
        [NET_RULE_REFUSALS] = "what is refused, and why",
        [NET_RULE_CYCLES] = "7: an order with a cycle is refused, and no other",
        [NET_RULE_SETTLES] = "8: everything settles",
        [NET_RULE_BATCHES] = "8: several as one come to an end, once",
};

/* Configurations */

static const unsigned char net_relation_codes[] = {
        [1] = RELATION_REQUIRES, [2] = RELATION_WANTS,     [3] = RELATION_AFTER,
        [4] = RELATION_BEFORE,   [5] = RELATION_CONFLICTS, [6] = RELATION_PART_OF,
        [7] = RELATION_REQUIRES,
};

static bool net_list_has(const NetList *list, unsigned slot)
{
    for (unsigned i = 0; i < list->n; i++) {
        if (list->slots[i] == slot)
            return true;
    }
    return false;
}

static void net_config_add(NetConfig *config, Relation relation, unsigned target)
{
    NetList *lists = config->lists, *list = &lists[relation];
    bool friendly = net_list_has(&lists[RELATION_REQUIRES], target) ||
                    net_list_has(&lists[RELATION_WANTS], target);
    bool hostile = net_list_has(&lists[RELATION_CONFLICTS], target);
    bool befriends = relation == RELATION_REQUIRES || relation == RELATION_WANTS;
    if ((relation == RELATION_CONFLICTS && friendly) || (befriends && hostile) ||
        net_list_has(list, target))
        return; /* no configuration may say so */
    list->slots[list->n++] = target;
}

static void net_config_add_edge(const NetSpec *spec, NetConfig *config, uint32_t bits)
{
    unsigned code = bits & 7, target = bits >> 3 & 1023, n_ids = spec->n_slots + NET_MISSING;
    if (code == 0)
        return;
    for (unsigned i = 0; i < (code == 7 ? NET_ROW : 1); i++)
        net_config_add(config, (Relation)net_relation_codes[code], (target + i) % n_ids);
}

NetConfig net_config_of(const NetSpec *spec, uint32_t a, uint32_t b)
{
    static const uint64_t graces[] = {USEC_INFINITY, 0, 300 * USEC_PER_MSEC, 2 * USEC_PER_SEC};
    NetConfig config = {.grace_usec = graces[a >> 28 & 3], .policy = a >> 26 & 3};
    net_config_add_edge(spec, &config, a);
    net_config_add_edge(spec, &config, a >> 13);
    net_config_add_edge(spec, &config, b);
    net_config_add_edge(spec, &config, b >> 13);
    if (config.lists[RELATION_REQUIRES].n == 0)
        config.grace_usec = USEC_INFINITY;
    return config;
}

static void net_text_list(GString *text, const NetList *list, const char *name)
{
    const char *separator = "";
    if (list->n == 0)
        return;
    g_string_append_printf(text, ", \"%s\": [", name);
    for (unsigned i = 0; i < list->n; i++, separator = ", ")
        g_string_append_printf(text, "%s\"s%04u\"", separator, list->slots[i]);
    g_string_append_c(text, ']');
}

char *net_config_text(const NetSpec *spec, const NetConfig *config)
{
    static const char *const policies[_NET_POLICY_MAX] = {
            [NET_POLICY_NO] = "\"policy\": \"no\"",
            [NET_POLICY_ON_FAILURE] = "\"policy\": \"on-failure\", \"initial_delay\": \"100ms\"",
            [NET_POLICY_ALWAYS] = "\"policy\": \"always\", \"initial_delay\": \"500ms\"",
            [NET_POLICY_TWICE] = "\"policy\": \"on-failure\", \"initial_delay\": \"200ms\", "
                                 "\"max_attempts\": 2",
    };
    int lost = net_breaks[spec->broken].lost;
    uint64_t grace = config->grace_usec;
    bool keeps_up = grace != USEC_INFINITY && lost != RELATION_REQUIRES;
    GString *text = g_string_new("{\"restart\": {");
    g_string_append_printf(text, "%s}", policies[config->policy]);
    for (int relation = 0; relation < NET_RELATIONS; relation++) {
        if (relation != lost)
            net_text_list(text, &config->lists[relation], relation_to_string((Relation)relation));
    }
    if (spec->broken == NET_BREAK_GRACE_LESS)
        grace /= 2;
    else if (spec->broken == NET_BREAK_GRACE_MORE)
        grace += 100 * USEC_PER_MSEC;
    if (keeps_up)
        g_string_append_printf(text, ", \"keep_up\": {\"grace\": \"%ums\"}",
                               (unsigned)(grace / USEC_PER_MSEC));
    g_string_append_c(text, '}');
    return g_string_free(text, FALSE);
}

/* Drawing */

static uint64_t net_below(Random *random, uint64_t n)
{
    return random_next(random) % n;
}

static bool net_chance(Random *random, unsigned one_in)
{
    return net_below(random, one_in) == 0;
}

/* Relation and slot; the order mostly leads to lower slots. */
static uint32_t net_draw_edge(Random *random, const NetSpec *spec, unsigned slot)
{
    static const uint32_t codes[] = {0, 0, 0, 1, 1, 1, 2, 3, 3, 3, 4, 5, 6, 6, 7};
    uint32_t code = codes[net_below(random, G_N_ELEMENTS(codes))];
    uint64_t target = net_below(random, spec->n_slots + NET_MISSING);
    bool near = net_chance(random, 2);
    if (code == 7 && (slot < 2 * NET_ROW || !net_chance(random, 4)))
        code = 1;
    if (net_chance(random, 24))
        near = false; /* anywhere: maybe a cycle, maybe nobody */
    else if (code == 4)
        target = slot + 1 + net_below(random, near ? 4 : MAX(spec->n_slots, slot + 2) - slot - 1);
    else if (slot > 0 && code == 7)
        target = net_below(random, slot - NET_ROW);
    else if (slot > 0)
        target = near ? slot - 1 - net_below(random, MIN(slot, 4)) : net_below(random, slot);
    else
        code = code == 5 || code == 6 ? code : 0;
    return code | (uint32_t)target % 1024 << 3;
}

static void net_draw_config(Random *random, const NetSpec *spec, Step *step)
{
    step->a = net_draw_edge(random, spec, step->slot) | net_draw_edge(random, spec, step->slot)
                                                                << 13;
    step->b = net_chance(random, 2) ? net_draw_edge(random, spec, step->slot) : 0;
    step->b |= net_chance(random, 4) ? net_draw_edge(random, spec, step->slot) << 13 : 0;
    step->a |= (uint32_t)net_below(random, _NET_POLICY_MAX) << 26;
    step->a |= net_chance(random, 2) ? (uint32_t)net_below(random, 4) << 28 : 0;
}

static void net_draw_create(Random *random, const NetSpec *spec, Step *step)
{
    static const struct {
        uint32_t bit;
        unsigned one_in;
    } rows[] = {
            {NET_CREATE_START, 4},       {NET_CREATE_AT_STARTUP, 3},   {NET_CREATE_NO_CONFIG, 12},
            {NET_CREATE_APPLY_LATER, 3}, {NET_CREATE_APPLY_FAILS, 12}, {NET_CREATE_STOP_LATER, 3},
    };
    net_draw_config(random, spec, step);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        step->b |= net_chance(random, rows[i].one_in) ? rows[i].bit : 0U;
}

static void net_draw_nothing(Random *random, const NetSpec *spec, Step *step)
{
}

static void net_draw_any(Random *random, const NetSpec *spec, Step *step)
{
    step->a = (uint32_t)net_below(random, 1024);
    step->b = (uint32_t)net_below(random, 1024);
}

static void net_draw_time(Random *random, const NetSpec *spec, Step *step)
{
    static const unsigned most_msec[] = {5, 150, 600, 3000};
    step->a = (uint32_t)net_below(
            random, most_msec[net_below(random, G_N_ELEMENTS(most_msec))] * USEC_PER_MSEC + 1);
}

/* Telling */

static char *net_tell_config(const History *history, const Step *step)
{
    NetConfig config = net_config_of(&history->net, step->a, step->b);
    g_autofree char *text = net_config_text(&history->net, &config);
    return g_strdup_printf("configure with %s", text);
}

static char *net_tell_create(const History *history, const Step *step)
{
    static const struct {
        uint32_t bit;
        const char *words;
    } rows[] = {
            {NET_CREATE_START, ", start it"},
            {NET_CREATE_AT_STARTUP, ", at startup"},
            {NET_CREATE_NO_CONFIG, ", without a configuration"},
            {NET_CREATE_APPLY_LATER, ", applies take time"},
            {NET_CREATE_APPLY_FAILS, ", applies fail"},
            {NET_CREATE_STOP_LATER, ", stops take time"},
    };
    NetConfig config = net_config_of(&history->net, step->a, step->b);
    g_autofree char *text = net_config_text(&history->net, &config);
    GString *words = g_string_new("create");
    if ((step->b & NET_CREATE_NO_CONFIG) == 0)
        g_string_append_printf(words, " with %s", text);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        if ((step->b & rows[i].bit) != 0)
            g_string_append(words, rows[i].words);
    }
    return g_string_free(words, FALSE);
}

static char *net_tell_time(const History *history, const Step *step)
{
    g_autofree char *span = format_duration(step->a);
    return g_strdup_printf("%s passes", span);
}

static char *net_tell_lazy_time(const History *history, const Step *step)
{
    g_autofree char *span = net_tell_time(history, step);
    return g_strdup_printf("%s while the loop does nothing but timers", span);
}

static char *net_tell_plan(const History *history, const Step *step)
{
    static const char *const how[_PLAN_MAX] = {"later", "well, at once", "with a failure, at once",
                                               "with an abort, at once"};
    return g_strdup_printf("from now on applies come out %s; stops %s", how[step->a % _PLAN_MAX],
                           how[step->b % _PLAN_MAX]);
}

static char *net_tell_react(const History *history, const Step *step)
{
    static const char *const what[] = {"starts", "stops", "restarts", "deletes"};
    return g_strdup_printf("who hears of change %u from now on %s it from inside", step->b % 8,
                           what[step->a % G_N_ELEMENTS(what)]);
}

static char *net_tell_batch(const History *history, const Step *step)
{
    return g_strdup_printf("%s%s%s of those that 0x%x names from here on, as one",
                           (step->a & 1) != 0 ? "ordered " : "",
                           (step->a & 2) != 0 ? "patient " : "",
                           (step->a & 4) != 0 ? "stop" : "start", step->b & 255);
}

typedef struct NetOpRow {
    unsigned weight;
    bool has_slot;
    void (*draw)(Random *random, const NetSpec *spec, Step *step);
    const char *words; /* where a is %u in them */
    char *(*tell)(const History *history, const Step *step);
} NetOpRow;

static const NetOpRow rows[_NET_OP_MAX] = {
        [NET_CREATE] = {40, true, net_draw_create, NULL, net_tell_create},
        [NET_DELETE] = {15, true, net_draw_nothing, "delete", NULL},
        [NET_CONFIGURE] = {50, true, net_draw_config, NULL, net_tell_config},
        [NET_START] = {110, true, net_draw_nothing, "start", NULL},
        [NET_STOP] = {45, true, net_draw_nothing, "stop", NULL},
        [NET_RESTART] = {30, true, net_draw_nothing, "restart", NULL},
        [NET_RESET] = {10, true, net_draw_nothing, "reset-failed", NULL},
        [NET_APPLY_OK] = {110, true, net_draw_nothing, "the apply succeeds", NULL},
        [NET_APPLY_FAIL] = {35, true, net_draw_any, "the apply fails (%u: 1 of 8 aborts)", NULL},
        [NET_ENDING] = {15, true, net_draw_any, "what runs begins to end (%u: even: well)", NULL},
        [NET_END] = {45, true, net_draw_any, "what runs ends (%u: even: well)", NULL},
        [NET_STOP_DONE] = {90, true, net_draw_any, "the stop is done (%u: 1 of 8 failed)", NULL},
        [NET_UNKILLABLE] = {5, true, net_draw_nothing, "the kind reports unkillable", NULL},
        [NET_PLAN] = {10, true, net_draw_any, NULL, net_tell_plan},
        [NET_FORCE] = {4, true, net_draw_nothing, "no time is left for its stop", NULL},
        [NET_REACT] = {12, true, net_draw_any, NULL, net_tell_react},
        [NET_BATCH] = {8, true, net_draw_any, NULL, net_tell_batch},
        [NET_ALL_OK] = {15, false, net_draw_nothing, "all that is under way comes out well", NULL},
        [NET_TURN] = {120, false, net_draw_nothing, "a turn of the loop", NULL},
        [NET_SETTLE] = {120, false, net_draw_nothing, "the loop does all that is due", NULL},
        [NET_TIME] = {90, false, net_draw_time, NULL, net_tell_time},
        [NET_LAZY_TIME] = {10, false, net_draw_time, NULL, net_tell_lazy_time},
        [NET_REST] = {1, false, net_draw_nothing, "requests cease until all is settled", NULL},
};

static Step net_draw_step(Random *random, const NetSpec *spec)
{
    unsigned total = 0;
    for (int op = 0; op < _NET_OP_MAX; op++)
        total += rows[op].weight;
    uint64_t at = net_below(random, total);
    unsigned op = 0;
    for (; at >= rows[op].weight; op++)
        at -= rows[op].weight;
    Step step = {.op = op};
    if (rows[op].has_slot)
        step.slot = (unsigned)net_below(random, spec->n_slots);
    rows[op].draw(random, spec, &step);
    return step;
}

/* Mostly few services; now and then as many as there may be. */
static unsigned net_draw_slots(Random *random)
{
    uint64_t chance = net_below(random, 100);
    if (chance < 55)
        return 2 + (unsigned)net_below(random, 7);
    if (chance < 90)
        return 9 + (unsigned)net_below(random, 30);
    return chance < 99 ? 100 + (unsigned)net_below(random, 200) : NET_SLOTS_MAX;
}

/* Who asked for what cannot always be told where several are one, or somebody reacts: most
 * histories are without. */
static void net_draw_calm(Random *random, History *history)
{
    bool reacts = net_chance(random, 4), batches = net_chance(random, 4);
    for (size_t i = 0; i < history->n_steps; i++) {
        Step *step = &history->steps[i];
        if ((step->op == NET_REACT && !reacts) || (step->op == NET_BATCH && !batches))
            *step = (Step){.op = NET_SETTLE};
    }
}

/* First they are all created, then things happen. */
static History *net_draw(uint64_t seed, uint64_t number, unsigned n_slots, int broken)
{
    RandomSeeded seeded;
    Random *random = &seeded.random;
    history_seed(&seeded, seed, number);
    History *history = g_new0(History, 1);
    NetSpec *net = &history->net;
    history->number = number;
    history->game = &game_net;
    net->n_slots = n_slots > 0 ? MIN(n_slots, NET_SLOTS_MAX) : net_draw_slots(random);
    net->max_starting = net_chance(random, 3) ? 1 + (unsigned)net_below(random, 4) : 0;
    net->broken = broken;
    if (broken == NET_BREAK_SLOTS)
        net->max_starting = MAX(net->max_starting, 1);
    uint64_t more = net_chance(random, 6) ? 2000 : 200;
    history->n_steps = net->n_slots + 1 + net_below(random, more + 2 * net->n_slots);
    history->steps = g_new0(Step, history->n_steps);
    for (size_t i = 0; i < history->n_steps; i++) {
        if (i >= net->n_slots) {
            history->steps[i] = net_draw_step(random, net);
            continue;
        }
        history->steps[i] = (Step){.op = NET_CREATE, .slot = (unsigned)i};
        net_draw_create(random, net, &history->steps[i]);
    }
    net_draw_calm(random, history);
    return history;
}

static char *net_step_to_string(const History *history, const Step *step)
{
    const NetOpRow *row = &rows[step->op];
    g_autofree char *number = g_strdup_printf("%u", step->a);
    g_autofree char *words = NULL;
    if (row->tell != NULL) {
        words = row->tell(history, step);
    } else {
        g_auto(GStrv) parts = g_strsplit(row->words, "%u", 2);
        words = g_strjoinv(number, parts);
    }
    if (!row->has_slot)
        return g_steal_pointer(&words);
    return g_strdup_printf("s%04u: %s", step->slot % history->net.n_slots, words);
}

static char *net_world_to_string(const History *history)
{
    return g_strdup_printf("a net of %u services, at most %u starting at once (0: any number)",
                           history->net.n_slots, history->net.max_starting);
}

static void net_simplify_world(History *history)
{
    history->net.max_starting = 0;
}

static int net_find_break(const char *name)
{
    return (int)net_break_from_string(name);
}

const Game game_net = {
        .name = "net",
        .draw = net_draw,
        .play = net_play_history,
        .step_to_string = net_step_to_string,
        .world_to_string = net_world_to_string,
        .simplify_world = net_simplify_world,
        .settle = NET_SETTLE,
        .may_settle = 1U << NET_TIME | 1U << NET_LAZY_TIME | 1U << NET_REST | 1U << NET_TURN |
                      1U << NET_ALL_OK,
        .break_from_string = net_find_break,
};
