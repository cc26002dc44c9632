/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The program: plays random histories of the real core and map in virtual time and ends with 1 when
 * an invariant was violated, having told the shortest history that does it. */

#include "base/random.h"
#include "run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static gint64 option_operations = 100000;
static gint64 option_seed = -1;
static int option_services;
static char *option_break;
static char *option_game;

static const GOptionEntry entries[] = {
        {"operations", 0, 0, G_OPTION_ARG_INT64, &option_operations, "how many (100000)", "N"},
        {"seed", 0, 0, G_OPTION_ARG_INT64, &option_seed, "of a run that was seen before", "SEED"},
        {"services", 0, 0, G_OPTION_ARG_INT, &option_services, "in each history (random)", "N"},
        {"game", 0, 0, G_OPTION_ARG_STRING, &option_game,
         "what is played: services (each for itself), net (that depend on each other)", "NAME"},
        {"break", 0, 0, G_OPTION_ARG_STRING, &option_break,
         "what the simulation itself does wrong: see the tables of breaks", "NAME"},
        {NULL},
};

/* NULL: there is none of that name. */
static const Game *sim_find_game(const char *name)
{
    static const Game *const games[] = {&game_services, &game_net};
    for (size_t i = 0; name != NULL && i < G_N_ELEMENTS(games); i++) {
        if (g_str_equal(games[i]->name, name))
            return games[i];
    }
    return name == NULL ? games[0] : NULL;
}

static bool sim_parse(int argc, char **argv, RunSpec *ret_spec)
{
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) error = NULL;
    g_option_context_add_main_entries(context, entries, NULL);
    const Game *game = NULL;
    int broken = 0;
    bool parsed = g_option_context_parse(context, &argc, &argv, &error);
    if (parsed)
        game = sim_find_game(option_game);
    if (game != NULL && option_break != NULL)
        broken = game->break_from_string(option_break);
    if (!parsed || argc > 1 || option_operations < 1 || option_services < 0 || game == NULL ||
        broken < 0) {
        fprintf(stderr, "sim: %s\n", error != NULL ? error->message : "wrong arguments");
        return false;
    }
    *ret_spec = (RunSpec){
            .game = game,
            .seed = option_seed >= 0 ? (uint64_t)option_seed
                                     : random_next(random_system()) % UINT32_MAX,
            .n_operations = (uint64_t)option_operations,
            .n_slots = (unsigned)option_services,
            .broken = broken,
    };
    return true;
}

int main(int argc, char **argv)
{
    RunSpec spec;
    if (!sim_parse(argc, argv, &spec))
        return 2;
    printf("seed %" PRIu64 "\n", spec.seed);
    gint64 start = g_get_monotonic_time();
    RunResult result = run(&spec);
    g_free(option_break);
    g_free(option_game);
    if (result.failed) {
        fputs(result.report, stdout);
        g_free(result.report);
        return EXIT_FAILURE;
    }
    double seconds = (double)(g_get_monotonic_time() - start) / G_USEC_PER_SEC;
    printf("%" PRIu64 " operations in %" PRIu64 " histories made %" PRIu64
           " changes in %.1f s; every invariant held\n",
           result.n_operations, result.n_histories, result.n_changes, seconds);
    return EXIT_SUCCESS;
}
