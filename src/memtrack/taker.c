// SPDX-License-Identifier: GPL-3.0-or-later
#include "memtrack/taker.h"

#include "base/own.h"
#include "proc/local.h"
#include "proc/uffd.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

static void hand_over(int socket, int uffd, int error)
{
	union local_fd room;
	struct iovec data = {&error, sizeof(error)};
	struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};

	local_attach(&message, &room, uffd);
	sendmsg(socket, &message, MSG_NOSIGNAL);
}

static int receive(int socket)
{
	union local_fd room;
	int error = ECHILD;
	int uffd = -1;
	struct iovec data = {&error, sizeof(error)};
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &room,
		.msg_controllen = sizeof(room),
	};

	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) > 0)
		uffd = local_attached(&message, &room);
	errno = error;
	return uffd;
}

static _Noreturn void take_as_child(int socket, pid_t pid)
{
	int uffd = uffd_take(pid);

	hand_over(socket, uffd, errno);
	_exit(0);
}

int taker_take(pid_t pid)
{
	int sockets[2];
	own_fd int near = -1;
	pid_t child;
	int uffd;
	int error;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
		return -1;
	near = sockets[0];
	child = fork();
	if (child == 0)
		take_as_child(sockets[1], pid);
	close(sockets[1]);
	if (child < 0)
		return -1;
	uffd = receive(near);
	error = errno;
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	errno = error;
	return uffd;
}
