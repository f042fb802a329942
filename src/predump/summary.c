// SPDX-License-Identifier: GPL-3.0-or-later
#include "predump/summary.h"

#include "base/die.h"
#include "base/num.h"
#include "base/own.h"
#include "predump/json.h"
#include "predump/script.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static FILE *out_of(const struct options *options)
{
	return options->output && !strcmp(options->output, "-") ? stderr
								: stdout;
}

struct totals summary_sum(const struct summary *summary)
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
		    num_bytes(totals->bytes).text, totals_rate(totals) / 1e6,
		    totals->unchanged, totals->zero, skipped_text(totals));
}

const char *summary_continue(const struct summary *summary)
{
	const struct options *options = summary->plan->options;
	own_free char *last = NULL;
	const char *next;

	if (!summary->nr || !options->dir || options->host ||
	    summary->blame.command ||
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

const char *summary_name(const struct summary *summary, unsigned int copy)
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
	const char *command = summary_continue(summary);

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
	else if (options->dir && !options->host)
		fprintf(out, "criu dump cannot go on from here: that "
			     "needs --track-mem\n");
}

/* vmalist has said why. */
static bool is_unlinked(const struct summary *summary, unsigned int copy)
{
	return summary->plan->tracked && copy > 0 &&
	       !summary->copies[copy].totals.base_generation;
}

const uint64_t *summary_downtime(const struct summary *summary)
{
	const struct summary_copy *last;

	if (!summary->nr)
		return NULL;
	last = &summary->copies[summary->nr - 1];
	return last->plan.consistent ? &last->totals.stopped_ns : NULL;
}

static void print_pace(const struct summary *summary, FILE *out)
{
	const struct pace *pace = summary->pace;
	const uint64_t *downtime = summary_downtime(summary);

	if (!pace || pace->end == PACE_GOES_ON)
		return;
	fprintf(out, "ended after %u round%s: %s; downtime estimated at %s",
		pace->rounds, pace->rounds == 1 ? "" : "s", pace_reason(pace),
		num_time(pace->estimated_ns).text);
	if (downtime)
		fprintf(out, ", measured %s", num_time(*downtime).text);
	fprintf(out, "\n");
}

static void print_text(const struct summary *summary, FILE *out)
{
	struct totals sum = summary_sum(summary);

	for (unsigned int i = 0; i < summary->nr; i++)
		fprintf(out, "%s: %s%s%s\n", summary_name(summary, i),
			summary->copies[i].plan.consistent ? "consistent; "
							   : "",
			is_unlinked(summary, i) ? "whole after all; " : "",
			totals_text(&summary->copies[i].totals));
	if (summary->nr > 1)
		fprintf(out, "in all: %s\n", totals_text(&sum));
	print_pace(summary, out);
	if (!summary->blame.command)
		print_end(summary, out);
}

void summary_print(const struct summary *summary)
{
	const struct options *options = summary->plan->options;
	FILE *out = out_of(options);

	if (options->json)
		json_print(summary, out);
	else if (!options->quiet)
		print_text(summary, out);
	if (fflush(out) == 0 && !ferror(out))
		return;
	die_errno(errno == EPIPE ? EXIT_READER : EXIT_SYSTEM,
		  "cannot write the summary; the copies are made");
}
