/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.svcmgr1.Service.Wait: a call that is kept until its service reaches a state, or it is clear
 * that it will not. */

#include "bus/internal.h"

typedef struct Call Call;

bool method_wait_read(Call *call, GError **error);
bool method_wait_act(Call *call, GError **error);

/* What people wait for. */
typedef enum WaitUntil {
    WAIT_UNTIL_SETTLED,
    WAIT_UNTIL_ACTIVE,
    WAIT_UNTIL_INACTIVE,
    WAIT_UNTIL_READY,
    _WAIT_UNTIL_MAX,
    _WAIT_UNTIL_INVALID = -22,
} WaitUntil;
ENUM_TABLE_DECLARE(WaitUntil, wait_until);

typedef enum WaitVerdict {
    WAIT_GOES_ON,
    WAIT_REACHED,
    WAIT_FAILED, /* ended in the service's own error */
} WaitVerdict;
/* Pure: what a record means to who waits. */
WaitVerdict wait_judge(WaitUntil until, uint64_t after_serial, const StateRecord *state);
