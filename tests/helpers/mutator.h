// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What the mutators share: random numbers, and a gate at which they rest.
 * A mutator passes the gate before each of its turns, holding nothing; while
 * the process rests none gets through.
 */
#ifndef MUTATOR_H
#define MUTATOR_H

#include "stamp.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MUTATOR_RW = PROT_READ | PROT_WRITE, MUTATOR_HUGE = 2 << 20 };

struct mutator {
	size_t page_size;
	uint64_t random;
	const char *path;    /* of a file; what is read is in it */
	size_t size;         /* of each read, bytes */
	useconds_t pause_us; /* after each turn; 0: none */
	_Atomic uint64_t turns;
};

/* The mutators are its readers. */
static pthread_rwlock_t mutator_gate =
	PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;

static inline uint64_t draw(struct mutator *m)
{
	m->random += UINT64_C(0x9e3779b97f4a7c15);
	return stamp_mix(m->random);
}

static inline uint64_t draw_below(struct mutator *m, uint64_t limit)
{
	return draw(m) % limit;
}

/*
 * They make their areas one after the other: from then on some have holes
 * where another's would go.
 */
static sem_t mutator_is_ready;

static inline void turn_begin(struct mutator *m)
{
	if (!m->turns)
		sem_post(&mutator_is_ready);
	pthread_rwlock_rdlock(&mutator_gate);
	m->turns++;
}

/*
 * Those that change mappings pause for a moment: in the kernel they shut out
 * whoever reads the memory, for seconds where nobody pauses.
 */
static inline void turn_end(const struct mutator *m)
{
	pthread_rwlock_unlock(&mutator_gate);
	if (m->pause_us)
		usleep(m->pause_us);
}

static inline void *must_map(void *at, size_t bytes, int flags, int fd)
{
	int fixed = at ? MAP_FIXED : 0;
	void *got =
		mmap(at, bytes, MUTATOR_RW, MAP_PRIVATE | flags | fixed, fd, 0);

	if (got == MAP_FAILED)
		err(1, "mmap");
	return got;
}

static inline void *must_map_anon(void *at, size_t bytes)
{
	return must_map(at, bytes, MAP_ANONYMOUS, -1);
}

/* A few words of a page, or a page's worth, so that any old copy shows. */
static inline void scribble(struct mutator *m, char *start, size_t pages)
{
	size_t page = draw_below(m, pages);
	uint64_t words = 1 + draw_below(m, 8);

	for (uint64_t i = 0; i < words; i++) {
		uint64_t *at = (uint64_t *)(start + page * m->page_size);

		at[draw_below(m, m->page_size / 8)] = draw(m);
	}
}

static inline void fill(struct mutator *m, char *start, size_t bytes)
{
	for (size_t at = 0; at < bytes; at += m->page_size)
		*(uint64_t *)(start + at) = draw(m);
}

#endif
