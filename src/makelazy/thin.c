// SPDX-License-Identifier: GPL-3.0-or-later
#include "makelazy/thin.h"

#include <stdlib.h>

void thin_begin(struct thin *thin, struct stage *stage)
{
	thin->stage = stage;
	thin->page_size = stage->in.hello->page_size;
	thin->room =
		THIN_CHUNK > thin->page_size ? THIN_CHUNK : thin->page_size;
	thin->data = malloc(thin->room);
	if (!thin->data)
		die(EXIT_SYSTEM, "no memory");
}

void thin_flush(struct thin *thin)
{
	struct pages pages = {
		.subject = thin->subject,
		.runs = thin->runs,
		.nr_runs = thin->nr_runs,
		.body = thin->data,
		.body_size = (uint32_t)thin->filled,
		.digest = thin->digest,
	};

	if (thin->nr_runs)
		stage_pages(thin->stage, &pages);
	thin->nr_runs = 0;
	thin->filled = 0;
}

static void put_run(struct thin *thin, const struct run *run)
{
	if (thin->nr_runs &&
	    run_join(&thin->runs[thin->nr_runs - 1], run, thin->page_size))
		return;
	if (thin->nr_runs == THIN_RUNS)
		thin_flush(thin);
	thin->runs[thin->nr_runs++] = *run;
}

/* Its digest is checked all the same. */
static void discard(struct thin *thin, uint64_t bytes)
{
	static char scrap[65536];

	while (bytes) {
		uint32_t size =
			bytes < sizeof(scrap) ? (uint32_t)bytes : sizeof(scrap);

		stage_body(thin->stage, scrap, size);
		bytes -= size;
	}
}

/* There is room first: a run goes with its bytes. */
static void copy(struct thin *thin, struct run run)
{
	while (run.nr_pages) {
		uint32_t pages = (thin->room - thin->filled) / thin->page_size;
		struct run piece = run;

		if (!pages || thin->nr_runs == THIN_RUNS) {
			thin_flush(thin);
			continue;
		}
		piece.nr_pages = run.nr_pages < pages ? run.nr_pages : pages;
		put_run(thin, &piece);
		stage_body(thin->stage, thin->data + thin->filled,
			   piece.nr_pages * thin->page_size);
		thin->filled += piece.nr_pages * thin->page_size;
		run.vaddr = run_end(&piece, thin->page_size);
		run.nr_pages -= piece.nr_pages;
	}
}

/* Pages that all may be lazy, or all not; PRESENT or ZERO. */
static void put_piece(struct thin *thin, struct run piece, bool lazy)
{
	bool has_bytes = piece.flags & RUN_PRESENT;
	uint64_t bytes = (uint64_t)piece.nr_pages * thin->page_size;

	if (lazy)
		thin->nr_lazy += piece.nr_pages;
	if (lazy && !(piece.flags & RUN_LAZY))
		thin->nr_unmarked += piece.nr_pages;
	piece.flags &= ~(uint32_t)RUN_LAZY;
	if (lazy && thin->mark)
		piece.flags |= RUN_LAZY;
	else if (lazy)
		piece.flags = RUN_LAZY;
	if (has_bytes && piece.flags & RUN_PRESENT)
		copy(thin, piece);
	else
		put_run(thin, &piece);
	if (has_bytes && !(piece.flags & RUN_PRESENT))
		discard(thin, bytes);
}

/* By the mappings, or else by what CRIU has marked. */
static void put_pages(struct thin *thin, struct task *task, struct run run)
{
	bool marked = run.flags & RUN_LAZY;
	const struct runlist *list = marked ? &task->may : &task->quiet;
	size_t *at = marked ? &task->at_may : &task->at_quiet;

	if (!task->listed) {
		put_piece(thin, run, marked);
		return;
	}
	while (run.nr_pages) {
		struct run piece;
		bool lazy =
			runlist_cut(list, at, &run, &piece, thin->page_size);

		put_piece(thin, piece, lazy);
	}
}

void thin_take(struct thin *thin, struct task *task, const struct frame *frame)
{
	const struct stream_reader *in = &thin->stage->in;
	bool digest = frame->flags & FRAME_DIGEST;

	if (frame->subject != thin->subject || digest != thin->digest)
		thin_flush(thin);
	thin->subject = frame->subject;
	thin->digest = digest;
	for (uint32_t i = 0; i < in->nr_runs; i++) {
		if (in->runs[i].flags & (RUN_PRESENT | RUN_ZERO))
			put_pages(thin, task, in->runs[i]);
		else
			put_run(thin, &in->runs[i]);
	}
}
