// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What the memories of a lazy restore tell lazyserve, in any order, and what
 * it then puts into them.  In place of the kernel stands a model: which page of
 * the images each page of a memory still waits for.
 *
 *   each step   1 byte: bits 0 to 2 enum step, bit 3: it is not read yet,
 *               bits 4 to 7: of which memory; then what the step takes, in
 *               bytes: pages
 */
#include "kit/kit.h"

#include "image/pagemap_img.h"
#include "image/summary_img.h"
#include "lazyserve/answer.h"
#include "lazyserve/event.h"
#include "lazyserve/fill.h"
#include "lazyserve/push.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE     4096
#define FIRST    0x100000 /* the model's first page */
#define PAGES    128      /* of the model */
#define MEMORIES 4
#define PUSHES   10000
#define UNREAD   64 /* events; a socket does not take many more */

enum step { FAULT, REMOVE, UNMAP, REMAP, FORK, PUSH, TROUBLE, UNKNOWN };

/* In the images: LAZY ones with bytes, PRESENT ones, LAZY ones of zeros. */
static const struct run runs[] = {
	{FIRST, 16, RUN_PRESENT | RUN_LAZY},
	{FIRST + 16 * PAGE, 4, RUN_PRESENT},
	{FIRST + 24 * PAGE, 20, RUN_PRESENT | RUN_LAZY},
	{FIRST + 60 * PAGE, 4, RUN_ZERO | RUN_LAZY},
};

struct model {
	int here, uffd;         /* both ends; uffd is lazyserve's */
	uint64_t waits[PAGES];  /* for what is at that address; 0: nothing */
	enum fill_outcome next; /* of the next piece */
};

static struct {
	struct image_set set;
	struct serve serve;
	struct model models[MEMORIES];
	size_t nr;
	struct kit_input input;
} fuzz;

/* --- the images --- */

static void make_images(int dir)
{
	struct pagemap_img img;
	uint64_t page[PAGE / sizeof(uint64_t)] = {0};

	kit_must(pagemap_img_create(&img, dir, 7, 1, PAGE) == 0, "an image");
	for (size_t i = 0; i < sizeof(runs) / sizeof(*runs); i++) {
		kit_must(pagemap_img_add(&img, &runs[i]) == 0, "an entry");
		if (runs[i].flags & RUN_ZERO)
			pagemap_img_hole(&img, runs[i].nr_pages * PAGE);
		for (uint32_t n = 0;
		     n < runs[i].nr_pages && runs[i].flags & RUN_PRESENT; n++) {
			*page = runs[i].vaddr + n * PAGE;
			pagemap_img_data(&img, page, PAGE);
		}
	}
	kit_must(pagemap_img_finish(&img) == 0, "images can be made");
	pagemap_img_release(&img);
}

static void read_images(void *unused)
{
	(void)unused;
	image_set_read(&fuzz.set, kit_path(), kit_path(), false);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	kit_file(INVENTORY_NAME, NULL, 0);
	make_images(kit_dir());
	kit_must(kit_run(read_images, NULL), "images can be read");
	return 0;
}

/* --- the kernel's part: lazyserve/fill.h --- */

static struct model *model_of(int uffd)
{
	for (size_t i = 0; i < fuzz.nr; i++)
		if (fuzz.models[i].uffd == uffd)
			return &fuzz.models[i];
	kit_must(false, "a memory is one of ours");
	return NULL;
}

static size_t nr_unread(const struct model *model)
{
	int size = 0;

	ioctl(model->uffd, FIONREAD, &size);
	return (size_t)size / sizeof(struct uffd_msg);
}

static void give_page(struct model *model, const struct fill *fill)
{
	uint64_t at = (fill->vaddr - FIRST) / PAGE + fill->done;
	uint64_t content = 0;

	if (fill->data)
		memcpy(&content, fill->data + fill->done * PAGE,
		       sizeof(content));
	kit_must(fill->vaddr >= FIRST, "pages belong into the memory");
	if (at >= PAGES) {
		kit_must(!content, "and not behind it");
		return;
	}
	kit_must(content == model->waits[at], "a page is the one waited for");
	model->waits[at] = 0;
}

/* While an event is not read, nothing can be put in (userfaultfd(2)). */
enum fill_outcome fill(struct fill *fill)
{
	struct model *model = model_of(fill->uffd);
	enum fill_outcome outcome = model->next;
	uint64_t most = fill->nr_pages;

	if (nr_unread(model))
		return FILL_CHANGING;
	if (outcome == FILL_GONE)
		return outcome;
	model->next = FILL_DONE;
	if (outcome != FILL_DONE)
		most = (most - fill->done) / 2;
	for (; fill->done < most; fill->done++)
		give_page(model, fill);
	return outcome;
}

void fill_wake(int uffd, vaddr_t vaddr, uint64_t size)
{
	(void)model_of(uffd);
	kit_must(vaddr % PAGE == 0 && size % PAGE == 0, "pages are woken");
}

bool fill_is_uffd(int fd)
{
	return fd >= 0;
}

bool fill_is_alive(int uffd, uint32_t page_size)
{
	(void)page_size;
	return model_of(uffd)->next != FILL_GONE;
}

/* --- what happens to a memory --- */

static struct model *add_model(void)
{
	struct model *model = &fuzz.models[fuzz.nr++];
	int ends[2];

	*model = (struct model){0};
	kit_must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			    0, ends) == 0,
		 "there are sockets");
	model->here = ends[0];
	model->uffd = ends[1];
	return model;
}

static size_t take_pages(size_t from, size_t most)
{
	size_t nr = kit_byte(&fuzz.input) % most + 1;

	return from + nr > PAGES ? PAGES - from : nr;
}

static void lose(struct model *model, size_t from, size_t nr)
{
	memset(model->waits + from, 0, nr * sizeof(*model->waits));
}

static struct uffd_msg range_event(uint8_t event, size_t from, size_t nr)
{
	struct uffd_msg msg = {.event = event};

	msg.arg.remove.start = FIRST + from * PAGE;
	msg.arg.remove.end = FIRST + (from + nr) * PAGE;
	return msg;
}

/* false: the kernel would refuse it. */
static bool remap(struct model *model, size_t from, struct uffd_msg *msg)
{
	size_t nr = take_pages(from, 32);
	size_t to = kit_byte(&fuzz.input) % PAGES;

	if (to + nr > PAGES || (to < from + nr && from < to + nr))
		return false;
	*msg = (struct uffd_msg){.event = UFFD_EVENT_REMAP};
	msg->arg.remap.from = FIRST + from * PAGE;
	msg->arg.remap.to = FIRST + to * PAGE;
	msg->arg.remap.len = nr * PAGE;
	memcpy(model->waits + to, model->waits + from,
	       nr * sizeof(*model->waits));
	lose(model, from, nr);
	return true;
}

static bool fork_memory(struct model *model, struct uffd_msg *msg)
{
	struct model *child;

	if (fuzz.nr == MEMORIES)
		return false;
	child = add_model();
	memcpy(child->waits, model->waits, sizeof(child->waits));
	*msg = (struct uffd_msg){.event = UFFD_EVENT_FORK};
	msg->arg.fork.ufd = (uint32_t)child->uffd;
	return true;
}

/* false: nothing is told. */
static bool happen(struct model *model, enum step step, struct uffd_msg *msg)
{
	size_t from = kit_byte(&fuzz.input) % PAGES;
	size_t nr;

	switch (step) {
	case FAULT:
		*msg = (struct uffd_msg){.event = UFFD_EVENT_PAGEFAULT};
		msg->arg.pagefault.address = FIRST + from * PAGE + from;
		return true;
	case REMOVE:
	case UNMAP:
		nr = take_pages(from, 64);
		lose(model, from, nr);
		*msg = range_event(step == REMOVE ? UFFD_EVENT_REMOVE
						  : UFFD_EVENT_UNMAP,
				   from, nr);
		return true;
	case REMAP:
		return remap(model, from, msg);
	case FORK:
		return fork_memory(model, msg);
	case UNKNOWN:
		*msg = (struct uffd_msg){.event = (uint8_t)from};
		return from == 0; /* those that are known are real */
	case PUSH:
	case TROUBLE:
		break;
	}
	return false;
}

/* --- lazyserve's part: as its serve.c takes a step --- */

static void read_events(void)
{
	struct serve *serve = &fuzz.serve;

	for (size_t i = 0; i < serve->nr; i++)
		if (!serve->memories[i]->gone)
			event_read(serve, serve->memories[i]);
	for (size_t i = 0; i < serve->nr; i++)
		if (serve->memories[i]->nr_faults && !serve->memories[i]->gone)
			answer_faults(serve, serve->memories[i]);
}

static void take_step(void)
{
	static const enum fill_outcome troubles[] = {FILL_CHANGING,
						     FILL_NO_DATA, FILL_GONE};
	uint8_t what = kit_byte(&fuzz.input);
	struct model *model = &fuzz.models[(what >> 4) % fuzz.nr];
	enum step step = what & 7;
	struct uffd_msg msg;

	if (step == PUSH)
		push_piece(&fuzz.serve);
	else if (step == TROUBLE)
		model->next = troubles[kit_byte(&fuzz.input) % 3];
	else if (nr_unread(model) < UNREAD && happen(model, step, &msg) &&
		 write(model->here, &msg, sizeof(msg)) < 0)
		kit_must(false, "an event is told");
	if (!(what & 8))
		read_events();
}

/* What has not gone gets all that it waits for. */
static void finish(void)
{
	int pushes = 0;

	read_events();
	while (push_piece(&fuzz.serve))
		kit_must(pushes++ < PUSHES, "pushing comes to its end");
	for (size_t i = 0; i < fuzz.serve.nr; i++) {
		const struct memory *memory = fuzz.serve.memories[i];
		const struct model *model = model_of(memory->uffd);

		if (memory->gone || memory->retry_ns)
			continue;
		kit_must(!memory->left.nr_missing, "nothing is missing");
		for (size_t n = 0; n < PAGES; n++)
			kit_must(!model->waits[n], "no page waits");
	}
}

static void run(void *unused)
{
	struct memory *memory = memory_new(&fuzz.set.all[0], add_model()->uffd);
	uint64_t *waits = fuzz.models[0].waits;

	(void)unused;
	kit_must(memory, "there is memory");
	for (size_t i = 0; i < sizeof(runs) / sizeof(*runs); i++)
		for (uint32_t n = 0; n < runs[i].nr_pages; n++)
			if (runs[i].flags == (RUN_PRESENT | RUN_LAZY))
				waits[(runs[i].vaddr - FIRST) / PAGE + n] =
					runs[i].vaddr + n * PAGE;
	serve_add(&fuzz.serve, memory);
	while (fuzz.input.size)
		take_step();
	finish();
}

/* A child of which lazyserve has not been told is still ours. */
static void end(void)
{
	struct serve *serve = &fuzz.serve;

	for (size_t i = 0; i < fuzz.nr; i++) {
		bool taken = false;

		for (size_t n = 0; n < serve->nr; n++)
			taken |=
				serve->memories[n]->uffd == fuzz.models[i].uffd;
		close(fuzz.models[i].here);
		if (!taken)
			close(fuzz.models[i].uffd);
	}
	for (size_t n = 0; n < serve->nr; n++)
		memory_free(serve->memories[n]);
	free(serve->memories);
	close(serve->epoll);
	fuzz.nr = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz.input = (struct kit_input){data, size};
	fuzz.serve = (struct serve){
		.page_size = PAGE,
		.set = &fuzz.set,
		.epoll = epoll_create1(EPOLL_CLOEXEC),
	};
	local_begin(&fuzz.serve.local);
	kit_run(run, NULL);
	end();
	return 0;
}
