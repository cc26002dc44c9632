/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All pipes are in one epoll, whose descriptor is one watch of the loop, at the lowest priority. A
 * turn reads a few slices, one pipe after the other (the kernel puts who was served behind the
 * others), and leaves the rest to the next turn, so that calls and deaths come between; while there
 * are such it reads no more than one small slice, for that is how long they may have to wait. When
 * all pipes are empty the reader rests: what many slow writers say in that time costs one wake-up.
 * It rests only for a moment while somebody has filled his pipe not long ago, for he would stand
 * still; without that moment each of his writes would cost a wake-up, and be half as fast.
 *
 * A short line becomes a long one by its stamp, so the measure of a turn is what is written. */

#include "base/errors.h"
#include "base/fds.h"
#include "base/log.h"
#include "process/output-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define OUTPUT_SLICE_MAX_BYTES ((size_t)64 * 1024)
#define OUTPUT_SLICE_MIN_BYTES ((size_t)4 * 1024)
/* Lines are collected up to this before they are written. */
#define OUTPUT_BATCH_BYTES ((size_t)64 * 1024)
/* Of a turn: some 60 us, less than a call takes. */
#define OUTPUT_TURN_BYTES ((size_t)64 * 1024)
#define OUTPUT_TURN_PIPES 32
/* While somebody else is being served, too: one small slice, for he waits for it at times, and then
 * the processor is left to him, and the writer stands still. */
#define OUTPUT_SHARED_BYTES ((size_t)4 * 1024)
#define OUTPUT_SHARED_REST_USEC 100
#define OUTPUT_SHARED_USEC (10 * USEC_PER_MSEC) /* after he was seen */
/* So much else in that time is somebody who asks; less may be timers of ours. */
#define OUTPUT_SHARED_OTHERS 5
#define OUTPUT_REST_USEC (20 * USEC_PER_MSEC)
/* Who has filled half a slice is expected to go on for so long. */
#define OUTPUT_BUSY_USEC (10 * USEC_PER_MSEC)
#define OUTPUT_BUSY_REST_USEC 50
/* No pipe is smaller, on any machine. */
#define OUTPUT_PIPE_MIN_BYTES ((size_t)4 * 1024)

struct OutputReader {
    ProcessHost *host;
    int fd;       /* the epoll; -1 until there is a first pipe */
    Watch *watch; /* of that; of nothing while it rests */
    Timer *rest;
    char *slice;
    size_t slice_bytes; /* how much of it is used */
    GString *batch;
    size_t n_written; /* in this turn */
    size_t n_read;    /* the same */
    size_t turn_bytes;
    bool has_rested; /* its timer is the last that the loop has served */
    uint64_t shared_until_usec;
    uint64_t n_others; /* served by the loop, until others_until_usec */
    uint64_t others_until_usec;
    uint64_t busy_until_usec;
    GQueue outputs; /* with a pipe that is open */
    int null_fd;
    bool has_missed_journal;
};

/* Lines */

typedef struct OutputSlice {
    OutputReader *reader;
    Output *output;
    OutputStream stream;
    uint64_t time_usec;
    size_t stamp_length; /* of whole lines; 0: not made yet */
    char stamp[SERVICE_LOG_STAMP_MAX];
} OutputSlice;

static OutputSlice output_slice(Output *output, const OutputPipe *pipe)
{
    return (OutputSlice){
            .reader = output->host->output,
            .output = output,
            .stream = (OutputStream)pipe->stream,
            .time_usec = clock_wall_usec(output->host->clock),
    };
}

static void output_slice_stamp(OutputSlice *slice, OutputPiece piece)
{
    const Output *output = slice->output;
    char other[SERVICE_LOG_STAMP_MAX];
    GString *batch = slice->reader->batch;

    if (output->has_no_timestamps)
        return;
    if (piece != OUTPUT_WHOLE) {
        size_t length = service_log_line_stamp(other, slice->time_usec, slice->stream, piece,
                                               output->invocation);
        g_string_append_len(batch, other, (gssize)length);
        return;
    }
    if (slice->stamp_length == 0)
        slice->stamp_length = service_log_line_stamp(slice->stamp, slice->time_usec, slice->stream,
                                                     piece, output->invocation);
    g_string_append_len(batch, slice->stamp, (gssize)slice->stamp_length);
}

static void output_slice_write(OutputSlice *slice)
{
    GString *batch = slice->reader->batch;

    if (batch->len == 0)
        return;
    service_log_append(slice->output->log, batch->str, batch->len);
    slice->reader->n_written += batch->len;
    g_string_truncate(batch, 0);
}

static void on_output_line(const char *bytes, size_t length, OutputPiece piece, void *data)
{
    OutputSlice *slice = data;
    GString *batch = slice->reader->batch;

    if (slice->output->has_no_timestamps && piece == OUTPUT_CUT && length == 0)
        return; /* it would be a line of its own */
    output_slice_stamp(slice, piece);
    g_string_append_len(batch, bytes, (gssize)length);
    g_string_append_c(batch, '\n');
    if (batch->len >= OUTPUT_BATCH_BYTES)
        output_slice_write(slice);
}

/* Pipes */

static Output *output_of_pipe(OutputPipe *pipe)
{
    return (Output *)(void *)((char *)(pipe - pipe->stream) - offsetof(Output, pipes));
}

static void output_pipe_flush(Output *output, OutputPipe *pipe)
{
    OutputSlice slice = output_slice(output, pipe);

    output_lines_flush(&pipe->lines, on_output_line, &slice);
    output_slice_write(&slice);
}

int output_reader_take(Output *output, OutputPipe *pipe)
{
    OutputReader *reader = output->host->output;
    int fd = pipe->fd;

    output_pipe_flush(output, pipe);
    output_lines_clear(&pipe->lines);
    (void)output->host->sys->epoll_ctl(reader->fd, EPOLL_CTL_DEL, fd, NULL); /* it is there */
    pipe->fd = -1;
    if (--output->n_open == 0)
        g_queue_unlink(&reader->outputs, &output->link);
    output_unref(output);
    return fd;
}

static void output_pipe_close(Output *output, OutputPipe *pipe)
{
    OutputSlice slice = output_slice(output, pipe);

    output_lines_end(&pipe->lines, on_output_line, &slice);
    output_slice_write(&slice);
    (void)fd_close(output_reader_take(output, pipe));
}

/* The program goes on, and so do we. */
static void output_pipe_complain(Output *output, OutputPipe *pipe)
{
    if (errno == EAGAIN || pipe->has_failed)
        return;
    pipe->has_failed = true;
    log_service(LOG_LEVEL_WARNING, output->service_id, "cannot read its %s: %s",
                output_stream_to_string((OutputStream)pipe->stream), g_strerror(errno));
}

/* What one slice costs is bounded, too. */
static void output_reader_fit_slice(OutputReader *reader, size_t n_written)
{
    if (n_written > OUTPUT_TURN_BYTES)
        reader->slice_bytes = MAX(reader->slice_bytes / 2, OUTPUT_SLICE_MIN_BYTES);
    else if (n_written <= OUTPUT_TURN_BYTES / 2)
        reader->slice_bytes = MIN(reader->slice_bytes * 2, OUTPUT_SLICE_MAX_BYTES);
}

/* Whether who writes may be standing still. A user who has many pipes gets small ones, and anybody
 * can change the size of his. */
static bool output_pipe_was_full(const OutputPipe *pipe, size_t slice_bytes, size_t n)
{
    if (n >= slice_bytes / 2)
        return true;
    if (n < OUTPUT_PIPE_MIN_BYTES / 2)
        return false;

    int size = fcntl(pipe->fd, F_GETPIPE_SZ);
    return size > 0 && n >= (size_t)size / 2;
}

/* What read(2) has returned; 0: closed. */
static ssize_t output_pipe_read(Output *output, OutputPipe *pipe, size_t max_bytes)
{
    OutputReader *reader = output->host->output;
    size_t wanted = MIN(max_bytes, reader->slice_bytes), before = reader->n_written;
    ssize_t n = sys_read(output->host->sys, pipe->fd, reader->slice, wanted);

    if (n < 0)
        output_pipe_complain(output, pipe);
    if (n == 0)
        output_pipe_close(output, pipe);
    if (n <= 0)
        return n;

    OutputSlice slice = output_slice(output, pipe);
    reader->n_read += (size_t)n;
    output_lines_feed(&pipe->lines, reader->slice, (size_t)n, on_output_line, &slice);
    output_slice_write(&slice);
    output_reader_fit_slice(reader, reader->n_written - before);
    return n;
}

/* What comes meanwhile is for later: somebody may write as fast as we read. */
static void output_pipe_drain(Output *output, OutputPipe *pipe)
{
    struct pollfd look = {.fd = pipe->fd, .events = POLLIN};
    int n_there = 0;

    if (ioctl(pipe->fd, FIONREAD, &n_there) < 0)
        n_there = 0; /* cannot be: it is a pipe */
    for (ssize_t left = n_there, n; left > 0; left -= n) {
        n = output_pipe_read(output, pipe, (size_t)left);
        if (n <= 0)
            break;
    }
    if (pipe->fd < 0)
        return;
    if (poll(&look, 1, 0) == 1 && look.revents == POLLHUP)
        output_pipe_close(output, pipe);
    else
        output_pipe_flush(output, pipe);
}

void output_reader_drain(Output *output)
{
    output_ref(output);
    for (int i = 0; i < _OUTPUT_STREAM_MAX; i++) {
        if (output->pipes[i].fd >= 0)
            output_pipe_drain(output, &output->pipes[i]);
    }
    output_unref(output);
}

/* Turns */

static void on_output_ready(uint32_t events, void *data);

static bool output_reader_wake(OutputReader *reader)
{
    if (reader->watch != NULL)
        watch_set_events(reader->watch, EPOLLIN);
    else
        reader->watch = watch_new(reader->host->watches, reader->fd, EPOLLIN, WATCH_PRIORITY_OUTPUT,
                                  on_output_ready, reader);
    return reader->watch != NULL;
}

static void output_reader_rest(OutputReader *reader, uint64_t usec)
{
    watch_set_events(reader->watch, 0);
    timer_arm(reader->rest, usec_add(clock_monotonic_usec(reader->host->clock), usec));
}

static void on_output_rested(void *data)
{
    OutputReader *reader = data;

    reader->has_rested = true;
    (void)output_reader_wake(reader); /* it has a watch, or it would not rest */
}

/* False: there is nothing to be read. */
static bool output_reader_serve_one(OutputReader *reader)
{
    const Sys *sys = reader->host->sys;
    struct epoll_event event;

    if (sys->epoll_wait(reader->fd, &event, 1, 0) <= 0)
        return false;

    OutputPipe *pipe = event.data.ptr;
    Output *output = output_ref(output_of_pipe(pipe));
    size_t slice_bytes = MIN(reader->turn_bytes, reader->slice_bytes);
    ssize_t n = output_pipe_read(output, pipe, slice_bytes); /* the next one may be readable */
    if (n > 0 && output_pipe_was_full(pipe, slice_bytes, (size_t)n))
        reader->busy_until_usec =
                usec_add(clock_monotonic_usec(output->host->clock), OUTPUT_BUSY_USEC);
    output_unref(output);
    return true;
}

/* True: somebody else is being served, too. */
static bool output_reader_begin_turn(OutputReader *reader)
{
    uint64_t now_usec = clock_monotonic_usec(reader->host->clock);

    if (now_usec >= reader->others_until_usec) {
        reader->others_until_usec = usec_add(now_usec, OUTPUT_SHARED_USEC);
        reader->n_others = 0;
    }
    uint64_t n = watch_count_others(reader->watch);
    reader->n_others += n > 0 && reader->has_rested ? n - 1 : n;
    if (reader->n_others >= OUTPUT_SHARED_OTHERS)
        reader->shared_until_usec = usec_add(now_usec, OUTPUT_SHARED_USEC);
    bool is_shared = now_usec < reader->shared_until_usec;
    reader->has_rested = false;
    reader->turn_bytes = is_shared ? OUTPUT_SHARED_BYTES : OUTPUT_TURN_BYTES;
    reader->n_written = reader->n_read = 0;
    return is_shared;
}

/* All pipes are empty, or what is ready cannot be read: somebody else is always faster, or it
 * fails. */
static void output_reader_pause(OutputReader *reader)
{
    bool is_busy = clock_monotonic_usec(reader->host->clock) < reader->busy_until_usec;

    output_reader_rest(reader, is_busy ? OUTPUT_BUSY_REST_USEC : OUTPUT_REST_USEC);
}

static void on_output_ready(uint32_t events, void *data)
{
    OutputReader *reader = data;
    bool is_shared = output_reader_begin_turn(reader), has_more = true;

    for (unsigned n = 0;
         has_more && n < OUTPUT_TURN_PIPES && reader->n_written < reader->turn_bytes; n++)
        has_more = output_reader_serve_one(reader);
    if (has_more && reader->n_read == 0)
        reader->busy_until_usec = 0;
    if (!has_more || reader->n_read == 0)
        output_reader_pause(reader);
    else if (is_shared)
        output_reader_rest(reader, OUTPUT_SHARED_REST_USEC);
}

/* The reader */

static bool output_reader_open(OutputReader *reader)
{
    if (reader->fd < 0)
        reader->fd = reader->host->sys->epoll_create1(EPOLL_CLOEXEC);
    if (reader->fd < 0)
        return false;
    if (reader->slice == NULL)
        reader->slice = g_malloc(OUTPUT_SLICE_MAX_BYTES);
    return timer_is_armed(reader->rest) || output_reader_wake(reader);
}

bool output_reader_add(Output *output, OutputStream stream, int fd)
{
    OutputReader *reader = output->host->output;
    OutputPipe *pipe = &output->pipes[stream];
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = pipe};
    autofd int given = fd;

    if (!output_reader_open(reader) ||
        output->host->sys->epoll_ctl(reader->fd, EPOLL_CTL_ADD, given, &event) < 0)
        return false;
    pipe->fd = fd_steal(&given);
    if (output->n_open++ == 0)
        g_queue_push_tail_link(&reader->outputs, &output->link);
    output_ref(output);
    return true;
}

void output_reader_foreach(OutputReader *reader, void (*func)(Output *output, void *data),
                           void *data)
{
    for (GList *link = reader->outputs.head, *next; link != NULL; link = next) {
        Output *output = output_ref(link->data);

        next = link->next;
        func(output, data);
        output_unref(output);
    }
}

int output_reader_null_fd(OutputReader *reader)
{
    const Sys *sys = reader->host->sys;

    if (reader->null_fd >= 0)
        return reader->null_fd;

    autofd int fd = sys_open(sys, "/dev/null", O_WRONLY | O_CLOEXEC);
    if (fd >= 0)
        reader->null_fd = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    return reader->null_fd >= 0 ? reader->null_fd : -errno;
}

bool output_reader_misses_journal(OutputReader *reader)
{
    bool is_first = !reader->has_missed_journal;

    reader->has_missed_journal = true;
    return is_first;
}

OutputReader *output_reader_new(ProcessHost *host)
{
    OutputReader *reader = g_new(OutputReader, 1);

    *reader = (OutputReader){
            .host = host,
            .fd = -1,
            .rest = timer_new(host->timers, on_output_rested, reader),
            .slice_bytes = OUTPUT_SLICE_MAX_BYTES,
            .batch = g_string_new(NULL),
            .null_fd = -1,
    };
    g_queue_init(&reader->outputs);
    return reader;
}

static void on_output_last_look(Output *output, void *data)
{
    output_reader_drain(output);
    for (int i = 0; i < _OUTPUT_STREAM_MAX; i++) {
        if (output->pipes[i].fd >= 0)
            output_pipe_close(output, &output->pipes[i]);
    }
}

/* The oldest is the first: they stand in the order in which they were opened. */
void output_reader_leave(Output *output)
{
    Output *oldest = NULL;
    unsigned n = 0;

    output->is_left = true;
    for (GList *link = output->host->output->outputs.head; link != NULL; link = link->next) {
        Output *other = link->data;

        if (!other->is_left || other->log != output->log)
            continue;
        oldest = oldest != NULL ? oldest : other;
        output->has_told_left |= other->has_told_left;
        n++;
    }
    if (n <= OUTPUT_LEFT_MAX)
        return;
    if (!output->has_told_left)
        log_service(LOG_LEVEL_WARNING, output->service_id,
                    "more than %d of its former runs have left somebody who can write: what the "
                    "oldest of them say is not read any more",
                    OUTPUT_LEFT_MAX);
    output->has_told_left = true;
    output_ref(oldest);
    on_output_last_look(oldest, NULL);
    output_unref(oldest);
}

void output_reader_free(OutputReader *reader)
{
    if (reader == NULL)
        return;
    output_reader_foreach(reader, on_output_last_look, NULL);
    g_clear_pointer(&reader->watch, watch_free);
    timer_free(reader->rest);
    reader->fd = fd_close(reader->fd);
    reader->null_fd = fd_close(reader->null_fd);
    g_free(reader->slice);
    g_string_free(reader->batch, TRUE);
    g_free(reader);
}
