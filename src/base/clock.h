// SPDX-License-Identifier: GPL-3.0-or-later
/* Nanoseconds of CLOCK_MONOTONIC: for differences and time limits. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define MS_NS ((uint64_t)1000000)
#define S_NS  ((uint64_t)1000000000)

static inline uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * S_NS + (uint64_t)now.tv_nsec;
}

#endif
