/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Merge patches, as RFC 7396 says. */

#include "store/patch.h"

#include <glib.h>
#include <stdlib.h>

typedef struct PatchCase {
    const char *target;
    const char *patch;
    const char *result;
} PatchCase;

static const PatchCase cases[] = {
        {"{}", "{}", "{}"},
        /* replace, add, delete, delete what is not there */
        {"{\"a\": 1}", "{\"a\": 2}", "{\"a\": 2}"},
        {"{\"a\": 1}", "{\"b\": 2}", "{\"a\": 1, \"b\": 2}"},
        {"{\"a\": 1, \"b\": 2}", "{\"a\": null}", "{\"b\": 2}"},
        {"{\"a\": 1}", "{\"b\": null}", "{\"a\": 1}"},
        /* the order of members stays, new ones come last */
        {"{\"c\": 1, \"a\": 2, \"b\": 3}", "{\"d\": 0, \"a\": 9}",
         "{\"c\": 1, \"a\": 9, \"b\": 3, \"d\": 0}"},
        /* objects merge, at any depth */
        {"{\"a\": {\"b\": {\"c\": 1, \"d\": 2}, \"e\": 3}}", "{\"a\": {\"b\": {\"c\": null}}}",
         "{\"a\": {\"b\": {\"d\": 2}, \"e\": 3}}"},
        {"{\"a\": {\"b\": 1}}", "{\"a\": {\"b\": null}}", "{\"a\": {}}"},
        /* arrays do not, and a null in them is a value */
        {"{\"a\": [1, 2, 3]}", "{\"a\": [4]}", "{\"a\": [4]}"},
        {"{\"a\": [{\"b\": 1}]}", "{\"a\": [{\"c\": null}]}", "{\"a\": [{\"c\": null}]}"},
        {"{\"a\": 1}", "{\"a\": [null]}", "{\"a\": [null]}"},
        /* an object in the place of something else, and the other way */
        {"{\"a\": [1]}", "{\"a\": {\"b\": 2}}", "{\"a\": {\"b\": 2}}"},
        {"{\"a\": {\"b\": 2}}", "{\"a\": \"x\"}", "{\"a\": \"x\"}"},
        {"{\"a\": null}", "{\"a\": {\"b\": 1}}", "{\"a\": {\"b\": 1}}"},
        /* a null that was there stays; of what is new, no null comes in */
        {"{\"a\": null}", "{\"b\": 1}", "{\"a\": null, \"b\": 1}"},
        {"{}", "{\"a\": {\"b\": {\"c\": null, \"d\": 1}, \"e\": null}}",
         "{\"a\": {\"b\": {\"d\": 1}}}"},
        {"{\"\": 1, \"\\u00e4\": 2}", "{\"\": null, \"\\u00e4\": true}", "{\"\\u00e4\": true}"},
};

static json_t *patch_load(const char *text)
{
    json_t *value = json_loads(text, 0, NULL);

    g_assert_nonnull(value);
    return value;
}

static char *patch_dump(const json_t *value)
{
    return json_dumps(value, JSON_ENSURE_ASCII);
}

static void test_cases(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        json_t *target = patch_load(cases[i].target);
        json_t *patch = patch_load(cases[i].patch);
        json_t *expected = patch_load(cases[i].result);

        patch_apply(target, patch);
        char *got = patch_dump(target), *wanted = patch_dump(expected);
        g_test_message("%s with %s", cases[i].target, cases[i].patch);
        g_assert_cmpstr(got, ==, wanted); /* as text: with the order */
        free(got);
        free(wanted);
        json_decref(target);
        json_decref(patch);
        json_decref(expected);
    }
}

/* What is done to the result afterwards does not show in the patch. */
static void test_shares_nothing(void)
{
    json_t *patch = patch_load("{\"a\": [1], \"b\": {\"c\": [2]}}");
    json_t *target = patch_load("{}");
    json_t *before = json_deep_copy(patch);

    patch_apply(target, patch);
    json_array_append_new(json_object_get(target, "a"), json_integer(3));
    json_array_clear(json_object_get(json_object_get(target, "b"), "c"));
    json_object_clear(json_object_get(target, "b"));
    g_assert_true(json_equal(patch, before));
    json_decref(patch);
    json_decref(before);
    json_decref(target);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/patch/cases", test_cases);
    g_test_add_func("/patch/shares-nothing", test_shares_nothing);
    return g_test_run();
}
