// SPDX-License-Identifier: GPL-3.0-or-later
#include "pageserve/listen.h"

#include "base/die.h"
#include "base/own.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG  16
#define PAUSE_US 10000

static struct addrinfo *look_up(const char *address, uint16_t port)
{
	struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
	};
	struct addrinfo *found;
	char service[8];
	int result;

	snprintf(service, sizeof(service), "%u", port);
	result = getaddrinfo(address, service, &hints, &found);
	if (result)
		die(EXIT_SYSTEM, "%s: %s", address, gai_strerror(result));
	return found;
}

static int open_one(const struct addrinfo *at)
{
	own_fd int fd = socket(at->ai_family,
			       at->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
			       at->ai_protocol);
	int yes = 1;

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
	    bind(fd, at->ai_addr, at->ai_addrlen) < 0 ||
	    listen(fd, BACKLOG) < 0)
		return -1;
	return steal_fd(&fd);
}

static uint16_t port_of(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} name = {0};
	socklen_t size = sizeof(name);

	if (getsockname(fd, &name.any, &size) < 0)
		die_errno(EXIT_SYSTEM, "cannot tell the port");
	if (name.any.sa_family == AF_INET6)
		return ntohs(name.in6.sin6_port);
	return ntohs(name.in.sin_port);
}

int listen_on(const char *address, uint16_t *port)
{
	struct addrinfo *all = look_up(address, *port);
	int fd = -1;

	for (struct addrinfo *one = all; one && fd < 0; one = one->ai_next)
		fd = open_one(one);
	if (fd < 0 && errno == EACCES)
		die_errno(EXIT_SYSTEM,
			  "cannot listen at %s, port %u (below 1024: "
			  "CAP_NET_BIND_SERVICE)",
			  address, *port);
	if (fd < 0)
		die_errno(EXIT_SYSTEM, "cannot listen at %s, port %u", address,
			  *port);
	freeaddrinfo(all);
	*port = port_of(fd);
	return fd;
}

void listen_name(int connection, char *name, size_t size)
{
	struct sockaddr_storage peer;
	socklen_t length = sizeof(peer);
	char host[64];
	char service[8];

	snprintf(name, size, "a client");
	if (getpeername(connection, (struct sockaddr *)&peer, &length) == 0 &&
	    getnameinfo((struct sockaddr *)&peer, length, host, sizeof(host),
			service, sizeof(service),
			NI_NUMERICHOST | NI_NUMERICSERV) == 0)
		snprintf(name, size, "%s port %s", host, service);
}

/* Answers go out at once, and a host that has gone is noticed in the end. */
int listen_accept(int listener, char *name, size_t size)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int yes = 1;

	if (fd < 0) {
		if (errno != EAGAIN) /* no descriptor, perhaps: not at once */
			usleep(PAUSE_US);
		return -1;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof(yes));
	listen_name(fd, name, size);
	return fd;
}
