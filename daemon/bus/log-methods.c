/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Nothing is opened where the connection cannot carry it, and who asks is told what to do: sd-bus
 * would only say that the answer cannot be built. */

#include "bus/log-methods.h"

#include "base/errors.h"
#include "base/fds.h"
#include "base/parse.h"
#include "bus/call.h"
#include "bus/options.h"
#include "core/failure-report.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LOG_INVOCATION_DIGITS 32

static bool log_check_carries(const Call *call, GError **error)
{
    if (sd_bus_can_send(call->connection->sd_bus, SD_BUS_TYPE_UNIX_FD) > 0)
        return true;
    return error_set(error, ERROR_NOT_SUPPORTED,
                     "%s answers with a file descriptor, and this connection carries none: the "
                     "client has to negotiate that (NEGOTIATE_UNIX_FD) before it begins",
                     call->method->member);
}

/* Closes fd: sd-bus has a duplicate. bytes: what the reader's not reading keeps, beside that. */
static bool log_reply(Call *call, int fd, uint64_t bytes)
{
    Writer writer = call_reply_begin(call);

    writer_fd(&writer, fd);
    writer.bytes += bytes;
    (void)fd_close(fd); /* -1 */
    call_reply(call, &writer);
    return true;
}

/* OpenLog */

typedef struct OpenLogArguments {
    LogQuery query;
    const char *format_name;
} OpenLogArguments;

static const Option log_options[] = {
        {"lines", "u", offsetof(OpenLogArguments, query.lines)},
        {"since_usec", "t", offsetof(OpenLogArguments, query.since_usec)},
        {"follow", "b", offsetof(OpenLogArguments, query.follow)},
        {"format", "s", offsetof(OpenLogArguments, format_name)},
        {"invocation", "s", offsetof(OpenLogArguments, query.invocation)},
        {NULL, NULL, 0},
};

static bool log_check_invocation(const char *invocation, GError **error)
{
    size_t n_digits = strspn(invocation, "0123456789abcdef");
    g_autofree char *excerpt = NULL;

    if (n_digits > 0 && n_digits <= LOG_INVOCATION_DIGITS && invocation[n_digits] == '\0')
        return true;
    excerpt = parse_excerpt(invocation);
    return error_set(error, ERROR_INVALID_ARGS,
                     "option 'invocation': expected an InvocationId, or the last digits of one, "
                     "got '%s'",
                     excerpt);
}

static bool log_read_format(OpenLogArguments *arguments, GError **error)
{
    LogFormat format = log_format_from_string(arguments->format_name);
    g_autofree char *excerpt = NULL;

    if ((int)format < 0) {
        excerpt = parse_excerpt(arguments->format_name);
        return error_set(error, ERROR_INVALID_ARGS,
                         "option 'format': expected text, json or bare, got '%s'", excerpt);
    }
    arguments->query.format = format;
    return true;
}

bool method_log_read_open(Call *call, GError **error)
{
    OpenLogArguments *arguments = call->arguments = g_new0(OpenLogArguments, 1);

    arguments->query.lines = LOG_LINES_ALL;
    arguments->format_name = log_format_to_string(LOG_FORMAT_TEXT);
    if (!options_read(call->message, log_options, arguments, error) ||
        !log_read_format(arguments, error))
        return false;
    return arguments->query.invocation == NULL ||
           log_check_invocation(arguments->query.invocation, error);
}

bool method_log_open(Call *call, GError **error)
{
    OpenLogArguments *arguments = call->arguments;
    Service *service = call_service(call, error);
    const Kind *kind;
    int fd;

    if (service == NULL || !log_check_carries(call, error))
        return false;
    kind = service_kind(service);
    if (kind->open_log == NULL)
        return error_set(error, ERROR_NOT_SUPPORTED,
                         "service '%s' is of kind '%s', which has no log", service_id(service),
                         kind->name);
    arguments->query.uid = call->peer->caller->uid; /* known: it was authorised */
    fd = kind->open_log(kind, service, &arguments->query, error);
    if (fd >= 0)
        return log_reply(call, fd, 0);
    g_prefix_error(error, "service '%s': ", service_id(service));
    return false;
}

/* GetFailureReport */

static bool log_write_all(int fd, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t n = write(fd, text, length);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        text += n;
        length -= (size_t)n;
    }
    return true;
}

/* memfd_create(2) that nobody can change any more, to be read from its start; -1 with error. */
static int log_seal(const char *text, size_t length, GError **error)
{
    static const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
    autofd int fd = memfd_create("failure-report", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd >= 0 && log_write_all(fd, text, length) && fcntl(fd, F_ADD_SEALS, seals) == 0 &&
        lseek(fd, 0, SEEK_SET) == 0)
        return fd_steal(&fd);
    (void)error_set_errno(error, errno, "cannot make the report"); /* always false */
    return -1;
}

bool method_log_failure_report(Call *call, GError **error)
{
    Service *service = call_service(call, error);
    g_autofree char *text = NULL;
    size_t length;
    int fd;

    if (service == NULL || !log_check_carries(call, error))
        return false;
    text = failure_report(service, error);
    if (text == NULL)
        return false;
    length = strlen(text);
    fd = log_seal(text, length, error);
    return fd >= 0 && log_reply(call, fd, length);
}
