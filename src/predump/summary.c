// SPDX-License-Identifier: GPL-3.0-or-later
#include "predump/summary.h"

#include "base/die.h"
#include "base/num.h"
#include "predump/script.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static FILE *out_of(const struct options *options)
{
	return options->output && !strcmp(options->output, "-") ? stderr
								: stdout;
}

static double rate(const struct totals *totals) /* bytes a second */
{
	return (double)totals->bytes * 1e9 / (double)(totals->read_ns + 1);
}

static struct totals sum_of(const struct summary *summary)
{
	struct totals sum = {0};

	for (unsigned int i = 0; i < summary->nr; i++)
		totals_add(&sum, &summary->copies[i].totals);
	return sum;
}

/* "8 skipped (6 unmapped, 2 gone)" */
static const char *skipped_text(const struct totals *totals)
{
	const struct {
		uint64_t pages;
		const char *why;
	} reasons[] = {
		{totals->unmapped, "unmapped"},
		{totals->unreadable, "unreadable"},
		{totals->vanished, "gone"},
	};
	const char *line = text("%" PRIu64 " skipped", totals_skipped(totals));
	const char *between = " (";

	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
		if (!reasons[i].pages)
			continue;
		line = text("%s%s%" PRIu64 " %s", line, between,
			    reasons[i].pages, reasons[i].why);
		between = ", ";
	}
	return totals_skipped(totals) ? text("%s)", line) : line;
}

static const char *totals_text(const struct totals *totals)
{
	return text("stopped for %s; %" PRIu64
		    " pages sent (%s, %.0f MB/s), %" PRIu64
		    " unchanged, %" PRIu64 " zero, %s",
		    num_time(totals->stopped_ns).text, totals->sent,
		    num_bytes(totals->bytes).text, rate(totals) / 1e6,
		    totals->unchanged, totals->zero, skipped_text(totals));
}

/* The directory behind the last one; NULL when criu cannot build on that. */
static const char *command_of_criu(const struct summary *summary)
{
	const struct options *options = summary->plan->options;
	char *last;
	const char *next;

	if (!summary->nr || !options->dir || summary->blame.command ||
	    strcmp(summary->copies[summary->nr - 1].totals.tracking,
		   "soft-dirty"))
		return NULL;
	last = realpath(summary->copies[summary->nr - 1].plan.directory, NULL);
	if (!last)
		return NULL;
	next = options->rounds
		       ? text("%.*s%u", (int)(strrchr(last, '/') + 1 - last),
			      last, summary->nr + 1)
		       : text("%s-dump", last);
	next = script_quote(next);
	return text("mkdir -m 700 %s && criu dump -t %" PRIu32
		    " -D %s --prev-images-dir %s --track-mem",
		    next, options->pid, next,
		    script_quote(text("../%s", strrchr(last, '/') + 1)));
}

static const char *name_of(const struct summary *summary, unsigned int copy)
{
	const char *dir = summary->copies[copy].plan.directory;

	if (dir)
		return dir;
	return strcmp(summary->plan->options->output, "-")
		       ? summary->plan->options->output
		       : "stream";
}

static void print_end(const struct summary *summary, FILE *out)
{
	const struct options *options = summary->plan->options;
	const char *command = command_of_criu(summary);

	if (summary->file_bytes)
		fprintf(out, "%s: %s\n", options->output,
			num_bytes(summary->file_bytes).text);
	if (options->leave_stopped)
		fprintf(out,
			"the target is stopped: kill -CONT %" PRIu32
			" lets it run (and so for each descendant)\n",
			options->pid);
	if (command)
		fprintf(out, "to go on: %s\n", command);
	else if (options->dir)
		fprintf(out, "criu dump cannot go on from here, as the writes "
			     "since are not tracked: --track-mem has them "
			     "tracked\n");
}

/* vmalist has said why. */
static bool is_unlinked(const struct summary *summary, unsigned int copy)
{
	return summary->plan->tracked && copy > 0 &&
	       !summary->copies[copy].totals.base_generation;
}

static void print_text(const struct summary *summary, FILE *out)
{
	struct totals sum = sum_of(summary);

	for (unsigned int i = 0; i < summary->nr; i++)
		fprintf(out, "%s: %s%s%s\n", name_of(summary, i),
			summary->copies[i].plan.consistent ? "consistent; "
							   : "",
			is_unlinked(summary, i) ? "whole after all; " : "",
			totals_text(&summary->copies[i].totals));
	if (summary->nr > 1)
		fprintf(out, "in all: %s\n", totals_text(&sum));
	if (!summary->blame.command)
		print_end(summary, out);
}

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
	put(object, "bytes_per_second", (uint64_t)rate(totals));
	return object;
}

static json_object *json_copy(const struct summary *summary, unsigned int copy)
{
	const struct totals *totals = &summary->copies[copy].totals;
	json_object *object = json_totals(totals);

	json_object_object_add(
		object, summary->plan->options->dir ? "directory" : "output",
		json_text(name_of(summary, copy)));
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
	put(object, "code", (uint64_t)blame->code);
	put(object, "signal",
	    WIFSIGNALED(blame->status) ? (uint64_t)WTERMSIG(blame->status) : 0);
	return object;
}

static void print_json(const struct summary *summary, FILE *out)
{
	json_object *object = json_object_new_object();
	json_object *copies = json_object_new_array();
	const char *command = command_of_criu(summary);
	struct totals sum = sum_of(summary);

	for (unsigned int i = 0; i < summary->nr; i++)
		json_object_array_add(copies, json_copy(summary, i));
	put(object, "pid", summary->plan->options->pid);
	json_object_object_add(object, "copies", copies);
	json_object_object_add(object, "in_all", json_totals(&sum));
	if (summary->plan->options->output)
		put(object, "file_bytes", summary->file_bytes);
	json_object_object_add(object, "continue",
			       command ? json_text(command) : NULL);
	json_object_object_add(object, "failed", json_blame(&summary->blame));
	fprintf(out, "%s\n",
		json_object_to_json_string_ext(
			object, JSON_C_TO_STRING_PLAIN |
					JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
}

void summary_print(const struct summary *summary)
{
	const struct options *options = summary->plan->options;
	FILE *out = out_of(options);

	if (options->json)
		print_json(summary, out);
	else if (!options->quiet)
		print_text(summary, out);
	if (fflush(out) == 0 && !ferror(out))
		return;
	die_errno(errno == EPIPE ? EXIT_READER : EXIT_SYSTEM,
		  "cannot write the summary; the copies are made");
}
