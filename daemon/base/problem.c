/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The list of mistakes of one document. It is bounded in number and in the length of pointers,
 * since who writes the document decides both; what does not fit is counted in the last entry. */

#include "base/problem.h"

#include "base/errors.h"
#include "base/parse.h"

#include <string.h>

/* A longer pointer (only hostile member names make one) is cut to the enclosing member, and the
 * message says how the rest begins. */
#define PROBLEM_POINTER_MAX_BYTES 1024

static const char *const problem_severities[_PROBLEM_MAX] = {
        [PROBLEM_ERROR] = "error",
        [PROBLEM_WARNING] = "warning",
};
ENUM_TABLE_DEFINE(ProblemSeverity, problem_severity, problem_severities)

struct Problems {
    GPtrArray *items;
    unsigned n_dropped;
};

static void problem_free(void *data)
{
    Problem *problem = data;

    g_free(problem->pointer);
    g_free(problem->message);
    g_free(problem);
}

Problems *problems_new(void)
{
    Problems *problems = g_new0(Problems, 1);

    problems->items = g_ptr_array_new_with_free_func(problem_free);
    return problems;
}

void problems_free(Problems *problems)
{
    if (problems == NULL)
        return;
    g_ptr_array_unref(problems->items);
    g_free(problems);
}

/* Turns the last entry into the one that says how many are not there. */
static void problems_drop(Problems *problems, ProblemSeverity severity)
{
    Problem *last = g_ptr_array_index(problems->items, PROBLEMS_MAX - 1);

    if (problems->n_dropped == 0) {
        problems->n_dropped = 1; /* the one that gives way */
        g_free(last->pointer);
        last->pointer = g_strdup("");
        last->line = 0;
        last->column = 0;
    }
    problems->n_dropped++;
    if (severity == PROBLEM_ERROR)
        last->severity = PROBLEM_ERROR;
    g_free(last->message);
    last->message = g_strdup_printf("%u more problems are not listed", problems->n_dropped);
}

/* The bytes of it that are kept: all, or up to a '/'. */
static size_t problem_pointer_length(const char *pointer)
{
    size_t length = strlen(pointer);

    if (length <= PROBLEM_POINTER_MAX_BYTES)
        return length;
    for (length = PROBLEM_POINTER_MAX_BYTES; length > 0 && pointer[length] != '/';)
        length--;
    return length;
}

/* Takes message. rest: what was cut off the pointer. */
static char *problem_place_in_message(const char *rest, char *message)
{
    g_autofree char *plain = message;
    g_autofree char *excerpt = NULL;

    if (*rest == '\0')
        return g_steal_pointer(&plain);
    excerpt = parse_excerpt(rest + 1);
    return g_strdup_printf("in \"%s\": %s", excerpt, plain);
}

bool problems_are_full(const Problems *problems)
{
    return problems->items->len == PROBLEMS_MAX;
}

void problems_add(Problems *problems, ProblemSeverity severity, const char *pointer, unsigned line,
                  unsigned column, const char *format, ...)
{
    size_t length = problem_pointer_length(pointer);
    Problem *problem;
    va_list arguments;

    if (problems_are_full(problems)) {
        problems_drop(problems, severity);
        return;
    }
    problem = g_new0(Problem, 1);
    problem->severity = severity;
    problem->pointer = g_strndup(pointer, length);
    problem->line = line;
    problem->column = column;
    va_start(arguments, format);
    problem->message =
            problem_place_in_message(pointer + length, g_strdup_vprintf(format, arguments));
    va_end(arguments);
    g_ptr_array_add(problems->items, problem);
}

unsigned problems_count(const Problems *problems)
{
    return problems->items->len;
}

const Problem *problems_get(const Problems *problems, unsigned index)
{
    g_assert(index < problems->items->len);
    return g_ptr_array_index(problems->items, index);
}

bool problems_have_errors(const Problems *problems)
{
    for (unsigned i = 0; i < problems->items->len; i++) {
        if (problems_get(problems, i)->severity == PROBLEM_ERROR)
            return true;
    }
    return false;
}

/* "a~1b" -> "a/b"; ~1 before ~0, as RFC 6901 section 4 demands. */
static char *problem_unescape(const char *segment)
{
    GString *text = g_string_new(segment);

    g_string_replace(text, "~1", "/", 0);
    g_string_replace(text, "~0", "~", 0);
    return g_string_free(text, FALSE);
}

/* "/exec/0" -> "exec[0]", "/restart/max_delay" -> "restart.max_delay". */
static void problem_append_place(GString *text, const char *pointer)
{
    g_auto(GStrv) segments = g_strsplit(pointer + 1, "/", -1);

    for (size_t i = 0; segments[i] != NULL; i++) {
        g_autofree char *member = problem_unescape(segments[i]);
        g_autofree char *excerpt = parse_excerpt(member);

        if (i > 0 && *member != '\0' && strspn(member, "0123456789") == strlen(member))
            g_string_append_printf(text, "[%s]", excerpt);
        else
            g_string_append_printf(text, "%s%s", i > 0 ? "." : "", excerpt);
    }
}

static void problem_append_line(GString *text, const Problem *problem)
{
    if (text->len > 0)
        g_string_append_c(text, '\n');
    if (*problem->pointer != '\0') {
        problem_append_place(text, problem->pointer);
        g_string_append(text, ": ");
    } else if (problem->line > 0) {
        g_string_append_printf(text, "line %u, column %u: ", problem->line, problem->column);
    }
    g_string_append(text, problem->message);
}

GError *problems_to_error(const Problems *problems)
{
    g_autoptr(GString) text = NULL;

    if (!problems_have_errors(problems))
        return NULL;
    text = g_string_new(NULL);
    for (unsigned i = 0; i < problems->items->len; i++) {
        const Problem *problem = problems_get(problems, i);

        if (problem->severity == PROBLEM_ERROR)
            problem_append_line(text, problem);
    }
    return g_error_new_literal(SVCMGR_ERROR, ERROR_INVALID_CONFIG, text->str);
}
