// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * predump: runs freeze | vmalist | memread | imgwrite, once or in rounds, and
 * says what came of it; predump(1).
 */
#include "base/die.h"
#include "base/io.h"
#include "base/ring.h"
#include "predump/guard.h"
#include "predump/host.h"
#include "predump/live.h"
#include "predump/place.h"
#include "predump/script.h"
#include "predump/summary.h"
#include "predump/tracker.h"
#include "predump/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct predump {
	struct options options;
	struct plan plan;
	struct host host;
	struct tracker tracker;
	struct pace pace;
	struct live live;
	struct summary summary;
	struct buf stopped_before; /* pids */
	bool released;             /* by freeze, which has done all it was to */
	bool last_is_whole;        /* the copy that failed */
	int out;
	int totals[2]; /* a pipe: what memread says comes out of [0] */
};

/* libpipeline takes 0, 1 and 2 for what they usually are. */
static void open_standard(const struct options *options)
{
	if (fcntl(STDOUT_FILENO, F_GETFD) < 0 && options->output &&
	    !strcmp(options->output, "-"))
		die(EXIT_USAGE, "standard output is closed");
	if (options->output && !strcmp(options->output, "-") &&
	    !options->dry_run && isatty(STDOUT_FILENO))
		die(EXIT_USAGE, "a page stream is not for a terminal; pipe it "
				"on, or into framedump");
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			die_errno(EXIT_SYSTEM, "cannot open /dev/null");
	signal(SIGPIPE, SIG_IGN);
}

/* One pipe for all copies; that a line is there is known without an end. */
static void open_totals(struct predump *self)
{
	if (pipe2(self->totals, O_CLOEXEC) < 0 ||
	    fcntl(self->totals[0], F_SETFL, O_NONBLOCK) < 0)
		die_errno(EXIT_SYSTEM, "cannot make a pipe");
}

static void prepare(struct predump *self)
{
	self->out = place_open(&self->plan);
	self->summary = (struct summary){
		.plan = &self->plan,
		.copies = calloc(options_copies(&self->options),
				 sizeof(struct summary_copy)),
	};
	if (!self->summary.copies)
		die(EXIT_SYSTEM, "no memory");
	if (self->options.automatic)
		self->summary.pace = &self->pace;
	host_begin(&self->host, &self->plan);
	tracker_begin(&self->tracker, &self->plan);
	pace_begin(&self->pace, &self->options);
}

static void read_totals(struct predump *self)
{
	struct totals *totals = &self->summary.copies[self->summary.nr].totals;
	char line[2048] = "";

	if (read(self->totals[0], line, sizeof(line) - 1) <= 0 ||
	    totals_parse(totals, line) < 0)
		die(EXIT_SYSTEM, "memread has not told its totals: is it of "
				 "another version?");
	self->plan.generation = totals->generation;
	self->summary.nr++;
}

/*
 * What the last round has stopped for a copy that does not exist.  Some may not
 * have noticed yet that they are to stop.
 */
static void undo_stop(struct predump *self, const struct copy_plan *copy)
{
	if (copy->consistent && self->options.leave_stopped && self->released)
		tree_continue((pid_t)self->options.pid, &self->stopped_before);
}

/* The directories that stay.  imgwrite may have ended well before another was
 * killed. */
static const char *whole_text(const struct predump *self)
{
	const struct summary_copy *copies = self->summary.copies;
	unsigned int nr = self->summary.nr + self->last_is_whole;

	if (!nr || !copies[0].plan.directory)
		return "";
	if (nr == 1)
		return text("; %s is whole", copies[0].plan.directory);
	return text("; %s to %s are whole", copies[0].plan.directory,
		    copies[nr - 1].plan.directory);
}

static void complain_of(const struct predump *self,
			const struct copy_plan *copy)
{
	const char *where =
		copy->directory ? copy->directory : self->options.output;

	complain("%s: %s%s", where, blame_text(&self->summary.blame),
		 whole_text(self));
}

/* All that may take its time is there before the target is stopped. */
static void run_copy_to_host(struct predump *self, const struct copy_plan *copy)
{
	struct blame *blame = &self->summary.blame;
	static struct receiver receiver; /* whom blame may point to */
	struct run run;

	*blame = (struct blame){.code = EXIT_DONE};
	self->last_is_whole = false;
	if (!receiver_begin(&receiver, &self->plan, copy)) {
		receiver_blame(&receiver, blame);
		return;
	}
	run_start(&run, copy->commands, copy->nr, RUN_FROM_STDIN,
		  receiver.shell.in);
	run_wait(&run);
	self->released = run.statuses[0] == 0;
	receiver_end(&receiver);
	*blame = run_blame(&run);
	receiver_blame(&receiver, blame);
	self->last_is_whole = receiver_is_whole(&receiver);
}

static void run_copy(struct predump *self, const struct copy_plan *copy)
{
	int out = self->out;
	struct run run;

	if (out != RUN_TO_STDOUT)
		out = fcntl(self->out, F_DUPFD_CLOEXEC, 3);
	if (out < 0)
		die_errno(EXIT_SYSTEM, "no descriptor");
	run_start(&run, copy->commands, copy->nr, RUN_FROM_STDIN, out);
	run_wait(&run);
	self->released = run.statuses[0] == 0;
	self->summary.blame = run_blame(&run);
	self->last_is_whole = run_has_ended_well(&run);
}

static void end_helpers(struct predump *self)
{
	tracker_end(&self->tracker);
	host_end(&self->host);
}

/* Each copy has its own: what is left in one is no business of the next.
 * Without one the pages go by the pipe. */
static void open_ring(struct plan *plan, bool consistent)
{
	if (plan_shares(plan, consistent) && ring_create(plan->ring) < 0)
		plan->ring[0] = -1;
}

static void close_ring(struct plan *plan)
{
	if (plan->ring[0] < 0)
		return;
	close(plan->ring[0]);
	close(plan->ring[1]);
	plan->ring[0] = -1;
}

/* False: it failed, and somebody is to blame. */
static bool make_copy(struct predump *self, bool consistent)
{
	struct copy_plan *copy = &self->summary.copies[self->summary.nr].plan;

	open_ring(&self->plan, consistent);
	*copy = plan_copy(&self->plan, self->summary.nr, consistent);
	self->released = false;
	if (copy->consistent)
		tree_stopped((pid_t)self->options.pid, &self->stopped_before);
	if (!guard_caught())
		(copy->nr_remote ? run_copy_to_host : run_copy)(self, copy);
	close_ring(&self->plan);
	if (guard_caught()) {
		live_end(&self->live);
		undo_stop(self, copy);
		end_helpers(self);
		guard_die();
	}
	if (!self->summary.blame.command) {
		read_totals(self);
		return true;
	}
	live_end(&self->live);
	undo_stop(self, copy);
	complain_of(self, copy);
	return false;
}

static bool make_copies(struct predump *self)
{
	live_first(&self->live);
	while (self->pace.end == PACE_GOES_ON) {
		const struct totals *totals =
			&self->summary.copies[self->summary.nr].totals;

		if (!make_copy(self, false))
			return false;
		pace_note(&self->pace, totals);
		live_round(&self->live, self->pace.rounds, totals);
	}
	live_end(&self->live);
	return !self->options.final || make_copy(self, true);
}

static void undo(void)
{
	place_undo();
	host_undo();
}

int main(int argc, char **argv)
{
	static struct predump self = {.totals = {-1, -1}};
	bool made;

	self.options = options_parse(argc, argv);
	open_standard(&self.options);
	if (!self.options.dry_run)
		open_totals(&self);
	self.plan = plan_make(&self.options, self.totals[1]);
	if (self.options.dry_run) {
		script_print(&self.plan);
		return EXIT_DONE;
	}
	live_begin(&self.live, &self.options);
	self.plan.draws = self.live.on && self.live.redraws;
	guard_begin(undo);
	prepare(&self);
	made = make_copies(&self);
	end_helpers(&self);
	if (made)
		self.summary.file_bytes = place_commit();
	summary_print(&self.summary);
	return self.summary.blame.code;
}
