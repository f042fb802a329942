// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * imgcmp PID DIR [ID]: compares an image directory with the memory of a
 * process that stands still (kill -STOP it before).  Two questions:
 *
 *   is every page in the image what the memory holds there?
 *   is every page of private memory that is not zero in the image?
 *
 * The second one is answered from /proc/PID/pagemap alone, not by the scan
 * that made the image.  ID is the pid in the process's own namespace.  Pages
 * that only a parent of DIR holds are compared like any others.
 *
 * Prints "N pages equal, N wrong, N missing" and the first bad address; 1 if
 * there is one.
 */
#include "base/die.h"
#include "base/num.h"
#include "image/chain.h"
#include "proc/maps.h"
#include "proc/procfs.h"
#include "proc/task.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK 8192 /* entries of a pagemap */

struct compare {
	pid_t pid;
	pid_t tid; /* a living one: the leader may have exited */
	int mem;
	int pagemap;
	uint32_t page_size;
	struct chain chain;
	const struct pagemap_list *list;
	char *zeros;
	char *memory_page;
	uint64_t equal, wrong, missing;
	vaddr_t first_bad;
};

static void bad(struct compare *self, uint64_t *count, vaddr_t vaddr)
{
	if (!self->wrong && !self->missing)
		self->first_bad = vaddr;
	++*count;
}

static bool read_memory(struct compare *self, vaddr_t vaddr)
{
	return pread(self->mem, self->memory_page, self->page_size,
		     (off_t)vaddr) == (ssize_t)self->page_size;
}

/* The page of the image, from whichever level holds it; NULL for a hole. */
static const char *image_page(struct compare *self,
			      const struct pagemap_entry *entry, vaddr_t vaddr)
{
	struct chain_piece piece = {
		.level = &self->chain.levels[0],
		.offset = entry->offset + (vaddr - entry->vaddr),
	};
	const char *data;

	if (entry->flags & PAGEMAP_PARENT &&
	    chain_resolve(&self->chain, entry, vaddr, &piece) < 0)
		die(EXIT_INPUT, "%s", self->chain.fault.text);
	if (pages_file_next(&piece.level->pages, piece.offset, 1, &data) < 0)
		die_errno(EXIT_INPUT, "%s: pages at %" PRIu64,
			  piece.level->path, piece.offset);
	return data;
}

static void compare_entry(struct compare *self,
			  const struct pagemap_entry *entry)
{
	for (uint64_t i = 0; i < entry->nr_pages; i++) {
		vaddr_t vaddr = entry->vaddr + i * self->page_size;
		const char *page = image_page(self, entry, vaddr);

		if (read_memory(self, vaddr) &&
		    !memcmp(page ? page : self->zeros, self->memory_page,
			    self->page_size))
			self->equal++;
		else
			bad(self, &self->wrong, vaddr);
	}
}

static bool is_zero(const char *page, uint32_t size)
{
	return !*page && !memcmp(page, page + 1, size - 1);
}

/*
 * Bits of an entry: admin-guide/mm/pagemap.rst.  Of a private page of a file
 * that was write-protected and dropped a marker is left, "swapped" to where
 * nothing is; what is there is the file's.
 */
static bool should_be_there(enum vma_kind kind, uint64_t entry)
{
	if (kind == VMA_FILE && entry >> 62 == 1 && (entry & 31) == 31)
		return false;
	if (!(entry >> 63 & 1) && !(entry >> 62 & 1))
		return kind == VMA_VDSO;
	if (entry >> 58 & 1) /* guard */
		return false;
	return kind != VMA_FILE || !(entry >> 61 & 1);
}

static void look_for(struct compare *self, enum vma_kind kind, vaddr_t vaddr,
		     uint64_t entry)
{
	if (!should_be_there(kind, entry) ||
	    pagemap_list_find(self->list, vaddr, self->page_size) ||
	    !read_memory(self, vaddr) ||
	    is_zero(self->memory_page, self->page_size))
		return;
	bad(self, &self->missing, vaddr);
}

static void check_vma(struct compare *self, const struct vma *vma)
{
	static uint64_t entries[CHUNK];
	vaddr_t at = vma->start;

	while (at < vma->end) {
		uint64_t left = (vma->end - at) / self->page_size;
		size_t nr = left < CHUNK ? left : CHUNK;
		ssize_t n = pread(self->pagemap, entries, nr * 8,
				  (off_t)(at / self->page_size * 8));

		if (n <= 0)
			die_errno(EXIT_SYSTEM, "pagemap at 0x%" PRIx64, at);
		for (ssize_t i = 0; i < n / 8; i++, at += self->page_size)
			look_for(self, vma_kind(vma), at, entries[i]);
	}
}

static void check_memory(struct compare *self)
{
	struct buf text = {0};
	const char *at;
	struct vma vma;

	if (procfs_read(self->pid, self->tid, "maps", &text) < 0)
		die_errno(EXIT_TARGET, "pid %d", self->pid);
	at = text.data;
	while (maps_next(&at, &vma) > 0)
		if (vma_is_wanted(&vma))
			check_vma(self, &vma);
	buf_release(&text);
}

static pid_t living_thread(pid_t pid)
{
	struct buf tids = {0};
	struct task_stat stat;
	pid_t found = 0;

	task_threads(pid, &tids);
	for (size_t i = 0; i < tids.size / sizeof(pid_t); i++) {
		pid_t tid = ((const pid_t *)tids.data)[i];

		if (task_stat(pid, tid, &stat) == 0 && stat.state != 'Z')
			found = tid;
	}
	buf_release(&tids);
	return found;
}

static void open_all(struct compare *self, const char *path, uint32_t id)
{
	const struct chain_level *top;
	char name[32];

	self->tid = living_thread(self->pid);
	self->page_size = (uint32_t)sysconf(_SC_PAGESIZE);
	self->zeros = calloc(1, self->page_size);
	self->memory_page = malloc(self->page_size);
	self->mem = procfs_open(self->pid, self->tid, "mem");
	self->pagemap = procfs_open(self->pid, self->tid, "pagemap");
	if (self->mem < 0 || self->pagemap < 0)
		die_errno(EXIT_SYSTEM, "pid %d", self->pid);
	snprintf(name, sizeof(name), "pagemap-%" PRIu32 ".img", id);
	if (chain_open(&self->chain, path) < 0 ||
	    chain_load(&self->chain, name, self->page_size) < 0)
		die(EXIT_INPUT, "%s", self->chain.fault.text);
	top = &self->chain.levels[0];
	self->list = &top->list;
	if (top->pages.size != self->list->nr_present * self->page_size)
		die(EXIT_INPUT, "%s: %s has not the size its pagemap says",
		    path, name);
}

int main(int argc, char **argv)
{
	static struct compare self;
	uint64_t pid = 0;
	uint64_t id = 0;

	if (argc < 3 || num_parse(argv[1], &pid) < 0)
		die(EXIT_USAGE, "usage: imgcmp PID DIR [ID]");
	id = pid;
	if (argc > 3 && num_parse(argv[3], &id) < 0)
		die(EXIT_USAGE, "usage: imgcmp PID DIR [ID]");
	self.pid = (pid_t)pid;
	open_all(&self, argv[2], (uint32_t)id);
	for (size_t i = 0; i < self.list->nr; i++)
		if (self.list->entries[i].flags != PAGEMAP_LAZY)
			compare_entry(&self, &self.list->entries[i]);
	check_memory(&self);
	printf("%" PRIu64 " pages equal, %" PRIu64 " wrong, %" PRIu64
	       " missing",
	       self.equal, self.wrong, self.missing);
	if (self.wrong || self.missing)
		printf(", the first at 0x%" PRIx64, self.first_bad);
	putchar('\n');
	return self.wrong || self.missing ? EXIT_TARGET : EXIT_DONE;
}
