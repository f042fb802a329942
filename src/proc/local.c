// SPDX-License-Identifier: GPL-3.0-or-later
#include "proc/local.h"

#include "base/own.h"

#include <stddef.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

/* A name of that namespace stands behind a NUL byte. */
static socklen_t address_of(const char *name, struct sockaddr_un *address)
{
	size_t size = strlen(name);

	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (size > sizeof(address->sun_path) - 1)
		size = sizeof(address->sun_path) - 1;
	memcpy(address->sun_path + 1, name, size);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + size);
}

int local_listen(const char *name, int backlog)
{
	own_fd int fd = socket(
		AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address;
	socklen_t size = address_of(name, &address);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) < 0 ||
	    listen(fd, backlog) < 0)
		return -1;
	return steal_fd(&fd);
}

int local_connect(const char *name)
{
	own_fd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;
	socklen_t size = address_of(name, &address);

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, size) < 0)
		return -1;
	return steal_fd(&fd);
}

bool local_is_ours(int socket)
{
	struct ucred who;
	socklen_t size = sizeof(who);

	return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 &&
	       (who.uid == 0 || who.uid == geteuid());
}

void local_attach(struct msghdr *message, union local_fd *room, int fd)
{
	if (fd < 0)
		return;
	*room = (union local_fd){
		.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	memcpy(CMSG_DATA(&room->header), &fd, sizeof(fd));
	message->msg_control = room;
	message->msg_controllen = sizeof(*room);
}

int local_attached(const struct msghdr *message, const union local_fd *room)
{
	int fd = -1;

	if (message->msg_controllen >= CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(&room->header), sizeof(fd));
	return fd;
}
