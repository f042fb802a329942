// SPDX-License-Identifier: GPL-3.0-or-later
#include "proc/task.h"

#include "base/dir.h"
#include "base/own.h"
#include "proc/procfs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PF_KTHREAD 0x00200000 /* include/linux/sched.h */

static int garbled(void)
{
	errno = EPROTO;
	return -1;
}

/*
 * The n-th field of stat behind the name, counted as proc(5) does: the name
 * is field 2, its end is the *last* ')'.
 */
static const char *stat_field(const char *after_name, int n)
{
	const char *at = after_name;

	for (int field = 3; at && field < n; field++) {
		at = strchr(at, ' ');
		if (at)
			at++;
	}
	return at;
}

static uint64_t number(const char *text)
{
	return text ? strtoull(text, NULL, 10) : 0;
}

static int parse_stat(const char *text, struct task_stat *stat)
{
	const char *name = strchr(text, '(');
	const char *end = strrchr(text, ')');

	if (!name || !end || end < name || end[1] != ' ' ||
	    !stat_field(end + 2, 28))
		return garbled();
	stat->name_size = (size_t)(end - name - 1);
	if (stat->name_size > sizeof(stat->name))
		stat->name_size = sizeof(stat->name);
	memcpy(stat->name, name + 1, stat->name_size);
	stat->state = end[2];
	stat->parent = (pid_t)number(stat_field(end + 2, 4));
	stat->kernel_thread = number(stat_field(end + 2, 9)) & PF_KTHREAD;
	stat->start_time = number(stat_field(end + 2, 22));
	stat->resident_pages = number(stat_field(end + 2, 24));
	stat->start_stack = number(stat_field(end + 2, 28));
	return 0;
}

int task_stat(pid_t pid, pid_t tid, struct task_stat *stat)
{
	struct buf text = {0};
	int result = procfs_read(pid, tid, "stat", &text);

	*stat = (struct task_stat){0};
	if (result == 0)
		result = parse_stat(text.data, stat);
	buf_release(&text);
	return result;
}

/* The text behind "\nName:\t"; status escapes newlines in the name itself. */
static const char *status_field(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? at + strlen(name) : NULL;
}

/* "NSpid:\t1234\t7": the last one is of the innermost namespace. */
static pid_t last_number(const char *line)
{
	pid_t last = 0;
	char *end;

	for (;;) {
		long value = strtol(line, &end, 10);

		if (end == line)
			return last;
		last = (pid_t)value;
		if (*end == '\n')
			return last;
		line = end;
	}
}

static int parse_status(const char *text, struct task_status *status)
{
	const char *tgid = status_field(text, "\nTgid:\t");
	const char *tracer = status_field(text, "\nTracerPid:\t");
	const char *uids = status_field(text, "\nUid:\t");
	const char *nspid = status_field(text, "\nNSpid:\t");
	const char *seccomp = status_field(text, "\nSeccomp:\t");
	const char *effective = uids ? strchr(uids, '\t') : NULL;

	if (!tgid || !tracer || !effective)
		return garbled();
	status->tgid = (pid_t)number(tgid);
	status->tracer = (pid_t)number(tracer);
	status->uid = (uint32_t)number(effective + 1);
	status->ns_pid = nspid ? last_number(nspid) : 0;
	status->filtered = number(seccomp) != 0;
	return 0;
}

int task_status(pid_t pid, pid_t tid, struct task_status *status)
{
	struct buf text = {0};
	int result = procfs_read(pid, tid, "status", &text);

	*status = (struct task_status){0};
	if (result == 0)
		result = parse_status(text.data, status);
	if (result == 0 && !status->ns_pid) /* no CONFIG_PID_NS */
		status->ns_pid = tid ? tid : pid;
	buf_release(&text);
	return result;
}

int task_threads(pid_t pid, struct buf *out)
{
	const struct dirent *entry;
	char path[64];
	DIR *dir;
	int result = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		return -1;
	while (result == 0 && (entry = dir_next(dir, &result))) {
		pid_t tid = (pid_t)number(entry->d_name);

		if (tid > 0)
			result = buf_append(out, &tid, sizeof(tid));
	}
	closedir(dir);
	return result;
}

int task_children(pid_t pid, pid_t tid, struct buf *out)
{
	struct buf text = {0};
	int result = procfs_read(pid, tid, "children", &text);
	char *at = text.data;
	char *end;

	while (result == 0) {
		pid_t child = (pid_t)strtol(at, &end, 10);

		if (end == at)
			break;
		result = buf_append(out, &child, sizeof(child));
		at = end;
	}
	buf_release(&text);
	return result;
}

static int add_children(pid_t pid, struct buf *out)
{
	struct buf threads = {0};
	int result = task_threads(pid, &threads);

	for (size_t i = 0; result == 0 && i < threads.size / sizeof(pid_t); i++)
		if (task_children(pid, ((pid_t *)threads.data)[i], out) < 0 &&
		    !procfs_is_gone())
			result = -1;
	buf_release(&threads);
	return result;
}

int task_tree(pid_t pid, struct buf *out)
{
	size_t at = out->size;

	if (buf_append(out, &pid, sizeof(pid)) < 0)
		return -1;
	for (; at < out->size; at += sizeof(pid)) {
		memcpy(&pid, out->data + at, sizeof(pid));
		if (add_children(pid, out) < 0 && !procfs_is_gone())
			return -1;
	}
	return 0;
}

static bool links_to(int dir, const char *name, const char *prefix)
{
	char target[64];
	ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);

	target[n < 0 ? 0 : n] = 0;
	return !strncmp(target, prefix, strlen(prefix));
}

int task_descriptors(pid_t pid, pid_t tid, const char *prefix, struct buf *out)
{
	char path[64];
	const struct dirent *entry;
	int result = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/fd", pid, tid);
	dir = opendir(path);
	if (!dir)
		return -1;
	while (result == 0 && (entry = dir_next(dir, &result))) {
		int fd = (int)number(entry->d_name);

		if (links_to(dirfd(dir), entry->d_name, prefix))
			result = buf_append(out, &fd, sizeof(fd));
	}
	closedir(dir);
	return result;
}

int task_has_descriptor(pid_t pid, pid_t tid, const char *prefix)
{
	struct buf fds = {0};
	int result = task_descriptors(pid, tid, prefix, &fds);

	if (result == 0)
		result = fds.size > 0;
	buf_release(&fds);
	return result;
}

/* proc_task_getattr() in fs/proc/base.c adds the threads to the links. */
bool task_another_thread(pid_t pid, pid_t *tid)
{
	struct buf tids = {0};
	struct task_stat stat;
	pid_t other = 0;

	task_threads(pid, &tids);
	for (size_t i = 0; i < tids.size / sizeof(pid_t) && !other; i++) {
		pid_t candidate = ((const pid_t *)tids.data)[i];

		if (candidate != *tid &&
		    task_stat(pid, candidate, &stat) == 0 &&
		    stat.state != 'Z' && stat.state != 'X')
			other = candidate;
	}
	buf_release(&tids);
	errno = ESRCH;
	*tid = other;
	return other;
}

long task_nr_threads(pid_t pid)
{
	struct stat stat_of_dir;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	if (stat(path, &stat_of_dir) < 0)
		return -1;
	return (long)stat_of_dir.st_nlink - 2;
}

bool task_is_ancestor(pid_t pid)
{
	pid_t at = getpid();
	struct task_stat stat;

	while (at > 0) {
		if (at == pid)
			return true;
		if (task_stat(at, 0, &stat) < 0)
			return false;
		at = stat.parent;
	}
	return false;
}
