// SPDX-License-Identifier: GPL-3.0-or-later
/* What identifies this machine and its time.  -1 with errno. */
#ifndef PROC_HOST_H
#define PROC_HOST_H

#include <stdint.h>

struct host_boot_id {
	uint8_t bytes[16];
};

int host_boot_id(struct host_boot_id *id);
/* /proc/uptime, as CRIU reads it: microseconds, counted in hundredths. */
int host_uptime(uint64_t *us);

#endif
