// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * thaw: lets the target run as soon as its mappings are listed; thaw(1).
 */
#include "base/num.h"
#include "stage/options.h"
#include "stage/releaser.h"

static const struct tool tool = {
	"Usage: thaw [OPTION]...\n"
	"\n"
	"Lets the target run where it stands in the pipeline, and passes the "
	"stream on:\n"
	"    freeze PID | vmalist | thaw | memread | imgwrite DIR\n"
	"\n" COMMON_HELP "\n"
	"Exit status: 0 done; 1 the target was not stopped all the time; 2 bad "
	"or\n"
	"incomplete input; 3 the reader went away; 100 called wrongly; 111 the "
	"system\n"
	"refused.\n"};

static void parse_options(int argc, char **argv)
{
	static const struct option table[] = {
		COMMON_OPTIONS,
		{0},
	};
	int option;

	while ((option = getopt_long(argc, argv, COMMON_SHORT, table, NULL)) >=
	       0)
		option_common(&tool, option);
	if (optind < argc)
		option_misused(&tool, "thaw takes no arguments");
}

static void greet(struct stage *stage, struct releaser *releaser)
{
	const Pagestream__Hello *hello = stage->in.hello;

	releaser_need_live(hello, "thaw");
	if (hello->mode == PAGESTREAM__MODE__CONSISTENT)
		die(EXIT_USAGE, "in a consistent copy memread releases the "
				"target, after its last read: leave thaw out");
	if (hello->leased)
		die(EXIT_USAGE, "another stage to the left releases already");
	releaser_greet(releaser, stage);
}

static void release(struct stage *stage, struct releaser *releaser)
{
	Pagestream__Release *release = (Pagestream__Release *)stage->in.message;

	releaser_thaw(releaser, stage, release);
	detail("stopped for %s", num_time(releaser->stopped_ns).text);
}

/* What END said of tasks goes on in ours. */
static void finish(struct stage *stage, const struct releaser *releaser)
{
	const Pagestream__End *before = stage->in.end;
	Pagestream__End end = PAGESTREAM__END__INIT;

	if (releaser->lease >= 0)
		stage_misplaced("no vmalist to the left of thaw");
	end.outcome = before->outcome;
	end.n_gone = before->n_gone;
	end.gone = before->gone;
	end.n_async_io = before->n_async_io;
	end.async_io = before->async_io;
	stage_end(stage, &end);
}

int main(int argc, char **argv)
{
	struct releaser releaser = {.lease = -1};
	static struct stage stage;
	struct frame frame;

	parse_options(argc, argv);
	stage_begin(&stage, PAGESTREAM__STAGE__THAW,
		    STAGE_READS | STAGE_WRITES);
	while (stage_next(&stage, &frame)) {
		if (frame.kind == KIND_HELLO)
			greet(&stage, &releaser);
		else if (frame.kind == KIND_RELEASE)
			release(&stage, &releaser);
		else if (frame.kind == KIND_THAWED || frame.kind == KIND_PAGES)
			stage_misplaced("the target was released before thaw");
		else
			stage_pass(&stage, &frame);
	}
	finish(&stage, &releaser);
	if (stage.in.end->outcome == PAGESTREAM__OUTCOME__WHOLE)
		return EXIT_DONE;
	complain("the target ended, or called exec");
	return EXIT_TARGET;
}
