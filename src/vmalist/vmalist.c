// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * vmalist: lists the mappings that freeze has read of the stopped tasks, has
 * them released, and then finds the pages that are worth reading; vmalist(1).
 */
#include "vmalist/pages.h"
#include "vmalist/round.h"

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
	"      --track METHOD      auto (as memtrack does, if there is one), "
	"none,\n"
	"                          uffd or soft-dirty\n"
	"      --base ROUND|DIR    send what changed since that round, not "
	"the last one\n"
	"      --full              send everything, and track on from there\n"
	"      --allow-async-io    a consistent copy even of a target with "
	"asynchronous\n"
	"                          I/O, which may change while it is stopped\n" COMMON_HELP
	"\n"
	"Exit status: 0 done; 1 the target is gone, or has asynchronous I/O; 2 "
	"bad or\n"
	"incomplete input; 3 the reader went away; 100 called wrongly; 111 the "
	"system\n"
	"refused.\n"};

enum {
	OPTION_SCAN = OPTION_OWN,
	OPTION_TRACK,
	OPTION_BASE,
	OPTION_FULL,
	OPTION_ALLOW_ASYNC_IO
};

struct options {
	enum pagescan_method scan;
	struct round_wish round;
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

static enum track parse_track(void)
{
	if (!strcmp(optarg, "auto"))
		return TRACK_AUTO;
	if (!strcmp(optarg, "none"))
		return TRACK_NONE;
	if (!strcmp(optarg, "uffd"))
		return TRACK_UFFD;
	if (!strcmp(optarg, "soft-dirty"))
		return TRACK_SOFT_DIRTY;
	option_misused(&tool, "--track takes auto, none, uffd or soft-dirty");
}

static void take_option(struct options *options, int option)
{
	switch (option) {
	case OPTION_SCAN:
		options->scan = parse_scan();
		break;
	case OPTION_TRACK:
		options->round.track = parse_track();
		break;
	case OPTION_BASE:
		options->round.base = optarg;
		break;
	case OPTION_FULL:
		options->round.full = true;
		break;
	case OPTION_ALLOW_ASYNC_IO:
		options->allow_async_io = true;
		break;
	default:
		option_common(&tool, option);
	}
}

static struct options parse_options(int argc, char **argv)
{
	static const struct option table[] = {
		{"scan", required_argument, NULL, OPTION_SCAN},
		{"track", required_argument, NULL, OPTION_TRACK},
		{"base", required_argument, NULL, OPTION_BASE},
		{"full", no_argument, NULL, OPTION_FULL},
		{"allow-async-io", no_argument, NULL, OPTION_ALLOW_ASYNC_IO},
		COMMON_OPTIONS,
		{0},
	};
	struct options options = {.scan = PAGESCAN_AUTO};
	int option;

	while ((option = getopt_long(argc, argv, COMMON_SHORT, table, NULL)) >=
	       0)
		take_option(&options, option);
	if (optind < argc)
		option_misused(&tool, "vmalist takes no arguments");
	if (options.round.base &&
	    (options.round.full || options.round.track == TRACK_NONE))
		option_misused(&tool, "a full round has no --base");
	return options;
}

struct vmalist {
	struct options options;
	struct stage stage;
	struct listing listing;
	struct round round;
};

static void greet(struct vmalist *self)
{
	Pagestream__Hello *hello = self->stage.in.hello;

	releaser_need_live(hello, "vmalist");
	if (hello->leased)
		stage_misplaced("the releaser stands before vmalist");
	listing_prepare(&self->listing, hello);
	round_open(&self->round, &self->options.round, hello);
	stage_control(&self->stage, KIND_HELLO, 0, &hello->base);
}

static void read_tasks(struct vmalist *self)
{
	struct stage *stage = &self->stage;
	struct frame frame;

	while (stage_next(stage, &frame)) {
		if (frame.kind == KIND_HELLO) {
			greet(self);
		} else if (frame.kind == KIND_TASK) {
			listing_add(&self->listing,
				    (Pagestream__Task *)stage->in.message,
				    self->options.scan);
			stage_pass(stage, &frame);
		} else if (frame.kind == KIND_MAPS) {
			listing_add_maps(&self->listing, frame.subject,
					 (Pagestream__Maps *)stage->in.message);
		} else if (frame_is_skippable(frame.kind)) {
			stage_pass(stage, &frame);
		} else {
			stage_misplaced("the mappings are listed already");
		}
	}
}

/* From here on the target runs, unless the copy is a consistent one. */
static void release(struct vmalist *self)
{
	Pagestream__Release release = PAGESTREAM__RELEASE__INIT;

	release.uptime_us = self->stage.in.end->uptime_us;
	release.clk_tck = (uint32_t)sysconf(_SC_CLK_TCK);
	release.scan = listing_method(&self->listing);
	round_describe(&self->round, &release);
	stage_control(&self->stage, KIND_RELEASE, 0, &release.base);
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

/*
 * A ring that is made before the scan is found behind it; what is pinned by a
 * later one shows in the next scan.
 */
static void look(struct vmalist *self)
{
	struct listing *listing = &self->listing;

	if (listing->consistent) { /* it makes none, and may be refused */
		listing_find_async_io(listing);
		refuse_async_io(listing, &self->options);
	}
	round_scan(&self->round, listing);
	if (!listing->consistent)
		listing_find_async_io(listing);
	round_report(&self->round, listing);
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
	static struct vmalist self = {.round.tracker = -1};

	self.options = parse_options(argc, argv);
	stage_begin(&self.stage, PAGESTREAM__STAGE__VMALIST,
		    STAGE_READS | STAGE_WRITES);
	read_tasks(&self);
	round_stopped(&self.round, &self.listing, self.stage.in.hello);
	release(&self);

	look(&self);
	listing_write_vmas(&self.listing, &self.stage);
	pages_write(&self.listing, &self.stage);
	return finish(&self.stage, &self.listing);
}
