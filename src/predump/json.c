// SPDX-License-Identifier: GPL-3.0-or-later
#include "predump/json.h"

#include <json-c/json.h>
#include <string.h>
#include <sys/wait.h>

/* Bytes of the character that text begins with; 0: that is no UTF-8. */
static size_t character(const char *bytes)
{
	unsigned char lead = (unsigned char)*bytes;
	size_t length = lead < 0x80   ? 1
			: lead < 0xc0 ? 0
			: lead < 0xe0 ? 2
			: lead < 0xf0 ? 3
			: lead < 0xf8 ? 4
				      : 0;

	for (size_t i = 1; i < length; i++)
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
	return length;
}

/* A path may hold any bytes, JSON only UTF-8: others become U+FFFD. */
static json_object *json_text(const char *bytes)
{
	char *clean = text("%*s", (int)strlen(bytes) * 3, "");
	char *to = clean;

	while (*bytes) {
		size_t length = character(bytes);

		to = length ? mempcpy(to, bytes, length)
			    : stpcpy(to, "\357\277\275");
		bytes += length ? length : 1;
	}
	return json_object_new_string_len(clean, (int)(to - clean));
}

static void put(json_object *object, const char *name, uint64_t value)
{
	json_object_object_add(object, name, json_object_new_uint64(value));
}

static json_object *json_totals(const struct totals *totals)
{
	json_object *object = json_object_new_object();
	json_object *skipped = json_object_new_object();

	put(object, "stopped_ns", totals->stopped_ns);
	put(object, "read_ns", totals->read_ns);
	put(object, "sent", totals->sent);
	put(object, "unchanged", totals->unchanged);
	put(object, "zero", totals->zero);
	put(object, "lazy", totals->lazy);
	put(skipped, "unmapped", totals->unmapped);
	put(skipped, "unreadable", totals->unreadable);
	put(skipped, "gone", totals->vanished);
	json_object_object_add(object, "skipped", skipped);
	put(object, "bytes", totals->bytes);
	put(object, "bytes_per_second", (uint64_t)totals_rate(totals));
	return object;
}

static void add_pace(json_object *object, const struct summary_copy *copy,
		     unsigned int round)
{
	put(object, "round", round);
	put(object, "dirty", totals_dirty(&copy->totals));
	if (!copy->plan.consistent)
		put(object, "estimated_downtime_ns",
		    pace_estimate(&copy->totals));
}

/* Why there are no more rounds, and what that has led to; null: not that far */
static json_object *json_pace(const struct summary *summary)
{
	const struct pace *pace = summary->pace;
	const uint64_t *downtime = summary_downtime(summary);
	json_object *object;

	if (pace->end == PACE_GOES_ON)
		return NULL;
	object = json_object_new_object();
	json_object_object_add(object, "reason",
			       json_object_new_string(pace_name(pace->end)));
	put(object, "rounds", pace->rounds);
	put(object, "estimated_downtime_ns", pace->estimated_ns);
	json_object_object_add(object, "downtime_ns",
			       downtime ? json_object_new_uint64(*downtime)
					: NULL);
	return object;
}

static json_object *json_copy(const struct summary *summary, unsigned int copy)
{
	const struct totals *totals = &summary->copies[copy].totals;
	json_object *object = json_totals(totals);

	json_object_object_add(
		object, summary->plan->options->dir ? "directory" : "output",
		json_text(summary_name(summary, copy)));
	json_object_object_add(
		object, "consistent",
		json_object_new_boolean(summary->copies[copy].plan.consistent));
	json_object_object_add(object, "tracking",
			       json_object_new_string(totals->tracking));
	json_object_object_add(
		object, "whole",
		json_object_new_boolean(totals->base_generation == 0));
	put(object, "page_size", totals->page_size);
	put(object, "tasks", totals->tasks);
	put(object, "gone", totals->gone);
	put(object, "async_io", totals->async_io);
	if (summary->pace)
		add_pace(object, &summary->copies[copy], copy + 1);
	return object;
}

static json_object *json_blame(const struct blame *blame)
{
	json_object *object;

	if (!blame->command)
		return NULL;
	object = json_object_new_object();
	json_object_object_add(object, "stage",
			       json_object_new_string(blame->command->argv[0]));
	if (blame->command->host)
		json_object_object_add(object, "host",
				       json_text(blame->command->host));
	put(object, "code", (uint64_t)blame->code);
	put(object, "signal",
	    WIFSIGNALED(blame->status) ? (uint64_t)WTERMSIG(blame->status) : 0);
	return object;
}

void json_print(const struct summary *summary, FILE *out)
{
	json_object *object = json_object_new_object();
	json_object *copies = json_object_new_array();
	const char *command = summary_continue(summary);
	struct totals sum = summary_sum(summary);

	for (unsigned int i = 0; i < summary->nr; i++)
		json_object_array_add(copies, json_copy(summary, i));
	put(object, "pid", summary->plan->options->pid);
	json_object_object_add(object, "copies", copies);
	json_object_object_add(object, "in_all", json_totals(&sum));
	if (summary->plan->options->output)
		put(object, "file_bytes", summary->file_bytes);
	if (summary->pace)
		json_object_object_add(object, "ended", json_pace(summary));
	json_object_object_add(object, "continue",
			       command ? json_text(command) : NULL);
	json_object_object_add(object, "failed", json_blame(&summary->blame));
	fprintf(out, "%s\n",
		json_object_to_json_string_ext(
			object, JSON_C_TO_STRING_PLAIN |
					JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
}
