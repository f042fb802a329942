// SPDX-License-Identifier: GPL-3.0-or-later
#include "proc/urgent.h"

#include <sched.h>

void urgent_begin(enum urgency urgency)
{
	struct sched_param high = {.sched_priority = (int)urgency};

	sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &high);
}

void urgent_end(void)
{
	struct sched_param normal = {0};

	if (sched_getscheduler(0) == (SCHED_FIFO | SCHED_RESET_ON_FORK))
		sched_setscheduler(0, SCHED_OTHER, &normal);
}
