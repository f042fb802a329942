// SPDX-License-Identifier: GPL-3.0-or-later
#include "memtrack/record.h"

#include "base/clock.h"
#include "base/die.h"
#include "proc/late_io.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static _Noreturn void no_memory(void)
{
	die(EXIT_SYSTEM, "no memory");
}

void record_begin(struct record *record, enum tracker_method method)
{
	*record = (struct record){
		.method = method,
		.page_size = (uint32_t)sysconf(_SC_PAGESIZE),
	};
	if (getrandom(record->id, sizeof(record->id), 0) != sizeof(record->id))
		die_errno(EXIT_SYSTEM, "no random numbers");
}

static struct recorded_round *last(const struct record *record)
{
	return record->nr ? &record->rounds[record->nr - 1] : NULL;
}

struct recorded_round *record_now(struct record *record)
{
	struct recorded_round *round = last(record);

	return round && round->state <= ROUND_CLEARED ? round : NULL;
}

static struct recorded_round *find(const struct record *record,
				   uint64_t generation)
{
	for (size_t i = 0; i < record->nr; i++)
		if (record->rounds[i].generation == generation)
			return &record->rounds[i];
	return NULL;
}

static struct recorded_round *last_whole(const struct record *record)
{
	for (size_t i = record->nr; i-- > 0;)
		if (record->rounds[i].state == ROUND_WHOLE)
			return &record->rounds[i];
	return NULL;
}

/* The adopted directory may be one of an earlier tracker's. */
static bool is_adopted(const struct record *record,
		       const struct tracker_base *base)
{
	return record->adopted.wish == TRACKER_DIRECTORY &&
	       record->adopted.generation == base->generation &&
	       !memcmp(record->adopted.id, base->id, sizeof(base->id));
}

static struct recorded_round *find_base(const struct record *record,
					const struct tracker_base *base,
					enum tracker_full *why)
{
	*why = TRACKER_FULL_OLD;
	switch (base->wish) {
	case TRACKER_LAST:
		*why = TRACKER_FULL_FIRST;
		return last_whole(record);
	case TRACKER_FULL:
		*why = TRACKER_FULL_WANTED;
		return NULL;
	case TRACKER_GENERATION:
		return find(record, base->generation);
	case TRACKER_DIRECTORY:
		if (is_adopted(record, base))
			return find(record, 1);
		if (!memcmp(base->id, record->id, sizeof(base->id)))
			return find(record, base->generation);
		*why = TRACKER_FULL_STRANGE;
		return NULL;
	case TRACKER_ADOPTED:
		*why = TRACKER_FULL_STRANGE;
		return record->adopted_uptime_us ? find(record, 1) : NULL;
	}
	return NULL;
}

static bool was_lost_since(const struct record *record,
			   const struct recorded_round *base)
{
	for (; base <= last(record); base++)
		if (base->state == ROUND_LOST)
			return true;
	return false;
}

static void unite(const struct record *record, struct runlist *sum,
		  const struct runlist *more)
{
	struct runlist united = {0};

	if (runlist_unite(&united, sum, more, RUN_PRESENT, record->page_size) <
	    0)
		no_memory();
	runlist_release(sum);
	*sum = united;
}

/* Its canary, as the last round that it was part of has left it. */
static struct tracker_task *add_task(const struct tracker_task *task,
				     struct tracker_tasks *out)
{
	struct tracker_task *sum = tracker_find(out, &task->key);

	if (!sum)
		sum = tracker_add(out, &task->key);
	if (!sum)
		no_memory();
	sum->canary = task->canary;
	sum->trusted = task->trusted;
	return sum;
}

/* May input that was under way then come later than the base was read? */
static bool may_land(const struct recorded_round *round,
		     const struct tracker_task *task,
		     const struct recorded_round *base)
{
	// NOLINTNEXTLINE(analyzer-null-dereference): sum_up() asks
	return task->late_io && round->made_ns + LATE_IO_NS > base->opened_ns;
}

/* The reports from the base's own on; without a base, the canaries alone. */
static void sum_up(const struct record *record,
		   const struct recorded_round *base, struct tracker_tasks *out)
{
	for (size_t n = 0; n < record->nr; n++) {
		const struct recorded_round *round = &record->rounds[n];

		for (size_t i = 0; i < round->tasks.nr; i++) {
			const struct tracker_task *task = &round->tasks.all[i];
			struct tracker_task *sum = add_task(task, out);

			if (round == base)
				sum->whole = task->cleared;
			else if (!task->whole || !task->cleared)
				sum->whole = false;
			if (base &&
			    (round >= base || may_land(round, task, base)))
				unite(record, &sum->report, &task->report);
		}
	}
}

static void add_round(struct record *record)
{
	record->rounds = reallocarray(record->rounds, record->nr + 1,
				      sizeof(*record->rounds));
	if (!record->rounds)
		no_memory();
	record->rounds[record->nr++] = (struct recorded_round){
		.generation = ++record->generation,
		.opened_ns = clock_ns(),
	};
}

void record_open(struct record *record, const struct tracker_base *wanted,
		 struct tracker_round *round, struct tracker_tasks *tasks)
{
	struct recorded_round *base;

	*round = (struct tracker_round){.method = record->method};
	memcpy(round->id, record->id, sizeof(round->id));
	base = find_base(record, wanted, &round->why);
	if (base && base->state != ROUND_WHOLE)
		base = NULL;
	if (base && was_lost_since(record, base)) {
		round->why = TRACKER_FULL_LOST;
		base = NULL;
	}
	if (base) {
		round->why = TRACKER_HAS_BASE;
		round->base = base->generation;
		if (base->generation == 1)
			round->base_uptime_us = record->adopted_uptime_us;
	}
	sum_up(record, base, tasks);
	add_round(record);
	round->generation = record->generation;
}

void record_clear(struct record *record)
{
	struct recorded_round *round = record_now(record);

	if (round)
		round->state = ROUND_CLEARED;
}

static uint64_t bytes_of(const struct recorded_round *round)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < round->tasks.nr; i++)
		bytes += round->tasks.all[i].report.nr * sizeof(struct run);
	return bytes;
}

uint64_t record_bytes(const struct record *record)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < record->nr; i++)
		bytes += bytes_of(&record->rounds[i]);
	return bytes;
}

/* What the next round may have to send again goes on to the one after it. */
static void pass_on(const struct record *record, struct recorded_round *from,
		    struct recorded_round *to)
{
	for (size_t i = 0; i < from->tasks.nr; i++) {
		struct tracker_task *task = &from->tasks.all[i];
		struct tracker_task *heir =
			tracker_find(&to->tasks, &task->key);

		if (heir && may_land(from, task, last(record)))
			unite(record, &heir->report, &task->report);
	}
}

static void drop_first(struct record *record)
{
	pass_on(record, &record->rounds[0], &record->rounds[1]);
	tracker_tasks_release(&record->rounds[0].tasks);
	memmove(record->rounds, record->rounds + 1,
		--record->nr * sizeof(*record->rounds));
}

static void coarsen(const struct record *record, struct recorded_round *round)
{
	size_t max = RECORD_BYTES / 2 / sizeof(struct run);

	for (size_t i = 0; i < round->tasks.nr; i++)
		runlist_coarsen(&round->tasks.all[i].report,
				max / round->tasks.nr, record->page_size);
}

/* Half of it must do for one round: then there is always one to build on. */
static void make_room(struct record *record)
{
	coarsen(record, last(record));
	while (record->nr > 1 && record_bytes(record) > RECORD_BYTES) {
		drop_first(record);
		coarsen(record, &record->rounds[0]);
	}
}

void record_commit(struct record *record)
{
	struct recorded_round *round = record_now(record);

	if (!round)
		return;
	round->state = ROUND_WHOLE;
	round->made_ns = clock_ns();
	make_room(record);
}

void record_abandon(struct record *record)
{
	struct recorded_round *round = record_now(record);

	if (!round)
		return;
	tracker_tasks_release(&round->tasks);
	if (round->state == ROUND_CLEARED)
		round->state = ROUND_LOST;
	else
		record->nr--;
}

void record_skip(struct record *record, uint64_t generation,
		 const struct tracker_task *skipped)
{
	struct recorded_round *round = find(record, generation);
	struct tracker_task *task =
		round ? tracker_find(&round->tasks, &skipped->key) : NULL;

	if (task)
		unite(record, &task->report, &skipped->report);
}
