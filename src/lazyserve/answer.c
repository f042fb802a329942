// SPDX-License-Identifier: GPL-3.0-or-later
#include "lazyserve/answer.h"

#include "base/clock.h"
#include "base/die.h"
#include "lazyserve/deliver.h"
#include "lazyserve/push.h"

#include <inttypes.h>

/*
 * Restore loads what is not LAZY in the images it is given, and the process has
 * not dropped it: it was given other images.
 */
static _Noreturn void die_of_images(const struct memory *memory, vaddr_t vaddr)
{
	die(EXIT_INPUT,
	    "pid %" PRIu32 ": restore has not loaded the page 0x%" PRIx64
	    " itself, as it should: what is restored is another directory; "
	    "name it with --work-dir",
	    memory->images->pid, vaddr);
}

static void answer(struct serve *serve, struct memory *memory, vaddr_t vaddr)
{
	struct left_piece piece;

	if (left_has(&memory->left, vaddr, &piece)) {
		push_near(memory, vaddr);
		if (!left_is_asked(&memory->left, vaddr))
			deliver_wish(serve, memory, &piece, true);
		return;
	}
	/* MADV_WIPEONFORK leaves nothing to a child */
	if (!memory->forked && left_has(&memory->loaded, vaddr, &piece))
		die_of_images(memory, piece.image);
	deliver_zeros(serve, memory, vaddr);
}

/* Those that cannot be answered yet stay. */
void answer_faults(struct serve *serve, struct memory *memory)
{
	size_t i = 0;

	if (memory->retry_ns && memory->retry_ns > clock_ns())
		return;
	while (i < memory->nr_faults && !memory->gone) {
		size_t before = memory->nr_faults;

		answer(serve, memory, memory->faults[i].vaddr);
		if (memory->nr_faults >= before)
			i++;
	}
}
