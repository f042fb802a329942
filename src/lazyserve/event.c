// SPDX-License-Identifier: GPL-3.0-or-later
#include "lazyserve/event.h"

#include "base/clock.h"
#include "base/die.h"
#include "lazyserve/fill.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/userfaultfd.h>
#include <unistd.h>

#define MESSAGES  16
#define SEARCH_NS (2 * MS_NS) /* a child can be seen soon after its event */

static _Noreturn void die_of_memory(void)
{
	die_errno(EXIT_SYSTEM, "no memory");
}

static void ignore(void *of, const struct fault *fault)
{
	(void)of;
	(void)fault;
}

/* Who waits there finds out what is there now, if anything. */
static void wake(struct memory *memory, vaddr_t from, uint64_t size)
{
	memory_answer(memory, from, size, ignore, NULL);
	fill_wake(memory->uffd, from, size);
}

/* The memory stays ours: what is used anew there gets zeros on a fault. */
static void take_remove(struct memory *memory, vaddr_t from, vaddr_t to)
{
	left_empty(&memory->left, from, to - from);
	left_empty(&memory->loaded, from, to - from);
}

static void take_unmap(struct memory *memory, vaddr_t from, vaddr_t to)
{
	if (left_cut(&memory->left, from, to - from) < 0 ||
	    left_cut(&memory->loaded, from, to - from) < 0)
		die_of_memory();
	wake(memory, from, to - from);
}

static void take_remap(struct memory *memory, vaddr_t from, vaddr_t to,
		       uint64_t size)
{
	if (left_move(&memory->left, from, to, size) < 0 ||
	    left_move(&memory->loaded, from, to, size) < 0)
		die_of_memory();
	wake(memory, from, size);
}

static void take_fork(struct serve *serve, struct memory *parent, int uffd)
{
	struct memory *child;

	if (fcntl(uffd, F_SETFL, O_NONBLOCK) < 0 ||
	    fcntl(uffd, F_SETFD, FD_CLOEXEC) < 0)
		die_errno(EXIT_SYSTEM, "cannot use the memory of a child");
	child = memory_fork(parent, uffd);
	if (!child)
		die_of_memory();
	serve_add(serve, child);
	serve->totals.forks++;
	if (!serve->search_ns)
		serve->search_ns = clock_ns() + SEARCH_NS;
}

static void take_event(struct serve *serve, struct memory *memory,
		       const struct uffd_msg *msg)
{
	switch (msg->event) {
	case UFFD_EVENT_PAGEFAULT:
		return;
	case UFFD_EVENT_FORK:
		take_fork(serve, memory, (int)msg->arg.fork.ufd);
		return;
	case UFFD_EVENT_REMAP:
		take_remap(memory, msg->arg.remap.from, msg->arg.remap.to,
			   msg->arg.remap.len);
		return;
	case UFFD_EVENT_REMOVE:
		take_remove(memory, msg->arg.remove.start, msg->arg.remove.end);
		return;
	case UFFD_EVENT_UNMAP:
		take_unmap(memory, msg->arg.remove.start, msg->arg.remove.end);
		return;
	default:
		die(EXIT_SYSTEM,
		    "pid %" PRIu32 ": its memory tells of an event that is "
		    "not known: %u",
		    memory->images->pid, msg->event);
	}
}

static void take_fault(struct serve *serve, struct memory *memory,
		       const struct uffd_msg *msg, uint64_t now)
{
	vaddr_t vaddr = msg->arg.pagefault.address;

	if (msg->event != UFFD_EVENT_PAGEFAULT)
		return;
	vaddr -= vaddr % serve->page_size;
	if (memory_add_fault(memory, vaddr, now) < 0)
		die_of_memory();
}

static void take(struct serve *serve, struct memory *memory,
		 const struct uffd_msg *messages, size_t nr)
{
	uint64_t now = clock_ns();

	for (size_t i = 0; i < nr; i++)
		take_event(serve, memory, &messages[i]);
	for (size_t i = 0; i < nr; i++)
		take_fault(serve, memory, &messages[i], now);
}

bool event_read(struct serve *serve, struct memory *memory)
{
	struct uffd_msg messages[MESSAGES];
	bool any = false;

	for (;;) {
		ssize_t size = read(memory->uffd, messages, sizeof(messages));

		if (size < 0 && errno == EAGAIN)
			return any;
		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			die_errno(EXIT_SYSTEM,
				  "pid %" PRIu32 ": cannot read its faults",
				  memory->images->pid);
		take(serve, memory, messages, (size_t)size / sizeof(*messages));
		any = true;
		if (size < (ssize_t)sizeof(messages))
			return true;
	}
}
