// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * churn MODE [FILE]: a target that never holds still.  It counts up a number
 * in FILE (a shared mapping) from everything it makes; 2,000 from each.  While
 * the number behind that is not 0 it makes nothing.
 *
 *   threads   three threads that make and join three threads each
 *   forks     makes and reaps children without pause
 *   vfork=MS  makes vfork children that sleep for that long
 *   exec      calls itself anew without pause
 *   tree      a child that has a child, and so on, without pause
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile uint64_t *counter;

static void *count(void *unused)
{
	for (int i = 0; i < 2000; i++)
		__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
	return unused;
}

static void rest(void)
{
	while (counter[1])
		usleep(1000);
}

static void *make_threads(void *unused)
{
	for (;;) {
		pthread_t threads[3];
		int nr = 0;

		rest();
		while (nr < 3 &&
		       !pthread_create(&threads[nr], NULL, count, NULL))
			nr++;
		while (nr > 0)
			pthread_join(threads[--nr], NULL);
	}
	return unused;
}

static void threads(void)
{
	pthread_t thread;

	for (int i = 0; i < 2; i++)
		pthread_create(&thread, NULL, make_threads, NULL);
	make_threads(NULL);
}

static void forks(void)
{
	for (;;) {
		pid_t child;

		rest();
		child = fork();
		if (child == 0) {
			count(NULL);
			_exit(0);
		}
		if (child > 0)
			waitpid(child, NULL, 0);
	}
}

static void vforks(useconds_t ms)
{
	for (;;) {
		++*counter;
		if (vfork() == 0) {
			usleep(ms * 1000);
			_exit(0);
		}
		wait(NULL);
	}
}

/* Each goes on as its own child, so that the tree moves away under a tracer. */
static void tree(void)
{
	for (;;) {
		pid_t child = fork();

		count(NULL);
		if (child > 0) {
			waitpid(child, NULL, 0);
			continue;
		}
		if (child == 0 && fork() > 0)
			wait(NULL);
		count(NULL);
		if (child == 0)
			_exit(0);
	}
}

int main(int argc, char **argv)
{
	int fd = open(argc > 2 ? argv[2] : "/dev/zero", O_RDWR | O_CREAT, 0600);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (argc < 2 || fd < 0 || (argc > 2 && ftruncate(fd, 4096) < 0))
		return 100;
	counter = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (counter == MAP_FAILED)
		return 111;
	close(fd);
	if (!strcmp(argv[1], "threads"))
		threads();
	else if (!strcmp(argv[1], "forks"))
		forks();
	else if (!strncmp(argv[1], "vfork=", 6))
		vforks((useconds_t)atoi(argv[1] + 6));
	else if (!strcmp(argv[1], "tree"))
		tree();
	else if (!strcmp(argv[1], "exec")) {
		count(NULL);
		rest();
		execv("/proc/self/exe", argv);
	}
	return 100;
}
