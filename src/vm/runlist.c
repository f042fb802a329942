// SPDX-License-Identifier: GPL-3.0-or-later
#include "vm/runlist.h"

#include <errno.h>
#include <stdlib.h>

static int grow(struct runlist *list)
{
	size_t room = 2 * list->room + 16;
	struct run *all = reallocarray(list->all, room, sizeof(*all));

	if (!all)
		return -1;
	list->all = all;
	list->room = room;
	return 0;
}

int runlist_append(struct runlist *list, const struct run *run,
		   uint32_t page_size)
{
	if (list->nr && run_join(&list->all[list->nr - 1], run, page_size))
		return 0;
	if (list->nr == list->room && grow(list) < 0)
		return -1;
	list->all[list->nr++] = *run;
	return 0;
}

int runlist_append_range(struct runlist *list, vaddr_t start, vaddr_t end,
			 uint32_t flags, uint32_t page_size)
{
	while (start < end) {
		uint64_t pages = (end - start) / page_size;
		struct run run = {
			.vaddr = start,
			.nr_pages = pages > UINT32_MAX ? UINT32_MAX
						       : (uint32_t)pages,
			.flags = flags,
		};

		if (runlist_append(list, &run, page_size) < 0)
			return -1;
		start = run_end(&run, page_size);
	}
	return 0;
}

/* Of two lists the run that begins first; NULL behind both. */
static const struct run *take_first(const struct runlist *a, size_t *at_a,
				    const struct runlist *b, size_t *at_b)
{
	bool has_a = *at_a < a->nr;
	bool has_b = *at_b < b->nr;

	if (!has_a && !has_b)
		return NULL;
	if (!has_b || (has_a && a->all[*at_a].vaddr <= b->all[*at_b].vaddr))
		return &a->all[(*at_a)++];
	return &b->all[(*at_b)++];
}

int runlist_unite(struct runlist *out, const struct runlist *a,
		  const struct runlist *b, uint32_t flags, uint32_t page_size)
{
	size_t at_a = 0;
	size_t at_b = 0;
	vaddr_t low = 0; /* all below is in out, or in neither */
	const struct run *run;

	while ((run = take_first(a, &at_a, b, &at_b))) {
		vaddr_t start = run->vaddr > low ? run->vaddr : low;
		vaddr_t end = run_end(run, page_size);

		if (runlist_append_range(out, start, end, flags, page_size) < 0)
			return -1;
		if (end > low)
			low = end;
	}
	return 0;
}

int runlist_invert(struct runlist *out, const struct runlist *list, vaddr_t end,
		   uint32_t flags, uint32_t page_size)
{
	vaddr_t low = 0;

	for (size_t i = 0; i < list->nr; i++) {
		if (runlist_append_range(out, low, list->all[i].vaddr, flags,
					 page_size) < 0)
			return -1;
		low = run_end(&list->all[i], page_size);
	}
	return runlist_append_range(out, low, end, flags, page_size);
}

/* Closes all gaps of at most that many pages, where one count can say it. */
static void close_gaps(struct runlist *list, uint64_t pages, uint32_t page_size)
{
	size_t nr = 0;

	for (size_t i = 0; i < list->nr; i++) {
		struct run *last = nr ? &list->all[nr - 1] : NULL;
		const struct run *run = &list->all[i];
		uint64_t whole =
			last ? (run_end(run, page_size) - last->vaddr) /
					page_size
			     : 0;

		if (last && whole <= UINT32_MAX &&
		    run->vaddr - run_end(last, page_size) <= pages * page_size)
			last->nr_pages = (uint32_t)whole;
		else
			list->all[nr++] = *run;
	}
	list->nr = nr;
}

void runlist_coarsen(struct runlist *list, size_t max, uint32_t page_size)
{
	for (uint64_t pages = 1; list->nr > max && pages < UINT32_MAX;
	     pages *= 2)
		close_gaps(list, pages, page_size);
}

bool runlist_cut(const struct runlist *list, size_t *at, struct run *run,
		 struct run *piece, uint32_t page_size)
{
	vaddr_t end = run_end(run, page_size);
	vaddr_t border = end;
	bool inside = false;

	while (*at < list->nr &&
	       run_end(&list->all[*at], page_size) <= run->vaddr)
		(*at)++;
	if (*at < list->nr && list->all[*at].vaddr < end) {
		const struct run *other = &list->all[*at];

		inside = other->vaddr <= run->vaddr;
		border = inside ? run_end(other, page_size) : other->vaddr;
	}
	if (border > end)
		border = end;
	*piece = *run;
	piece->nr_pages = (uint32_t)((border - run->vaddr) / page_size);
	run->vaddr = border;
	run->nr_pages -= piece->nr_pages;
	return inside;
}

void runlist_release(struct runlist *list)
{
	free(list->all);
	*list = (struct runlist){0};
}
