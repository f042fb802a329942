// SPDX-License-Identifier: GPL-3.0-or-later
#include "stream/head.h"

#include "base/own.h"
#include "stream/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

static int keep_task(struct head *head, const Pagestream__Task *task)
{
	struct head_task *tasks =
		reallocarray(head->tasks, head->nr_tasks + 1, sizeof(*tasks));

	if (!tasks)
		return -1;
	head->tasks = tasks;
	head->tasks[head->nr_tasks++] = (struct head_task){
		.ns_pid = task->ns_pid,
		.start_time = task->start_time,
		.start_stack = task->start_stack,
	};
	return 0;
}

/* What stands behind RELEASE, or THAWED, is of no use here. */
static int read_frames(struct head *head, struct stream_reader *reader)
{
	enum frame_status status;
	struct frame frame;

	while ((status = stream_next(reader, &frame)) == FRAME_OK) {
		ProtobufCMessage *message = reader->message;

		if (frame.kind == KIND_TASK &&
		    keep_task(head, (const Pagestream__Task *)message) < 0)
			return -1;
		if (frame.kind != KIND_RELEASE && frame.kind != KIND_THAWED)
			continue;
		reader->message = NULL; /* ours now */
		head->release = (Pagestream__Release *)message;
		return 0;
	}
	errno = status == FRAME_ERROR ? errno : EBADMSG;
	return -1;
}

/* What is a link, or no file, somebody has planted there. */
static int open_head(int dir)
{
	own_fd int fd = openat(dir, HEAD_NAME,
			       O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat stat;

	if (fd < 0 && errno != ELOOP)
		return -1;
	if (fd >= 0 && fstat(fd, &stat) < 0)
		return -1;
	if (fd >= 0 && S_ISREG(stat.st_mode))
		return steal_fd(&fd);
	errno = EBADMSG;
	return -1;
}

int head_read(struct head *head, int dir)
{
	own_fd int fd = open_head(dir);
	struct stream_reader reader;
	int result;

	*head = (struct head){0};
	if (fd < 0 || stream_reader_init(&reader, fd, -1) < 0)
		return -1;
	result = read_frames(head, &reader);
	stream_reader_release(&reader);
	return result;
}

void head_release(struct head *head)
{
	if (head->release)
		control_free(&head->release->base);
	free(head->tasks);
	*head = (struct head){0};
}

const struct head_task *head_task(const struct head *head, uint32_t ns_pid)
{
	for (size_t i = 0; i < head->nr_tasks; i++)
		if (head->tasks[i].ns_pid == ns_pid)
			return &head->tasks[i];
	return NULL;
}
