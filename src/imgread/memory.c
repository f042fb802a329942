// SPDX-License-Identifier: GPL-3.0-or-later
#include "imgread/memory.h"

#include "base/zero.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void memory_die(const struct chain *chain)
{
	if (errno == EBADMSG)
		die(EXIT_INPUT, "%s", chain->fault.text);
	die_errno(EXIT_SYSTEM, "cannot read %s", chain->fault.text);
}

static void load(struct memory *memory, uint32_t pid)
{
	char name[32];

	snprintf(name, sizeof(name), "pagemap-%" PRIu32 ".img", pid);
	if (chain_load(memory->chain, name, memory->kept->page_size) < 0)
		memory_die(memory->chain);
}

/* --- check --- */

/* CRIU does not mind; what is there too much is in no pagemap. */
static void note_surplus(const struct chain *chain)
{
	const struct chain_level *top = &chain->levels[0];
	uint64_t used = top->list.nr_present * chain->page_size;

	if (top->pages.size > used)
		detail("%s/pages-%" PRIu32 ".img: %" PRIu64
		       " bytes at its end are no page of %s",
		       top->path, top->list.pages_id, top->pages.size - used,
		       chain->name);
}

static void check_task(struct memory *memory, uint32_t pid)
{
	struct chain *chain = memory->chain;
	const struct pagemap_list *list = &chain->levels[0].list;

	load(memory, pid);
	contents_claim_pages(memory->contents, list->pages_id, OWNER_TASK,
			     chain->name);
	if (chain_check(chain) < 0)
		memory_die(chain);
	note_surplus(chain);
	memory->expected += list->nr_present;
	if (memory->flatten)
		memory->expected += list->nr_parent;
}

void memory_check(struct memory *memory)
{
	const struct kept *kept = memory->kept;

	for (uint32_t i = 0; i < kept->nr_tasks; i++)
		if (!kept->tasks[i].gone)
			check_task(memory, kept->tasks[i].pid);
}

/* --- send --- */

static void flush(struct memory *memory)
{
	struct pages pages = {
		.subject = memory->subject,
		.runs = memory->runs,
		.nr_runs = memory->nr_runs,
		.body = memory->data,
		.body_size = memory->filled,
		.digest = true,
	};

	if (memory->nr_runs)
		stage_pages(memory->stage, &pages);
	memory->nr_runs = 0;
	memory->filled = 0;
	progress_show(&memory->progress, memory->stage->out.tally.present);
}

static void put_run(struct memory *memory, const struct run *run)
{
	if (memory->nr_runs && run_join(&memory->runs[memory->nr_runs - 1], run,
					memory->kept->page_size))
		return;
	if (memory->nr_runs == MEMORY_RUNS)
		flush(memory);
	memory->runs[memory->nr_runs++] = *run;
}

/* Pages without bytes, however many. */
static void put_pages(struct memory *memory, vaddr_t vaddr, uint64_t nr_pages,
		      uint32_t flags)
{
	while (nr_pages) {
		struct run run = {
			.vaddr = vaddr,
			.nr_pages = nr_pages < UINT32_MAX ? (uint32_t)nr_pages
							  : UINT32_MAX,
			.flags = flags,
		};

		put_run(memory, &run);
		nr_pages -= run.nr_pages;
		vaddr = run_end(&run, memory->kept->page_size);
	}
}

/* The body must have room before the run is added: a run goes with its bytes.
 */
static void put_page(struct memory *memory, vaddr_t vaddr, const char *page,
		     uint32_t lazy)
{
	uint32_t size = memory->kept->page_size;
	struct run run = {vaddr, 1, RUN_PRESENT | lazy};

	if (is_zero(page, size)) {
		put_pages(memory, vaddr, 1, RUN_ZERO | lazy);
		return;
	}
	if (memory->filled + size > MEMORY_CHUNK ||
	    memory->nr_runs == MEMORY_RUNS)
		flush(memory);
	put_run(memory, &run);
	memcpy(memory->data + memory->filled, page, size);
	memory->filled += size;
}

/* Pages in a row that stand in the level's file from offset on. */
static void put_bytes(struct memory *memory, const struct chain_piece *piece,
		      vaddr_t vaddr, uint32_t lazy)
{
	uint32_t size = memory->kept->page_size;
	uint64_t offset = piece->offset;
	uint64_t left = piece->nr_pages;

	while (left) {
		const char *data;
		int64_t nr = pages_file_next(&piece->level->pages, offset, left,
					     &data);

		if (nr < 0)
			die_errno(EXIT_SYSTEM,
				  "cannot read %s/pages-%" PRIu32
				  ".img at byte %" PRIu64,
				  piece->level->path,
				  piece->level->list.pages_id, offset);
		if (!data)
			put_pages(memory, vaddr, (uint64_t)nr, RUN_ZERO | lazy);
		for (int64_t i = 0; data && i < nr; i++)
			put_page(memory, vaddr + (uint64_t)i * size,
				 data + i * size, lazy);
		left -= (uint64_t)nr;
		offset += (uint64_t)nr * size;
		vaddr += (uint64_t)nr * size;
	}
}

/*
 * Not lazy, whatever the parent's entry says: that was true of the parent's
 * moment, and bytes that are here are never wrong.
 */
static void put_inherited(struct memory *memory,
			  const struct pagemap_entry *entry)
{
	uint64_t done = 0;

	while (done < entry->nr_pages) {
		vaddr_t vaddr = entry->vaddr + done * memory->kept->page_size;
		struct chain_piece piece;

		if (chain_resolve(memory->chain, entry, vaddr, &piece) < 0)
			memory_die(memory->chain);
		put_bytes(memory, &piece, vaddr, 0);
		done += piece.nr_pages;
	}
}

static void put_entry(struct memory *memory, const struct pagemap_entry *entry)
{
	struct chain_piece piece = {&memory->chain->levels[0], entry->offset,
				    entry->nr_pages};
	uint32_t lazy = entry->flags & PAGEMAP_LAZY ? RUN_LAZY : 0;

	if (entry->flags & PAGEMAP_PRESENT)
		put_bytes(memory, &piece, entry->vaddr, lazy);
	else if (lazy)
		put_pages(memory, entry->vaddr, entry->nr_pages, lazy);
	else if (memory->flatten)
		put_inherited(memory, entry);
	else
		put_pages(memory, entry->vaddr, entry->nr_pages, RUN_PARENT);
}

static void send_task(struct memory *memory, uint32_t subject)
{
	const struct pagemap_list *list = &memory->chain->levels[0].list;

	load(memory, memory->kept->tasks[subject].pid);
	memory->subject = subject;
	for (size_t i = 0; i < list->nr; i++)
		put_entry(memory, &list->entries[i]);
	flush(memory);
}

void memory_send(struct memory *memory)
{
	const struct kept *kept = memory->kept;

	memory->data = malloc(MEMORY_CHUNK);
	if (!memory->data)
		die(EXIT_SYSTEM, "no memory");
	progress_begin(&memory->progress, kept->page_size, false);
	memory->progress.expected = memory->expected;
	for (uint32_t i = 0; i < kept->nr_tasks; i++)
		if (!kept->tasks[i].gone)
			send_task(memory, i);
	progress_end(&memory->progress, memory->stage->out.tally.present);
	free(memory->data);
}
