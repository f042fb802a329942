// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * mapper: a target whose mappings never hold still.  Two threads take turns at
 * random with mmap, munmap, mprotect, madvise and writes, each in regions of
 * its own, and look at what they wrote before.  Like a victim it prints
 * "ready PID", and obeys c (check all), n (how many turns so far) and q.
 */
#include <err.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "region.h"

enum { THREADS = 2, REGIONS = 24, PAGES = 128, USAGE = 100 };

static struct region regions[THREADS][REGIONS];
static _Atomic size_t wrong, turns;
/* The mapping threads are its readers: they wait while a command is obeyed. */
static pthread_rwlock_t calm =
	PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;

static uint64_t draw(uint64_t *random)
{
	*random += UINT64_C(0x9e3779b97f4a7c15);
	return stamp_mix(*random);
}

static void must(int result)
{
	if (result < 0)
		err(1, "mapper");
}

static void look(struct region *r)
{
	struct tally tally = {0};

	must(region_check(r, &tally));
	wrong += tally.wrong;
}

/* Fresh memory, also where some was unmapped. */
static void map_anew(struct region *r)
{
	if (mmap(r->start, r->bytes, REGION_RW,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		err(1, "mapper");
	r->prot = REGION_RW;
	for (size_t i = 0; i < r->nr_pages; i++)
		r->pages[i].state = PAGE_ZERO;
}

static void write_some(struct region *r, uint64_t *random)
{
	for (int n = 0; n < 8; n++) {
		size_t i = draw(random) % r->nr_pages;

		if (r->pages[i].state != PAGE_OFF)
			must(region_restamp(r, i));
	}
}

static void unmap_some(struct region *r, uint64_t *random)
{
	size_t first = draw(random) % r->nr_pages;

	must(region_unmap(r, first, 1 + draw(random) % (r->nr_pages - first)));
}

static void turn(struct region *r, uint64_t *random)
{
	static const char *const prots[] = {"none", "r", "rw", "rw"};

	look(r);
	switch (draw(random) % 8) {
	case 0:
		map_anew(r);
		break;
	case 1:
		unmap_some(r, random);
		break;
	case 2:
		must(region_set_prot(r, prots[draw(random) % 4]));
		break;
	case 3:
		must(region_drop(r));
		break;
	default:
		write_some(r, random);
	}
	turns++;
}

static void *run(void *k)
{
	uint64_t random = (uintptr_t)k;

	for (;;) {
		struct region *r =
			&regions[(uintptr_t)k][draw(&random) % REGIONS];

		pthread_rwlock_rdlock(&calm);
		turn(r, &random);
		pthread_rwlock_unlock(&calm);
	}
	return k;
}

static void check_all(void)
{
	struct tally tally = {.wrong = wrong};

	for (int k = 0; k < THREADS; k++)
		for (int i = 0; i < REGIONS; i++)
			must(region_check(&regions[k][i], &tally));
	if (tally.wrong)
		printf("error %zu first %lx\n", tally.wrong,
		       (unsigned long)tally.first_wrong);
	else
		printf("ok %zu pages\n", tally.right);
}

static void make_all(void)
{
	for (int k = 0; k < THREADS; k++)
		for (int i = 0; i < REGIONS; i++) {
			struct region *r = &regions[k][i];

			r->fd = -1;
			r->prot = REGION_RW;
			r->page_size = (size_t)sysconf(_SC_PAGESIZE);
			r->bytes = PAGES * r->page_size;
			must(region_map(r, MAP_PRIVATE | MAP_ANONYMOUS));
			must(region_fill(r, 1));
		}
}

int main(int argc, char **argv)
{
	char line[16];

	(void)argv;
	if (argc > 1)
		errx(USAGE, "takes no arguments");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setvbuf(stdin, NULL, _IONBF, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	make_all();
	for (uintptr_t k = 0; k < THREADS; k++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, run, (void *)k))
			errx(1, "no thread");
	}
	printf("ready %d\n", getpid());
	while (fgets(line, sizeof(line), stdin)) {
		pthread_rwlock_wrlock(&calm);
		if (*line == 'q')
			return puts("ok") < 0;
		if (*line == 'n')
			printf("ok %zu\n", (size_t)turns);
		else
			check_all();
		pthread_rwlock_unlock(&calm);
	}
	return 0;
}
