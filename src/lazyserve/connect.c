// SPDX-License-Identifier: GPL-3.0-or-later
#include "lazyserve/connect.h"

#include "base/die.h"
#include "base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static _Noreturn void die_of_place(const char *place)
{
	die(EXIT_USAGE, "--source takes HOST:PORT, not %s", place);
}

/* Cuts text at its last colon; gives back the port. */
static char *cut_port(char *text, const char *place)
{
	char *colon = strrchr(text, ':');

	if (!colon || colon == text || !colon[1])
		die_of_place(place);
	*colon = 0;
	return colon + 1;
}

static char *cut_brackets(char *host, const char *place)
{
	size_t size = strlen(host);

	if (*host != '[')
		return host;
	if (host[size - 1] != ']')
		die_of_place(place);
	host[size - 1] = 0;
	return host + 1;
}

static int connect_one(const struct addrinfo *at)
{
	own_fd int fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC,
			       at->ai_protocol);
	int yes = 1;

	if (fd < 0 || connect(fd, at->ai_addr, at->ai_addrlen) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)) < 0)
		return -1;
	return steal_fd(&fd);
}

struct connection connect_tcp(const char *place)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	own_free char *text = strdup(place);
	struct addrinfo *found;
	int fd = -1, result;
	char *port;

	if (!text)
		die_errno(EXIT_SYSTEM, "no memory");
	port = cut_port(text, place);
	result = getaddrinfo(cut_brackets(text, place), port, &hints, &found);
	if (result)
		die(EXIT_SYSTEM, "%s: %s", place, gai_strerror(result));
	for (const struct addrinfo *at = found; at && fd < 0; at = at->ai_next)
		fd = connect_one(at);
	if (fd < 0)
		die_errno(EXIT_SYSTEM, "cannot connect to %s", place);
	freeaddrinfo(found);
	return (struct connection){fd, fd};
}

static _Noreturn void run(const char *command, int in, int out)
{
	signal(SIGPIPE, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0)
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	warn("cannot run /bin/sh: %s", strerror(errno));
	_exit(127);
}

struct connection connect_command(const char *command)
{
	int to[2], from[2];
	pid_t child = -1;

	if (pipe2(to, O_CLOEXEC) == 0 && pipe2(from, O_CLOEXEC) == 0)
		child = fork();
	if (child < 0)
		die_errno(EXIT_SYSTEM, "cannot run %s", command);
	if (child == 0)
		run(command, to[0], from[1]);
	close(to[0]);
	close(from[1]);
	return (struct connection){from[0], to[1]};
}
