// SPDX-License-Identifier: GPL-3.0-or-later
#include "memtrack/taker.h"

#include "base/own.h"
#include "proc/uffd.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Room for one descriptor. */
union passenger {
	struct cmsghdr header;
	char room[CMSG_SPACE(sizeof(int))];
};

static void hand_over(int socket, int uffd, int error)
{
	union passenger control = {
		.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	struct iovec data = {&error, sizeof(error)};
	struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};

	if (uffd >= 0) {
		memcpy(CMSG_DATA(&control.header), &uffd, sizeof(uffd));
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
	}
	sendmsg(socket, &message, MSG_NOSIGNAL);
}

static int receive(int socket)
{
	union passenger control;
	int error = ECHILD;
	int uffd = -1;
	struct iovec data = {&error, sizeof(error)};
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};

	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) > 0 &&
	    message.msg_controllen >= CMSG_LEN(sizeof(int)))
		memcpy(&uffd, CMSG_DATA(&control.header), sizeof(uffd));
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
