// SPDX-License-Identifier: GPL-3.0-or-later
#include "memread/copy.h"

#include "base/zero.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Where in the runs of one frame we are. */
struct cursor {
	const struct run *runs;
	uint32_t nr;
	uint32_t at;   /* run */
	uint32_t page; /* of that run */
};

void copy_begin(struct copy *copy, struct stage *stage, bool digest)
{
	copy->stage = stage;
	copy->digest = digest;
	copy->page_size = stage->in.hello->page_size;
	copy->room = COPY_CHUNK / copy->page_size;
	copy->data = stage->ring ? ring_piece(stage->ring)
				 : aligned_alloc(copy->page_size, COPY_CHUNK);
	if (!copy->data)
		die(EXIT_SYSTEM, "no memory");
}

static void flush(struct copy *copy, uint32_t subject)
{
	struct pages pages = {
		.subject = subject,
		.runs = copy->out,
		.nr_runs = copy->nr_out,
		.body = copy->data,
		.body_size = copy->filled * copy->page_size,
		.digest = copy->digest,
		.shared = copy->stage->ring && copy->filled,
	};

	if (copy->nr_out)
		stage_pages(copy->stage, &pages);
	if (pages.shared)
		copy->data = ring_piece(copy->stage->ring);
	copy->nr_out = 0;
	copy->filled = 0;
	if (copy->beat)
		copy->beat(copy->beat_of);
}

static void put_run(struct copy *copy, const struct run *run)
{
	if (copy->nr_out &&
	    run_join(&copy->out[copy->nr_out - 1], run, copy->page_size))
		return;
	copy->out[copy->nr_out++] = *run;
}

/* Behind the pages that will be sent. */
static char *free_room(const struct copy *copy)
{
	return copy->data + (size_t)copy->filled * copy->page_size;
}

/* Pages of zeros before it have left a gap. */
static void put_body(struct copy *copy, const char *page)
{
	if (page != free_room(copy))
		memcpy(free_room(copy), page, copy->page_size);
	copy->filled++;
}

static void advance(struct cursor *cursor, uint32_t pages)
{
	cursor->page += pages;
	if (cursor->page < cursor->runs[cursor->at].nr_pages)
		return;
	cursor->at++;
	cursor->page = 0;
}

/* The rest of the cursor's run. */
static struct run rest(const struct copy *copy, const struct cursor *cursor)
{
	const struct run *run = &cursor->runs[cursor->at];

	return (struct run){
		.vaddr = run->vaddr + (uint64_t)cursor->page * copy->page_size,
		.nr_pages = run->nr_pages - cursor->page,
		.flags = run->flags,
	};
}

static void put_page(struct copy *copy, struct cursor *cursor, const char *page)
{
	struct run run = rest(copy, cursor);

	run.nr_pages = 1;
	if (is_zero(page, copy->page_size))
		run.flags ^= RUN_PRESENT | RUN_ZERO; /* LAZY stays */
	else
		put_body(copy, page);
	put_run(copy, &run);
	advance(cursor, 1);
}

static bool is_present(const struct cursor *cursor)
{
	return cursor->runs[cursor->at].flags & RUN_PRESENT;
}

static void put_rest(struct copy *copy, struct cursor *cursor)
{
	struct run run = rest(copy, cursor);

	put_run(copy, &run);
	advance(cursor, run.nr_pages);
}

/*
 * PRESENT pieces from the cursor on, as many pages as data has room for, and
 * with what lies between them as many runs as a frame has.  Pages written here
 * and there are one piece each: a call for every one took five times as long.
 */
static size_t gather(const struct copy *copy, struct cursor cursor,
		     struct run *pieces)
{
	uint32_t room = copy->room - copy->filled;
	uint32_t between = COPY_RUNS - copy->nr_out - room;
	size_t nr = 0;

	while (room && cursor.at < cursor.nr) {
		if (!is_present(&cursor)) {
			if (!between--)
				break;
			advance(&cursor, rest(copy, &cursor).nr_pages);
			continue;
		}
		pieces[nr] = rest(copy, &cursor);
		if (pieces[nr].nr_pages > room)
			pieces[nr].nr_pages = room;
		room -= pieces[nr].nr_pages;
		advance(&cursor, pieces[nr].nr_pages);
		nr++;
	}
	return nr;
}

/* The next round is to ask for it again. */
static void note_skipped(const struct copy *copy, struct source *source,
			 struct run run)
{
	run.flags = RUN_PRESENT;
	if (copy->tracked &&
	    runlist_append(&source->skipped.report, &run, copy->page_size) < 0)
		die(EXIT_SYSTEM, "no memory");
}

static void skip(struct copy *copy, struct source *source,
		 struct cursor *cursor, uint32_t pages, enum run_skip why)
{
	struct run run = rest(copy, cursor);

	if (copy->strict)
		die(EXIT_TARGET,
		    "pid %d: cannot read %" PRIu32 " pages at 0x%" PRIx64
		    " of the stopped target: %s",
		    source->pid, pages, run.vaddr, run_skip_name(why));
	run.nr_pages = pages;
	run.flags = RUN_SKIP_FLAGS(why);
	put_run(copy, &run);
	if (why != SKIP_GONE)
		note_skipped(copy, source, run);
	advance(cursor, pages);
}

/*
 * The first page cannot be read.  What follows it may be a hole of any size,
 * which must not cost a call a page: the kernel is asked where the next page
 * is that is there.
 */
static void skip_unreadable(struct copy *copy, struct source *source,
			    struct cursor *cursor)
{
	struct run left = rest(copy, cursor);
	struct run next;
	int result;

	pagescan_begin(source->scan, VMA_ANON, left.vaddr,
		       run_end(&left, copy->page_size));
	result = pagescan_next(source->scan, &next);
	if (result < 0 && errno == ESRCH)
		source->gone = true;
	else if (result < 0)
		die_errno(EXIT_SYSTEM, "pid %d: cannot read its pagemap",
			  source->pid);
	else if (result == 0)
		skip(copy, source, cursor, left.nr_pages, SKIP_UNMAPPED);
	else if (next.vaddr == left.vaddr)
		skip(copy, source, cursor, 1, SKIP_UNREADABLE);
	else
		skip(copy, source, cursor,
		     (uint32_t)((next.vaddr - left.vaddr) / copy->page_size),
		     SKIP_UNMAPPED);
}

static void read_some(struct copy *copy, struct source *source,
		      struct cursor *cursor)
{
	struct run pieces[MEM_PIECES];
	size_t nr = gather(copy, *cursor, pieces);
	char *data = free_room(copy);
	ssize_t pages = mem_read(&source->mem, pieces, nr, data);

	if (pages < 0 && errno == ESRCH)
		source->gone = true;
	else if (pages < 0)
		die_errno(EXIT_SYSTEM,
			  "pid %d: cannot read %" PRIu32 " pages at 0x%" PRIx64,
			  source->pid, pieces[0].nr_pages, pieces[0].vaddr);
	else if (pages == 0)
		skip_unreadable(copy, source, cursor);
	for (; pages > 0; pages--, data += copy->page_size) {
		while (!is_present(cursor))
			put_rest(copy, cursor);
		put_page(copy, cursor, data);
	}
}

static void step(struct copy *copy, struct source *source,
		 struct cursor *cursor)
{
	if (!is_present(cursor))
		put_rest(copy, cursor);
	else if (source->gone)
		skip(copy, source, cursor, rest(copy, cursor).nr_pages,
		     SKIP_GONE);
	else
		read_some(copy, source, cursor);
}

void copy_runs(struct copy *copy, struct source *source, uint32_t subject,
	       const struct run *runs, uint32_t nr)
{
	struct cursor cursor = {.runs = runs, .nr = nr};

	while (cursor.at < nr) {
		/* a step adds a run for each page at most, and those between */
		if (copy->filled == copy->room ||
		    copy->nr_out + copy->room > COPY_RUNS)
			flush(copy, subject);
		step(copy, source, &cursor);
	}
	flush(copy, subject);
}
