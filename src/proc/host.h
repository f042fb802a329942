// SPDX-License-Identifier: GPL-3.0-or-later
/* What identifies this machine and its time.  -1 with errno. */
#ifndef PROC_HOST_H
#define PROC_HOST_H

#include <stdint.h>

struct host_boot_id {
	uint8_t bytes[16];
};

int host_boot_id(struct host_boot_id *id);
/* The clock that /proc/uptime and the start times of processes count by. */
uint64_t host_uptime_us(void);

#endif
