/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Short stories of fake services that depend on each other. */

#include "base/errors.h"
#include "map-fixture.h"

#define WEB_REQUIRES_DB "{\"requires\": [\"db\"]}"

/* Of that kind; settled. */
Service *make_of(const char *kind, const char *id, const char *config);
Service *make(const char *id, const char *config);
/* Asked to start; settled. */
void begin(Service *service);
/* Its start, which is under way, ends well; settled. */
void finish(Service *service);
void up(Service *service);
/* Its stop, which its kind was asked for, is done. */
void end_stop(Service *service);
void begin_stop(Service *service);
void fail_for_good(Service *service);
void configure(Service *service, const char *config);
/* "a b", or "" for nobody. */
void assert_waits_for(Service *service, const char *expected);
void assert_required_by(Service *service, const char *expected);
/* State waiting, and whether that is settled. */
void assert_waiting(Service *service, const char *sub_state, const char *ids);
void assert_blocked(Service *service, const char *id, ErrorCode code, const char *message);

typedef struct Story {
    const char *path; /* below /settle/ */
    void (*play)(void);
} Story;
/* stories: static. Each is played on a map of its own. */
void add_stories(const Story *stories, size_t n);
