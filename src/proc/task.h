// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A process and its threads as /proc shows them.  A process is named by its
 * pid *and* its start time, since pids come again (and exec keeps both).
 * -1 with errno as in procfs.h; EPROTO when the kernel's text is not
 * understood.
 */
#ifndef PROC_TASK_H
#define PROC_TASK_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* /proc/PID/stat, proc(5). */
struct task_stat {
	char name[64]; /* as it is: may hold ')' and newline */
	size_t name_size;
	char state; /* R S D T t Z X I ... */
	pid_t parent;
	bool kernel_thread;
	uint64_t start_time; /* clock ticks since boot */
	uint64_t resident_pages;
	uint64_t start_stack; /* vaddr; exec moves it; 0: hidden from us */
};

int task_stat(pid_t pid, pid_t tid, struct task_stat *stat);

/* /proc/PID/status, proc(5). */
struct task_status {
	pid_t tgid;
	pid_t tracer;  /* 0: none */
	uint32_t uid;  /* effective */
	pid_t ns_pid;  /* of this pid or tid in its innermost namespace */
	bool filtered; /* by seccomp(2) */
};

int task_status(pid_t pid, pid_t tid, struct task_status *status);

/* Numbers, ascending for the first two; appended as pid_t to out. */
int task_threads(pid_t pid, struct buf *out);
int task_children(pid_t pid, pid_t tid, struct buf *out);

/* pid, and all descendants of all its threads; those that can be seen. */
int task_tree(pid_t pid, struct buf *out);

/*
 * The descriptors whose link in /proc/PID/fd begins so: "/" for files,
 * "anon_inode:[io_uring]"; through a living thread.  Their numbers are
 * appended as int to out.
 */
int task_descriptors(pid_t pid, pid_t tid, const char *prefix, struct buf *out);
/* Has it one?  1, 0, or -1 with errno. */
int task_has_descriptor(pid_t pid, pid_t tid, const char *prefix);

#define TASK_TRIES 4 /* to find one that lives long enough */

/*
 * The one with that id has ended: another thread of the process that has not,
 * the leader first.  False, with ESRCH: there is none.
 */
bool task_another_thread(pid_t pid, pid_t *tid);

/* How many threads the process has, zombie leader included; -1 when gone. */
long task_nr_threads(pid_t pid);

/* Is pid this process, or its parent, or its parent's parent ... ? */
bool task_is_ancestor(pid_t pid);

#endif
