/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Readers of what a program may use and may do, and of where its output goes. */

#include "kinds/program-internal.h"
#include "process/capabilities.h"
#include "process/rlimits.h"

#include <string.h>

#define PROGRAM_CAPABILITIES_MAX 64
/* What no document can say. */
#define PROGRAM_LIMIT_UNREAD (UINT64_MAX - 1)
#define PROGRAM_PIDS_MAX 4194304 /* PID_MAX_LIMIT of the kernel */

typedef struct ProgramLimitPair {
    uint64_t soft;
    uint64_t hard;
} ProgramLimitPair;

static const JsonRange limit_range = {.min = 0, .max = INT64_MAX};

/* uint64_t; a size or a number, by the LimitName. */
static void program_read_limit_value(JsonContext *context, const JsonPath *path,
                                     const json_t *value, void *field, const void *name)
{
    const LimitName *row = name;

    if (json_is_string(value) && g_str_equal(json_string_value(value), "infinity"))
        *(uint64_t *)field = LIMIT_INFINITY;
    else if (row->is_bytes && (json_is_string(value) || json_is_integer(value)))
        json_read_size(context, path, value, field, &limit_range);
    else if (json_is_integer(value) && json_integer_value(value) >= 0)
        *(uint64_t *)field = (uint64_t)json_integer_value(value);
    else
        json_problem_expected(context, path,
                              row->is_bytes ? "a size such as \"64MiB\", or \"infinity\""
                                            : "a number, or \"infinity\"",
                              value);
}

static void program_read_limit(JsonContext *context, const JsonPath *path, const json_t *value,
                               void *field, const void *name)
{
    const LimitName *row = name;
    ProgramLimitPair pair = {PROGRAM_LIMIT_UNREAD, PROGRAM_LIMIT_UNREAD};
    const JsonMember members[] = {
            {"soft", program_read_limit_value, offsetof(ProgramLimitPair, soft), row, true},
            {"hard", program_read_limit_value, offsetof(ProgramLimitPair, hard), row, true},
            {NULL, NULL, 0, NULL, false},
    };

    if (json_is_object(value)) {
        json_read_members(context, path, value, &pair, members);
    } else {
        program_read_limit_value(context, path, value, &pair.hard, row);
        pair.soft = pair.hard;
    }
    if (pair.soft == PROGRAM_LIMIT_UNREAD || pair.hard == PROGRAM_LIMIT_UNREAD)
        return;
    if (pair.soft > pair.hard) {
        JsonPath place = {.parent = path, .member = "soft"};

        json_problem(context, &place, "expected at most hard");
        return;
    }
    limits_set(field, &(SpawnLimit){row->resource, pair.soft, pair.hard});
}

void program_read_limits(JsonContext *context, const JsonPath *path, const json_t *value,
                         void *field, const void *unused)
{
    JsonMember members[LIMIT_N_NAMES + 1] = {0};

    for (unsigned i = 0; i < LIMIT_N_NAMES; i++)
        members[i] =
                (JsonMember){limit_names[i].name, program_read_limit, 0, &limit_names[i], false};
    json_read_members(context, path, value, field, members);
}

void program_read_capabilities(JsonContext *context, const JsonPath *path, const json_t *value,
                               void *field, const void *unused)
{
    static const char expected[] = "the name of a capability such as \"CAP_NET_BIND_SERVICE\"";
    SpawnSpec *spec = field;

    if (!json_is_array(value) || json_array_size(value) > PROGRAM_CAPABILITIES_MAX) {
        json_problem_expected(context, path, "an array of at most 64 names of capabilities", value);
        return;
    }
    spec->sets_capabilities = true;
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *item = json_array_get(value, i);
        JsonPath place = {.parent = path, .index = i};
        unsigned number;

        if (json_is_string(item) && capability_from_string(json_string_value(item), &number))
            spec->capabilities |= UINT64_C(1) << number;
        else
            json_problem_expected(context, &place, expected, item);
    }
}

void program_read_privileges(JsonContext *context, const JsonPath *path, const json_t *value,
                             void *field, const void *unused)
{
    bool no_new = false;

    json_read_bool(context, path, value, &no_new, NULL);
    if (json_is_boolean(value))
        *(SpawnPrivileges *)field = no_new ? SPAWN_PRIVILEGES_NO_NEW : SPAWN_PRIVILEGES_NEW;
}

static const JsonRange memory_range = {
        .min = 1,
        .max = INT64_MAX,
        .expected = "a size such as \"64MiB\", more than 0",
};
static const JsonRange pids_range = {.min = 1, .max = PROGRAM_PIDS_MAX};
static const JsonRange weight_range = {.min = 1, .max = 10000};

const JsonMember program_cgroup_members[] = {
        {"memory_max", json_read_size, offsetof(CgroupLimits, memory_max_bytes), &memory_range,
         false},
        {"pids_max", json_read_unsigned, offsetof(CgroupLimits, pids_max), &pids_range, false},
        {"cpu_weight", json_read_unsigned, offsetof(CgroupLimits, cpu_weight), &weight_range,
         false},
        {"io_weight", json_read_unsigned, offsetof(CgroupLimits, io_weight), &weight_range, false},
        {NULL, NULL, 0, NULL, false},
};

static int program_output_target_from_string(const char *string)
{
    return output_target_from_string(string);
}

static const JsonEnum output_target_enum = {
        .from_string = program_output_target_from_string,
        .expected = "\"file\", \"journal\", \"inherit\" or \"null\"",
};
static const JsonRange log_size_range = {
        .min = SERVICE_LOG_SIZE_MIN,
        .max = SERVICE_LOG_SIZE_MAX,
        .expected = "a size such as \"10MiB\", from 64KiB to 1GiB",
};
static const JsonRange log_keep_range = {.min = 0, .max = SERVICE_LOG_KEEP_MAX};

/* uint32_t, at most as the range says. */
static void program_read_log_keep(JsonContext *context, const JsonPath *path, const json_t *value,
                                  void *field, const void *range)
{
    uint64_t keep = *(const uint32_t *)field;

    json_read_unsigned(context, path, value, &keep, range);
    *(uint32_t *)field = (uint32_t)keep;
}

/* bool: that there are none. */
static void program_read_log_timestamps(JsonContext *context, const JsonPath *path,
                                        const json_t *value, void *field, const void *unused)
{
    bool has_timestamps = !*(const bool *)field;

    json_read_bool(context, path, value, &has_timestamps, NULL);
    *(bool *)field = !has_timestamps;
}

const JsonMember program_log_members[] = {
        {"target", json_read_enum, offsetof(OutputSpec, target), &output_target_enum, false},
        {"max_size", json_read_size, offsetof(OutputSpec, rules.max_size_bytes), &log_size_range,
         false},
        {"keep", program_read_log_keep, offsetof(OutputSpec, rules.keep), &log_keep_range, false},
        {"timestamps", program_read_log_timestamps, offsetof(OutputSpec, has_no_timestamps), NULL,
         false},
        {NULL, NULL, 0, NULL, false},
};
