// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * makelazy: takes the bytes out of a stream that a lazy restore can fetch;
 * makelazy(1).
 */
#include "makelazy/images.h"
#include "makelazy/thin.h"

#include "base/num.h"
#include "stage/confined.h"
#include "stage/options.h"

#include <inttypes.h>

static const struct tool tool = {
	"Usage: makelazy [OPTION]...\n"
	"\n"
	"Takes the bytes out of a stream that a lazy restore can fetch later:\n"
	"    imgread --all --flatten DIR | makelazy | imgwrite SMALL\n"
	"\n"
	"      --mark        leave the bytes in, and only mark them as lazy\n" COMMON_HELP
	"\n"
	"Exit status: 0 done; 1 the target went away while it was copied; 2 "
	"bad or\n"
	"incomplete input; 3 the reader went away; 100 called wrongly; 111 "
	"the system\n"
	"refused.\n"};

enum { OPTION_MARK = OPTION_OWN };

struct makelazy {
	bool mark;
	struct stage stage;
	struct tasks tasks;
	struct images images;
	struct thin thin;
	bool released; /* there was a RELEASE or THAWED */
};

static void parse_options(struct makelazy *self, int argc, char **argv)
{
	static const struct option table[] = {
		{"mark", no_argument, NULL, OPTION_MARK},
		COMMON_OPTIONS,
		{0},
	};
	int option;

	while ((option = getopt_long(argc, argv, COMMON_SHORT, table, NULL)) >=
	       0) {
		if (option == OPTION_MARK)
			self->mark = true;
		else
			option_common(&tool, option);
	}
	if (optind < argc)
		option_misused(&tool, "makelazy takes no arguments");
}

static void greet(struct makelazy *self, const struct frame *frame)
{
	self->tasks.page_size = self->stage.in.hello->page_size;
	self->thin.mark = self->mark;
	thin_begin(&self->thin, &self->stage);
	stage_pass(&self->stage, frame);
}

static void take_vmas(struct makelazy *self, const struct frame *frame)
{
	task_add_vmas(&self->tasks, &self->tasks.all[frame->subject],
		      (const Pagestream__Vmas *)self->stage.in.message);
	stage_pass(&self->stage, frame);
}

/* In a whole dump only the files say what criu will watch. */
static void take_pages(struct makelazy *self, const struct frame *frame)
{
	struct task *task = &self->tasks.all[frame->subject];

	if (self->images.has_tree && !task->has_mm)
		die(EXIT_INPUT,
		    "mm-%" PRIu32 ".img is not in the stream, but its "
		    "process's pages are",
		    task->ns_pid);
	thin_take(&self->thin, task, frame);
}

static void take(struct makelazy *self, const struct frame *frame)
{
	if (frame->kind != KIND_PAGES)
		thin_flush(&self->thin);
	switch (frame->kind) {
	case KIND_HELLO:
		greet(self, frame);
		break;
	case KIND_TASK:
		tasks_add(&self->tasks,
			  (const Pagestream__Task *)self->stage.in.message);
		stage_pass(&self->stage, frame);
		break;
	case KIND_RELEASE:
	case KIND_THAWED:
		self->released = true;
		stage_pass(&self->stage, frame);
		break;
	case KIND_VMAS:
		take_vmas(self, frame);
		break;
	case KIND_IMAGE:
		images_take(&self->images, &self->stage, &self->tasks);
		break;
	case KIND_MAPS:
	case KIND_RUNS:
		stage_misplaced("this stream has no pages yet, memread "
				"belongs to the left of makelazy");
	case KIND_PAGES:
		take_pages(self, frame);
		break;
	default:
		stage_pass(&self->stage, frame);
	}
}

/* What END said of tasks goes on in ours. */
static void finish(struct makelazy *self)
{
	const Pagestream__End *before = self->stage.in.end;
	Pagestream__End end = PAGESTREAM__END__INIT;

	if (before->stage == PAGESTREAM__STAGE__FREEZE ||
	    before->stage == PAGESTREAM__STAGE__VMALIST ||
	    before->stage == PAGESTREAM__STAGE__THAW)
		stage_misplaced("this stream has no pages, memread belongs "
				"to the left of makelazy");
	if (!self->released)
		die(EXIT_INPUT, "bad stream: it does not say when the target "
				"was stopped");
	thin_flush(&self->thin);
	end.outcome = before->outcome;
	end.n_gone = before->n_gone;
	end.gone = before->gone;
	end.n_async_io = before->n_async_io;
	end.async_io = before->async_io;
	stage_end(&self->stage, &end);
}

/*
 * `criu lazy-pages` fetches only what its own directory has marked, and gives
 * a page of zeros for all else, silently.
 */
static void warn_of_unmarked(const struct makelazy *self)
{
	if (self->images.has_tree && !self->mark && self->thin.nr_unmarked)
		warn("%" PRIu64 " of them were not marked as lazy: criu "
		     "lazy-pages would give zeros for them; makelazy --mark "
		     "makes a directory for it to fetch from",
		     self->thin.nr_unmarked);
}

/* Behind END: now no target is stopped any more. */
static void tell(const struct makelazy *self)
{
	const struct tally *in = &self->stage.in.tally;
	uint64_t all = in->present + in->zero + in->parent + in->lazy;
	uint64_t lazy = self->thin.nr_lazy + in->lazy;

	if (self->mark)
		warn("%" PRIu64 " of %" PRIu64 " pages are marked as lazy",
		     lazy, all);
	else
		warn("%s became %s: %" PRIu64 " of %" PRIu64
		     " pages left to be fetched",
		     num_bytes(self->stage.in.body_bytes).text,
		     num_bytes(self->stage.out.frames.body_bytes).text, lazy,
		     all);
	warn_of_unmarked(self);
	if (!lazy && in->present + in->zero)
		warn("no file, mapping or flag in this stream allows a page "
		     "to be lazy (imgread --all gives the files)");
}

int main(int argc, char **argv)
{
	static struct makelazy self;
	struct frame frame;

	parse_options(&self, argc, argv);
	stage_begin(&self.stage, PAGESTREAM__STAGE__OTHER,
		    STAGE_READS | STAGE_WRITES);
	confined_begin(&(struct confine){.calls = CONFINE_STREAM});
	while (stage_next(&self.stage, &frame))
		take(&self, &frame);
	finish(&self);
	tell(&self);
	if (self.stage.in.end->outcome == PAGESTREAM__OUTCOME__WHOLE)
		return EXIT_DONE;
	complain("the target ended, or called exec, while it was copied");
	return EXIT_TARGET;
}
