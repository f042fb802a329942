// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What a restore, or somebody else, says on lazyserve's socket.
 *
 *   each piece   1 byte: bits 0 to 3 bytes of it, bits 4 to 7 enum descriptors
 *                those bytes
 *
 * Nothing is a userfaultfd here: a descriptor of our own counts as one.
 */
#include "kit/kit.h"

#include "lazyserve/announce.h"
#include "lazyserve/fill.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST 20 /* descriptors of one message; lazyserve takes 8 */

enum descriptors { UFFD = 1, OTHER = 2, UFFD_AND_OTHER = 3, MANY = 8 };

static int uffd, other;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	uffd = kit_reader(NULL, 0);
	other = kit_reader(NULL, 0);
	return 0;
}

static bool is_same(int one, int two)
{
	struct stat a, b;

	return fstat(one, &a) == 0 && fstat(two, &b) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

bool fill_is_uffd(int fd)
{
	return is_same(fd, uffd);
}

static size_t choose(unsigned descriptors, int *fds)
{
	size_t nr = 0;

	if (descriptors & UFFD)
		fds[nr++] = uffd;
	if (descriptors & OTHER)
		fds[nr++] = other;
	while (descriptors & MANY && nr < MOST)
		fds[nr++] = uffd;
	return nr;
}

static void say(int socket, struct kit_input *input)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(MOST * sizeof(int))];
	} control = {0};
	uint8_t what = kit_byte(input);
	const uint8_t *data;
	size_t size = kit_bytes(input, what & 15, &data);
	struct iovec body = {(void *)data, size};
	struct msghdr message = {.msg_iov = &body, .msg_iovlen = 1};
	int fds[MOST];
	size_t nr = choose(what >> 4, fds);

	if (!size) /* without a byte nothing is sent */
		return;
	if (nr) {
		control.header = (struct cmsghdr){CMSG_LEN(nr * sizeof(int)),
						  SOL_SOCKET, SCM_RIGHTS};
		memcpy(CMSG_DATA(&control.header), fds, nr * sizeof(int));
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(nr * sizeof(int));
	}
	(void)sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* false: it is over. */
static bool take(struct announce *announce)
{
	enum announce_outcome outcome = announce_next(announce);

	switch (outcome) {
	case ANNOUNCE_COMING:
		kit_must(announce->real == getpid(), "the sender is known");
		return true;
	case ANNOUNCE_TASK:
		kit_must(fill_is_uffd(announce->uffd), "a task has its memory");
		close(announce->uffd);
		/* fall through */
	case ANNOUNCE_ZOMBIE:
		kit_must(announce->pid > 0 && announce->pid <= INT32_MAX,
			 "a pid is one");
		kit_must(!announce->halfway_ns, "a whole message is whole");
		return true;
	case ANNOUNCE_WAITS:
		return true;
	case ANNOUNCE_FINISHED:
		kit_must(announce->finished, "the end is the end");
		return true;
	case ANNOUNCE_BAD:
		kit_must(announce->why, "BAD says why");
		return false;
	case ANNOUNCE_CONNECTED:
		kit_must(false, "nobody else can connect");
		break;
	case ANNOUNCE_ENDED:
	case ANNOUNCE_FORBIDDEN:
	case ANNOUNCE_ERROR:
		break;
	}
	return false;
}

static int nr_open(void)
{
	int nr = 0;

	for (int fd = 0; fd < 2 * MOST; fd++)
		nr += fcntl(fd, F_GETFD) >= 0;
	return nr;
}

/* Copies of the two; libFuzzer has files of its own. */
static void close_copies(void)
{
	int others = 0;

	for (int fd = 0; others < 2 * MOST; fd++) {
		bool ours = is_same(fd, uffd) || is_same(fd, other);

		if (ours && fd != uffd && fd != other)
			close(fd);
		others += !ours;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kit_input input = {data, size};
	struct announce announce = {.dir = -1, .listener = -1, .unknown = -1};
	int on = 1, before = nr_open();
	bool goes_on = true;
	int ends[2];

	kit_must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0,
		 "there are sockets");
	announce.socket = ends[0];
	setsockopt(ends[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
	while (goes_on && input.size) {
		say(ends[1], &input);
		goes_on = take(&announce) && take(&announce) && take(&announce);
	}
	shutdown(ends[1], SHUT_WR);
	for (size_t i = 0; goes_on && i < size + 2; i++)
		goes_on = take(&announce);
	kit_must(!goes_on || announce.finished, "the end is seen");
	kit_must(nr_open() == before + 2 + (announce.unknown >= 0),
		 "each descriptor is closed");
	while (announce_drain(ends[0]) >= 0)
		; /* the guard keeps them open, so that the memory stays */
	announce_close(&announce);
	close(ends[1]);
	close_copies();
	return 0;
}
