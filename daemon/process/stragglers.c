/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A look reads the list of the daemon's children and judges each. Who was alive in the list may be
 * dead when he is judged, and have left a child that is not in it: so the list is read again, until
 * there is nobody in it who has not been judged. Then whoever lived of a run at that moment has
 * been found, for above each of them there is a child of the daemon that is of the run too.
 *
 * All who ask before a look begins have their answer from it: a thousand services that end at once
 * cost one look. */

#include "process/stragglers.h"

#include "base/fds.h"
#include "base/log.h"
#include "process/host-internal.h"
#include "process/proc.h"
#include "process/run-mark.h"

#include <errno.h>
#include <string.h>

/* Judged in one turn of the loop. */
#define STRAGGLERS_PER_TURN 2048
/* When something cannot be read for want of something. Somebody waits, and hears some time that it
 * is not known. */
#define STRAGGLERS_RETRY_USEC (100 * USEC_PER_MSEC)
#define STRAGGLERS_RETRIES_MAX 10
/* A look that takes no longer needs no pause after it. */
#define STRAGGLERS_CHEAP_USEC 500
#define STRAGGLERS_PASSES_MAX 16

struct Stragglers {
    ProcessHost *host;
    Timer *timer;
    uint64_t next_usec; /* not before */
    unsigned n_retries; /* of the look */
    bool is_blind;      /* the last look was given up, which is said */
    GQueue asked;       /* of StragglersQuestion: for the next look */
    GQueue looked_for;  /* by the look that is under way */
    GHashTable *by_id;  /* invocation id -> how many of it were found (unsigned) */
    GHashTable *by_run; /* run number -> the same, borrowed */
    bool is_looking;
    GArray *pids; /* of the look: the list as it was read last */
    unsigned at;  /* in it */
    GHashTable *judged;
};

/* Whose a process is */

static bool stragglers_is_want(int errno_value)
{
    return errno_value == EMFILE || errno_value == ENFILE || errno_value == ENOMEM;
}

/* False and errno, which is 0 if the environment could be read, or must not be. */
static bool stragglers_environment_has(const ProcessHost *host, const char *invocation_id,
                                       pid_t pid)
{
    g_autofree char *variable = g_strconcat("INVOCATION_ID=", invocation_id, NULL);

    bool is_stuck = proc_is_stuck(host->sys, pid);
    errno = 0;
    return !is_stuck && proc_environ_has(host->sys, pid, variable);
}

bool stragglers_has(ProcessHost *host, const char *invocation_id, pid_t pid)
{
    RunMark mark = run_mark_read(host->sys, process_host_mark(host->invocation_prefix), pid);

    if (mark.kind == RUN_MARK_OURS && mark.run != 0)
        return mark.run == process_host_run_number(invocation_id);
    return stragglers_environment_has(host, invocation_id, pid);
}

/* Who is there but cannot be read lives. */
static bool stragglers_is_dead(const ProcessHost *host, pid_t pid)
{
    ProcStat stat;

    if (!proc_read_stat(host->sys, pid, &stat))
        return errno == ENOENT || errno == ESRCH;
    return stat.is_dead;
}

/* The counter of the run that is looked for, or NULL: it is of none. False: ask again. Who is stuck
 * in the kernel would get us stuck too; who stays so, and has no mark, is taken for somebody else.
 */
static bool stragglers_find_by_environment(const Stragglers *stragglers, pid_t pid,
                                           unsigned **ret_n_found)
{
    const Sys *sys = stragglers->host->sys;
    bool is_stuck = proc_is_stuck(sys, pid);
    size_t length = 0;

    if (is_stuck && stragglers->n_retries < STRAGGLERS_RETRIES_MAX) {
        errno = EAGAIN;
        return false;
    }

    g_autofree char *text = is_stuck ? NULL : proc_read_environ(sys, pid, &length);
    if (text == NULL && !is_stuck && stragglers_is_want(errno))
        return false;

    const char *id = text != NULL ? proc_environ_find(text, length, "INVOCATION_ID") : NULL;
    *ret_n_found = id != NULL ? g_hash_table_lookup(stragglers->by_id, id) : NULL;
    return true;
}

static bool stragglers_find_counter(const Stragglers *stragglers, pid_t pid, unsigned **ret_n_found)
{
    const ProcessHost *host = stragglers->host;
    RunMark mark = run_mark_read(host->sys, process_host_mark(host->invocation_prefix), pid);

    if (mark.kind != RUN_MARK_OURS || mark.run == 0)
        return stragglers_find_by_environment(stragglers, pid, ret_n_found);
    *ret_n_found = g_hash_table_lookup(stragglers->by_run, &mark.run);
    return true;
}

/* Questions */

static void stragglers_look_for(Stragglers *stragglers, const char *invocation_id)
{
    unsigned *n_found = g_new0(unsigned, 1);
    uint64_t *run = g_new(uint64_t, 1);

    *run = process_host_run_number(invocation_id);
    g_hash_table_insert(stragglers->by_run, run, n_found);
    g_hash_table_insert(stragglers->by_id, g_strdup(invocation_id), n_found);
}

static void stragglers_begin_look(Stragglers *stragglers)
{
    StragglersQuestion *question;

    stragglers->is_looking = true;
    stragglers->n_retries = 0;
    while ((question = g_queue_peek_head(&stragglers->asked)) != NULL) {
        g_queue_unlink(&stragglers->asked, &question->link);
        g_queue_push_tail_link(&stragglers->looked_for, &question->link);
        question->is_looked_for = true;
        if (!g_hash_table_contains(stragglers->by_id, question->invocation_id))
            stragglers_look_for(stragglers, question->invocation_id);
    }
}

/* Whoever is told may ask again, forget others, or end the service and all that is its. */
static void stragglers_answer(Stragglers *stragglers)
{
    StragglersQuestion *question;
    bool is_blind = stragglers->is_blind;

    stragglers->is_looking = false;
    while ((question = g_queue_peek_head(&stragglers->looked_for)) != NULL) {
        unsigned *n_found = g_hash_table_lookup(stragglers->by_id, question->invocation_id);

        g_queue_unlink(&stragglers->looked_for, &question->link);
        question->is_asked = question->is_looked_for = false;
        question->func(is_blind && *n_found == 0 ? STRAGGLERS_UNKNOWN : *n_found, question->data);
    }
    g_hash_table_remove_all(stragglers->by_run);
    g_hash_table_remove_all(stragglers->by_id);
    g_hash_table_remove_all(stragglers->judged);
    g_array_set_size(stragglers->pids, 0);
    stragglers->at = 0;
}

/* The look */

/* Without a list of the children all processes are looked at. They are more than the children, but
 * the answer is the same: whoever is of a run has its mark. */
static bool stragglers_list(const Stragglers *stragglers)
{
    const Sys *sys = stragglers->host->sys;

    g_array_set_size(stragglers->pids, 0);
    return proc_read_children(sys, stragglers->pids) ||
           (errno == ENOENT && proc_read_all(sys, stragglers->pids));
}

/* False: it cannot be done now. */
static bool stragglers_judge(Stragglers *stragglers, pid_t pid)
{
    ProcessHost *host = stragglers->host;
    unsigned *n_found;

    if (g_hash_table_contains(host->mains, GINT_TO_POINTER(pid)) ||
        g_hash_table_contains(stragglers->judged, GINT_TO_POINTER(pid)))
        return true;
    if (!stragglers_find_counter(stragglers, pid, &n_found))
        return false;
    g_hash_table_add(stragglers->judged, GINT_TO_POINTER(pid));
    if (n_found != NULL && !stragglers_is_dead(host, pid))
        (*n_found)++;
    return true;
}

static bool stragglers_has_new(const Stragglers *stragglers)
{
    for (unsigned i = 0; i < stragglers->pids->len; i++) {
        gpointer pid = GINT_TO_POINTER(g_array_index(stragglers->pids, pid_t, i));

        if (!g_hash_table_contains(stragglers->judged, pid) &&
            !g_hash_table_contains(stragglers->host->mains, pid))
            return true;
    }
    return false;
}

typedef enum StragglersTurn {
    STRAGGLERS_GO_ON,
    STRAGGLERS_RETRY,
    STRAGGLERS_DONE,
} StragglersTurn;

/* Without /proc nobody can be found at all. */
static StragglersTurn stragglers_relist(Stragglers *stragglers)
{
    stragglers->at = 0;
    if (!stragglers_list(stragglers))
        return errno == ENOENT ? STRAGGLERS_DONE : STRAGGLERS_RETRY;
    return stragglers_has_new(stragglers) ? STRAGGLERS_GO_ON : STRAGGLERS_DONE;
}

static StragglersTurn stragglers_turn(Stragglers *stragglers)
{
    StragglersTurn turn = STRAGGLERS_GO_ON;

    for (unsigned n = 0; n < STRAGGLERS_PER_TURN && turn == STRAGGLERS_GO_ON; n++) {
        if (stragglers->at == stragglers->pids->len)
            turn = stragglers_relist(stragglers);
        else if (stragglers_judge(stragglers,
                                  g_array_index(stragglers->pids, pid_t, stragglers->at)))
            stragglers->at++;
        else
            turn = STRAGGLERS_RETRY;
    }
    return turn;
}

static void stragglers_pause(Stragglers *stragglers, StragglersTurn turn, uint64_t began_usec)
{
    uint64_t now_usec = clock_monotonic_usec(stragglers->host->clock);
    uint64_t took_usec = now_usec - began_usec;

    if (turn == STRAGGLERS_RETRY)
        stragglers->next_usec = usec_add(now_usec, STRAGGLERS_RETRY_USEC);
    else
        stragglers->next_usec =
                took_usec > STRAGGLERS_CHEAP_USEC ? usec_add(now_usec, took_usec) : 0;
}

/* Of many looks in a row that are given up only the first one is worth a line. */
static void stragglers_give_up(Stragglers *stragglers, int errno_value)
{
    if (!stragglers->is_blind)
        log_warning("cannot look for what has left the session of its service, which is taken to "
                    "be running until that is known: %s",
                    g_strerror(errno_value));
    stragglers->is_blind = true;
}

static void on_stragglers_timer(void *data)
{
    Stragglers *stragglers = data;
    Clock *clock = stragglers->host->clock;
    uint64_t began_usec = clock_monotonic_usec(clock);

    if (!stragglers->is_looking && g_queue_is_empty(&stragglers->asked))
        return; /* forgotten since */
    if (!stragglers->is_looking)
        stragglers_begin_look(stragglers);
    StragglersTurn turn = stragglers_turn(stragglers);
    int saved_errno = errno;
    stragglers_pause(stragglers, turn, began_usec);
    if (turn == STRAGGLERS_DONE) {
        stragglers->is_blind = false;
    } else if (turn == STRAGGLERS_RETRY && ++stragglers->n_retries > STRAGGLERS_RETRIES_MAX) {
        stragglers_give_up(stragglers, saved_errno);
        turn = STRAGGLERS_DONE;
    }
    if (turn != STRAGGLERS_DONE || !g_queue_is_empty(&stragglers->asked))
        timer_arm(stragglers->timer, stragglers->next_usec);
    if (turn == STRAGGLERS_DONE)
        stragglers_answer(stragglers);
}

static Stragglers *stragglers_new(ProcessHost *host)
{
    Stragglers *stragglers = g_new(Stragglers, 1);

    *stragglers = (Stragglers){
            .host = host,
            .timer = timer_new(host->timers, on_stragglers_timer, stragglers),
            .by_id = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free),
            .by_run = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL),
            .pids = g_array_new(FALSE, FALSE, sizeof(pid_t)),
            .judged = g_hash_table_new(NULL, NULL),
    };
    g_queue_init(&stragglers->asked);
    g_queue_init(&stragglers->looked_for);
    return stragglers;
}

void stragglers_free(Stragglers *stragglers)
{
    if (stragglers == NULL)
        return;
    g_assert(g_queue_is_empty(&stragglers->asked) && g_queue_is_empty(&stragglers->looked_for));
    timer_free(stragglers->timer);
    g_hash_table_unref(stragglers->by_id);
    g_hash_table_unref(stragglers->by_run);
    g_array_unref(stragglers->pids);
    g_hash_table_unref(stragglers->judged);
    g_free(stragglers);
}

void stragglers_ask(ProcessHost *host, StragglersQuestion *question)
{
    Stragglers *stragglers = host->stragglers;

    if (question->is_asked)
        return;
    if (stragglers == NULL)
        stragglers = host->stragglers = stragglers_new(host);
    question->is_asked = true;
    question->link = (GList){.data = question};
    g_queue_push_tail_link(&stragglers->asked, &question->link);
    if (!timer_is_armed(stragglers->timer))
        timer_arm(stragglers->timer, stragglers->next_usec);
}

void stragglers_forget(ProcessHost *host, StragglersQuestion *question)
{
    Stragglers *stragglers = host->stragglers;

    if (!question->is_asked)
        return;
    g_queue_unlink(question->is_looked_for ? &stragglers->looked_for : &stragglers->asked,
                   &question->link);
    question->is_asked = question->is_looked_for = false;
}

/* Signals */

typedef struct StragglersHunt {
    ProcessHost *host;
    const char *invocation_id;
    pid_t not_pid;
    int signo;
    GArray *spared;    /* of pid_t: the daemon and its ancestors */
    GHashTable *found; /* of pids */
    bool is_blind;     /* not all could be looked at */
} StragglersHunt;

static bool stragglers_is_prey(StragglersHunt *hunt, pid_t pid)
{
    errno = 0;
    if (stragglers_has(hunt->host, hunt->invocation_id, pid))
        return !stragglers_is_dead(hunt->host, pid);
    hunt->is_blind = hunt->is_blind || stragglers_is_want(errno);
    return false;
}

static bool stragglers_is_spared(const StragglersHunt *hunt, pid_t pid)
{
    for (unsigned i = 0; i < hunt->spared->len; i++) {
        if (g_array_index(hunt->spared, pid_t, i) == pid)
            return true;
    }
    return pid <= 1 || pid == hunt->not_pid;
}

/* It is looked at once more when nobody else can have its number. False: it is none of the run. */
static bool stragglers_send(StragglersHunt *hunt, pid_t pid)
{
    const Sys *sys = hunt->host->sys;
    autofd int pidfd = sys->pidfd_open(pid, 0);

    if (pidfd < 0)
        return errno != ESRCH && errno != EINVAL; /* it is there, and out of reach */
    if (!stragglers_is_prey(hunt, pid))
        return false;
    return sys->pidfd_send_signal(pidfd, hunt->signo, NULL, 0) == 0 || errno != ESRCH;
}

/* Who is out of reach now may be within it in the next pass; whoever has the signal needs it no
 * more than once. */
static void stragglers_hunt(StragglersHunt *hunt, pid_t pid)
{
    if (g_hash_table_contains(hunt->found, GINT_TO_POINTER(pid)) ||
        stragglers_is_spared(hunt, pid) || !stragglers_is_prey(hunt, pid))
        return;
    if (hunt->signo == 0 || stragglers_send(hunt, pid))
        g_hash_table_add(hunt->found, GINT_TO_POINTER(pid));
}

/* False: there is nobody whom the pass before did not find, or nobody can be found now. */
static bool stragglers_pass(StragglersHunt *hunt)
{
    g_autoptr(GArray) pids = g_array_new(FALSE, FALSE, sizeof(pid_t));
    unsigned n_before = g_hash_table_size(hunt->found);

    if (!proc_read_all(hunt->host->sys, pids)) {
        hunt->is_blind = errno != ENOENT;
        return false;
    }
    for (unsigned i = 0; i < pids->len; i++)
        stragglers_hunt(hunt, g_array_index(pids, pid_t, i));
    return g_hash_table_size(hunt->found) > n_before;
}

/* Who is killed may have forked before, where the pass had been already. */
unsigned stragglers_signal(ProcessHost *host, const char *invocation_id, pid_t not_pid, int signo)
{
    g_autoptr(GArray) spared = proc_list_ancestors(host->sys);
    g_autoptr(GHashTable) found = g_hash_table_new(NULL, NULL);
    StragglersHunt hunt = {.host = host,
                           .invocation_id = invocation_id,
                           .not_pid = not_pid,
                           .signo = signo,
                           .spared = spared,
                           .found = found};

    for (unsigned i = 0; stragglers_pass(&hunt) && signo == SIGKILL && i < STRAGGLERS_PASSES_MAX;
         i++)
        ;
    unsigned n_found = g_hash_table_size(found);
    return n_found == 0 && hunt.is_blind ? STRAGGLERS_UNKNOWN : n_found;
}

pid_t stragglers_find(ProcessHost *host, const char *invocation_id)
{
    g_autoptr(GArray) spared = proc_list_ancestors(host->sys);
    g_autoptr(GHashTable) found = g_hash_table_new(NULL, NULL);
    StragglersHunt hunt = {
            .host = host, .invocation_id = invocation_id, .spared = spared, .found = found};
    GHashTableIter iter;
    gpointer pid = NULL;

    (void)stragglers_pass(&hunt); /* whoever was found */
    g_hash_table_iter_init(&iter, found);
    (void)g_hash_table_iter_next(&iter, &pid, NULL); /* else NULL */
    return GPOINTER_TO_INT(pid);
}
