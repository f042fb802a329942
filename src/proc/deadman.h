// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A timer that kills this process by SIGKILL, unless it is pushed on: for one
 * that holds a target by ptrace(2), and may hang or be stopped itself.  Then
 * the kernel detaches, and the target runs.
 */
#ifndef PROC_DEADMAN_H
#define PROC_DEADMAN_H

#include "base/clock.h"

#include <time.h>

#define DEADMAN_NS (1 * S_NS)

/* -1 with errno. */
int deadman_make(timer_t *deadman);
/* From now on; 0: not at all. */
void deadman_set(timer_t deadman, uint64_t ns);

#endif
