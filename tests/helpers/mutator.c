// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * mutator KIND...   a target whose memory never holds still.
 *
 * Each KIND (table `kinds`) is a thread that changes memory without pause in
 * a way of its own; "all" are those of memory that this machine has.  A kind
 * of input takes the size of its reads, KIND=BYTES, and the file that it reads
 * in $MUTATOR_FILE.  Prints the kinds it has, then "ready PID", and obeys on
 * stdin: r rest (nothing changes, nothing is in flight), g go on, n how many
 * turns each kind has had, q.  Nobody judges here what is in its memory: it is
 * compared as it is (imgcmp).
 */
#include <linux/mman.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "mutator_io.h"
#include "mutator_memory.h"

enum { MAX_MUTATORS = 32, USAGE = 100 };

static const struct kind {
	const char *name;
	void (*run)(struct mutator *);
	useconds_t pause_us;
	bool reads; /* a file */
} kinds[] = {
	{"store", mutate_store, 0, false},
	{"thp", mutate_thp, 2000, false},
	{"drop", mutate_drop, 2000, false},
	{"move", mutate_move, 2000, false},
	{"places", mutate_swap_places, 2000, false},
	{"unmap", mutate_unmap, 2000, false},
	{"protect", mutate_protect, 2000, false},
	{"brk", mutate_brk, 2000, false},
	{"growsdown", mutate_growsdown, 500, false},
	{"file", mutate_file, 2000, false},
	{"truncate", mutate_truncate, 1000, false},
	{"fork", mutate_fork, 5000, false},
	{"pageout", mutate_pageout, 2000, false},
	{"free", mutate_free, 2000, false},
	{"guard", mutate_guard, 3000, false},
	{"kernel", mutate_kernel, 0, false},
	{"hugetlb", mutate_hugetlb, 2000, false},
	{"direct", mutate_direct, 0, true},
	{"aio", mutate_aio, 0, true},
	{"uring", mutate_uring, 0, true},
	{"fixed", mutate_fixed, 0, true},
	{"refixed", mutate_refixed, 0, true},
};

enum { NR_KINDS = sizeof(kinds) / sizeof(*kinds) };

static struct started {
	const struct kind *kind;
	struct mutator mutator;
} started[MAX_MUTATORS];
static size_t nr_started;

static void *run(void *of)
{
	struct started *one = of;

	one->kind->run(&one->mutator);
	return NULL;
}

static void start(const struct kind *kind, size_t size)
{
	struct started *one = &started[nr_started];
	pthread_t thread;

	if (nr_started == MAX_MUTATORS)
		errx(USAGE, "more than %d kinds", MAX_MUTATORS);
	one->kind = kind;
	one->mutator.page_size = (size_t)sysconf(_SC_PAGESIZE);
	one->mutator.random = nr_started + (uint64_t)getpid();
	one->mutator.path = getenv("MUTATOR_FILE");
	one->mutator.size = size;
	one->mutator.pause_us = kind->pause_us;
	if (kind->reads && (!size || !one->mutator.path))
		errx(USAGE, "%s=BYTES, and $MUTATOR_FILE", kind->name);
	nr_started++;
	errno = pthread_create(&thread, NULL, run, one);
	if (errno)
		err(1, "pthread_create");
	sem_wait(&mutator_is_ready);
	printf("%s\n", kind->name);
}

static bool is_possible(const struct kind *kind)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_2MB;
	void *huge;

	if (kind->run != mutate_hugetlb)
		return true;
	huge = mmap(NULL, 2 * MUTATOR_HUGE, MUTATOR_RW, flags, -1, 0);
	if (huge == MAP_FAILED)
		return false;
	munmap(huge, 2 * MUTATOR_HUGE);
	return true;
}

static void start_all(void)
{
	for (size_t i = 0; i < NR_KINDS; i++)
		if (!kinds[i].reads && is_possible(&kinds[i]))
			start(&kinds[i], 0);
}

static void start_named(const char *argument)
{
	size_t length = strcspn(argument, "=");
	size_t size = 0;

	if (argument[length])
		size = strtoull(argument + length + 1, NULL, 10);
	for (size_t i = 0; i < NR_KINDS; i++)
		if (!strncmp(argument, kinds[i].name, length) &&
		    !kinds[i].name[length]) {
			start(&kinds[i], size);
			return;
		}
	errx(USAGE, "%s: unknown kind", argument);
}

static void tell_turns(void)
{
	printf("turns");
	for (size_t i = 0; i < nr_started; i++)
		printf(" %s=%llu", started[i].kind->name,
		       (unsigned long long)started[i].mutator.turns);
	putchar('\n');
}

static void obey(char order)
{
	static bool rests;

	if (order == 'n') {
		tell_turns();
		return;
	}
	if (order == 'q')
		exit(0);
	if (order == 'r' && !rests)
		pthread_rwlock_wrlock(&mutator_gate);
	if (order == 'g' && rests)
		pthread_rwlock_unlock(&mutator_gate);
	rests = order == 'r' || (rests && order != 'g');
	puts("ok");
}

int main(int argc, char **argv)
{
	static char line[64];

	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	sem_init(&mutator_is_ready, 0, 0);
	pthread_rwlock_wrlock(&mutator_gate);
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "all"))
			start_all();
		else
			start_named(argv[i]);
	pthread_rwlock_unlock(&mutator_gate);
	printf("ready %d\n", getpid());
	while (fgets(line, sizeof(line), stdin))
		obey(line[0]);
	return 0;
}
