// SPDX-License-Identifier: GPL-3.0-or-later
#include "proc/tracker_wire.h"

#include "proc/local.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static int garbled(void)
{
	errno = EPROTO;
	return -1;
}

static int send_with(int fd, const struct tracker_packet *packet,
		     const struct run *runs, int passenger)
{
	union local_fd room;
	struct iovec parts[] = {
		{(void *)packet, sizeof(*packet)},
		{(void *)runs, packet->nr_runs * sizeof(*runs)},
	};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
	ssize_t n;

	local_attach(&message, &room, passenger);
	do {
		n = sendmsg(fd, &message, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -1 : 0;
}

int tracker_send(int fd, const struct tracker_packet *packet,
		 const struct run *runs)
{
	return send_with(fd, packet, runs, -1);
}

int tracker_send_task(int fd, const struct tracker_task *task)
{
	struct tracker_packet packet = {
		.verb = TRACKER_TASK,
		.task = {task->key, task->canary, task->trusted, task->whole,
			 task->cleared, task->late_io},
	};

	if (send_with(fd, &packet, NULL, task->uffd) < 0)
		return -1;
	packet = (struct tracker_packet){.verb = TRACKER_RUNS};
	for (size_t at = 0; at < task->report.nr; at += packet.nr_runs) {
		size_t left = task->report.nr - at;

		packet.nr_runs = left < TRACKER_RUNS_MAX ? (uint32_t)left
							 : TRACKER_RUNS_MAX;
		if (tracker_send(fd, &packet, task->report.all + at) < 0)
			return -1;
	}
	return 0;
}

void tracker_forget(struct tracker_message *message)
{
	if (message->fd >= 0)
		close(message->fd);
	message->fd = -1;
}

/* Room for one descriptor: the kernel drops what does not fit. */
int tracker_receive(int fd, struct tracker_message *message)
{
	struct iovec parts[] = {
		{&message->packet, sizeof(message->packet)},
		{message->runs, sizeof(message->runs)},
	};
	union local_fd room;
	struct msghdr header = {
		.msg_iov = parts,
		.msg_iovlen = 2,
		.msg_control = &room,
		.msg_controllen = CMSG_LEN(sizeof(int)),
	};
	ssize_t n;

	message->fd = -1;
	do {
		n = recvmsg(fd, &header, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n <= 0)
		return (int)n;
	message->fd = local_attached(&header, &room);
	if (header.msg_flags & MSG_TRUNC ||
	    (size_t)n < sizeof(message->packet) ||
	    (size_t)n - sizeof(message->packet) !=
		    message->packet.nr_runs * sizeof(*message->runs)) {
		tracker_forget(message);
		return garbled();
	}
	return 1;
}

static int take_runs(struct tracker_task *task,
		     const struct tracker_message *message, uint32_t page_size)
{
	struct runlist *report = &task->report;

	for (uint32_t i = 0; i < message->packet.nr_runs; i++) {
		const struct run *run = &message->runs[i];
		vaddr_t low = report->nr ? run_end(&report->all[report->nr - 1],
						   page_size)
					 : 0;

		if (!run_is_valid(run, page_size) || run->vaddr < low)
			return garbled();
		if (runlist_append(report, run, page_size) < 0)
			return -1;
	}
	return 0;
}

int tracker_take(struct tracker_tasks *tasks, struct tracker_message *message,
		 uint32_t page_size)
{
	const struct tracker_packet *packet = &message->packet;
	struct tracker_task *task;

	if (packet->verb == TRACKER_RUNS)
		return tasks->nr ? take_runs(&tasks->all[tasks->nr - 1],
					     message, page_size)
				 : garbled();
	if (packet->verb != TRACKER_TASK)
		return garbled();
	task = tracker_add(tasks, &packet->task.key);
	if (!task)
		return -1;
	task->canary = packet->task.canary;
	task->trusted = packet->task.trusted;
	task->whole = packet->task.whole;
	task->cleared = packet->task.cleared;
	task->late_io = packet->task.late_io;
	task->uffd = message->fd;
	message->fd = -1;
	return 0;
}
