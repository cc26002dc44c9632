/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files of data/schemas as they are, as strings. The build says where they are. */

    .section .rodata

    .globl schema_process
    .type schema_process, %object
schema_process:
    .incbin SCHEMA_PROCESS
    .byte 0
    .size schema_process, . - schema_process

    .globl schema_oneshot
    .type schema_oneshot, %object
schema_oneshot:
    .incbin SCHEMA_ONESHOT
    .byte 0
    .size schema_oneshot, . - schema_oneshot

    .globl schema_group
    .type schema_group, %object
schema_group:
    .incbin SCHEMA_GROUP
    .byte 0
    .size schema_group, . - schema_group

    .section .note.GNU-stack, "", %progbits
