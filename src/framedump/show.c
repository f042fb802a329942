// SPDX-License-Identifier: GPL-3.0-or-later
#include "framedump/show.h"

#include "base/num.h"
#include "stream/wire.h"
#include "vm/vma.h"

#include <inttypes.h>
#include <stdio.h>

static void show_text(const char *label, const ProtobufCBinaryData *text)
{
	printf(" %s=\"", label);
	for (size_t i = 0; i < text->len; i++) {
		uint8_t c = text->data[i];

		if (c < ' ' || c > '~' || c == '"' || c == '\\')
			printf("\\%03o", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void show_id(const char *label, const ProtobufCBinaryData *id)
{
	printf(" %s=", label);
	for (size_t i = 0; i < id->len; i++)
		printf("%02x", id->data[i]);
}

static void show_numbers(const char *label, const uint32_t *numbers, size_t nr)
{
	if (nr)
		printf(" %s=", label);
	for (size_t i = 0; i < nr; i++)
		printf("%s%" PRIu32, i ? "," : "", numbers[i]);
}

static void show_hello(const Pagestream__Hello *hello)
{
	static const char *const modes[] = {"never-stopped", "pre-dump",
					    "consistent"};

	printf(" version=%" PRIu32 " page_size=%" PRIu32 " mode=%s",
	       hello->version, hello->page_size, modes[hello->mode]);
	show_text("machine", &hello->machine);
	show_text("host", &hello->host);
	show_id("boot", &hello->boot_id);
	show_id("session", &hello->session);
	printf(" keeper=%s leased=%d hold=%d",
	       *hello->keeper ? hello->keeper : "-", hello->leased,
	       hello->hold);
	show_text("writer", &hello->writer);
	show_numbers("named", hello->named, hello->n_named);
	if (*hello->tracker)
		printf(" tracker=%s", hello->tracker);
	putchar('\n');
}

static void show_task(const Pagestream__Task *task)
{
	printf(" pid=%" PRIu32 " ns_pid=%" PRIu32 " parent=%" PRIu32
	       " start=%" PRIu64 " uid=%" PRIu32 " resident=%" PRIu64
	       " living=%" PRIu32 " named=%d start_stack=0x%" PRIx64,
	       task->pid, task->ns_pid, task->parent, task->start_time,
	       task->uid, task->resident_pages, task->living_tid, task->named,
	       task->start_stack);
	show_text("name", &task->name);
	putchar('\n');
	for (size_t i = 0; i < task->n_threads; i++)
		printf("  thread tid=%" PRIu32 " ns_tid=%" PRIu32
		       " sp=0x%" PRIx64 "\n",
		       task->threads[i]->tid, task->threads[i]->ns_tid,
		       task->threads[i]->sp);
}

/* The name of a number, or the number: a newer writer may know more. */
static void show_named(const char *label, int number, const char *const *names,
		       int nr)
{
	if (number >= 0 && number < nr)
		printf(" %s=%s", label, names[number]);
	else
		printf(" %s=%d", label, number);
}

static const char *const trackings[] = {"none", "uffd", "soft-dirty"};
static const char *const scans[] = {"none", "scan", "pagemap"};
static const char *const outcomes[] = {"whole", "gone"};
static const char *const stages[] = {"none",    "freeze",  "vmalist", "thaw",
				     "memread", "imgread", "other"};

static void show_release(const Pagestream__Release *release)
{
	show_named("tracking", (int)release->tracking, trackings, 3);
	printf(" base=%" PRIu64 " generation=%" PRIu64 " uptime_us=%" PRIu64
	       " clk_tck=%" PRIu32,
	       release->base_generation, release->generation,
	       release->uptime_us, release->clk_tck);
	show_named("scan", (int)release->scan, scans, 3);
	printf(" stopped_ns=%" PRIu64, release->stopped_ns);
	if (release->tracker.len)
		show_id("tracker", &release->tracker);
	if (release->base_uptime_us)
		printf(" base_uptime_us=%" PRIu64, release->base_uptime_us);
	putchar('\n');
}

static void show_maps(const Pagestream__Maps *maps)
{
	show_text("text", &maps->text);
	putchar('\n');
}

static void show_vma(const Pagestream__Vma *vma)
{
	printf("  vma 0x%" PRIx64 "-0x%" PRIx64 " %c%c%c%c %s offset=0x%" PRIx64
	       " dev=%" PRIx32 ":%" PRIx32 " inode=%" PRIu64,
	       vma->start, vma->end, vma->prot & VMA_READ ? 'r' : '-',
	       vma->prot & VMA_WRITE ? 'w' : '-',
	       vma->prot & VMA_EXEC ? 'x' : '-',
	       vma->prot & VMA_SHARED ? 's' : 'p',
	       vma_kind_name((enum vma_kind)vma->kind), vma->offset,
	       vma->dev_major, vma->dev_minor, vma->inode);
	show_text("name", &vma->name);
	putchar('\n');
}

static void show_vmas(const Pagestream__Vmas *vmas)
{
	printf(" nr=%zu\n", vmas->n_vmas);
	for (size_t i = 0; i < vmas->n_vmas; i++)
		show_vma(vmas->vmas[i]);
}

static void show_flags(const struct run *run)
{
	static const struct {
		uint32_t flag;
		const char *name;
	} names[] = {
		{RUN_PRESENT, "present"}, {RUN_PARENT, "parent"},
		{RUN_ZERO, "zero"},       {RUN_SKIP, "skip"},
		{RUN_LAZY, "lazy"},
	};
	const char *separator = " ";

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (!(run->flags & names[i].flag))
			continue;
		printf("%s%s", separator, names[i].name);
		separator = ",";
	}
	if (run->flags & RUN_SKIP)
		printf(":%s", run_skip_name(run_why(run)));
}

static void show_runs(const struct stream_reader *in, const struct frame *frame)
{
	const uint8_t *at = frame->table;

	printf(" nr=%" PRIu32 " body=%" PRIu32, in->nr_runs, frame->body_size);
	if (frame->flags & FRAME_DIGEST)
		printf(" digest=%016" PRIx64, get_u64(&at));
	putchar('\n');
	for (uint32_t i = 0; i < in->nr_runs; i++) {
		printf("  run 0x%" PRIx64 " %" PRIu32, in->runs[i].vaddr,
		       in->runs[i].nr_pages);
		show_flags(&in->runs[i]);
		putchar('\n');
	}
}

static void show_image(const struct image_piece *piece,
		       const struct frame *frame)
{
	const uint8_t *at = frame->table;

	printf(" type=%" PRIu32 " id=%" PRIu64 " offset=%" PRIu64
	       " size=%" PRIu64 " body=%" PRIu32,
	       piece->type, piece->id, piece->offset, piece->size,
	       frame->body_size);
	if (frame->flags & FRAME_DIGEST)
		printf(" digest=%016" PRIx64, get_u64(&at));
	putchar('\n');
}

static void show_message(uint16_t kind, const ProtobufCMessage *message)
{
	switch (kind) {
	case KIND_HELLO:
		show_hello((const Pagestream__Hello *)message);
		break;
	case KIND_TASK:
		show_task((const Pagestream__Task *)message);
		break;
	case KIND_MAPS:
		show_maps((const Pagestream__Maps *)message);
		break;
	case KIND_VMAS:
		show_vmas((const Pagestream__Vmas *)message);
		break;
	default:
		show_release((const Pagestream__Release *)message);
	}
}

void show_frame(const struct stream_reader *in, const struct frame *frame)
{
	printf("%s", frame_kind_name(frame->kind));
	if (frame->kind != KIND_HELLO && frame->kind != KIND_RELEASE &&
	    frame->kind != KIND_THAWED)
		printf(" %" PRIu32, frame->subject);
	if (frame_is_skippable(frame->kind))
		printf(" kind=0x%x table=%" PRIu32 " body=%" PRIu32 "\n",
		       frame->kind, frame->table_size, frame->body_size);
	else if (frame->kind == KIND_RUNS || frame->kind == KIND_PAGES)
		show_runs(in, frame);
	else if (frame->kind == KIND_IMAGE)
		show_image(&in->image, frame);
	else
		show_message(frame->kind, frame->kind == KIND_HELLO
						  ? &in->hello->base
						  : in->message);
}

static void show_totals(const char *label, const Pagestream__Totals *totals)
{
	printf("  %s frames=%" PRIu64 " runs=%" PRIu64 " present=%" PRIu64
	       " zero=%" PRIu64 " parent=%" PRIu64 " lazy=%" PRIu64,
	       label, totals->frames, totals->runs, totals->present,
	       totals->zero, totals->parent, totals->lazy);
	for (size_t i = 0; i < totals->n_skipped; i++)
		printf(" skip:%s=%" PRIu64,
		       run_skip_name((enum run_skip)totals->skipped[i]->reason),
		       totals->skipped[i]->pages);
	printf(" body_bytes=%" PRIu64 "\n", totals->body_bytes);
}

void show_end(const struct stream_reader *in)
{
	const Pagestream__End *end = in->end;

	printf("END");
	show_named("stage", (int)end->stage, stages, 7);
	show_named("outcome", (int)end->outcome, outcomes, 2);
	printf(" heads_crc=%08" PRIx32, end->heads_crc);
	show_numbers("gone", end->gone, end->n_gone);
	show_numbers("async_io", end->async_io, end->n_async_io);
	if (end->uptime_us)
		printf(" uptime_us=%" PRIu64, end->uptime_us);
	putchar('\n');
	show_totals("totals", end->totals);
	if (end->before)
		show_totals("before", end->before);
}

void show_count(struct shown *shown, const struct stream_reader *in,
		const struct frame *frame)
{
	const ProtobufCMessage *message = in->message;

	if (frame->kind == KIND_VMAS)
		shown->mappings += ((const Pagestream__Vmas *)message)->n_vmas;
	else if (frame->kind == KIND_TASK)
		shown->resident_pages +=
			((const Pagestream__Task *)message)->resident_pages;
	else if (frame->kind == KIND_THAWED)
		shown->stopped_ns =
			((const Pagestream__Release *)message)->stopped_ns;
}

/* Behind vmalist, PRESENT pages are those that would be sent. */
void show_summary(const struct stream_reader *in, const struct shown *shown,
		  bool whole)
{
	const struct tally *tally = &in->tally;
	uint64_t page_size = in->hello ? in->hello->page_size : 0;
	uint64_t resident = shown->resident_pages * page_size;
	uint64_t bytes = tally->present * page_size;

	printf("%" PRIu32 " processes (%s resident), %" PRIu64
	       " mappings, %" PRIu64 " runs; pages: %" PRIu64 " present (%s), "
	       "%" PRIu64 " zero, %" PRIu64 " parent, %" PRIu64
	       " lazy, %" PRIu64 " skipped; %s; stopped for %s\n",
	       in->nr_tasks, num_bytes(resident).text, shown->mappings,
	       tally->runs, tally->present, num_bytes(bytes).text, tally->zero,
	       tally->parent, tally->lazy, tally_skipped(tally),
	       whole ? "whole" : "not whole", num_time(shown->stopped_ns).text);
}
