/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What all logs together may take. Nothing is looked at before the first byte is written; then the
 * directories are gone through, a few in each turn of the loop, and from there on who writes tells.
 * When it is too much the oldest of all rotated files go, and when there are none the logs of
 * services of which nothing was written for longest; but never the one that was written to last.
 * Each service has a share, which is named as its directory is. Sizes are those of the files, and
 * what lies beside them in the directories is neither counted nor removed. */

#include "base/timer.h"
#include "process/service-log.h"

typedef struct ServiceLogTotal ServiceLogTotal;
typedef struct ServiceLogShare ServiceLogShare;

/* logs is borrowed. Nothing is done yet. */
ServiceLogTotal *service_log_total_new(ServiceLogs *logs, TimerHost *timers, uint64_t max_bytes);
/* No share may be in use. Accepts NULL. */
void service_log_total_free(ServiceLogTotal *total);
/* What is known now: less than there is until all directories have been looked at. */
uint64_t service_log_total_bytes(const ServiceLogTotal *total);

/* Somebody is about to write there. The share is his to give back. */
ServiceLogShare *service_log_total_take(ServiceLogTotal *total, const char *directory_name);
void service_log_total_give_back(ServiceLogTotal *total, ServiceLogShare *share);
/* The current file was opened or written to, and has this size. */
void service_log_total_written(ServiceLogTotal *total, ServiceLogShare *share, uint64_t size_bytes);
/* Files were renamed and removed. */
void service_log_total_rotated(ServiceLogTotal *total, ServiceLogShare *share);
