/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one who waits is called as the very last thing of whatever brought the end about, so that it
 * may free what it waited for. */

#include "base/closer.h"

#include <glib.h>

struct Closer {
    size_t n_running;
    bool is_closed;
    CloserFunc done; /* NULL: nobody waits, or has been told */
    void *data;
};

struct ChannelCloser {
    Closer *senders;
    Closer *receivers;
    CloserFunc end_receivers;
    void *end_data;
    CloserFunc done;
    void *data;
};

typedef struct GroupCloserMember {
    Closer *closer; /* or, NULL, */
    ChannelCloser *channel;
} GroupCloserMember;

struct GroupCloser {
    GArray *members; /* of GroupCloserMember */
    unsigned n_closed;
    bool is_closing;
    CloserFunc done;
    void *data;
};

Closer *closer_new(void)
{
    return g_new0(Closer, 1);
}

void closer_free(Closer *closer)
{
    g_free(closer);
}

bool closer_add(Closer *closer)
{
    if (closer->is_closed)
        return false;
    closer->n_running++;
    return true;
}

static void closer_tell_if_due(Closer *closer)
{
    CloserFunc done = closer->done;

    if (done == NULL || closer->n_running > 0)
        return;
    closer->done = NULL;
    done(closer->data);
}

void closer_done(Closer *closer)
{
    g_assert(closer->n_running > 0);
    closer->n_running--;
    closer_tell_if_due(closer);
}

void closer_close(Closer *closer)
{
    closer->is_closed = true;
}

bool closer_is_closed(const Closer *closer)
{
    return closer->is_closed;
}

size_t closer_count(const Closer *closer)
{
    return closer->n_running;
}

void closer_close_then_wait(Closer *closer, CloserFunc done, void *data)
{
    g_assert(closer->done == NULL);
    closer->done = done;
    closer->data = data;
    closer_close(closer);
    closer_tell_if_due(closer);
}

/* Senders and receivers */

ChannelCloser *channel_closer_new(CloserFunc end_receivers, void *data)
{
    ChannelCloser *channel = g_new0(ChannelCloser, 1);

    channel->senders = closer_new();
    channel->receivers = closer_new();
    channel->end_receivers = end_receivers;
    channel->end_data = data;
    return channel;
}

void channel_closer_free(ChannelCloser *channel)
{
    if (channel == NULL)
        return;
    closer_free(channel->senders);
    closer_free(channel->receivers);
    g_free(channel);
}

bool channel_closer_add_sender(ChannelCloser *channel)
{
    return closer_add(channel->senders);
}

void channel_closer_sender_done(ChannelCloser *channel)
{
    closer_done(channel->senders);
}

bool channel_closer_add_receiver(ChannelCloser *channel)
{
    return closer_add(channel->receivers);
}

void channel_closer_receiver_done(ChannelCloser *channel)
{
    closer_done(channel->receivers);
}

/* Only who is through with telling the receivers waits for them: done may free all this. */
static void on_channel_closer_senders_done(void *data)
{
    ChannelCloser *channel = data;

    if (channel->end_receivers != NULL)
        channel->end_receivers(channel->end_data);
    closer_close_then_wait(channel->receivers, channel->done, channel->data);
}

void channel_closer_close_then_wait(ChannelCloser *channel, CloserFunc done, void *data)
{
    channel->done = done;
    channel->data = data;
    closer_close(channel->receivers);
    closer_close_then_wait(channel->senders, on_channel_closer_senders_done, channel);
}

/* Several in order */

GroupCloser *group_closer_new(void)
{
    GroupCloser *group = g_new0(GroupCloser, 1);

    group->members = g_array_new(FALSE, FALSE, sizeof(GroupCloserMember));
    return group;
}

void group_closer_free(GroupCloser *group)
{
    if (group == NULL)
        return;
    g_array_unref(group->members);
    g_free(group);
}

static void group_closer_append(GroupCloser *group, GroupCloserMember member)
{
    g_assert(!group->is_closing);
    g_array_append_val(group->members, member);
}

void group_closer_add(GroupCloser *group, Closer *closer)
{
    group_closer_append(group, (GroupCloserMember){.closer = closer});
}

void group_closer_add_channel(GroupCloser *group, ChannelCloser *channel)
{
    group_closer_append(group, (GroupCloserMember){.channel = channel});
}

static void on_group_closer_next(void *data)
{
    GroupCloser *group = data;

    if (group->n_closed == group->members->len) {
        group->done(group->data);
        return;
    }

    GroupCloserMember *member =
            &g_array_index(group->members, GroupCloserMember, group->n_closed++);
    if (member->closer != NULL)
        closer_close_then_wait(member->closer, on_group_closer_next, group);
    else
        channel_closer_close_then_wait(member->channel, on_group_closer_next, group);
}

void group_closer_close_then_wait(GroupCloser *group, CloserFunc done, void *data)
{
    g_assert(!group->is_closing);
    group->is_closing = true;
    group->done = done;
    group->data = data;
    on_group_closer_next(group);
}
