// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * pagepipe.head: the control frames of a stream as an image directory keeps
 * them, without END.  Read back: which round the directory holds, of which
 * processes.
 */
#ifndef STREAM_HEAD_H
#define STREAM_HEAD_H

#include "stream/control.h"

#define HEAD_NAME "pagepipe.head"

struct head_task {
	uint32_t ns_pid;
	uint64_t start_time;
	uint64_t start_stack;
};

struct head {
	Pagestream__Release *release;
	struct head_task *tasks;
	size_t nr_tasks;
};

/*
 * Of the directory dir.  -1 with errno: ENOENT when it has none (CRIU made
 * it), EBADMSG when it is not valid.  Released either way.
 */
int head_read(struct head *head, int dir);
void head_release(struct head *head);

/* The task of that pid in its own namespace, or NULL. */
const struct head_task *head_task(const struct head *head, uint32_t ns_pid);

#endif
