// SPDX-License-Identifier: GPL-3.0-or-later
#include "proc/deadman.h"

#include <signal.h>

int deadman_make(timer_t *deadman)
{
	struct sigevent event = {
		.sigev_notify = SIGEV_SIGNAL,
		.sigev_signo = SIGKILL,
	};

	return timer_create(CLOCK_MONOTONIC, &event, deadman);
}

void deadman_set(timer_t deadman, uint64_t ns)
{
	struct itimerspec when = {
		.it_value = {(time_t)(ns / S_NS), (long)(ns % S_NS)},
	};

	timer_settime(deadman, 0, &when, NULL);
}
