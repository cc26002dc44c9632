/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sd-bus tells nobody how much of a message it has read, and FIONREAD before says too little: it
 * reads on while the peer writes on. So it is the memory of the process that is looked at, before
 * and after a step that has brought no message: nothing but that step has run meanwhile, and what
 * it has kept is what has grown. Those who may act could do harm in simpler ways: for them the
 * first such step only makes the next ones be looked at, and a whole message costs nothing. */

#include "bus/intake.h"

#include "base/errors.h"
#include "base/watch.h"
#include "bus/authority.h"
#include "bus/peer.h"
#include "bus/private.h"

#include <sys/epoll.h>

struct Intake {
    Connection *connection;
    sd_event_source *source;
    uint64_t bytes;  /* kept since the last whole message */
    bool is_partial; /* the last step has brought none */
};

static bool intake_is_trusted(const Intake *intake)
{
    const Connection *connection = intake->connection;

    return authority_allows_uid(connection->bus, connection->peer->caller->uid);
}

static void intake_judge(Intake *intake)
{
    uint64_t most = intake_is_trusted(intake) ? INTAKE_TRUSTED_MAX_BYTES : INTAKE_MAX_BYTES;

    if (intake->bytes > most)
        connection_drop(intake->connection, "it sends a message that is too large");
    else
        (void)connection_look(intake->connection); /* closed: as good as dropped */
}

/* At its end sd-bus closes the descriptor, in the step after it has found out. A child that is just
 * being spawned may still have that open, and then the loop could not forget it any more. */
static void intake_stop_at_end(Intake *intake)
{
    if (sd_bus_is_open(intake->connection->sd_bus) <= 0)
        g_clear_pointer(&intake->source, sd_event_source_disable_unref);
}

int intake_process(Intake *intake)
{
    Connection *connection = intake->connection;
    const PrivateServer *server = connection->bus->server;
    bool is_measured = intake->is_partial || !intake_is_trusted(intake);
    uint64_t before = is_measured ? private_resident_bytes(server) : 0;
    uint64_t n_messages = connection->n_messages, after;
    int r;

    intake_stop_at_end(intake);
    r = sd_bus_process(connection->sd_bus, NULL);
    if (r < 0 || connection->closed)
        return r;
    intake->is_partial = connection->n_messages == n_messages;
    if (!intake->is_partial) {
        intake->bytes = 0;
        return r;
    }
    after = is_measured ? private_resident_bytes(server) : 0;
    if (after > before) {
        intake->bytes += after - before;
        intake_judge(intake);
    }
    return r;
}

static int on_intake_ready(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    connection_process(((Intake *)userdata)->connection);
    return 0;
}

/* The events of sd-bus are those of poll(2), which epoll shares. At its end there are none. */
void intake_arm(Intake *intake)
{
    int events = sd_bus_get_events(intake->connection->sd_bus);

    if (intake->source != NULL) /* and then so is the descriptor */
        (void)sd_event_source_set_io_events(intake->source, events < 0 ? 0 : (uint32_t)events);
}

uint64_t intake_bytes(const Intake *intake)
{
    return intake->bytes;
}

Intake *intake_new(Connection *connection, GError **error)
{
    Intake *intake = g_new0(Intake, 1);
    int r = sd_bus_detach_event(connection->sd_bus);

    intake->connection = connection;
    if (r >= 0)
        r = sd_bus_get_fd(connection->sd_bus);
    if (r >= 0)
        r = sd_event_add_io(connection->bus->event, &intake->source, r, EPOLLIN, on_intake_ready,
                            intake);
    if (r >= 0)
        r = sd_event_source_set_priority(intake->source, WATCH_PRIORITY_NORMAL);
    if (r >= 0)
        return intake;
    (void)error_set_errno(error, r, "cannot read from the peer"); /* always false */
    intake_free(intake);
    return NULL;
}

void intake_free(Intake *intake)
{
    if (intake == NULL)
        return;
    sd_event_source_disable_unref(intake->source);
    g_free(intake);
}
