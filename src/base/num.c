// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/num.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int invalid(void)
{
	errno = EINVAL;
	return -1;
}

int num_parse(const char *text, uint64_t *value)
{
	char *end;

	if (!isdigit((unsigned char)*text)) /* strtoull takes "-1" and " 1" */
		return invalid();
	errno = 0;
	*value = strtoull(text, &end, 10);
	if (errno)
		return -1;
	return *end ? invalid() : 0;
}

struct unit {
	const char *name;
	double size;
};

static int parse_unit(const char *text, const struct unit *units,
		      uint64_t *value)
{
	double number;
	char *end;

	if (!isdigit((unsigned char)*text))
		return invalid();
	errno = 0;
	number = strtod(text, &end);
	if (errno)
		return -1;
	while (units->name && strcmp(end, units->name))
		units++;
	if (!units->name)
		return invalid();
	if (number * units->size > 1e18) {
		errno = ERANGE;
		return -1;
	}
	*value = (uint64_t)(number * units->size);
	return 0;
}

int num_parse_time(const char *text, uint64_t *ns)
{
	static const struct unit units[] = {
		{"", 1e9},   {"ns", 1},    {"us", 1e3},
		{"ms", 1e6}, {"s", 1e9},   {"min", 6e10},
		{"m", 6e10}, {"h", 36e11}, {0},
	};

	return parse_unit(text, units, ns);
}

int num_parse_size(const char *text, uint64_t *bytes)
{
	static const struct unit units[] = {
		{"", 1},          {"K", 1 << 10},
		{"KiB", 1 << 10}, {"M", 1 << 20},
		{"MiB", 1 << 20}, {"G", 1 << 30},
		{"GiB", 1 << 30}, {0},
	};

	return parse_unit(text, units, bytes);
}

struct num_text num_bytes(uint64_t bytes)
{
	static const char *const units[] = {"KiB", "MiB", "GiB",
					    "TiB", "PiB", "EiB"};
	double value = (double)bytes / 1024;
	struct num_text out;
	int unit = 0;

	if (bytes < 1024) {
		snprintf(out.text, sizeof(out.text), "%d bytes", (int)bytes);
		return out;
	}
	for (; value >= 1024; unit++)
		value /= 1024;
	snprintf(out.text, sizeof(out.text), "%.1f %s", value, units[unit]);
	return out;
}

struct num_text num_time(uint64_t ns)
{
	struct num_text out;

	if (ns < 10000000)
		snprintf(out.text, sizeof(out.text), "%.0f us",
			 (double)ns / 1e3);
	else if (ns < 10000000000)
		snprintf(out.text, sizeof(out.text), "%.0f ms",
			 (double)ns / 1e6);
	else
		snprintf(out.text, sizeof(out.text), "%.1f s",
			 (double)ns / 1e9);
	return out;
}
