// SPDX-License-Identifier: GPL-3.0-or-later
#include "proc/lease.h"

#include "base/own.h"
#include "proc/local.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static int ask(int lease, struct lease_packet request,
	       struct lease_packet *answer)
{
	ssize_t n = send(lease, &request, sizeof(request), MSG_NOSIGNAL);

	while (n >= 0) {
		n = recv(lease, answer, sizeof(*answer), 0);
		if (n == (ssize_t)sizeof(*answer))
			return 0;
		if (n < 0 && errno == EINTR)
			n = 0;
		else
			break;
	}
	errno = ECONNRESET;
	return -1;
}

int lease_watch(const char *name)
{
	return local_connect(name);
}

/* A keeper hangs up on strangers without a word, or it has ended. */
static int hung_up(int lease)
{
	struct ucred keeper;
	socklen_t size = sizeof(keeper);
	bool stranger = getsockopt(lease, SOL_SOCKET, SO_PEERCRED, &keeper,
				   &size) == 0 &&
			geteuid() != 0 && geteuid() != keeper.uid;

	errno = stranger ? EACCES : ECONNREFUSED;
	return -1;
}

int lease_take(const char *name, enum lease_stop stop)
{
	struct lease_packet request = {.verb = LEASE_TAKE, .value = stop};
	own_fd int lease = local_connect(name);
	struct lease_packet answer;

	if (lease < 0)
		return -1;
	if (!local_is_ours(lease)) { /* whose stream may say what it likes */
		errno = EACCES;
		return -1;
	}
	if (ask(lease, request, &answer) < 0)
		return hung_up(lease);
	if (answer.verb != LEASE_YES) {
		errno = EBUSY;
		return -1;
	}
	return steal_fd(&lease);
}

int lease_thaw(int lease, uint64_t *stopped_ns)
{
	struct lease_packet request = {.verb = LEASE_THAW};
	struct lease_packet answer;

	if (ask(lease, request, &answer) < 0)
		return -1;
	*stopped_ns = answer.value;
	if (answer.verb == LEASE_YES)
		return 0;
	errno = ECONNRESET;
	return -1;
}

int lease_beat(int lease)
{
	struct lease_packet request = {.verb = LEASE_BEAT};
	ssize_t n = send(lease, &request, sizeof(request),
			 MSG_NOSIGNAL | MSG_DONTWAIT);

	/* no matter if one is lost: the next one tells too */
	return n < 0 && errno != EAGAIN ? -1 : 0;
}

bool lease_is_stopped(int lease)
{
	struct lease_packet request = {.verb = LEASE_STATUS};
	struct lease_packet answer;

	return ask(lease, request, &answer) == 0 && answer.verb == LEASE_YES;
}
