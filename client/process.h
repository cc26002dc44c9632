/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What runs of a service, for people: its main process, what all of it uses, how the last one
 * ended. What it uses is counted by the daemon only when somebody asks for it. */

#include "client.h"
#include "value.h"

/* Asks for the usage and adds it to the properties as "Usage", where they are those of a service
 * with processes. That a daemon does not tell it is no error. */
void process_add_usage(const Client *client, const char *id, json_t *properties);
/* The same in two halves: the call, without an answer to wait for when there is nothing to be
 * asked (false), and what its reply adds. */
bool process_ask_usage(Client *client, const char *id, const json_t *properties,
                       sd_bus_message_handler_t on_reply, void *data);
void process_take_usage(sd_bus_message *reply, json_t *properties);

/* Lines about a service, harmless already; NULL: there is nothing to say. */
char *process_text_main(const json_t *service);
char *process_text_exit(const json_t *service);
char *process_text_tasks(const json_t *service);
char *process_text_memory(const json_t *service);
char *process_text_cpu(const json_t *service);
char *process_text_cgroup(const json_t *service);
