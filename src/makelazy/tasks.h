// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The tasks of a stream, and which pages of each may be lazy: those of
 * mappings that a lazy restore watches for faults.
 *
 * CRIU means to leave out the page that a thread's stack pointer points into
 * (criu/mem.c, is_stack()), but compares the wrong bits, and marks it.  What is
 * marked is to be lazy all the same: a page that `criu lazy-pages` has marked,
 * and the restored process has already, makes it try to copy that page for
 * ever (criu/uffd.c, uffd_check_op_error(): EEXIST counts as no progress).  So
 * only where nobody has marked it such a page stays.
 *
 * These functions die.
 */
#ifndef MAKELAZY_TASKS_H
#define MAKELAZY_TASKS_H

#include "stream/control.h"
#include "vm/runlist.h"

struct task {
	uint32_t ns_pid; /* names its images */
	vaddr_t *stacks; /* where threads have their stack pointers */
	size_t nr_stacks;
	size_t at_stack;         /* the next one, of the mappings so far */
	bool sp_missing;         /* of some thread it is not known */
	bool listed;             /* its mappings are known */
	bool has_mm;             /* by mm-PID.img */
	struct runlist may;      /* be lazy, if they are marked */
	struct runlist quiet;    /* the same without stacks in use */
	size_t at_may, at_quiet; /* of the pages so far */
	vaddr_t low;             /* where its next mapping may begin */
};

struct tasks {
	uint32_t page_size;
	struct task *all; /* by subject */
	uint32_t nr;
};

void tasks_add(struct tasks *tasks, const Pagestream__Task *message);

/* NULL: none of that number in its own namespace. */
struct task *tasks_find(struct tasks *tasks, uint32_t ns_pid);

void task_add_stack(struct task *task, vaddr_t sp);

/* A mapping, ascending; behind all stack pointers. */
void task_add_mapping(struct tasks *tasks, struct task *task, vaddr_t start,
		      vaddr_t end, bool may_be_lazy);

/* The mappings of a VMAS frame. */
void task_add_vmas(struct tasks *tasks, struct task *task,
		   const Pagestream__Vmas *message);

#endif
