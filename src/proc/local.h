// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Sockets between processes of this machine: SEQPACKET ones of the abstract
 * namespace, unix(7).  Anybody can take such a name, and connect to it, so each
 * side looks who the other one is.  -1 with errno.
 */
#ifndef PROC_LOCAL_H
#define PROC_LOCAL_H

#include <stdbool.h>
#include <sys/socket.h>

/* A listening one, non-blocking; EADDRINUSE: somebody has that name. */
int local_listen(const char *name, int backlog);
int local_connect(const char *name);

/* Is the other side root, or our own user? */
bool local_is_ours(int socket);

/* Room for a descriptor that goes along with a message. */
union local_fd {
	struct cmsghdr header;
	char room[CMSG_SPACE(sizeof(int))];
};

/* fd goes along; -1: none does. */
void local_attach(struct msghdr *message, union local_fd *room, int fd);
/* What came along with a message that was received into room; -1: nothing. */
int local_attached(const struct msghdr *message, const union local_fd *room);

#endif
