/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Coming to an end without cutting off what is under way. Whoever begins a piece of work asks
 * first, and says when it is over; once closed no more may begin, and who waits is told when the
 * last is over. Nothing here blocks, and no work is ended by force: that is the business of whoever
 * runs out of patience.
 *
 *   Closer         one kind of work
 *   ChannelCloser  those who put something in (senders) and those who take it out (receivers): new
 *                  ones of both are refused at once, then the senders come to their end, then the
 *                  receivers are told that nothing more will come, and come to theirs
 *   GroupCloser    several of these in order, each closed when the one before is done */

#include <stdbool.h>
#include <stddef.h>

typedef void (*CloserFunc)(void *data);

typedef struct Closer Closer;
Closer *closer_new(void);
/* Accepts NULL. Who waits is not told any more. */
void closer_free(Closer *closer);
/* One more piece of work begins; false if it must not. */
bool closer_add(Closer *closer);
/* One that was added is over. May call the one who waits. */
void closer_done(Closer *closer);
/* From now on nothing can be added. More than once is allowed. */
void closer_close(Closer *closer);
bool closer_is_closed(const Closer *closer);
/* How many are under way. */
size_t closer_count(const Closer *closer);
/* Closes; done is called once, when the last is over, and possibly at once. It may free the closer.
 * Only one waits at a time (asserted). */
void closer_close_then_wait(Closer *closer, CloserFunc done, void *data);

typedef struct ChannelCloser ChannelCloser;
/* end_receivers (or NULL) is called once, when the last sender is done: the receivers shall finish
 * what they have. They may report from inside it. */
ChannelCloser *channel_closer_new(CloserFunc end_receivers, void *data);
void channel_closer_free(ChannelCloser *channel); /* as closer_free */
/* As closer_add and closer_done. */
bool channel_closer_add_sender(ChannelCloser *channel);
void channel_closer_sender_done(ChannelCloser *channel);
bool channel_closer_add_receiver(ChannelCloser *channel);
void channel_closer_receiver_done(ChannelCloser *channel);
/* As closer_close_then_wait: done is called when the last receiver is. */
void channel_closer_close_then_wait(ChannelCloser *channel, CloserFunc done, void *data);

typedef struct GroupCloser GroupCloser;
GroupCloser *group_closer_new(void);
void group_closer_free(GroupCloser *group); /* as closer_free; not the members */
/* Members are borrowed and must outlive the close; only before it (asserted). */
void group_closer_add(GroupCloser *group, Closer *closer);
void group_closer_add_channel(GroupCloser *group, ChannelCloser *channel);
/* As closer_close_then_wait. An empty group is done at once. */
void group_closer_close_then_wait(GroupCloser *group, CloserFunc done, void *data);
