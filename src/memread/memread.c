// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * memread: reads the pages that a listing asks for; memread(1).
 */
#include "memread/confirm.h"
#include "memread/copy.h"
#include "memread/totals.h"

#include "base/clock.h"
#include "base/num.h"
#include "base/own.h"
#include "proc/lease.h"
#include "stage/options.h"
#include "stage/progress.h"
#include "stage/releaser.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct tool tool = {
	"Usage: memread [OPTION]...\n"
	"\n"
	"Reads the memory that vmalist has listed:\n"
	"    freeze PID | vmalist | memread | imgwrite DIR\n"
	"    freeze PID | vmalist | memread | zstd | ssh HOST 'zstd -d | "
	"imgwrite DIR'\n"
	"\n"
	"      --method METHOD   auto, readv (process_vm_readv) or mem "
	"(/proc/PID/mem)\n"
	"      --no-digest       leave out the digest of the pages\n"
	"      --ring FD,FD      share memory with imgwrite, as predump "
	"arranges it\n"
	"      --totals FD       write the totals to a descriptor, as one line "
	"of JSON\n" COMMON_HELP "\n"
	"Exit status: 0 done; 1 the target is gone, or a stopped one could not "
	"be read\n"
	"whole; 2 bad or incomplete input; 3 the reader went away; 100 called "
	"wrongly;\n"
	"111 the system refused.\n"};

enum {
	OPTION_METHOD = OPTION_OWN,
	OPTION_NO_DIGEST,
	OPTION_TOTALS,
	OPTION_RING,
};

struct options {
	enum mem_method method;
	bool digest;
	int totals; /* descriptor; -1: none */
	const char *ring;
};

static enum mem_method parse_method(void)
{
	if (!strcmp(optarg, "auto"))
		return MEM_AUTO;
	if (!strcmp(optarg, "readv"))
		return MEM_READV;
	if (!strcmp(optarg, "mem"))
		return MEM_FILE;
	option_misused(&tool, "--method takes auto, readv or mem");
}

static int parse_totals(void)
{
	uint64_t fd;

	if (num_parse(optarg, &fd) < 0 || fd < 2 || fd > INT32_MAX)
		option_misused(&tool, "--totals takes the number of a "
				      "descriptor, 2 or more");
	if (fcntl((int)fd, F_GETFD) < 0)
		option_misused(&tool, "--totals: that descriptor is closed");
	return (int)fd;
}

static struct options parse_options(int argc, char **argv)
{
	static const struct option table[] = {
		{"method", required_argument, NULL, OPTION_METHOD},
		{"no-digest", no_argument, NULL, OPTION_NO_DIGEST},
		{"totals", required_argument, NULL, OPTION_TOTALS},
		{"ring", required_argument, NULL, OPTION_RING},
		COMMON_OPTIONS,
		{0},
	};
	struct options options = {
		.method = MEM_AUTO,
		.digest = true,
		.totals = -1,
	};
	int option;

	while ((option = getopt_long(argc, argv, COMMON_SHORT, table, NULL)) >=
	       0) {
		if (option == OPTION_METHOD)
			options.method = parse_method();
		else if (option == OPTION_NO_DIGEST)
			options.digest = false;
		else if (option == OPTION_TOTALS)
			options.totals = parse_totals();
		else if (option == OPTION_RING)
			options.ring = optarg;
		else
			option_common(&tool, option);
	}
	if (optind < argc)
		option_misused(&tool, "memread takes no arguments");
	return options;
}

struct memread {
	struct options options;
	struct stage stage;
	struct releaser releaser;
	struct sources sources;
	struct copy copy;
	struct confirm confirm;
	struct progress progress;
	Pagestream__Release *release; /* a consistent copy's */
	bool released;                /* there was a RELEASE or THAWED */
	bool consistent;
	struct totals totals;
	uint64_t began_ns;
};

static void greet(struct memread *self)
{
	const Pagestream__Hello *hello = self->stage.in.hello;

	releaser_need_live(hello, "memread");
	self->consistent = hello->mode == PAGESTREAM__MODE__CONSISTENT;
	copy_begin(&self->copy, &self->stage, self->options.digest);
	self->copy.strict = self->consistent;
	if (hello->leased)
		stage_control(&self->stage, KIND_HELLO, 0, &hello->base);
	else
		releaser_greet(&self->releaser, &self->stage);
}

static void add_task(struct memread *self, const struct frame *frame)
{
	const Pagestream__Task *task =
		(Pagestream__Task *)self->stage.in.message;

	sources_add(&self->sources, task, self->options.method);
	stage_pass(&self->stage, frame);
}

static void beat(void *self)
{
	if (lease_beat(((struct memread *)self)->releaser.lease) < 0)
		die(EXIT_TARGET, "the target was not stopped all the time: it "
				 "was killed, or its keeper was");
}

/* A pre-dump's target runs from here on, a consistent copy's stays. */
static void release(struct memread *self, const struct frame *frame)
{
	Pagestream__Release *message =
		(Pagestream__Release *)self->stage.in.message;

	if (self->consistent) {
		self->release = message;
		self->stage.in.message = NULL; /* ours now */
		self->copy.beat = beat;
		self->copy.beat_of = self;
		stage_pass(&self->stage, frame);
		return;
	}
	releaser_thaw(&self->releaser, &self->stage, message);
}

/* thaw has done it; how long it took is only for our own last line. */
static void pass_thawed(struct memread *self, const struct frame *frame)
{
	Pagestream__Release *message =
		(Pagestream__Release *)self->stage.in.message;

	releaser_need_fresh(message);
	self->releaser.stopped_ns = message->stopped_ns;
	stage_pass(&self->stage, frame);
}

static void note_round(struct totals *totals,
		       const Pagestream__Release *release)
{
	totals->tracking = release->tracking;
	totals->generation = release->generation;
	totals->base_generation = release->base_generation;
}

static void begin_reading(struct memread *self, const struct frame *frame)
{
	const Pagestream__Release *message =
		(Pagestream__Release *)self->stage.in.message;

	note_round(&self->totals, message);
	if (frame->kind == KIND_RELEASE)
		release(self, frame);
	else
		pass_thawed(self, frame);
	confirm_begin(&self->confirm, self->stage.in.hello, message);
	self->copy.tracked = self->confirm.tracker >= 0;
	self->released = true;
	self->began_ns = clock_ns();
	sources_mind_userfaultfd(&self->sources);
	progress_begin(&self->progress, self->copy.page_size, true);
	self->progress.on &= !self->consistent;
	self->progress.expected = self->sources.resident_pages;
}

static void read_runs(struct memread *self, const struct frame *frame)
{
	const struct stream_reader *in = &self->stage.in;
	struct source *source = &self->sources.all[frame->subject];

	if (source->scan || source->gone)
		copy_runs(&self->copy, source, frame->subject, in->runs,
			  in->nr_runs);
	progress_show(&self->progress, self->stage.out.tally.present);
}

static void take(struct memread *self, const struct frame *frame)
{
	switch (frame->kind) {
	case KIND_HELLO:
		greet(self);
		break;
	case KIND_TASK:
		add_task(self, frame);
		break;
	case KIND_RELEASE:
	case KIND_THAWED:
		begin_reading(self, frame);
		break;
	case KIND_RUNS:
		read_runs(self, frame);
		break;
	case KIND_ALIVE: /* was meant for us */
		break;
	case KIND_PAGES:
		stage_misplaced("the pages are read already");
	default:
		stage_pass(&self->stage, frame);
	}
}

/* The last read is done: was the target stopped until now? */
static void release_late(struct memread *self)
{
	if (!self->release)
		return;
	if (!lease_is_stopped(self->releaser.lease))
		die(EXIT_TARGET, "the target was not stopped all the time: "
				 "this copy is not consistent");
	releaser_thaw(&self->releaser, &self->stage, self->release);
	control_free(&self->release->base);
}

static bool was_gone(const Pagestream__End *before, uint32_t subject)
{
	for (size_t i = 0; i < before->n_gone; i++)
		if (before->gone[i] == subject)
			return true;
	return false;
}

/* Tasks that ended or called exec, as vmalist found and as we found. */
static void fill_gone(const struct memread *self, Pagestream__End *end)
{
	const Pagestream__End *before = self->stage.in.end;

	end->outcome = before->outcome;
	for (uint32_t i = 0; i < self->sources.nr; i++) {
		const struct source *source = &self->sources.all[i];

		if (!source->gone && !was_gone(before, i))
			continue;
		end->gone[end->n_gone++] = i;
		if (source->named)
			end->outcome = PAGESTREAM__OUTCOME__GONE;
	}
}

/* Before END: who is promised the totals has them when the copy is whole. */
static void write_totals(struct memread *self, const Pagestream__End *end)
{
	struct totals *totals = &self->totals;

	totals->fd = self->options.totals;
	if (totals->fd < 0)
		return;
	totals->consistent = self->consistent;
	totals->page_size = self->copy.page_size;
	totals->tasks = self->sources.nr;
	totals->stopped_ns = self->releaser.stopped_ns;
	totals->read_ns = clock_ns() - self->began_ns;
	if (totals_write(totals, &self->stage.out.tally, end) < 0)
		die_errno(EXIT_SYSTEM, "cannot write the totals");
}

static void tell(const struct memread *self)
{
	const struct tally *tally = &self->stage.out.tally;
	uint64_t ns = clock_ns() - self->began_ns + 1;
	uint64_t bytes = tally->present * self->copy.page_size;

	detail("stopped for %s; read %" PRIu64 " pages (%s) in %s, %.0f MB/s; "
	       "%" PRIu64 " of zeros; skipped: %" PRIu64 " unmapped, %" PRIu64
	       " unreadable, %" PRIu64 " gone",
	       num_time(self->releaser.stopped_ns).text, tally->present,
	       num_bytes(bytes).text, num_time(ns).text,
	       (double)bytes * 1e3 / (double)ns, tally->zero,
	       tally->skip[SKIP_UNMAPPED], tally->skip[SKIP_UNREADABLE],
	       tally->skip[SKIP_GONE]);
}

static int finish(struct memread *self)
{
	const Pagestream__End *before = self->stage.in.end;
	own_free uint32_t *gone = calloc(self->sources.nr + 1, sizeof(*gone));
	Pagestream__End end = PAGESTREAM__END__INIT;

	if (!self->released)
		stage_misplaced("no vmalist to the left of memread");
	release_late(self);
	confirm_end(&self->confirm, &self->sources);
	if (!gone)
		die(EXIT_SYSTEM, "no memory");
	end.gone = gone;
	fill_gone(self, &end);
	end.n_async_io = before->n_async_io;
	end.async_io = before->async_io;
	progress_end(&self->progress, self->stage.out.tally.present);
	write_totals(self, &end);
	stage_end(&self->stage, &end);
	tell(self);
	if (end.outcome == PAGESTREAM__OUTCOME__WHOLE)
		return EXIT_DONE;
	complain("the target ended, or called exec, while it was copied");
	return EXIT_TARGET;
}

int main(int argc, char **argv)
{
	static struct memread self = {
		.releaser.lease = -1,
		.confirm.tracker = -1,
	};
	struct frame frame;

	self.options = parse_options(argc, argv);
	stage_begin(&self.stage, PAGESTREAM__STAGE__MEMREAD,
		    STAGE_READS | STAGE_WRITES);
	if (self.options.ring)
		stage_open_ring(&self.stage, self.options.ring);
	while (stage_next(&self.stage, &frame)) {
		if (self.release)
			beat(&self);
		take(&self, &frame);
	}
	return finish(&self);
}
