/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One service: its target (what was asked for last), the operation under way, and the record that
 * everybody sees. One function writes the state. Requests change target and record at once and
 * queue what has to be done; the queue then calls the kind. No operation blocks; each leaves the
 * record as it then is in service_state, and completion is seen through changes. */

#include "base/error-buffer.h"
#include "core/core.h"
#include "core/durable.h"
#include "core/kind.h"
#include "core/last-failure.h"
#include "core/state.h"

/* A new service, inactive and without configuration, that nobody sees until service_publish. id is
 * copied, kind outlives it. The caller gets a reference. */
Service *service_new(Core *core, const char *id, const Kind *kind);
Service *service_ref(Service *service);
/* Accepts NULL. The last reference must not go while the service is active (asserted). */
void service_unref(Service *service);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Service, service_unref)

const char *service_id(const Service *service); /* a GRefString */
const Kind *service_kind(const Service *service);
Core *service_core(const Service *service);
void *service_instance(Service *service);            /* made when first asked for */
void *service_find_instance(const Service *service); /* NULL: it has never been started */
/* Borrowed, valid until the next transition; never NULL. */
const StateRecord *service_state(const Service *service);
/* The parsed form of the record's config. Borrowed. NULL while it is not active, for only the text
 * is kept of what does not run; and without configuration. */
const Config *service_config(const Service *service);
bool service_is_settled(const Service *service);
ErrorBuffer *service_errors(Service *service);
/* Borrowed, until the next one. NULL: it has not failed. */
const LastFailure *service_last_failure(const Service *service);

/* What people said about it; not part of the lifecycle. Borrowed, never NULL, until the next
 * change. */
const About *service_about(const Service *service);
/* Says something else (copied); of a published service it is a change of its record, unless it is
 * the same. */
void service_set_about(Service *service, const About *values, const Origin *origin);
void service_set_enabled(Service *service, bool enabled, const Origin *origin);
/* The target: it was started, and neither stopped nor given up since. */
bool service_is_wanted(const Service *service);
/* Before it is published: what is remembered of it. One that had given up is failed as it was; the
 * failures in a row of one that was wanted go on counting at a start whose cause is CAUSE_STARTUP.
 */
void service_remember(Service *service, const DurableState *state, const Origin *origin);
/* What of it stands in the durable state; written by those who keep it (keeper.c). */
typedef struct ServiceKept {
    bool wanted;
    bool enabled; /* somebody has said so, or the opposite */
    unsigned failed_attempts;
    uint64_t error_time;
} ServiceKept;
ServiceKept *service_kept(Service *service);

/* From here on transitions have serials and are told; add is the change that announces it, and
 * origin who made it. */
void service_publish(Service *service, const Origin *origin);
/* The change that says it is gone, and who began the delete; it must be inactive. Nothing is told
 * afterwards. */
void service_retract(Service *service);
/* From here on every operation is refused with Busy, and what runs is being stopped (a stop under
 * way is joined). True: it already is inactive. */
bool service_begin_delete(Service *service, const Origin *origin);
bool service_is_deleting(const Service *service);
/* Its definition cannot be used: failed, class config; Start is refused with this error until a
 * Configure succeeds. */
void service_set_broken(Service *service, const GError *error, const Origin *origin);
bool service_is_broken(const Service *service);

/* Whether the operation would be refused now, with the same errors. What the start limit says shows
 * only when it is tried. */
bool service_check_start(const Service *service, GError **error);
bool service_check_stop(const Service *service, GError **error);
bool service_check_restart(const Service *service, GError **error);
bool service_check_change(const Service *service, GError **error); /* Busy when being deleted */

/* Whether it may have these dependencies (or NULL) as things run: Conflict, if it and one that it
 * would be in conflict with both do. A part of service_prepare_config. */
bool service_check_conflicts(const Service *service, const Dependencies *dependencies,
                             GError **error);
/* Configure in two halves: everything that can be refused, and what cannot. The second half may
 * come for any service that is not being deleted: it supersedes an apply under way, and what is
 * being stopped has the new configuration at its next start. source: who says so. */
Config *service_prepare_config(const Service *service, const char *text, size_t length,
                               GError **error);
/* Takes config. */
ConfigApplied service_adopt_config(Service *service, Config *config, ConfigSource source,
                                   const Origin *origin);
/* Before it is published: the revision of the configuration that it has, or had. */
void service_set_revision(Service *service, uint64_t revision);
/* Likewise: when that was accepted, wall clock usec. */
void service_set_config_time(Service *service, uint64_t time);
/* Where its present configuration came from. */
ConfigSource service_config_source(const Service *service);

/* A start that is part of its creation, which can no longer be refused: one that others do not
 * allow (a Conflict among what it takes along) has failed, and says so. */
void service_start_created(Service *service, const Origin *origin);
/* The operations. Errors and effects as in README "The lifecycle". */
bool service_start(Service *service, const Origin *origin, GError **error);
bool service_stop(Service *service, const Origin *origin, GError **error);
bool service_restart(Service *service, const Origin *origin, GError **error);
bool service_reload(Service *service, const Origin *origin, GError **error);
/* text need not be NUL-terminated. ret_applied may be NULL. */
bool service_configure(Service *service, const char *text, size_t length, const Origin *origin,
                       ConfigApplied *ret_applied, GError **error);
/* Clears error, failed attempts and the start-limit window; failed becomes inactive. */
bool service_reset_failed(Service *service, const Origin *origin, GError **error);
bool service_signal(Service *service, SignalWhom whom, int signo, GError **error);
/* No time is left for the stop that is under way: what there is ends by force, and is reported as
 * the stop would have been. Does nothing to what does not run, or cannot be killed. */
void service_kill(Service *service);

/* What a kind reports. */
/* After a successful apply, what ran has ended by itself, but not all of it is gone yet: stopping.
 */
void service_report_ending(Service *service, const Failure *failure);
/* After a successful apply (or service_report_ending) it ended by itself; failure NULL: cleanly.
 * exit may be NULL. */
void service_report_ended(Service *service, const Failure *failure, const ExitStatus *exit);
/* The stop that core asked for is done; failure: it did not go as it should. */
void service_stop_done(Service *service, const Failure *failure);
/* What runs reads its own files again, because somebody else has asked it to: reloading, until
 * apply_context_done of what is returned (a new reference). NULL when the service is not active, or
 * loads something already. */
ApplyContext *service_report_reloading(Service *service);
/* Something survived everything: stays in stopping, sub-state "unkillable", error set, until
 * service_stop_done. */
void service_report_unkillable(Service *service, const GError *error);
/* The kind's own detail; static or interned. Nothing happens if it is the same. */
void service_set_sub_state(Service *service, const char *sub_state);
/* The kind's properties whose bits are set have changed. */
void service_properties_changed(Service *service, uint32_t mask);

/* Changes of this one service (Change of feed.h, type UPDATE or REMOVE), from the next one on. */
FeedListener *service_listen(Service *service, ChangeFunc func, void *data);
/* The snapshot and the subscription in one: no transition is lost or seen twice. */
FeedListener *service_state_and_listen(Service *service, StateRecord **ret_state, ChangeFunc func,
                                       void *data);

/* The last moves, oldest first. */
#define SERVICE_HISTORY 16
typedef struct HistoryEntry {
    uint64_t serial;
    uint64_t time; /* wall clock usec */
    State from : 8;
    State to : 8;
    Cause cause : 8;
} HistoryEntry;
size_t service_history(const Service *service, HistoryEntry ret_entries[SERVICE_HISTORY]);
/* It has failed, and what failed is a stop that somebody had asked for; whatever its record has
 * come to say since. */
bool service_failed_to_stop(const Service *service);
/* It is inactive, for it has ended by itself and well; likewise. */
bool service_has_ended(const Service *service);

/* For the feed and the queue. */
Listeners *service_listeners(Service *service); /* made when first asked for */
bool service_has_listeners(const Service *service);
void service_execute(Service *service); /* does what requests left behind */

/* Before it is published, for one that is started before: the graph learns of it. */
void service_attach(Service *service);
/* For graph.c. NULL: it has nothing to do with others. */
GraphNode *service_node(const Service *service);
void service_set_node(Service *service, GraphNode *node);

/* For settle.c, which decides; each is one move, by cause dependency. */
/* Of one that waits: it starts. */
void service_leave_waiting(Service *service);
/* It goes on waiting, for these (taken; NULL: nobody); reason: blocked, copied; NULL: what it waits
 * for is on its way. sub_state: static. Nothing happens if it is the same. */
void service_keep_waiting(Service *service, char **waiting_for, const GError *reason,
                          const char *sub_state);
/* Its stop was put off for these (taken; NULL: nobody any more, and it goes on). */
void service_put_off_stop(Service *service, char **waiting_for);
bool service_is_stop_put_off(const Service *service);
/* Another service that it depends on has moved: it stops, or stops and starts again when it may.
 * reason (or NULL) becomes its error, class dependency; copied. */
void service_follow_stop(Service *service, const GError *reason);
void service_follow_restart(Service *service, const GError *reason);
bool service_is_unkillable(const Service *service);
/* It is stopping because that was asked for, not because it has ended by itself. */
bool service_stop_was_asked_for(const Service *service);
bool service_needs_slot(const Service *service);
/* Another service wants it up; does nothing if it is, is on its way, or cannot be. */
void service_pull(Service *service, const Origin *origin);
/* The same for one that somebody waited for before it was there: with all that its start takes
 * along, but nothing stops for it. */
void service_bring(Service *service, const Origin *origin);
/* The record has to say what the graph now says of it. */
void service_tell_links(Service *service);
