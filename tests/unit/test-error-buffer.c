/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The buffer keeps the last errors, in order, and never more than its capacity. */

#include "base/error-buffer.h"

#include "base/errors.h"

static void append(ErrorBuffer *buffer, ErrorCode code, const char *message)
{
    g_autoptr(GError) error = g_error_new_literal(SVCMGR_ERROR, (int)code, message);

    error_buffer_append(buffer, error);
}

static void assert_peek(const ErrorBuffer *buffer, const char *expected)
{
    g_autoptr(GError) error = error_buffer_peek(buffer);

    g_assert_cmpstr(error == NULL ? NULL : error->message, ==, expected);
}

static void test_error_buffer_empty(void)
{
    ErrorBuffer *buffer = error_buffer_new(ERROR_BUFFER_CAPACITY);

    g_assert_cmpuint(error_buffer_count(buffer), ==, 0);
    g_assert_null(error_buffer_peek(buffer));
    g_assert_null(error_buffer_flush(buffer));
    error_buffer_append(buffer, NULL);
    g_assert_cmpuint(error_buffer_count(buffer), ==, 0);
    error_buffer_free(buffer);
    error_buffer_free(NULL);
}

static void test_error_buffer_peek_and_flush(void)
{
    ErrorBuffer *buffer = error_buffer_new(3);

    append(buffer, ERROR_TIMEOUT, "a");
    assert_peek(buffer, "a");
    append(buffer, ERROR_BUSY, "b");
    assert_peek(buffer, "a\nb");
    g_assert_cmpuint(error_buffer_count(buffer), ==, 2);

    g_autoptr(GError) all = error_buffer_flush(buffer);
    g_assert_error(all, SVCMGR_ERROR, (int)ERROR_TIMEOUT);
    g_assert_cmpstr(all->message, ==, "a\nb");
    g_assert_cmpuint(error_buffer_count(buffer), ==, 0);
    assert_peek(buffer, NULL);

    append(buffer, ERROR_BUSY, "c");
    assert_peek(buffer, "c");
    error_buffer_free(buffer);
}

static void test_error_buffer_full(void)
{
    ErrorBuffer *buffer = error_buffer_new(2);

    append(buffer, ERROR_BUSY, "a");
    append(buffer, ERROR_BUSY, "b");
    append(buffer, ERROR_TIMEOUT, "c");
    g_assert_cmpuint(error_buffer_count(buffer), ==, 2);
    assert_peek(buffer, "b\nc");
    append(buffer, ERROR_TIMEOUT, "d");
    assert_peek(buffer, "c\nd");
    error_buffer_free(buffer);
}

static void test_error_buffer_capacity_zero(void)
{
    ErrorBuffer *buffer = error_buffer_new(0);

    append(buffer, ERROR_BUSY, "a");
    g_assert_cmpuint(error_buffer_count(buffer), ==, 0);
    error_buffer_set_capacity(buffer, 1);
    append(buffer, ERROR_BUSY, "b");
    assert_peek(buffer, "b");
    error_buffer_set_capacity(buffer, 0);
    assert_peek(buffer, NULL);
    error_buffer_free(buffer);
}

static void test_error_buffer_shrink_and_grow(void)
{
    ErrorBuffer *buffer = error_buffer_new(4);

    append(buffer, ERROR_BUSY, "a");
    append(buffer, ERROR_BUSY, "b");
    append(buffer, ERROR_BUSY, "c");
    error_buffer_set_capacity(buffer, 2);
    assert_peek(buffer, "b\nc");
    error_buffer_set_capacity(buffer, 3);
    assert_peek(buffer, "b\nc");
    append(buffer, ERROR_BUSY, "d");
    assert_peek(buffer, "b\nc\nd");
    error_buffer_free(buffer);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/error-buffer/empty", test_error_buffer_empty);
    g_test_add_func("/error-buffer/peek-and-flush", test_error_buffer_peek_and_flush);
    g_test_add_func("/error-buffer/full", test_error_buffer_full);
    g_test_add_func("/error-buffer/capacity-zero", test_error_buffer_capacity_zero);
    g_test_add_func("/error-buffer/shrink-and-grow", test_error_buffer_shrink_and_grow);
    return g_test_run();
}
