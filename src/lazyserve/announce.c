// SPDX-License-Identifier: GPL-3.0-or-later
#include "lazyserve/announce.h"

#include "base/clock.h"
#include "base/own.h"
#include "lazyserve/fill.h"
#include "proc/local.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define FINISHED    0x52535446u
#define DESCRIPTORS 8 /* of one message; a proper one has one */

static void remove_stale(int dir)
{
	struct stat stat;

	if (fstatat(dir, ANNOUNCE_NAME, &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISSOCK(stat.st_mode))
		unlinkat(dir, ANNOUNCE_NAME, 0);
}

/* Of any length, which a socket's path must not have. */
static int bind_in(int socket, int dir)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	mode_t before = umask(077);
	int result;

	snprintf(address.sun_path, sizeof(address.sun_path),
		 "/proc/self/fd/%d/" ANNOUNCE_NAME, dir);
	result = bind(socket, (struct sockaddr *)&address, sizeof(address));
	umask(before);
	return result;
}

/* SO_PASSCRED is inherited by what is accepted. */
int announce_listen(struct announce *announce, const char *work)
{
	own_fd int dir = open(work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own_fd int fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;

	*announce =
		(struct announce){.listener = -1, .socket = -1, .unknown = -1};
	if (dir < 0 || fd < 0)
		return -1;
	remove_stale(dir);
	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ||
	    bind_in(fd, dir) < 0 || listen(fd, 8) < 0)
		return -1;
	announce->dir = steal_fd(&dir);
	announce->listener = steal_fd(&fd);
	return 0;
}

void announce_stop_listening(struct announce *announce)
{
	if (announce->listener < 0)
		return;
	close(announce->listener);
	unlinkat(announce->dir, ANNOUNCE_NAME, 0);
	announce->listener = -1;
}

void announce_close(struct announce *announce)
{
	announce_stop_listening(announce);
	if (announce->socket >= 0)
		close(announce->socket);
	announce->socket = -1;
	if (announce->unknown >= 0)
		close(announce->unknown);
	announce->unknown = -1;
}

static enum announce_outcome take_connection(struct announce *announce)
{
	own_fd int fd = accept4(announce->listener, NULL, NULL,
				SOCK_CLOEXEC | SOCK_NONBLOCK);
	int on = 1;

	if (fd < 0)
		return errno == EAGAIN || errno == EINTR ||
				       errno == ECONNABORTED
			       ? ANNOUNCE_WAITS
			       : ANNOUNCE_ERROR;
	if (!local_is_ours(fd))
		return ANNOUNCE_FORBIDDEN;
	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
		return ANNOUNCE_ERROR;
	announce->socket = steal_fd(&fd);
	return ANNOUNCE_CONNECTED;
}

/* --- one message --- */

struct received {
	ssize_t size;
	pid_t pid; /* who has sent it */
	int fds[DESCRIPTORS];
	size_t nr;
	bool cut; /* there were more descriptors */
};

static void take_control(struct received *received, struct msghdr *message)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(message);

	for (; c; c = CMSG_NXTHDR(message, c)) {
		struct ucred who;

		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_CREDENTIALS) {
			memcpy(&who, CMSG_DATA(c), sizeof(who));
			received->pid = who.pid;
		}
		if (c->cmsg_type == SCM_RIGHTS) {
			received->nr = (c->cmsg_len - CMSG_LEN(0)) /
				       sizeof(received->fds[0]);
			memcpy(received->fds, CMSG_DATA(c),
			       received->nr * sizeof(received->fds[0]));
		}
	}
	received->cut = message->msg_flags & MSG_CTRUNC;
}

static struct received receive(int socket, void *data, size_t size)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(struct ucred)) +
			  CMSG_SPACE(DESCRIPTORS * sizeof(int))];
	} control;
	struct iovec body = {data, size};
	struct msghdr message = {
		.msg_iov = &body,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct received received = {.pid = 0};

	received.size =
		recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (received.size >= 0)
		take_control(&received, &message);
	return received;
}

static void drop(const struct received *received)
{
	for (size_t i = 0; i < received->nr; i++)
		close(received->fds[i]);
}

pid_t announce_drain(int socket)
{
	struct received received;
	char bytes[16];

	do
		received = receive(socket, bytes, sizeof(bytes));
	while (received.size > 0 && !received.nr);
	return received.size > 0 ? received.pid : -1;
}

static enum announce_outcome bad(struct announce *announce, const char *why)
{
	announce->why = why;
	return ANNOUNCE_BAD;
}

static enum announce_outcome failed(struct announce *announce,
				    const struct received *received)
{
	int error = errno;

	drop(received);
	errno = error;
	if (received->size < 0)
		return errno == EAGAIN || errno == EINTR ? ANNOUNCE_WAITS
							 : ANNOUNCE_ERROR;
	if (announce->halfway_ns)
		return bad(announce, "it ends within an announcement");
	return announce->finished ? ANNOUNCE_WAITS : ANNOUNCE_ENDED;
}

/*
 * What it was, was perhaps not to be seen now: it stays open until the guard
 * has killed the task, which would find zeros as soon as it is closed.
 */
static void keep(struct announce *announce, const struct received *received)
{
	for (size_t i = 1; i < received->nr; i++)
		close(received->fds[i]);
	if (received->nr)
		announce->unknown = received->fds[0];
}

/* What there is no room for is closed by recvmsg(2), and its pages are zeros.
 */
static bool has_room(int fd)
{
	int room = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (room >= 0)
		close(room);
	return room >= 0;
}

static enum announce_outcome take_uffd(struct announce *announce)
{
	struct received received;
	char byte;

	if (!has_room(announce->socket))
		return ANNOUNCE_ERROR;
	received = receive(announce->socket, &byte, 1);
	if (received.size <= 0)
		return failed(announce, &received);
	if (received.nr != 1 || received.cut ||
	    !fill_is_uffd(received.fds[0])) {
		keep(announce, &received);
		return bad(announce, "a task without its userfaultfd");
	}
	announce->uffd = received.fds[0];
	announce->pid = (uint32_t)announce->head.pid;
	announce->have = 0;
	announce->halfway_ns = 0;
	if (fcntl(announce->uffd, F_SETFL, O_NONBLOCK) < 0)
		return ANNOUNCE_ERROR;
	return ANNOUNCE_TASK;
}

static enum announce_outcome take_head(struct announce *announce)
{
	int32_t pid = announce->head.pid;

	if (pid > 0 && announce->head.word != FINISHED)
		return ANNOUNCE_COMING;
	announce->have = 0;
	announce->halfway_ns = 0;
	if (announce->head.word == FINISHED) {
		announce->finished = true;
		return ANNOUNCE_FINISHED;
	}
	if (pid == 0 || pid == INT32_MIN)
		return bad(announce, "a number that is no process id");
	announce->pid = (uint32_t)-pid;
	return ANNOUNCE_ZOMBIE;
}

enum announce_outcome announce_next(struct announce *announce)
{
	struct received received;

	if (announce->socket < 0)
		return take_connection(announce);
	if (announce->have == sizeof(announce->head))
		return take_uffd(announce);
	received =
		receive(announce->socket, announce->head.bytes + announce->have,
			sizeof(announce->head) - announce->have);
	if (received.size <= 0)
		return failed(announce, &received);
	drop(&received);
	if (received.nr || received.cut)
		return bad(announce, "a descriptor where a number should be");
	if (announce->finished)
		return bad(announce, "something behind the end");
	announce->have += (size_t)received.size;
	announce->halfway_ns = clock_ns();
	announce->real = received.pid;
	if (announce->have < sizeof(announce->head))
		return ANNOUNCE_WAITS;
	return take_head(announce);
}
