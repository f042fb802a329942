// SPDX-License-Identifier: GPL-3.0-or-later
#include "predump/totals.h"

#include <errno.h>
#include <json-c/json.h>
#include <stddef.h>
#include <stdio.h>

#define NUMBER(name)                                                           \
	{                                                                      \
#name, offsetof(struct totals, name)                           \
	}

struct number {
	const char *name;
	size_t offset;
};

static const struct number numbers[] = {
	NUMBER(page_size),  NUMBER(tasks),   NUMBER(gone),
	NUMBER(async_io),   NUMBER(sent),    NUMBER(base_generation),
	NUMBER(stopped_ns), NUMBER(read_ns), NUMBER(unchanged),
	NUMBER(zero),       NUMBER(lazy),    NUMBER(bytes),
	NUMBER(generation),
};

static const struct number reasons[] = {
	NUMBER(unmapped),
	NUMBER(unreadable),
	{"gone", offsetof(struct totals, vanished)},
};

static uint64_t *place_of(struct totals *totals, const struct number *number)
{
	return (uint64_t *)((char *)totals + number->offset);
}

static bool take(struct totals *totals, const struct number *number, size_t nr,
		 json_object *object)
{
	json_object *value;

	for (size_t i = 0; i < nr; i++) {
		if (!json_object_object_get_ex(object, number[i].name,
					       &value) ||
		    !json_object_is_type(value, json_type_int))
			return false;
		*place_of(totals, &number[i]) = json_object_get_uint64(value);
	}
	return true;
}

static bool take_all(struct totals *totals, json_object *object)
{
	json_object *skipped;
	json_object *tracking;

	if (!json_object_object_get_ex(object, "skipped", &skipped) ||
	    !json_object_object_get_ex(object, "tracking", &tracking))
		return false;
	snprintf(totals->tracking, sizeof(totals->tracking), "%s",
		 json_object_get_string(tracking));
	return take(totals, numbers, sizeof(numbers) / sizeof(*numbers),
		    object) &&
	       take(totals, reasons, sizeof(reasons) / sizeof(*reasons),
		    skipped);
}

int totals_parse(struct totals *totals, const char *line)
{
	json_object *object = json_tokener_parse(line);
	bool right = object && take_all(totals, object);

	json_object_put(object);
	if (right)
		return 0;
	errno = EPROTO;
	return -1;
}

void totals_add(struct totals *sum, const struct totals *totals)
{
	sum->stopped_ns += totals->stopped_ns;
	sum->read_ns += totals->read_ns;
	sum->sent += totals->sent;
	sum->unchanged += totals->unchanged;
	sum->zero += totals->zero;
	sum->lazy += totals->lazy;
	sum->unmapped += totals->unmapped;
	sum->unreadable += totals->unreadable;
	sum->vanished += totals->vanished;
	sum->bytes += totals->bytes;
}

uint64_t totals_skipped(const struct totals *totals)
{
	return totals->unmapped + totals->unreadable + totals->vanished;
}

uint64_t totals_dirty(const struct totals *totals)
{
	return totals->sent + totals->zero + totals_skipped(totals);
}

double totals_rate(const struct totals *totals)
{
	return (double)totals->bytes * 1e9 / (double)(totals->read_ns + 1);
}
