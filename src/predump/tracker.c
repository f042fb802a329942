// SPDX-License-Identifier: GPL-3.0-or-later
#include "predump/tracker.h"

#include "base/die.h"
#include "predump/guard.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static bool runs_already(const struct plan *plan)
{
	struct run run;
	struct blame blame;
	int out = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (out < 0)
		die_errno(EXIT_SYSTEM, "cannot open /dev/null");
	run_start(&run, &plan->track_status, 1, RUN_FROM_STDIN, out);
	run_wait(&run);
	if (guard_caught())
		guard_die();
	blame = run_blame(&run);
	if (blame.code > EXIT_TARGET)
		die(blame.code, "%s", blame_text(&blame));
	return blame.code == EXIT_DONE;
}

static _Noreturn void die_not_tracking(struct tracker *tracker, bool automatic)
{
	struct blame blame;

	run_wait(&tracker->run);
	if (guard_caught())
		guard_die();
	blame = run_blame(&tracker->run);
	if (!blame.command)
		die(EXIT_SYSTEM, "memtrack ended before it was ready");
	die(blame.code, "%s: no rounds that build on one another; %s",
	    blame_text(&blame),
	    automatic ? "--rounds auto needs them"
		      : "with --track none each is a whole copy");
}

void tracker_begin(struct tracker *tracker, const struct plan *plan)
{
	if (!plan->tracked || runs_already(plan))
		return;
	if (plan->options->previous)
		die(EXIT_USAGE,
		    "no memtrack runs for pid %u, so nobody knows what has "
		    "changed since %s: start one before the first copy",
		    plan->options->pid, plan->options->previous);
	run_start(&tracker->run, &plan->track, 1, RUN_FROM_STDIN, RUN_TO_US);
	if (!run_line(&tracker->run))
		die_not_tracking(tracker, plan->options->automatic);
	tracker->ours = true;
}

void tracker_end(struct tracker *tracker)
{
	if (!tracker->ours)
		return;
	run_signal(&tracker->run, SIGTERM);
	run_wait(&tracker->run);
	tracker->ours = false;
}
