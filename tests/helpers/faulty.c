// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * faulty FAULT: does what a checked build has to report (tests/checked.bats),
 * and ends with 0 where nobody looks.
 */
#include "base/die.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int shared;

static void overflow(void)
{
	volatile size_t size = 10;
	volatile char *bytes = malloc(size);

	if (bytes)
		bytes[size] = 1;
	free((void *)bytes);
}

static void leak(void)
{
	char *volatile lost = malloc(10);

	if (lost)
		lost[0] = 1;
	// NOLINTNEXTLINE(analyzer-malloc-leak): it is to be found
	lost = NULL;
}

static void undefined(void)
{
	volatile int large = INT_MAX;

	large = large + 1;
}

static void *count(void *unused)
{
	(void)unused;
	for (int i = 0; i < 1000; i++)
		shared++;
	return NULL;
}

static void race(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, count, NULL))
		die(EXIT_SYSTEM, "no thread");
	count(NULL);
	pthread_join(thread, NULL);
}

static void descriptor(void)
{
	if (open("/dev/null", O_RDONLY | O_CLOEXEC) < 0)
		die_errno(EXIT_SYSTEM, "/dev/null");
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*act)(void);
	} faults[] = {
		{"overflow", overflow},     {"leak", leak},
		{"undefined", undefined},   {"race", race},
		{"descriptor", descriptor},
	};

	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		if (argc == 2 && strcmp(argv[1], faults[i].name) == 0) {
			faults[i].act();
			return EXIT_DONE;
		}
	}
	die(EXIT_USAGE, "faulty FAULT");
}
