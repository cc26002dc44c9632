/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Only the daemon's end does not block: the flag belongs to the end, and the program, which has the
 * other, did not ask for it. Once the answer is known nothing is read any more, but the end stays
 * open: who writes on must not be ended by SIGPIPE. */

#include "process/readiness-pipe.h"

#include "base/errors.h"
#include "base/fds.h"
#include "process/host-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>

#define READINESS_READ_BYTES 512
/* Together more than a pipe holds by itself; only who still writes could make it longer. */
#define READINESS_READS_PER_DRAIN 256

struct ReadinessPipe {
    ProcessHost *host;
    ReadinessFunc func; /* NULL: it has been called */
    void *data;
    int reading;
    int writing;
    Watch *watch;
};

typedef enum ReadinessRead {
    READINESS_NOTHING, /* there now */
    READINESS_NOT_YET,
    READINESS_SAID,
    READINESS_NEVER,
} ReadinessRead;

static ReadinessRead readiness_pipe_read(ReadinessPipe *pipe)
{
    char bytes[READINESS_READ_BYTES];
    ssize_t n = sys_read(pipe->host->sys, pipe->reading, bytes, sizeof bytes);

    if (n < 0 && errno == EAGAIN)
        return READINESS_NOTHING;
    if (n <= 0)
        return READINESS_NEVER;
    return memchr(bytes, '\n', (size_t)n) != NULL ? READINESS_SAID : READINESS_NOT_YET;
}

/* False when there is no more to be read; the pipe may be gone then. */
static bool readiness_pipe_step(ReadinessPipe *pipe)
{
    ReadinessRead result = readiness_pipe_read(pipe);
    ReadinessFunc func = pipe->func;

    if (result == READINESS_NOTHING || result == READINESS_NOT_YET)
        return result == READINESS_NOT_YET;
    g_clear_pointer(&pipe->watch, watch_free);
    pipe->func = NULL;
    func(result == READINESS_SAID, pipe->data);
    return false;
}

static void on_readiness_pipe(uint32_t events, void *data)
{
    (void)readiness_pipe_step(data); /* the loop comes again when there is more */
}

void readiness_pipe_drain(ReadinessPipe *pipe)
{
    if (pipe->func == NULL)
        return;
    for (unsigned i = 0; i < READINESS_READS_PER_DRAIN; i++) {
        if (!readiness_pipe_step(pipe))
            return;
    }
}

static bool readiness_pipe_open(ReadinessPipe *pipe)
{
    int fds[2];

    if (pipe->host->sys->pipe2(fds, O_CLOEXEC) < 0)
        return false;
    pipe->reading = fds[0];
    pipe->writing = fds[1];
    if (fcntl(pipe->reading, F_SETFL, O_NONBLOCK) < 0)
        return false;
    pipe->watch = watch_new(pipe->host->watches, pipe->reading, EPOLLIN, WATCH_PRIORITY_NORMAL,
                            on_readiness_pipe, pipe);
    return pipe->watch != NULL;
}

ReadinessPipe *readiness_pipe_new(ProcessHost *host, ReadinessFunc func, void *data, GError **error)
{
    ReadinessPipe *pipe = g_new(ReadinessPipe, 1);

    *pipe = (ReadinessPipe){
            .host = host,
            .func = func,
            .data = data,
            .reading = -1,
            .writing = -1,
    };
    if (readiness_pipe_open(pipe))
        return pipe;
    error_set_errno(error, errno, "cannot open the readiness pipe");
    readiness_pipe_free(pipe);
    return NULL;
}

void readiness_pipe_free(ReadinessPipe *pipe)
{
    if (pipe == NULL)
        return;
    watch_free(pipe->watch);
    pipe->reading = fd_close(pipe->reading);
    pipe->writing = fd_close(pipe->writing);
    g_free(pipe);
}

int readiness_pipe_fd(const ReadinessPipe *pipe)
{
    return pipe->writing;
}

void readiness_pipe_close_writing(ReadinessPipe *pipe)
{
    pipe->writing = fd_close(pipe->writing);
}
