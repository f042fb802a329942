// SPDX-License-Identifier: GPL-3.0-or-later
#include "proc/tracker.h"

#include "base/own.h"
#include "proc/local.h"
#include "proc/maps.h"
#include "proc/tracker_wire.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void tracker_name(char *name, pid_t pid, uint64_t start_time)
{
	snprintf(name, TRACKER_NAME_SIZE, "pagepipe-tracker-%d-%" PRIu64, pid,
		 start_time);
}

int tracker_connect(const char *name)
{
	own_fd int tracker = local_connect(name);

	if (tracker < 0)
		return -1;
	if (!local_is_ours(tracker)) {
		errno = EACCES;
		return -1;
	}
	return steal_fd(&tracker);
}

static int hear(int tracker, struct tracker_message *message)
{
	int result = tracker_receive(tracker, message);

	if (result == 0)
		errno = ECONNREFUSED;
	return result > 0 ? 0 : -1;
}

static int garbled(void)
{
	errno = EPROTO;
	return -1;
}

/* What it is asked, and one packet for an answer. */
static int ask(int tracker, const struct tracker_packet *question,
	       struct tracker_message *answer)
{
	if (tracker_send(tracker, question, NULL) < 0 ||
	    hear(tracker, answer) < 0)
		return -1;
	tracker_forget(answer);
	return 0;
}

static int hear_tasks(int tracker, struct tracker_message *message,
		      struct tracker_tasks *tasks)
{
	uint32_t page_size = (uint32_t)sysconf(_SC_PAGESIZE);

	while (hear(tracker, message) == 0) {
		bool done = message->packet.verb == TRACKER_DONE;
		int result = done ? 0 : tracker_take(tasks, message, page_size);

		tracker_forget(message);
		if (done || result < 0)
			return result;
	}
	return -1;
}

int tracker_open(int tracker, const struct tracker_base *base,
		 struct tracker_round *round, struct tracker_tasks *tasks)
{
	struct tracker_packet question = {
		.verb = TRACKER_OPEN,
		.open = {TRACKER_VERSION, *base},
	};
	own_free struct tracker_message *message = malloc(sizeof(*message));

	if (!message || ask(tracker, &question, message) < 0)
		return -1;
	if (message->packet.verb != TRACKER_ROUND)
		return garbled();
	*round = message->packet.round;
	return hear_tasks(tracker, message, tasks);
}

int tracker_clear(int tracker)
{
	struct tracker_packet packet = {.verb = TRACKER_CLEAR};

	return tracker_send(tracker, &packet, NULL);
}

int tracker_report(int tracker, const struct tracker_task *task)
{
	return tracker_send_task(tracker, task);
}

/* 1 for YES, 0 for NO. */
static int ask_whether(int tracker, const struct tracker_packet *question)
{
	own_free struct tracker_message *message = malloc(sizeof(*message));

	if (!message || ask(tracker, question, message) < 0)
		return -1;
	if (message->packet.verb == TRACKER_YES)
		return 1;
	return message->packet.verb == TRACKER_NO ? 0 : garbled();
}

int tracker_commit(int tracker)
{
	struct tracker_packet question = {.verb = TRACKER_COMMIT};
	int result = ask_whether(tracker, &question);

	return result == 0 ? garbled() : result < 0 ? -1 : 0;
}

int tracker_confirm(int tracker, const struct tracker_base *round)
{
	struct tracker_packet question = {
		.verb = TRACKER_CONFIRM,
		.open = {TRACKER_VERSION, *round},
	};

	return ask_whether(tracker, &question);
}

int tracker_skipped(int tracker, uint64_t generation,
		    const struct tracker_task *task)
{
	struct tracker_packet packet = {
		.verb = TRACKER_SKIPPED,
		.generation = generation,
	};

	if (tracker_send(tracker, &packet, NULL) < 0)
		return -1;
	return tracker_send_task(tracker, task);
}

int tracker_status(int tracker, struct tracker_status *status)
{
	struct tracker_packet question = {.verb = TRACKER_STATUS};
	own_free struct tracker_message *message = malloc(sizeof(*message));

	if (!message || ask(tracker, &question, message) < 0)
		return -1;
	if (message->packet.verb != TRACKER_STATUS)
		return garbled();
	*status = message->packet.status;
	return 0;
}

int tracker_stop(int tracker)
{
	struct tracker_packet question = {.verb = TRACKER_STOP};
	static struct tracker_message message;

	if (ask_whether(tracker, &question) < 0)
		return -1;
	while (tracker_receive(tracker, &message) > 0)
		tracker_forget(&message);
	return 0;
}

vaddr_t canary_page(const char *maps)
{
	const char *at = maps;
	struct vma vma;

	while (maps_find(maps, &at, " [stack]\n", &vma) > 0)
		if (vma.name[0] == '[')
			return vma.end - (vaddr_t)sysconf(_SC_PAGESIZE);
	return 0;
}

bool tracker_key_is(const struct tracker_key *a, const struct tracker_key *b)
{
	return a->pid == b->pid && a->start_time == b->start_time &&
	       a->start_stack == b->start_stack;
}

struct tracker_task *tracker_find(const struct tracker_tasks *tasks,
				  const struct tracker_key *key)
{
	for (size_t i = 0; i < tasks->nr; i++)
		if (tracker_key_is(&tasks->all[i].key, key))
			return &tasks->all[i];
	return NULL;
}

struct tracker_task *tracker_add(struct tracker_tasks *tasks,
				 const struct tracker_key *key)
{
	struct tracker_task *all =
		reallocarray(tasks->all, tasks->nr + 1, sizeof(*tasks->all));

	if (!all)
		return NULL;
	tasks->all = all;
	tasks->all[tasks->nr] = (struct tracker_task){
		.key = *key,
		.uffd = -1,
	};
	return &tasks->all[tasks->nr++];
}

void tracker_tasks_release(struct tracker_tasks *tasks)
{
	for (size_t i = 0; i < tasks->nr; i++) {
		runlist_release(&tasks->all[i].report);
		if (tasks->all[i].uffd >= 0)
			close(tasks->all[i].uffd);
	}
	free(tasks->all);
	*tasks = (struct tracker_tasks){0};
}
