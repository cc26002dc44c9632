/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The real parts of the daemon, each a file of this folder: what it opens, serves, ends and undoes
 * as a unit of run/group.h, or does as a hook. They share one struct; a member belongs to the unit
 * under whose name it stands, and others only read it. daemon.c says in which order they come. */

#include "base/closer.h"
#include "bus/bus.h"
#include "core/keeper.h"
#include "core/requests.h"
#include "process/former.h"
#include "process/host.h"
#include "process/lock-file.h"
#include "process/loop.h"
#include "run/group.h"
#include "run/lifecycle.h"
#include "run/options.h"
#include "run/reload.h"
#include "store/database.h"
#include "store/definition-set.h"
#include "store/inventory.h"

typedef struct DefinitionsRun DefinitionsRun;
typedef struct Daemon Daemon;
struct Daemon {
    /* daemon.c */
    Options options;
    Loop *loop;
    Group *group;
    Lifecycle *lifecycle;
    uint64_t startup_deadline_usec; /* of the launch, monotonic */
    char *instance_id;
    int exit_code;
    /* state */
    LockFile *lock;
    bool has_pid_file;
    Database *database;
    GPtrArray *saved; /* of SavedService: what was kept; until the services are made */
    Restore restore;
    Timer *idle;
    /* host */
    ProcessHost *host;
    bool is_ready;
    bool is_quitting; /* SIGQUIT: all services stop, and the daemon stays */
    Timer *quit_deadline;
    /* hooks */
    GPtrArray *hooks; /* of UnitHook */
    unsigned n_hooks_telling;
    Timer *hooks_deadline;
    void (*on_hooks_over)(Daemon *daemon);
    /* core */
    Core *core;
    Map *map;
    Events *events;
    Keeper *keeper;
    Requests *requests;
    FeedListener *gone; /* of who is deleted */
    Kind *kind_process;
    Kind *kind_oneshot;
    Kind *kind_group;
    /* former */
    Former *former;
    char *former_lineage;   /* to be swept for next; or NULL */
    unsigned n_former_left; /* processes that could not be ended */
    /* bus */
    Bus *bus;
    /* definitions */
    Reloader reloader;
    GQueue reloads;            /* of DefinitionsRun; the first is under way */
    DefinitionsReader *reader; /* of the first; NULL: it has not begun */
    Timer *reading;
    GHashTable *remakes; /* of those that are made anew when they are gone; by id */
    DefinitionSet *definitions;
    /* services */
    GPtrArray *to_start;  /* of ids, until everything is ready */
    GHashTable *starting; /* of ids: started with the daemon, and not settled yet */
    FeedListener *starting_listener;
    uint64_t told_usec;
};

/* state: the lock on the state directory, the process file, the database. */
void state_run_lock(void *daemon);     /* startup hook */
void state_run_pid_file(void *daemon); /* startup hook */
void state_run_remove(void *daemon);   /* shutdown hook: takes the process file away */
void state_remove_pid_file(Daemon *daemon);
bool state_pre_run(void *daemon, GError **error);
/* Moves the log of the database into its file a while after something was put into it. */
void state_watch(Daemon *daemon);
void state_unwatch(Daemon *daemon);
void state_undo(void *daemon);

/* host: signals, and the host of all processes. */
void host_run_signals(void *daemon); /* startup hook */
/* Made when first asked for. */
ProcessHost *host_get(Daemon *daemon, GError **error);
/* At the very end. What could not be killed still stands on it, and keeps it. */
void host_free(Daemon *daemon);

/* hooks: the executables of the hooks directory. */
void hooks_unit_validate(void *daemon, GPtrArray *errors);
/* Another daemon is at work: what its end undoes is not ours to undo. */
void hooks_unit_forget_shutdown(Daemon *daemon);
void hooks_unit_free(Daemon *daemon);
/* Runs those of shutdown-error.d; only hooks_unit_end waits for them. */
void hooks_tell_late(Daemon *daemon, const char *const *late, const char *running);
/* on_over is called once, perhaps at once, when no hook runs any more that was told: within a few
 * seconds, by force if need be. */
void hooks_unit_end(Daemon *daemon, void (*on_over)(Daemon *daemon));

/* core: the map of services, the kinds, and what is kept of them. */
bool core_pre_run(void *daemon, GError **error);
void core_undo(void *daemon);

/* former: what a former run has left is ended before anything is started. */
bool former_unit_serve(void *daemon, GError **error);
void former_unit_stop(void *daemon);

/* bus: the objects, on a bus and on the private socket. */
bool bus_unit_pre_run(void *daemon, GError **error);
bool bus_unit_serve(void *daemon, GError **error);
void bus_unit_stop(void *daemon);
void bus_unit_undo(void *daemon);
/* Everything else is ready: listens, takes the name, and is ready. An error ends the daemon. */
void bus_unit_open(Daemon *daemon);

extern const Reloader definitions_unit_reloader;
/* definitions: the files, read at the start and whenever somebody asks. */
Definitions *definitions_unit_load(Daemon *daemon, GError **error);
void definitions_unit_log(const GPtrArray *messages);
void definitions_unit_reload_by_signal(Daemon *daemon);
/* No reload from here on; those under way are answered. */
void definitions_unit_cancel(Daemon *daemon);

/* services: made when the daemon starts, started when everything is ready, stopped together. */
bool services_unit_pre_run(void *daemon, GError **error);
void services_unit_undo(void *daemon);
/* Returns how many. */
unsigned services_unit_start(Daemon *daemon);
void services_unit_stop(void *daemon);
/* How long all of them may take to stop: as given, or as they need themselves. */
uint64_t services_unit_stop_usec(Daemon *daemon);
void services_unit_force(void *daemon);
/* SIGQUIT: stops all of them, while the daemon stays and answers. */
void services_unit_quit(Daemon *daemon);
/* Why a definition, or what was kept, makes no service: seen all the same, and says why. */
void services_unit_create_broken(Daemon *daemon, const CreateSpec *spec, const GError *reason,
                                 const Origin *origin);
