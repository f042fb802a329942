// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Numbers as people write and read them.  Parsers take the whole text or
 * fail with -1 and EINVAL (ERANGE when it does not fit).
 */
#ifndef BASE_NUM_H
#define BASE_NUM_H

#include <stdint.h>

int num_parse(const char *text, uint64_t *value);
/* "250ms", "2s", "1.5s", "3min"; a bare number is seconds.  Nanoseconds. */
int num_parse_time(const char *text, uint64_t *ns);
/* "256M", "1.5G", "64KiB"; a bare number is bytes.  Powers of 1024. */
int num_parse_size(const char *text, uint64_t *bytes);

struct num_text {
	char text[24];
};

/* "1.5 GiB", "340 us", in the unit that leaves at least one digit. */
struct num_text num_bytes(uint64_t bytes);
struct num_text num_time(uint64_t ns);

#endif
