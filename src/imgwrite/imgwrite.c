// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * imgwrite DIR: writes a page stream as a CRIU image directory; imgwrite(1).
 */
#include "imgwrite/confined.h"
#include "imgwrite/tasks.h"

#include "base/clock.h"
#include "base/num.h"
#include "image/dir.h"
#include "image/img.h"
#include "image/summary_img.h"
#include "stage/options.h"
#include "stage/progress.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct tool tool = {
	"Usage: imgwrite [OPTION]... DIR\n"
	"\n"
	"Writes a page stream as a CRIU image directory, whole or not at all:\n"
	"    freeze PID | vmalist | memread | imgwrite DIR\n"
	"\n"
	"      --parent PATH   the round that this one builds on, relative to "
	"DIR: ../1\n"
	"      --index         all but the pages: enough to build on, not to "
	"restore\n"
	"      --force         replace the images that DIR holds\n"
	"      --ring FD,FD    share memory with memread, as predump arranges "
	"it\n" COMMON_HELP "\n"
	"Exit status: 0 done; 1 the target went away while it was copied; 2 "
	"bad or\n"
	"incomplete input; 100 called wrongly; 111 the system refused.  "
	"Unless it is 0,\n"
	"DIR is as it was.\n"};

enum {
	OPTION_FORCE = OPTION_OWN,
	OPTION_PARENT,
	OPTION_INDEX,
	OPTION_RING,
};

struct options {
	bool force;
	bool index;
	const char *parent;
	const char *ring;
	const char *path;
};

static struct options parse_options(int argc, char **argv)
{
	static const struct option table[] = {
		{"force", no_argument, NULL, OPTION_FORCE},
		{"parent", required_argument, NULL, OPTION_PARENT},
		{"index", no_argument, NULL, OPTION_INDEX},
		{"ring", required_argument, NULL, OPTION_RING},
		COMMON_OPTIONS,
		{0},
	};
	struct options options = {0};
	int option;

	while ((option = getopt_long(argc, argv, COMMON_SHORT, table, NULL)) >=
	       0) {
		if (option == OPTION_FORCE)
			options.force = true;
		else if (option == OPTION_PARENT)
			options.parent = optarg;
		else if (option == OPTION_INDEX)
			options.index = true;
		else if (option == OPTION_RING)
			options.ring = optarg;
		else
			option_common(&tool, option);
	}
	if (argc - optind != 1)
		option_misused(&tool, "imgwrite takes one directory");
	options.path = argv[optind];
	return options;
}

/* The one thing to undo, whichever way we end. */
static struct image_dir dir;

static void undo(void)
{
	image_dir_abort(&dir);
}

static void undo_and_die(int number)
{
	image_dir_abort(&dir);
	raise(number); /* SA_RESETHAND: the default action now */
}

static void undo_on_signals(void)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	struct sigaction action = {
		.sa_handler = undo_and_die,
		.sa_flags = (int)SA_RESETHAND,
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		struct sigaction before;

		sigaction(numbers[i], &action, &before);
		if (before.sa_handler == SIG_IGN) /* as nohup does */
			sigaction(numbers[i], &before, NULL);
	}
	atexit(undo);
}

/* Signals wait: what is made must be known to undo() first. */
static enum image_dir_fault create_dir(const struct options *options)
{
	enum image_dir_fault fault;
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	fault = image_dir_create(&dir, options->path, options->force);
	sigprocmask(SIG_UNBLOCK, &all, NULL);
	return fault;
}

static void open_dir(const struct options *options)
{
	switch (create_dir(options)) {
	case IMAGE_DIR_FINE:
		return;
	case IMAGE_DIR_NOT_EMPTY:
		die(EXIT_USAGE, "%s: is not empty (--force replaces images)",
		    options->path);
	case IMAGE_DIR_FOREIGN:
		die(EXIT_USAGE,
		    "%s: holds other things than images: not replaced",
		    options->path);
	case IMAGE_DIR_NO_DIR:
		die(EXIT_SYSTEM, "%s: is not a directory", options->path);
	case IMAGE_DIR_NAME_TOO_LONG:
		die(EXIT_SYSTEM, "%s: the name is too long", options->path);
	case IMAGE_DIR_ERROR:
		break;
	}
	die_errno(EXIT_SYSTEM, "cannot make %s", options->path);
}

struct imgwrite {
	struct options options;
	struct stage stage;
	struct tasks tasks;
	struct others others;
	struct progress progress;
	int head_fd;
	struct frame_writer head; /* pagepipe.head */
	bool released;
	uint64_t uptime_us;
	uint64_t stopped_ns;
	uint64_t began_ns;
};

static void open_head(struct imgwrite *self)
{
	self->head_fd = img_create(dir.fd, HEAD_NAME);
	if (self->head_fd < 0)
		die_errno(EXIT_SYSTEM, "cannot write in %s",
			  self->options.path);
	frame_writer_init(&self->head, self->head_fd);
}

/* The control frames as they came: imgread gives them back. */
static void keep(struct imgwrite *self, const struct frame *frame)
{
	if (frame_write(&self->head, frame, NULL) < 0)
		die_errno(EXIT_SYSTEM, "cannot write " HEAD_NAME);
}

static void add_task(struct imgwrite *self)
{
	const Pagestream__Task *task =
		(Pagestream__Task *)self->stage.in.message;

	tasks_add(&self->tasks, task);
	self->progress.expected += task->resident_pages;
}

static void note_release(struct imgwrite *self)
{
	const Pagestream__Release *release =
		(Pagestream__Release *)self->stage.in.message;

	self->released = true;
	self->uptime_us = release->uptime_us;
	self->stopped_ns = release->stopped_ns;
	self->tasks.clk_tck = release->clk_tck;
	parent_check(&self->tasks.parent, self->stage.in.hello, release);
}

/* Not in a consistent copy, whose target may be the terminal, and is stopped.
 */
static void begin_progress(struct imgwrite *self)
{
	const Pagestream__Hello *hello = self->stage.in.hello;

	progress_begin(&self->progress, hello->page_size, false);
	if (hello->mode == PAGESTREAM__MODE__CONSISTENT)
		self->progress.on = false;
}

static void take(struct imgwrite *self, const struct frame *frame)
{
	switch (frame->kind) {
	case KIND_HELLO:
		begin_progress(self);
		break;
	case KIND_TASK:
		add_task(self);
		break;
	case KIND_RELEASE:
	case KIND_THAWED:
		note_release(self);
		break;
	case KIND_VMAS:
		break;
	case KIND_RUNS:
		stage_misplaced("this stream has no pages yet, memread "
				"belongs to the left of imgwrite");
	case KIND_IMAGE:
		others_write(&self->others, &self->stage);
		return;
	case KIND_PAGES:
		tasks_write(&self->tasks, &self->stage, frame->subject);
		progress_show(&self->progress, self->stage.in.tally.present);
		return;
	default:
		return;
	}
	keep(self, frame);
}

/* Is this stream one that a directory can be made of? */
static void judge(struct imgwrite *self)
{
	const Pagestream__End *end = self->stage.in.end;

	if (end->stage == PAGESTREAM__STAGE__FREEZE ||
	    end->stage == PAGESTREAM__STAGE__VMALIST ||
	    end->stage == PAGESTREAM__STAGE__THAW)
		stage_misplaced("this stream has no pages, memread belongs "
				"to the left of imgwrite");
	if (!self->released)
		die(EXIT_INPUT, "bad stream: it does not say when the target "
				"was stopped");
	if (end->outcome == PAGESTREAM__OUTCOME__GONE)
		die(EXIT_TARGET,
		    "the target went away while it was copied: "
		    "%s is not written",
		    self->options.path);
	if (end->outcome != PAGESTREAM__OUTCOME__WHOLE)
		die(EXIT_INPUT, "bad stream: an outcome that is not known");
}

static void failed(const struct imgwrite *self)
{
	die_errno(EXIT_SYSTEM, "cannot write %s", self->options.path);
}

/* Last, and as it came where it did. */
static int write_inventory(struct imgwrite *self)
{
	const struct buf *came = &self->others.inventory;

	return came->size ? img_write_file(dir.fd, INVENTORY_NAME, came)
			  : inventory_write(dir.fd, self->uptime_us);
}

/* As CRIU's --prev-images-dir. */
static int link_parent(const struct parent *parent)
{
	return parent->needed ? symlinkat(parent->path, dir.fd, "parent") : 0;
}

/* By this file imgread, and people, tell it from a whole one. */
static int mark_index(const struct options *options)
{
	static const char text[] = "No page is here: imgwrite --index has made "
				   "this directory.\n";
	struct buf out = {(char *)text, sizeof(text) - 1, 0};

	return options->index ? img_write_file(dir.fd, INDEX_NAME, &out) : 0;
}

static void write_summary(struct imgwrite *self)
{
	const struct tally *tally = &self->stage.in.tally;
	const Pagestream__Totals *before = self->stage.in.end->before;
	struct dump_stats stats = {
		.stopped_ns = self->stopped_ns,
		.written_ns = clock_ns() - self->began_ns,
		.pages_scanned = before ? before->present + before->parent +
						  before->zero + before->lazy
					: 0,
		.pages_skipped_parent = tally->parent,
		.pages_written = self->tasks.nr_written,
		.pages_lazy = tally->lazy,
	};

	if (fsync(self->head_fd) < 0 || close(self->head_fd) < 0 ||
	    link_parent(&self->tasks.parent) < 0 ||
	    mark_index(&self->options) < 0 || stats_write(dir.fd, &stats) < 0 ||
	    write_inventory(self) < 0)
		failed(self);
}

static void commit(struct imgwrite *self)
{
	sigset_t all;

	sigfillset(&all); /* neither half committed nor undone afterwards */
	sigprocmask(SIG_BLOCK, &all, NULL);
	if (image_dir_commit(&dir) < 0)
		failed(self);
	sigprocmask(SIG_UNBLOCK, &all, NULL);
}

static void tell(const struct imgwrite *self)
{
	const struct tally *tally = &self->stage.in.tally;
	uint32_t page_size = self->stage.in.hello->page_size;

	progress_end((struct progress *)&self->progress, tally->present);
	detail("%s: %u processes, %" PRIu64 " pages (%s), %" PRIu64
	       " of them zeros, %" PRIu64 " skipped; stopped for %s",
	       self->options.path,
	       self->tasks.nr - (uint32_t)self->stage.in.end->n_gone,
	       self->tasks.nr_written,
	       num_bytes(self->tasks.nr_written * page_size).text, tally->zero,
	       tally_skipped(tally), num_time(self->stopped_ns).text);
}

int main(int argc, char **argv)
{
	static struct imgwrite self;
	struct frame frame;

	self.options = parse_options(argc, argv);
	self.tasks.parent.dir = -1;
	stage_begin(&self.stage, PAGESTREAM__STAGE__STAGE_NONE, STAGE_READS);
	if (self.options.ring)
		stage_open_ring(&self.stage, self.options.ring);
	undo_on_signals();
	open_dir(&self.options);
	self.tasks.dir = dir.fd;
	self.tasks.others = &self.others;
	self.others.dir = dir.fd;
	self.tasks.index = self.options.index;
	if (self.options.parent)
		parent_open(&self.tasks.parent, &dir, self.options.parent);
	open_head(&self);
	confine_writer(&dir, self.tasks.parent.dir);
	self.began_ns = clock_ns();
	while (stage_next(&self.stage, &frame))
		take(&self, &frame);
	stage_finish(&self.stage);
	judge(&self);
	tasks_finish(&self.tasks, &self.stage);
	write_summary(&self);
	commit(&self);
	tell(&self);
	return EXIT_DONE;
}
