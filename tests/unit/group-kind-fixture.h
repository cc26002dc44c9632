/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Groups of fake services. */

#include "base/errors.h"
#include "system-fixture.h"

/* Of plain services; ids with blanks between. */
void make_members(const char *ids);
/* Single quotes stand for double ones. */
Service *make_group(const char *id, const char *config);
/* Asked to start; settled. */
void begin(const char *id);
/* A group "g" of a and b, with both up. */
void group_up(const char *config);
void assert_error(const char *id, FailureClass failure_class, const char *message);
void assert_refused(const char *config, const char *message);

typedef struct GroupRow {
    const char *path; /* below /group-kind/ */
    void (*test)(void);
} GroupRow;
/* rows: static. Each begins with an empty map that knows the kind. */
void add_group_rows(const GroupRow *rows, size_t n);
