// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The hand-over: `criu restore --lazy-pages` connects to lazy-pages.socket in
 * its work directory and sends, in the machine's byte order (criu/uffd.c),
 *
 *   for each task     int32 pid     as in the images, 4 bytes
 *                     1 byte        with the task's userfaultfd
 *   for each zombie   int32 -pid
 *   at the end        uint32 0x52535446, when all are restored and none runs
 *
 * Each task sends its own, so the kernel says which process it is on our side
 * (SCM_CREDENTIALS, unix(7)).  One connection is taken, of root or our own
 * user; what comes on it is not trusted.
 */
#ifndef LAZYSERVE_ANNOUNCE_H
#define LAZYSERVE_ANNOUNCE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define ANNOUNCE_NAME "lazy-pages.socket"

enum announce_outcome {
	ANNOUNCE_WAITS,
	ANNOUNCE_CONNECTED, /* now announce_stop_listening() */
	ANNOUNCE_COMING,    /* real: a task, whose uffd comes next */
	ANNOUNCE_TASK,      /* uffd, which is the caller's now */
	ANNOUNCE_ZOMBIE,    /* pid */
	ANNOUNCE_FINISHED,
	ANNOUNCE_ENDED,     /* without having finished */
	ANNOUNCE_BAD,       /* why */
	ANNOUNCE_FORBIDDEN, /* somebody else's connection, closed again */
	ANNOUNCE_ERROR,     /* errno */
};

struct announce {
	int dir;      /* the work directory */
	int listener; /* -1: nobody else may come */
	int socket;   /* -1: nobody has come */
	union {
		int32_t pid;
		uint32_t word;
		char bytes[4];
	} head;
	size_t have;         /* bytes of head */
	uint64_t halfway_ns; /* when a message began that is not whole; 0 */
	bool finished;
	/* the outcome */
	uint32_t pid; /* in the images */
	pid_t real;   /* here; 0: it cannot be seen from here */
	int uffd;
	int unknown; /* what came in the place of one; -1: nothing */
	const char *why;
};

/* A stale socket is replaced.  -1 with errno. */
int announce_listen(struct announce *announce, const char *work);
/* One step, when listener or socket can be read.  Never blocks. */
enum announce_outcome announce_next(struct announce *announce);
void announce_stop_listening(struct announce *announce);
void announce_close(struct announce *announce);

/*
 * Of what has come and was not read, a process that sent its memory; 0: one
 * whose pid is not known here; -1: there are no more.
 */
pid_t announce_drain(int socket);

#endif
