/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A peer of the private socket that speaks D-Bus by hand (D-Bus specification, "Message Format" and
 * "Authentication Protocol"), so that it can say what no library would. Little endian. Whatever
 * does not come within RAW_PATIENCE_USEC fails the test. */

#include "base/clock.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define RAW_PATIENCE_USEC (20 * USEC_PER_SEC)

#define RAW_METHOD_CALL 1
#define RAW_METHOD_RETURN 2
#define RAW_ERROR 3
#define RAW_SIGNAL 4
#define RAW_NO_REPLY_EXPECTED 1

/* What goes into a message; NULL and 0 leave a header field out. */
typedef struct RawMessage {
    unsigned type; /* 0: a method call */
    unsigned flags;
    uint32_t serial;
    uint32_t reply_serial;
    const char *path;
    const char *interface;
    const char *member;
    const char *error_name;
    const char *signature;
    const GByteArray *body;
    uint32_t n_fds;
} RawMessage;

/* A message that came. */
typedef struct RawAnswer {
    unsigned type;
    uint32_t reply_serial;
    char *error; /* NULL: none */
    char *text;  /* the body's first string, of an error; NULL: none */
} RawAnswer;

/* Connected, nothing said. Waits for a place in the queue of those who connect. */
int raw_connect(const char *socket_path);
/* "\0AUTH EXTERNAL uid" and what follows up to BEGIN; does not wait for an answer. */
void raw_authenticate(int fd, uid_t uid);
/* Authenticated, and the answers to that are read. */
int raw_connect_ready(const char *socket_path);
/* The same, and descriptors may be sent. */
int raw_connect_fds(const char *socket_path);

/* As much as the other side takes without a wait; fewer if it has hung up. */
size_t raw_write(int fd, const void *bytes, size_t length);
/* All of it; false: it has hung up. */
bool raw_send(int fd, const void *bytes, size_t length);
/* With this many descriptors (of /dev/null) attached to the first byte. */
bool raw_send_fds(int fd, const void *bytes, size_t length, unsigned n_fds);
bool raw_send_message(int fd, const RawMessage *message);

GByteArray *raw_build(const RawMessage *message);
/* Adds a value to a body, aligned as it must be. */
void raw_add_string(GByteArray *body, const char *text, size_t length);
void raw_add_uint32(GByteArray *body, uint32_t value);

/* The next message; false: the other side has hung up. */
bool raw_read(int fd, RawAnswer *ret_answer);
void raw_answer_clear(RawAnswer *answer);
/* The answer to this call; what else comes is passed over. */
bool raw_read_answer(int fd, uint32_t serial, RawAnswer *ret_answer);
/* A Ping with this serial is answered. */
void raw_assert_ping(int fd, uint32_t serial);
/* Waits until the other side has hung up, and closes. What it said before is passed over. */
void raw_await_end(int fd);
