// SPDX-License-Identifier: GPL-3.0-or-later
#include "lazyserve/push.h"

#include "base/clock.h"
#include "lazyserve/deliver.h"

#define PACE_FIRST 16 /* pages: some 10 us */
#define PACE_MOST  1024
#define FRESH_NS   (5 * MS_NS)

/* A fault's answer comes behind all that is under way: 4 ms at 1 GB/s. */
#define WINDOW_MOST  1024 /* pages */
#define WINDOW_FAULT 128

void push_near(struct memory *memory, vaddr_t vaddr)
{
	uint64_t block = (uint64_t)PACE_FIRST * memory->left.page_size;

	memory->near = vaddr - vaddr % block;
	memory->pace = PACE_FIRST;
}

static bool may_push(const struct memory *memory, uint64_t now)
{
	return memory->left.nr_missing && !memory->gone &&
	       memory->retry_ns <= now;
}

/* The one with the newest fault. */
static struct memory *find_faulting(const struct serve *serve, uint64_t now)
{
	struct memory *found = NULL;

	for (size_t i = 0; i < serve->nr; i++) {
		struct memory *memory = serve->memories[i];

		if (memory->fault_ns + FRESH_NS > now &&
		    may_push(memory, now) &&
		    (!found || memory->fault_ns > found->fault_ns))
			found = memory;
	}
	return found;
}

static bool push(struct serve *serve, struct memory *memory)
{
	struct left_piece piece;

	if (!memory->pace)
		memory->pace = PACE_FIRST;
	if (!left_next(&memory->left, memory->near, memory->pace, &piece) &&
	    !left_next(&memory->left, 0, memory->pace, &piece))
		return false;
	if (!deliver_wish(serve, memory, &piece, false))
		return false;
	memory->near = piece.vaddr;
	if (memory->pace < PACE_MOST)
		memory->pace *= 2;
	return true;
}

static bool push_in_turn(struct serve *serve, bool forked, uint64_t now)
{
	for (size_t n = 1; n <= serve->nr; n++) {
		size_t i = (serve->turn + n) % serve->nr;
		struct memory *memory = serve->memories[i];

		if (memory->forked == forked && may_push(memory, now) &&
		    push(serve, memory)) {
			serve->turn = i;
			return true;
		}
	}
	return false;
}

bool push_piece(struct serve *serve)
{
	uint64_t now = clock_ns();
	struct memory *faulting = find_faulting(serve, now);

	if (serve->remote)
		serve->remote->window = faulting ? WINDOW_FAULT : WINDOW_MOST;
	return (faulting && push(serve, faulting)) ||
	       push_in_turn(serve, false, now) ||
	       push_in_turn(serve, true, now);
}
