// SPDX-License-Identifier: GPL-3.0-or-later
#include "proc/mem.h"

#include "proc/procfs.h"
#include "proc/task.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

/* errno: ESRCH where it is another one; or why that is not to be seen. */
static bool is_owner(const struct mem_owner *owner, pid_t tid)
{
	struct task_stat process;
	struct task_stat thread; /* a leader that exited has no stack */

	if (task_stat(owner->pid, 0, &process) < 0 ||
	    task_stat(owner->pid, tid, &thread) < 0)
		return false;
	errno = ESRCH;
	return process.start_time == owner->start_time &&
	       (!owner->start_stack || !thread.start_stack ||
		thread.start_stack == owner->start_stack);
}

int mem_open(struct mem *mem, const struct mem_owner *owner, pid_t tid)
{
	mem->tid = tid;
	mem->page_size = (uint32_t)sysconf(_SC_PAGESIZE);
	mem->fd = procfs_open(owner->pid, tid, "mem");
	if (mem->fd >= 0 && is_owner(owner, tid))
		return 0;
	if (errno == ENOENT)
		errno = ESRCH;
	mem_close(mem);
	return -1;
}

void mem_close(struct mem *mem)
{
	int error = errno;

	if (mem->fd >= 0)
		close(mem->fd);
	mem->fd = -1;
	errno = error;
}

/* The old address space, once left, reads as an empty file. */
static bool is_alive(const struct mem *mem, vaddr_t vaddr)
{
	char byte;

	return pread(mem->fd, &byte, 1, (off_t)vaddr) != 0;
}

static ssize_t gone(void)
{
	errno = ESRCH;
	return -1;
}

static ssize_t read_file(struct mem *mem, const struct run *pieces, size_t nr,
			 char *data)
{
	ssize_t pages = 0;

	for (size_t i = 0; i < nr; i++) {
		size_t size = (size_t)pieces[i].nr_pages * mem->page_size;
		ssize_t n = pread(mem->fd, data, size, (off_t)pieces[i].vaddr);

		if (n == 0)
			return gone();
		if (n < 0 && errno != EIO && errno != EFAULT)
			return -1;
		if (n > 0)
			pages += n / mem->page_size;
		if (n < (ssize_t)size)
			break;
		data += size;
	}
	return pages;
}

static ssize_t read_pieces(struct mem *mem, const struct run *pieces, size_t nr,
			   char *data)
{
	struct iovec remote[MEM_PIECES];
	struct iovec local = {data, 0};
	ssize_t n;

	for (size_t i = 0; i < nr; i++) {
		size_t size = (size_t)pieces[i].nr_pages * mem->page_size;

		remote[i] = (struct iovec){(void *)pieces[i].vaddr, size};
		local.iov_len += size;
	}
	n = process_vm_readv(mem->tid, &local, 1, remote, nr, 0);
	return n < 0 ? -1 : n / mem->page_size;
}

ssize_t mem_read(struct mem *mem, const struct run *pieces, size_t nr,
		 void *data)
{
	ssize_t pages;
	int error;

	if (mem->method == MEM_FILE)
		return read_file(mem, pieces, nr, data);
	pages = read_pieces(mem, pieces, nr, data);
	error = errno;
	if (!is_alive(mem, pieces->vaddr))
		return gone();
	if (pages > 0)
		return pages;
	/*
	 * ESRCH: the thread that we work through has ended, but not the
	 * process.  EPERM: it has changed its credentials; the descriptor
	 * was opened when we still might.
	 */
	if (error == EFAULT && mem->method == MEM_READV)
		return 0;
	errno = error;
	if (mem->method == MEM_READV ||
	    (error != EFAULT && error != ESRCH && error != EPERM))
		return -1;
	return read_file(mem, pieces, 1, data);
}
