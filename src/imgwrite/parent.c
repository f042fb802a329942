// SPDX-License-Identifier: GPL-3.0-or-later
#include "imgwrite/parent.h"

#include "image/summary_img.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* Whether it is the directory that is bad, or the system that refused. */
static int code_of(int error)
{
	switch (error) {
	case EBADMSG:
	case ELOOP:
	case ENOENT:
	case ENOTDIR:
	case EISDIR:
		return EXIT_USAGE;
	default:
		return EXIT_SYSTEM;
	}
}

void parent_open(struct parent *parent, const struct image_dir *dir,
		 const char *path)
{
	parent->path = path;
	parent->dir = image_dir_open(dir, path);
	if (parent->dir < 0 && errno == EINVAL)
		die(EXIT_USAGE, "%s: a directory is not its own parent", path);
	if (parent->dir < 0)
		die_errno(EXIT_SYSTEM,
			  "cannot open the parent %s (a path "
			  "relative to DIR)",
			  path);
	if (inventory_read(parent->dir, &parent->uptime_us) < 0)
		die_errno(code_of(errno),
			  "the parent %s is no whole image directory: %s", path,
			  INVENTORY_NAME);
	if (head_read(&parent->head, parent->dir) < 0 && errno != ENOENT)
		die_errno(code_of(errno), "the parent %s: %s", path, HEAD_NAME);
}

static bool is_same_tracker(const Pagestream__Release *a,
			    const Pagestream__Release *b)
{
	return a->tracker.len == b->tracker.len &&
	       !memcmp(a->tracker.data, b->tracker.data, a->tracker.len);
}

static void check_generation(const struct parent *parent,
			     const Pagestream__Release *release)
{
	const Pagestream__Release *held = parent->head.release;

	if (!held || !held->generation)
		die(EXIT_INPUT,
		    "this round builds on round %" PRIu64
		    " of its memtrack, and %s is no such round",
		    release->base_generation, parent->path);
	if (!is_same_tracker(held, release))
		die(EXIT_INPUT,
		    "this round builds on a round of another memtrack than %s "
		    "(vmalist --full makes one that builds on none)",
		    parent->path);
	if (held->generation != release->base_generation)
		die(EXIT_INPUT,
		    "this round builds on round %" PRIu64
		    ", but %s is round %" PRIu64 " (vmalist --base %" PRIu64
		    " makes one on top of it)",
		    release->base_generation, parent->path, held->generation,
		    held->generation);
}

static void check_adopted(const struct parent *parent,
			  const Pagestream__Release *release)
{
	if (parent->uptime_us != release->base_uptime_us)
		die(EXIT_INPUT,
		    "this round builds on the directory that memtrack has "
		    "adopted, which %s is not",
		    parent->path);
}

void parent_check(struct parent *parent, const Pagestream__Hello *hello,
		  const Pagestream__Release *release)
{
	bool from_files = hello->mode == PAGESTREAM__MODE__NEVER_STOPPED;

	parent->needed = release->base_generation != 0;
	if (!parent->needed) {
		if (!from_files) /* it may build on what CRIU has numbered */
			parent->path = NULL;
		return;
	}
	if (!parent->path)
		die(EXIT_INPUT,
		    "this round builds on round %" PRIu64
		    ": imgwrite --parent PATH says where that is (or vmalist "
		    "--full makes one that builds on none)",
		    release->base_generation);
	if (release->base_uptime_us)
		check_adopted(parent, release);
	else
		check_generation(parent, release);
}

/* As criu does: whoever began after that dump has its pid only. */
static bool is_same_by_uptime(const struct parent *parent,
			      const struct parent_task *task)
{
	uint64_t tick_us = 1000000 / task->clk_tck;

	return task->start_time < parent->uptime_us / tick_us;
}

static bool is_same_by_head(const struct parent *parent,
			    const struct parent_task *task)
{
	const struct head_task *held = head_task(&parent->head, task->ns_pid);

	return held && held->start_time == task->start_time &&
	       held->start_stack == task->start_stack;
}

static void load(struct parent *parent, const struct parent_task *task)
{
	bool is_same = parent->head.release ? is_same_by_head(parent, task)
					    : is_same_by_uptime(parent, task);

	if (!is_same)
		die(EXIT_INPUT,
		    "process %" PRIu32 " is not the one that %s holds under "
		    "that number",
		    task->ns_pid, parent->path);
	if (pagemap_list_read(&parent->list, parent->dir, task->ns_pid,
			      task->page_size) < 0)
		die_errno(EXIT_INPUT, "%s/pagemap-%" PRIu32 ".img",
			  parent->path, task->ns_pid);
	parent->loaded = true;
}

void parent_next_task(struct parent *parent)
{
	if (parent->loaded)
		pagemap_list_release(&parent->list);
	parent->loaded = false;
}

void parent_hold(struct parent *parent, const struct parent_task *task,
		 const struct run *run)
{
	vaddr_t missing;

	if (!parent->path)
		die(EXIT_INPUT, "this stream builds on an earlier one: "
				"imgwrite --parent PATH says where that is");
	parent->needed = true;
	if (!parent->loaded)
		load(parent, task);
	if (pagemap_list_lacks(&parent->list, run, task->page_size, &missing))
		die(EXIT_INPUT,
		    "process %" PRIu32 ": %s does not hold the page at "
		    "0x%" PRIx64 ", which this round leaves to it",
		    task->ns_pid, parent->path, missing);
}
