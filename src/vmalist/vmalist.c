// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * vmalist: lists the mappings that freeze has read of the stopped tasks, has
 * them released, and then finds the pages that are worth reading; vmalist(1).
 */
#include "vmalist/listing.h"

#include "base/num.h"
#include "stage/options.h"
#include "stage/releaser.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const struct tool tool = {
	"Usage: vmalist [OPTION]...\n"
	"\n"
	"Lists the mappings of stopped processes and the pages worth reading:\n"
	"    freeze PID | vmalist | memread | imgwrite DIR\n"
	"    freeze PID | vmalist | thaw | framedump -s     an estimate\n"
	"\n"
	"      --scan METHOD       auto, scan (PAGEMAP_SCAN, Linux 6.7) or "
	"pagemap\n"
	"      --track METHOD      auto or none: every round is full\n"
	"      --allow-async-io    a consistent copy even of a target with "
	"asynchronous\n"
	"                          I/O, which may change while it is stopped\n" COMMON_HELP
	"\n"
	"Exit status: 0 done; 1 the target is gone, or has asynchronous I/O; 2 "
	"bad or\n"
	"incomplete input; 3 the reader went away; 100 called wrongly; 111 the "
	"system\n"
	"refused.\n"};

enum { OPTION_SCAN = OPTION_OWN, OPTION_TRACK, OPTION_ALLOW_ASYNC_IO };

struct options {
	enum pagescan_method scan;
	bool allow_async_io;
};

static enum pagescan_method parse_scan(void)
{
	if (!strcmp(optarg, "auto"))
		return PAGESCAN_AUTO;
	if (!strcmp(optarg, "scan"))
		return PAGESCAN_IOCTL;
	if (!strcmp(optarg, "pagemap"))
		return PAGESCAN_PAGEMAP;
	option_misused(&tool, "--scan takes auto, scan or pagemap");
}

static void need_track_none(void)
{
	if (!strcmp(optarg, "uffd") || !strcmp(optarg, "soft-dirty"))
		option_misused(&tool, "this version does not track writes: "
				      "--track takes auto or none");
	if (strcmp(optarg, "none") && strcmp(optarg, "auto"))
		option_misused(&tool, "--track takes auto or none");
}

static struct options parse_options(int argc, char **argv)
{
	static const struct option table[] = {
		{"scan", required_argument, NULL, OPTION_SCAN},
		{"track", required_argument, NULL, OPTION_TRACK},
		{"allow-async-io", no_argument, NULL, OPTION_ALLOW_ASYNC_IO},
		COMMON_OPTIONS,
		{0},
	};
	struct options options = {.scan = PAGESCAN_AUTO};
	int option;

	while ((option = getopt_long(argc, argv, COMMON_SHORT, table, NULL)) >=
	       0) {
		if (option == OPTION_SCAN)
			options.scan = parse_scan();
		else if (option == OPTION_TRACK)
			need_track_none();
		else if (option == OPTION_ALLOW_ASYNC_IO)
			options.allow_async_io = true;
		else
			option_common(&tool, option);
	}
	if (optind < argc)
		option_misused(&tool, "vmalist takes no arguments");
	return options;
}

static void greet(struct stage *stage, struct listing *listing)
{
	const Pagestream__Hello *hello = stage->in.hello;

	releaser_need_live(hello, "vmalist");
	if (hello->leased)
		stage_misplaced("the releaser stands before vmalist");
	listing_prepare(listing, hello);
	stage_control(stage, KIND_HELLO, 0, &hello->base);
}

static void read_tasks(struct stage *stage, struct listing *listing,
		       enum pagescan_method method)
{
	struct frame frame;

	while (stage_next(stage, &frame)) {
		if (frame.kind == KIND_HELLO) {
			greet(stage, listing);
		} else if (frame.kind == KIND_TASK) {
			listing_add(listing,
				    (Pagestream__Task *)stage->in.message,
				    method);
			stage_pass(stage, &frame);
		} else if (frame.kind == KIND_MAPS) {
			listing_add_maps(listing, frame.subject,
					 (Pagestream__Maps *)stage->in.message);
		} else if (frame_is_skippable(frame.kind)) {
			stage_pass(stage, &frame);
		} else {
			stage_misplaced("the mappings are listed already");
		}
	}
}

/* From here on the target runs, unless the copy is a consistent one. */
static void release(struct stage *stage, const struct listing *listing)
{
	Pagestream__Release release = PAGESTREAM__RELEASE__INIT;

	release.uptime_us = stage->in.end->uptime_us;
	release.clk_tck = (uint32_t)sysconf(_SC_CLK_TCK);
	release.tracking = PAGESTREAM__TRACKING__TRACK_NONE;
	release.scan = listing_method(listing);
	stage_control(stage, KIND_RELEASE, 0, &release.base);
}

static void refuse_async_io(const struct listing *listing,
			    const struct options *options)
{
	if (!listing->nr_async_io || !listing->consistent ||
	    options->allow_async_io)
		return;
	die(EXIT_TARGET,
	    "pid %d: has asynchronous I/O (libaio or io_uring) and may change "
	    "while it is stopped; --allow-async-io takes it all the same",
	    listing->tasks[listing->async_io[0]].pid);
}

static int finish(struct stage *stage, const struct listing *listing)
{
	Pagestream__End end = PAGESTREAM__END__INIT;

	end.outcome = listing->named_gone ? PAGESTREAM__OUTCOME__GONE
					  : PAGESTREAM__OUTCOME__WHOLE;
	end.n_gone = listing->nr_gone;
	end.gone = listing->gone;
	end.n_async_io = listing->nr_async_io;
	end.async_io = listing->async_io;
	stage->end_first = listing->consistent;
	stage_end(stage, &end);
	if (!listing->named_gone)
		return EXIT_DONE;
	complain("the target ended, or called exec");
	return EXIT_TARGET;
}

int main(int argc, char **argv)
{
	struct options options = parse_options(argc, argv);
	struct listing listing = {0};
	struct stage stage;

	stage_begin(&stage, PAGESTREAM__STAGE__VMALIST,
		    STAGE_READS | STAGE_WRITES);
	read_tasks(&stage, &listing, options.scan);
	release(&stage, &listing);

	listing_find_async_io(&listing);
	refuse_async_io(&listing, &options);
	listing_write_vmas(&listing, &stage);
	listing_write_runs(&listing, &stage);
	return finish(&stage, &listing);
}
