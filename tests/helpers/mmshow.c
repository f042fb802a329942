// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * mmshow DIR PID: what the image room reads of a process that CRIU has dumped:
 * a line for each mapping (start, end, prot, flags, status in hex; lazy or
 * not), and one for each thread (its stack pointer).  1, and why, for a file
 * that is refused.
 */
#include "base/die.h"
#include "base/num.h"
#include "image/core_img.h"
#include "image/mm_img.h"
#include "image/pstree_img.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

static void refuse(const char *file, const char *why)
{
	if (errno != EBADMSG)
		die_errno(EXIT_SYSTEM, "%s", file);
	die(EXIT_TARGET, "%s: %s", file, why);
}

static void show_mappings(int dir, uint32_t pid)
{
	struct mm_img mm;

	if (mm_img_read(&mm, dir, pid, (uint32_t)sysconf(_SC_PAGESIZE)) < 0)
		refuse("mm", mm.why);
	for (size_t i = 0; i < mm.nr; i++) {
		const struct mm_vma *vma = &mm.vmas[i];

		printf("%" PRIx64 " %" PRIx64 " %x %x %x %s\n", vma->start,
		       vma->end, vma->prot, vma->flags, vma->status,
		       mm_vma_can_be_lazy(vma) ? "lazy" : "present");
		if (mm_img_find(&mm, vma->start) != vma ||
		    mm_img_find(&mm, vma->end - 1) != vma ||
		    mm_img_find(&mm, vma->end) == vma)
			die(EXIT_SYSTEM, "it is not found again");
	}
	mm_img_release(&mm);
}

static void show_thread(int dir, uint32_t tid)
{
	struct core_img core;

	if (core_img_read(&core, dir, tid) < 0)
		refuse("core", core.why);
	if (core.has_sp)
		printf("thread %" PRIu32 " %" PRIx64 "\n", tid, core.sp);
	else
		printf("thread %" PRIu32 " -\n", tid);
}

static void show_threads(int dir, uint32_t pid)
{
	const struct pstree_task *task;
	struct pstree_img tree;

	if (pstree_img_read(&tree, dir) < 0)
		refuse("pstree", tree.why);
	task = pstree_img_find(&tree, pid);
	for (size_t i = 0; task && i < task->nr_tids; i++)
		show_thread(dir, task->tids[i]);
	pstree_img_release(&tree);
}

int main(int argc, char **argv)
{
	uint64_t pid;
	int dir;

	if (argc != 3 || num_parse(argv[2], &pid) < 0)
		die(EXIT_USAGE, "usage: mmshow DIR PID");
	dir = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		die_errno(EXIT_SYSTEM, "%s", argv[1]);
	show_mappings(dir, (uint32_t)pid);
	show_threads(dir, (uint32_t)pid);
	return EXIT_DONE;
}
