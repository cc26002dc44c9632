/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Logs in a directory of the test's own, in virtual time, and what the daemon's log says of them.
 * At the end no descriptor may be left. */

#include "base/virtual.h"
#include "process/service-log-files.h"
#include "process/service-log.h"

typedef struct LogFixture {
    char *base;      /* removed at the end, with all that is in it */
    char *directory; /* in it; not there yet */
    VirtualLoop *loop;
    Sys sys;                  /* its members may be replaced at any time */
    uint64_t total_max_bytes; /* of logs that begin; 0: none */
    ServiceLogs *logs;
    GPtrArray *told; /* what the daemon's log says: "SERVICE: MESSAGE" */
    int n_fds;
} LogFixture;

void log_fixture_init(LogFixture *fixture, const void *unused);
void log_fixture_done(LogFixture *fixture, const void *unused);
/* The logs end, and begin anew: a restart of the daemon. */
void log_fixture_restart(LogFixture *fixture);

ServiceLog *log_fixture_open(LogFixture *fixture, const char *id, uint64_t max_size_bytes,
                             uint32_t keep);
void log_fixture_say(ServiceLog *log, const char *lines);
/* Numbered lines "N\n", padded to length with the newline. */
void log_fixture_count(ServiceLog *log, unsigned from, unsigned to, size_t length);
/* The caller frees. Number 0: the current one. */
char *log_fixture_path(const LogFixture *fixture, const char *id, uint64_t number);
char *log_fixture_text(const LogFixture *fixture, const char *id, uint64_t number);
/* What all files have, the oldest first. */
char *log_fixture_all(const LogFixture *fixture, const char *id);
/* How often the daemon's log has said something with these words. */
unsigned log_fixture_n_told(const LogFixture *fixture, const char *words);
