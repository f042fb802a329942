// SPDX-License-Identifier: GPL-3.0-or-later
#include "lazyserve/deliver.h"

#include "base/clock.h"
#include "base/die.h"
#include "lazyserve/event.h"
#include "lazyserve/fill.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>

#define CHANGING_TRIES 64 /* the process must run to end its event */
#define NO_DATA_TRIES  4
#define CHANGING_NS    (MS_NS / 2)
#define NO_MEMORY_NS   (100 * MS_NS)
#define ZEROS          16 /* pages, of one fault in new memory */

static void tell_fault(void *of, const struct fault *fault)
{
	struct serve *serve = of;

	serve->totals.faults++;
	latency_add(&serve->totals.latency, clock_ns() - fault->ns);
}

/* What came of it; true: it can be tried again at once. */
static bool go_on(struct serve *serve, struct memory *memory,
		  const struct fill *fill, enum fill_outcome outcome,
		  unsigned *tries)
{
	static bool said;

	switch (outcome) {
	case FILL_DONE:
		return true;
	case FILL_GONE:
		memory->gone = true;
		return false;
	case FILL_CHANGING:
		if (!event_read(serve, memory))
			sched_yield();
		memory->retry_ns = clock_ns() + CHANGING_NS;
		return ++*tries < CHANGING_TRIES && !memory->gone;
	case FILL_NO_DATA:
		if (++*tries < NO_DATA_TRIES)
			return true;
		die(EXIT_INPUT,
		    "pid %" PRIu32 ": cannot read the page 0x%" PRIx64
		    " from its image: the file has become shorter, or the "
		    "disk fails",
		    memory->images->pid,
		    fill->vaddr + fill->done * serve->page_size);
	case FILL_NO_MEMORY:
		if (!said)
			warn("pid %" PRIu32 ": no memory for its pages; trying "
			     "again",
			     memory->images->pid);
		said = true;
		memory->retry_ns = clock_ns() + NO_MEMORY_NS;
		return false;
	case FILL_ERROR:
		break;
	}
	die_errno(EXIT_SYSTEM,
		  "pid %" PRIu32 ": cannot give it the page 0x%" PRIx64,
		  memory->images->pid,
		  fill->vaddr + fill->done * serve->page_size);
}

static struct fill fill_of(const struct serve *serve,
			   const struct memory *memory,
			   const struct left_piece *piece, const char *data)
{
	return (struct fill){
		.uffd = memory->uffd,
		.page_size = serve->page_size,
		.vaddr = piece->vaddr,
		.data = data,
		.nr_pages = piece->nr_pages,
	};
}

/* What is done of the piece is no more missing. */
static void count(struct serve *serve, struct memory *memory,
		  const struct fill *fill, bool urgent)
{
	uint64_t given = fill->done - fill->there - fill->refused;

	serve->totals.there += fill->there;
	serve->totals.refused += fill->refused;
	*(urgent ? &serve->totals.fetched : &serve->totals.pushed) += given;
	memory_answer(memory, fill->vaddr, fill->done * serve->page_size,
		      tell_fault, serve);
}

/* Pages of the arrival from `at` on: how many are dealt with. */
static uint64_t put(struct serve *serve, const struct arrival *arrival,
		    uint64_t at, unsigned *tries)
{
	struct memory *memory = arrival->wish.of;
	uint64_t offset = at * serve->page_size;
	enum fill_outcome outcome;
	struct left_piece piece;
	struct fill f;

	if (!left_place(&memory->left, arrival->wish.image + offset,
			arrival->nr_pages - at, arrival->wish.near + offset,
			&piece))
		return piece.nr_pages;
	if (!arrival->data && !arrival->wish.urgent) {
		left_give(&memory->left, &piece);
		serve->totals.pushed += piece.nr_pages;
		return piece.nr_pages; /* what is not there reads as zeros */
	}
	f = fill_of(serve, memory, &piece,
		    arrival->data ? arrival->data + offset : NULL);
	outcome = fill(&f);
	piece.nr_pages = f.done;
	if (f.done)
		left_give(&memory->left, &piece);
	count(serve, memory, &f, arrival->wish.urgent);
	if (outcome == FILL_DONE)
		memory->retry_ns = 0;
	else if (!go_on(serve, memory, &f, outcome, tries))
		return arrival->nr_pages;
	return f.done;
}

static void forget(struct memory *memory, const struct wish *wish)
{
	uint64_t page_size = memory->left.page_size;

	for (uint64_t at = 0; at < wish->nr_pages;) {
		struct left_piece piece;

		left_place(&memory->left, wish->image + at * page_size,
			   wish->nr_pages - at, wish->near + at * page_size,
			   &piece);
		left_unask(&memory->left, &piece);
		at += piece.nr_pages;
	}
}

static void deliver(struct serve *serve, const struct arrival *arrival)
{
	struct memory *memory = arrival->wish.of;
	unsigned tries = 0;

	memory->in_flight--;
	for (uint64_t at = 0; at < arrival->nr_pages && !memory->gone;)
		at += put(serve, arrival, at, &tries);
	forget(memory, &arrival->wish);
}

void deliver_arrivals(struct serve *serve, struct source *source)
{
	enum source_outcome outcome;
	struct arrival arrival;

	while ((outcome = source->take(source, &arrival)) == SOURCE_ARRIVAL)
		deliver(serve, &arrival);
	if (outcome == SOURCE_FAILED)
		die(EXIT_INPUT, "%s", source->text);
}

bool deliver_wish(struct serve *serve, struct memory *memory,
		  const struct left_piece *piece, bool urgent)
{
	struct source *source = &serve->local.source;
	struct chain_piece found;
	struct wish wish = {
		.of = memory,
		.images = memory->images,
		.image = piece->image,
		.near = piece->vaddr,
		.urgent = urgent,
	};
	struct left_piece asked = *piece;

	if (images_place(memory->images, piece->image, piece->nr_pages,
			 &found) == IMAGE_AWAY)
		source = serve->remote;
	if (!source->has_room(source, urgent))
		return false;
	wish.nr_pages =
		found.nr_pages < source->most ? found.nr_pages : source->most;
	asked.nr_pages = wish.nr_pages;
	left_ask(&memory->left, &asked);
	memory->in_flight++;
	if (source->ask(source, &wish) < 0)
		die(EXIT_INPUT, "%s", source->text);
	if (source->in < 0) /* it is there already */
		deliver_arrivals(serve, source);
	return true;
}

/* New memory is mostly used from one end to the other. */
static uint64_t zeros_at(const struct serve *serve, const struct memory *memory,
			 vaddr_t vaddr)
{
	struct left_piece piece;
	uint64_t nr = 1;

	while (nr < ZEROS) {
		vaddr_t next = vaddr + nr * serve->page_size;

		if (next / serve->page_size % ZEROS == 0 ||
		    left_has(&memory->left, next, &piece))
			return nr;
		nr++;
	}
	return nr;
}

void deliver_zeros(struct serve *serve, struct memory *memory, vaddr_t vaddr)
{
	struct left_piece piece = {
		.vaddr = vaddr,
		.nr_pages = zeros_at(serve, memory, vaddr),
	};
	struct fill f = fill_of(serve, memory, &piece, NULL);
	enum fill_outcome outcome = fill(&f);
	unsigned tries = 0;

	if (f.done)
		serve->totals.zeros++;
	memory_answer(memory, vaddr, f.done * serve->page_size, tell_fault,
		      serve);
	if (outcome != FILL_DONE)
		go_on(serve, memory, &f, outcome, &tries);
}
