// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Is memory all zeros?  What is not mostly shows it in its first word.
 */
#ifndef BASE_ZERO_H
#define BASE_ZERO_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* size: bytes, at least 8. */
static inline bool is_zero(const char *data, size_t size)
{
	uint64_t first;

	memcpy(&first, data, sizeof(first));
	return !first &&
	       !memcmp(data, data + sizeof(first), size - sizeof(first));
}

#endif
