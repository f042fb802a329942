// SPDX-License-Identifier: GPL-3.0-or-later
#include "stage/daemon.h"

#include "base/die.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* What has become of a child that has not said that it is ready. */
static int failure_of(pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) == child && WIFEXITED(status))
		return WEXITSTATUS(status);
	return EXIT_SYSTEM;
}

int daemon_begin(void)
{
	int ready[2];
	char byte;
	pid_t child;

	if (pipe2(ready, O_CLOEXEC) < 0 || (child = fork()) < 0)
		die_errno(EXIT_SYSTEM, "cannot go into the background");
	if (child == 0) {
		close(ready[0]);
		setsid();
		return ready[1];
	}
	close(ready[1]);
	_exit(read(ready[0], &byte, 1) == 1 ? EXIT_DONE : failure_of(child));
}

void daemon_ready(int begun)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct stat stat;

	for (int fd = 0; fd <= 2; fd++) {
		if (fd == 2 && fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode))
			continue;
		if (null < 0 || dup2(null, fd) < 0)
			die_errno(EXIT_SYSTEM, "cannot open /dev/null");
	}
	if (write(begun, "", 1) != 1)
		_exit(EXIT_SYSTEM);
	close(begun);
	close(null);
}

int daemon_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		die_errno(EXIT_SYSTEM, "cannot wait for signals");
	return fd;
}
