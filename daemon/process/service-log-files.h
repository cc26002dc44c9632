/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The files of one service's log, by their names: for who writes, for who reads, and for who makes
 * room. */

#include "process/service-log.h"

#include <sys/types.h>

#define SERVICE_LOG_CURRENT "current"
#define SERVICE_LOG_NAME_BYTES 32 /* of a file's name, with NUL */

/* The name of the service's directory: one for each id, at most 255 bytes. */
char *service_log_directory_name(const char *service_id);
/* Number 1 and up; 0 is the current file. */
void service_log_file_name(uint64_t number, char ret_name[SERVICE_LOG_NAME_BYTES]);
/* 0: it is no such name (or the current file). */
uint64_t service_log_file_number(const char *name);

/* The numbers of what was rotated, ascending; the current file is not among them. Empty when there
 * is no directory, or it cannot be read. */
GArray *service_log_files_list(const ServiceLogs *logs, const char *service_id); /* of uint64_t */
/* For reading. -1 and errno. */
int service_log_files_open(const ServiceLogs *logs, const char *service_id, uint64_t number);
/* The number that the open file has now: 0 while it is current; UINT64_MAX and errno 0: its name is
 * gone; UINT64_MAX and errno: it cannot be found out. */
uint64_t service_log_files_find(const ServiceLogs *logs, const char *service_id, int fd);
