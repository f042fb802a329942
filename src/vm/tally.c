// SPDX-License-Identifier: GPL-3.0-or-later
#include "vm/tally.h"

void tally_add(struct tally *tally, const struct run *run)
{
	tally->runs++;
	if (run->flags & RUN_PRESENT)
		tally->present += run->nr_pages;
	else if (run->flags & RUN_ZERO)
		tally->zero += run->nr_pages;
	else if (run->flags & RUN_PARENT)
		tally->parent += run->nr_pages;
	else if (run->flags & RUN_SKIP)
		tally->skip[run_why(run)] += run->nr_pages;
	else
		tally->lazy += run->nr_pages;
}

uint64_t tally_skipped(const struct tally *tally)
{
	uint64_t sum = 0;

	for (int why = 0; why < RUN_SKIPS; why++)
		sum += tally->skip[why];
	return sum;
}
