// SPDX-License-Identifier: GPL-3.0-or-later
#include "proc/softdirty.h"

#include "base/own.h"
#include "proc/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ENTRY_SOFT_DIRTY (UINT64_C(1) << 55) /* of /proc/PID/pagemap */

int softdirty_clear(pid_t pid, pid_t tid)
{
	own_fd int fd = procfs_open_as(pid, tid, "clear_refs", O_WRONLY);

	return fd >= 0 && write(fd, "4", 1) == 1 ? 0 : -1;
}

int softdirty_is_set(pid_t pid, pid_t tid, vaddr_t vaddr)
{
	own_fd int fd = procfs_open(pid, tid, "pagemap");
	uint64_t entry;
	off_t at = (off_t)(vaddr / (uint64_t)sysconf(_SC_PAGESIZE) *
			   sizeof(entry));

	if (fd < 0 || pread(fd, &entry, sizeof(entry), at) != sizeof(entry))
		return -1;
	return !!(entry & ENTRY_SOFT_DIRTY);
}

bool softdirty_works(void)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	volatile char *page = mmap(NULL, size, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	vaddr_t vaddr = (uintptr_t)page;
	bool works;

	if (page == MAP_FAILED)
		return false;
	*page = 1;
	works = softdirty_clear(getpid(), 0) == 0 &&
		softdirty_is_set(getpid(), 0, vaddr) == 0;
	*page = 2;
	works = works && softdirty_is_set(getpid(), 0, vaddr) == 1;
	munmap((void *)page, size);
	return works;
}

/* The page's last word: the kernel left it 0 behind the program's name. */
int softdirty_set(pid_t pid, pid_t tid, vaddr_t vaddr)
{
	own_fd int fd = procfs_open_as(pid, tid, "mem", O_RDWR);
	uint64_t word;
	off_t at =
		(off_t)(vaddr + (vaddr_t)sysconf(_SC_PAGESIZE) - sizeof(word));
	int set;

	if (fd < 0 || pread(fd, &word, sizeof(word), at) != sizeof(word) ||
	    pwrite(fd, &word, sizeof(word), at) != sizeof(word))
		return -1;
	set = softdirty_is_set(pid, tid, vaddr);
	if (set == 0)
		errno = EIO;
	return set > 0 ? 0 : -1;
}
