// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * touched MIB idle|hard FILE    the process that is restored lazily
 * touched go|end|show FILE      has it begin when it is restored, or end; shows
 *                               what it has noted
 * touched clock                 the time in ns, as it notes it
 *
 * It fills MIB of memory, and waits until FILE, a page that it shares with us,
 * says go: then notes when that was, which is its first instruction after the
 * restore. With hard two threads read each of the pages once, at random, and
 * note how long each took.
 */
#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 2, FAULT_NS = 2000, BUCKETS = 100000 /* us */ };

static struct shared {
	_Atomic int order; /* 0 wait, 1 go, 2 end */
	_Atomic uint64_t first_ns, done_ns;
	_Atomic uint64_t faults, median_us, slow_us; /* slow: 99 % */
} * shared;

static uint64_t *memory;
static size_t nr, words;
static _Atomic uint32_t buckets[BUCKETS];

/* Restored, it has a CLOCK_MONOTONIC of its own. */
static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void note(uint64_t ns)
{
	uint64_t us = ns / 1000;

	if (ns >= FAULT_NS)
		buckets[us < BUCKETS ? us : BUCKETS - 1]++;
}

/* Every page of this thread's half, in an order that looks like none. */
static void *touch(void *thread)
{
	size_t half = nr / THREADS, first = (uintptr_t)thread * half;
	size_t at = 0, step = 7919 * 65537 % half | 1;

	while (half % step == 0 || step % 5 == 0)
		step += 2;
	for (size_t i = 0; i < half; i++, at = (at + step) % half) {
		uint64_t before = now_ns();
		volatile uint64_t *page = &memory[(first + at) * words];

		if (*page != first + at)
			errx(3, "page %zu is wrong", first + at);
		note(now_ns() - before);
	}
	return NULL;
}

static uint64_t below(uint64_t part, uint64_t all)
{
	uint64_t seen = 0;

	for (uint64_t us = 0; us < BUCKETS; us++)
		if ((seen += buckets[us]) * 100 >= part * all && seen)
			return us;
	return 0;
}

static void touch_hard(void)
{
	pthread_t threads[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, touch, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	shared->done_ns = now_ns();
	for (int us = 0; us < BUCKETS; us++)
		shared->faults += buckets[us];
	shared->median_us = below(50, shared->faults);
	shared->slow_us = below(99, shared->faults);
}

static void wait_for(int order)
{
	while (shared->order < order)
		usleep(200);
}

static void run(size_t mib, int hard)
{
	size_t page_size = (size_t)sysconf(_SC_PAGESIZE);

	nr = (mib << 20) / page_size;
	words = page_size / sizeof(*memory);
	memory = mmap(NULL, nr * page_size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		err(1, "mmap");
	for (size_t i = 0; i < nr * words; i++)
		memory[i] = i % words ? i : i / words;
	puts("ready");
	fflush(stdout);
	wait_for(1);
	shared->first_ns = now_ns();
	if (hard)
		touch_hard();
	wait_for(2);
}

static void show(void)
{
	printf("%lu %lu %lu %lu %lu\n", shared->first_ns, shared->done_ns,
	       shared->faults, shared->median_us, shared->slow_us);
}

int main(int argc, char **argv)
{
	int fd;

	if (argc == 2)
		return printf("%lu\n", now_ns()) < 0;
	fd = open(argv[argc - 1], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, sizeof(*shared)) < 0)
		err(1, "%s", argv[argc - 1]);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED,
		      fd, 0);
	if (shared == MAP_FAILED)
		err(1, "%s", argv[argc - 1]);
	if (!strcmp(argv[1], "go"))
		*shared = (struct shared){.order = 1};
	else if (!strcmp(argv[1], "end"))
		shared->order = 2;
	else if (!strcmp(argv[1], "show"))
		show();
	else
		run(strtoul(argv[1], NULL, 10), !strcmp(argv[2], "hard"));
	return 0;
}
