// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * victim [KIND[=SIZE|=N|=TEXT]]...   the process that the tests copy.
 *
 * Makes each KIND (table `kinds`), prints "KIND START END" in hex for each and
 * "ready PID", then obeys one-letter commands on stdin (obey), one answer line
 * each, until EOF. Every page it writes is stamped (stamp.h).
 * It dies with the thread that started it: not from a subshell that ends.
 */
#include <alloca.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "region.h"

#define ANON    (MAP_PRIVATE | MAP_ANONYMOUS)
#define HUGETLB (ANON | MAP_HUGETLB | 21 << MAP_HUGE_SHIFT)
#define RW      (PROT_READ | PROT_WRITE)

enum { MAX_REGIONS = 64, STACK_PAGES = 64, USAGE = 100 };

/* How to make a region: map, stamp every stride-th page, finish, protect. */
struct kind {
	const char *name;
	size_t number; /* without "=": pages, or the N of a kind with each */
	size_t each;   /* pages for each of N; 0: the kind takes a SIZE */
	size_t stride; /* 0: stamp nothing */
	int flags;     /* for mmap; 0: sbrk */
	int prot;
	int (*open)(void);
	int (*finish)(struct region *r);
	size_t *count; /* no region, only this N */
	const char **text;
};

/* What shm=PATH shows to the outside; also used without it. */
static struct beat {
	_Atomic uint64_t counter;
	_Atomic uint64_t max_gap_ns;
	_Atomic uint64_t reset; /* the reader sets it to 1, spin back to 0 */
	_Atomic uint64_t wrong_pages;
} own_beat, *beat = &own_beat;

static struct {
	size_t threads, blocked, mutate, children, spin, leaderexit;
	const char *shm, *name;
} want;

static char **arguments;
static size_t page_size;
static struct region regions[MAX_REGIONS];
static size_t nr_regions;
static _Atomic uint64_t threads_counter;
static sem_t never, ready, stack_stamped; /* glibc: zero bytes are value 0 */
/* The mutators are its readers: they all wait while a command is obeyed. */
static pthread_rwlock_t calm =
	PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;

static struct region *region_find(const char *name)
{
	for (size_t i = 0; name && i < nr_regions; i++)
		if (!strcmp(regions[i].name, name))
			return &regions[i];
	return NULL;
}

static void thread_start(const pthread_attr_t *attr, void *(*run)(void *),
			 void *arg)
{
	pthread_t thread;

	errno = pthread_create(&thread, attr, run, arg);
	if (errno)
		err(1, "pthread_create");
}

static void *blocked_run(void *unused)
{
	for (;;)
		sem_wait(&never);
	return unused;
}

static void *threads_run(void *unused)
{
	for (;;)
		threads_counter++;
	return unused;
}

static void *spin_run(void *unused)
{
	for (uint64_t now, last = clock_ns();; last = now) {
		now = clock_ns();
		if (now - last > beat->max_gap_ns)
			beat->max_gap_ns = now - last;
		if (beat->reset) { /* it may have stood since now was taken */
			now = clock_ns();
			beat->reset = beat->max_gap_ns = 0;
		}
		beat->counter++;
	}
	return unused;
}

/* Thread k of N owns the pages k, k + N, ...: a page has one writer. */
static void *mutate_run(void *k)
{
	struct region *r = region_find("anon");
	uint64_t random = (uintptr_t)k;

	for (size_t i;; pthread_rwlock_unlock(&calm)) {
		random = stamp_mix(random + UINT64_C(0x9e3779b97f4a7c15));
		i = random % (r->nr_pages / want.mutate) * want.mutate;
		i += (uintptr_t)k;
		pthread_rwlock_rdlock(&calm);
		if (r->pages[i].state != PAGE_STAMPED || r->prot != RW)
			continue;
		if (region_page_right(r, i))
			region_stamp(r, i);
		else
			beat->wrong_pages++;
	}
	return NULL;
}

/* The page lies in a live frame, above the stack pointer. */
static void *stack_run(void *arg)
{
	struct region *r = arg;
	char *room = alloca(2 * page_size);

	region_stamp(r, (size_t)(room - r->start) / page_size + 1);
	sem_post(&stack_stamped);
	return blocked_run(NULL);
}

static int stacks_start(struct region *r)
{
	pthread_attr_t attr;

	for (size_t i = 0; i < r->nr_pages; i++)
		r->pages[i].state = PAGE_OFF;
	for (size_t i = 0; i < r->nr_pages; i += STACK_PAGES) {
		mprotect(region_page(r, i), page_size, PROT_NONE);
		pthread_attr_init(&attr);
		pthread_attr_setstack(&attr, region_page(r, i + 1),
				      (STACK_PAGES - 1) * page_size);
		thread_start(&attr, stack_run, r);
		sem_wait(&stack_stamped);
	}
	return 0;
}

static int open_memfd(void)
{
	return memfd_create("victim", MFD_CLOEXEC);
}

static int open_file(void)
{
	char path[] = "/tmp/victim.XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	unlink(path);
	return fd;
}

static const struct kind kinds[] = {
	{"anon", 16, 0, 1, ANON, .prot = RW},
	{"none", 16, 0, 1, ANON, .prot = PROT_NONE},
	{"wonly", 16, 0, 1, ANON, .prot = PROT_WRITE},
	{"xonly", 16, 0, 1, ANON, .prot = PROT_EXEC},
	{"growsdown", 16, 0, 1, ANON | MAP_GROWSDOWN, .prot = RW},
	{"shanon", 16, 0, 1, MAP_SHARED | MAP_ANONYMOUS, .prot = RW},
	{"memfd", 16, 0, 1, MAP_SHARED, RW, .open = open_memfd},
	{"shfile", 16, 0, 1, MAP_SHARED, RW, .open = open_file},
	{"filepriv", 16, 0, 1, MAP_SHARED, RW, open_file,
	 .finish = region_make_private},
	{"heap", 16, 0, 1, 0, .prot = RW},
	{"hugetlb", 512, 0, 1, HUGETLB, .prot = RW},
	{"thp", 1024, 0, 0, ANON, RW, .finish = region_make_huge},
	{"guard", 16, 0, 1, ANON, RW, .finish = region_make_guards},
	{"sparse", 64, 0, 16, ANON, .prot = RW},
	{"zeros", 16, 0, 0, ANON, RW, .finish = region_zero},
	{"zeropage", 16, 0, 0, ANON, RW, .finish = region_read},
	{"reserve", 16, 0, 0, ANON | MAP_NORESERVE, .prot = PROT_NONE},
	{"small", 16, 1, 1, ANON, .prot = PROT_READ},
	{"stacks", 32, STACK_PAGES, 0, ANON, RW, .finish = stacks_start},
	{"threads", 1, 1, .count = &want.threads},
	{"blocked", 1, 1, .count = &want.blocked},
	{"mutate", 1, 1, .count = &want.mutate},
	{"children", 1, 1, .count = &want.children},
	{"spin", 1, 1, .count = &want.spin},
	{"leaderexit", 1, 1, .count = &want.leaderexit},
	{"shm", .text = &want.shm},
	{"name", .text = &want.name},
	{.name = NULL},
};

/* NULL: this machine has no such memory, and that was said. */
static struct region *region_make(const struct kind *k, size_t number)
{
	size_t unit = k->flags == HUGETLB ? REGION_HUGE : page_size;
	struct region *r = &regions[nr_regions];

	if (nr_regions == MAX_REGIONS)
		errx(USAGE, "more than %d regions", MAX_REGIONS);
	*r = (struct region){.name = k->name, .page_size = page_size};
	r->prot = k->prot;
	r->alternate = k->each == 1;
	r->shared = k->flags & MAP_SHARED;
	r->bytes = k->each ? number * k->each * page_size
			   : (number + unit - 1) / unit * unit;
	r->fd = k->open ? k->open() : -1;
	if (region_map(r, k->flags)) {
		if (k->flags != HUGETLB)
			err(1, "%s", k->name);
		printf("%s unavailable\n", k->name);
		return NULL;
	}
	if (!(k->flags & MAP_NORESERVE) && region_fill(r, k->stride))
		err(1, "%s", k->name);
	if (k->finish && k->finish(r)) {
		munmap(r->start, r->bytes);
		printf("%s unsupported\n", k->name);
		return NULL;
	}
	close(r->fd);
	if (region_protect(r))
		err(1, "%s", k->name);
	nr_regions++;
	return r;
}

static void region_print(const char *title, const struct region *r)
{
	printf("%s %lx %lx\n", title, (unsigned long)r->start,
	       (unsigned long)r->start + r->bytes);
}

/* Neither setting passes through fork, nor to a new thread. */
static void process_protect(void)
{
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static pid_t child_fork(void)
{
	pid_t parent = getpid(), child = fork();

	if (child < 0)
		err(1, "fork");
	if (child)
		return child;
	process_protect();
	while (getppid() == parent)
		pause();
	_exit(0);
}

/* Stamped here, then left to the child alone; child k's pages have seq k. */
static void children_start(void)
{
	for (size_t k = 1; k <= want.children; k++) {
		struct region *r = region_make(&kinds[0], 16 * page_size);
		char title[32];

		for (size_t i = 0; i < (k - 1) * r->nr_pages; i++)
			region_stamp(r, i % r->nr_pages);
		snprintf(title, sizeof(title), "child %d", child_fork());
		region_print(title, r);
		/* Its edges too, or child k would have k mappings more. */
		munmap(r->start - page_size, r->bytes + 2 * page_size);
		nr_regions--;
	}
}

static void threads_start(size_t number, void *(*run)(void *))
{
	for (uintptr_t k = 0; k < number; k++)
		thread_start(NULL, run, (void *)k);
}

static void beat_share(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, (off_t)page_size) ||
	    (beat = mmap(NULL, page_size, RW, MAP_SHARED, fd, 0)) == MAP_FAILED)
		err(1, "%s", path);
	close(fd);
}

static bool number_parse(const char *text, size_t *number)
{
	const char *suffixes = "KMGT", *suffix;
	char *end;

	errno = *text >= '0' && *text <= '9' ? 0 : EINVAL;
	*number = strtoull(text, &end, 10);
	suffix = strchr(suffixes, *end);
	if (errno || !suffix || (*end && end[1]))
		return false;
	if (*end)
		*number <<= 10 * (suffix - suffixes + 1);
	return true;
}

static int check_all(void)
{
	struct tally tally = {.wrong = 0};

	for (size_t i = 0; i < nr_regions; i++)
		if (region_check(&regions[i], &tally))
			return -1;
	beat->wrong_pages += tally.wrong;
	if (tally.wrong)
		printf("error %zu first %lx\n", tally.wrong,
		       (unsigned long)tally.first_wrong);
	else
		printf("ok %zu pages\n", tally.right);
	return 1;
}

/* A hint: that some memory (hugetlb) refuses it is no error. */
static int page_out_all(void)
{
	for (size_t i = 0; i < nr_regions; i++)
		if (!regions[i].shared)
			region_call(&regions[i], madvise, MADV_PAGEOUT);
	return 0;
}

static int answer(uint64_t number)
{
	printf("ok %llu\n", (unsigned long long)number);
	return 1;
}

/* 0: say ok; -1: say why not; 1: answered. words are those behind KIND. */
static int obey(char letter, struct region *r, char **words)
{
	size_t first = 0, count = words[0] ? 1 : r ? r->bytes / page_size : 0;

	switch (letter) {
	case 'c':
		return check_all();
	case 'd': /* KIND N */
	case 'u': /* KIND [FIRST [COUNT]] */
		if ((words[0] && !number_parse(words[0], &first)) ||
		    (words[0] && words[1] && !number_parse(words[1], &count)))
			first = SIZE_MAX; /* beyond every region: EINVAL */
		return letter == 'd' ? region_restamp(r, first)
				     : region_unmap(r, first, count);
	case 'p': /* KIND none|r|rw */
		return region_set_prot(r, words[0]);
	case 'm': /* KIND */
		return region_drop(r);
	case 'z': /* KIND */
		return region_zero(r);
	case 'w':
		return page_out_all();
	case 'o':
		return answer((uint64_t)open("/dev/null", O_RDONLY));
	case 'f':
		return answer((uint64_t)child_fork());
	case 'g':
		return answer(atomic_exchange(&beat->max_gap_ns, 0));
	case 'n':
		return answer(beat->counter + threads_counter);
	}
	if (!strchr("ekqx", letter))
		return -1;
	puts("ok"); /* first: then nobody may be left to say it */
	if (letter == 'e')
		_exit(0);
	if (letter == 'k')
		return raise(SIGSTOP) ? -1 : 1;
	if (letter == 'q')
		exit(0);
	/* /proc/self/exe is gone once the leader has exited. */
	return execv("/proc/thread-self/exe", arguments);
}

static void line_obey(char *line)
{
	char *words[5] = {NULL}, *rest = line;
	struct region *r;
	int result = -1;

	for (int i = 0; i < 4 && (words[i] = strtok_r(rest, " \n", &rest)); i++)
		;
	errno = EINVAL;
	r = region_find(words[1]);
	pthread_rwlock_wrlock(&calm);
	if (words[0] && !words[0][1] && (r || !strchr("dupmz", *words[0])))
		result = obey(*words[0], r, words + 2);
	pthread_rwlock_unlock(&calm);
	if (result < 0)
		printf("error %s\n", strerror(errno));
	else if (result == 0)
		puts("ok");
}

static const struct kind *argument_take(const char *argument, size_t *number)
{
	size_t length = strcspn(argument, "=");
	const char *text = argument + length + (argument[length] == '=');
	const struct kind *k = kinds;

	while (k->name &&
	       (strncmp(argument, k->name, length) || k->name[length]))
		k++;
	if (!k->name)
		errx(USAGE, "%s: unknown kind", argument);
	*number = k->number * (k->each ? 1 : page_size);
	if (k->text)
		*k->text = text;
	else if (*text && (!number_parse(text, number) || !*number))
		errx(USAGE, "%s: not a number above 0", argument);
	if (k->count)
		*k->count = *number;
	return k;
}

static void argument_make(const char *argument)
{
	size_t number;
	const struct kind *k = argument_take(argument, &number);

	if (k->count || k->text)
		printf("%s 0 0\n", k->name);
	else if (region_make(k, number))
		region_print(k->name, &regions[nr_regions - 1]);
}

static void *victim_run(void *unused)
{
	static char line[256];
	struct region *anon;

	process_protect();
	children_start();
	for (char **argument = arguments + 1; *argument; argument++)
		argument_make(*argument);
	anon = region_find("anon");
	if (want.mutate && (!anon || anon->nr_pages < want.mutate))
		errx(USAGE, "mutate needs an anon page for each thread");
	threads_start(want.threads, threads_run);
	threads_start(want.blocked, blocked_run);
	threads_start(want.mutate, mutate_run);
	threads_start(want.spin || want.shm, spin_run);
	printf("ready %d\n", getpid());
	sem_post(&ready);
	while (fgets(line, sizeof(line), stdin))
		line_obey(line);
	exit(0);
	return unused;
}

int main(int argc, char **argv)
{
	size_t number;

	/* criu's is_stack() (criu/mem.c) compares the wrong bits: where a stack
	 * pointer begins a page, it takes no page at all for lazy. */
	__asm__("" : : "r"(alloca(((uintptr_t)&number - 0xc00) & 0xff0)));
	arguments = argv;
	page_size = (size_t)sysconf(_SC_PAGESIZE);
	setvbuf(stdin, NULL, _IONBF, 0); /* x must leave the next lines */
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 1; i < argc; i++)
		argument_take(argv[i], &number);
	if (want.name)
		prctl(PR_SET_NAME, want.name);
	if (want.shm)
		beat_share(want.shm);
	if (!want.leaderexit)
		victim_run(NULL);
	thread_start(NULL, victim_run, NULL);
	sem_wait(&ready);
	pthread_exit(NULL);
}
