// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * pipeline [-o FILE] COMMAND [ARGUMENT]... ['|' COMMAND [ARGUMENT]...]...
 *
 * Runs a pipeline as a shell does, standard output of its last stage into FILE
 * (default: /dev/null), and prints what it cost:
 *
 *   wall NANOSECONDS
 *   NAME EXIT CPU_NANOSECONDS PEAK_BYTES     one line a stage, left to right
 *
 * wall is from the first fork to the last exit. CPU time is user and system,
 * children included. EXIT is 128 and the signal's number after a signal.
 * PEAK_BYTES is the largest resident memory. The kernel counts into it what was
 * resident before exec, which is why this is a small program of its own.
 */
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

enum { MAX_STAGES = 16, USAGE = 100 };

struct stage {
	char **command;
	pid_t pid;
	int status;
	struct rusage used;
};

static struct stage stages[MAX_STAGES];
static int nr_stages;

/* Cuts the words at each '|'. */
static void stages_parse(char **words)
{
	char **word = words;

	for (; *word; word++) {
		if (word == words || !word[-1]) {
			if (nr_stages == MAX_STAGES)
				errx(USAGE, "more than %d stages", MAX_STAGES);
			stages[nr_stages++].command = word;
		}
		if (!strcmp(*word, "|"))
			*word = NULL;
	}
	for (int i = 0; i < nr_stages; i++)
		if (!stages[i].command[0])
			errx(USAGE, "a stage without a command");
	if (!nr_stages)
		errx(USAGE, "no command given");
}

static int open_file(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

static pid_t stage_start(char **command, int in, int out)
{
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (pid)
		return pid;
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	execvp(command[0], command);
	err(127, "%s", command[0]);
}

/* Our own ends of a pipe are closed at once: its readers wait for that. */
static void stages_start(const char *output)
{
	int in = open_file("/dev/null", O_RDONLY);

	for (int i = 0; i < nr_stages; i++) {
		int ends[2] = {-1, -1};

		if (i == nr_stages - 1)
			ends[1] =
				open_file(output, O_WRONLY | O_CREAT | O_TRUNC);
		else if (pipe2(ends, O_CLOEXEC) < 0)
			err(1, "pipe");
		stages[i].pid = stage_start(stages[i].command, in, ends[1]);
		close(in);
		close(ends[1]);
		in = ends[0];
	}
}

static void stages_wait(void)
{
	for (int i = 0; i < nr_stages; i++)
		if (wait4(stages[i].pid, &stages[i].status, 0,
			  &stages[i].used) < 0)
			err(1, "wait");
}

static uint64_t timeval_ns(struct timeval time)
{
	return (uint64_t)time.tv_sec * 1000000000 +
	       (uint64_t)time.tv_usec * 1000;
}

static void stage_print(const struct stage *stage)
{
	int status = stage->status;
	const struct rusage *used = &stage->used;

	printf("%s %d %" PRIu64 " %ld\n", stage->command[0],
	       WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
	       timeval_ns(used->ru_utime) + timeval_ns(used->ru_stime),
	       used->ru_maxrss * 1024);
}

int main(int argc, char **argv)
{
	const char *output = "/dev/null";
	uint64_t start;

	if (argc > 2 && !strcmp(argv[1], "-o")) {
		output = argv[2];
		argv += 2;
	}
	stages_parse(argv + 1);

	start = clock_ns();
	stages_start(output);
	stages_wait();
	printf("wall %" PRIu64 "\n", clock_ns() - start);

	for (int i = 0; i < nr_stages; i++)
		stage_print(&stages[i]);
	return 0;
}
