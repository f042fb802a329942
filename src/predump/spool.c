// SPDX-License-Identifier: GPL-3.0-or-later
#include "predump/spool.h"

#include "base/die.h"
#include "base/io.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define PIPE_SIZE (1 << 20)
#define PIECE     (256u << 10) /* bytes of one read or write, at most */

/* Bytes that came and went since it was empty; their place is modulo size. */
struct spool {
	char *data;
	uint64_t size;
	uint64_t came;
	uint64_t went;
	bool ended; /* nothing more will come */
	pthread_mutex_t lock;
	pthread_cond_t changed;
};

/* No atexit(3): what is to be undone is predump's, whose copy we are. */
static _Noreturn void fail(const char *what)
{
	if (errno == EPIPE)
		_exit(EXIT_READER);
	complain("%s: %s", what, strerror(errno));
	_exit(EXIT_SYSTEM);
}

/* From place on in one piece, of so many. */
static size_t piece(const struct spool *spool, uint64_t place, uint64_t bytes)
{
	uint64_t behind = spool->size - place % spool->size;

	if (bytes > behind)
		bytes = behind;
	return bytes < PIECE ? bytes : PIECE;
}

static size_t wait_for_room(struct spool *spool)
{
	size_t room;

	pthread_mutex_lock(&spool->lock);
	while (spool->came - spool->went == spool->size)
		pthread_cond_wait(&spool->changed, &spool->lock);
	if (spool->came == spool->went) /* memory that is in the cache still */
		spool->came = spool->went = 0;
	room = piece(spool, spool->came,
		     spool->size - (spool->came - spool->went));
	pthread_mutex_unlock(&spool->lock);
	return room;
}

static size_t wait_for_bytes(struct spool *spool)
{
	size_t bytes;

	pthread_mutex_lock(&spool->lock);
	while (spool->came == spool->went && !spool->ended)
		pthread_cond_wait(&spool->changed, &spool->lock);
	bytes = piece(spool, spool->went, spool->came - spool->went);
	pthread_mutex_unlock(&spool->lock);
	return bytes;
}

static void note(struct spool *spool, uint64_t *count, size_t bytes)
{
	pthread_mutex_lock(&spool->lock);
	*count += bytes;
	spool->ended |= !bytes;
	pthread_cond_signal(&spool->changed);
	pthread_mutex_unlock(&spool->lock);
}

static void *write_all(void *of)
{
	struct spool *spool = of;
	size_t bytes;

	while ((bytes = wait_for_bytes(spool))) {
		const char *from = spool->data + spool->went % spool->size;

		if (io_write(STDOUT_FILENO, from, bytes) < 0)
			fail("cannot write the stream");
		note(spool, &spool->went, bytes);
	}
	return NULL;
}

static void read_all(struct spool *spool)
{
	ssize_t bytes = 1;

	while (bytes) {
		size_t room = wait_for_room(spool);

		bytes = read(STDIN_FILENO,
			     spool->data + spool->came % spool->size, room);
		if (bytes < 0 && errno != EINTR)
			fail("cannot read the stream");
		if (bytes >= 0)
			note(spool, &spool->came, (size_t)bytes);
	}
}

/* As a stage does, without what is predump's alone. */
static void prepare(void)
{
	struct rlimit none = {0, 0};

	program_invocation_short_name = (char *)"spool";
	setrlimit(RLIMIT_CORE, &none);
	signal(SIGPIPE, SIG_IGN);
	close_range(STDERR_FILENO + 1, ~0U, 0);
	io_pipe_room(STDIN_FILENO, PIPE_SIZE);
	io_pipe_room(STDOUT_FILENO, PIPE_SIZE);
}

void spool_run(uint64_t size)
{
	struct spool spool = {
		.size = size,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER,
	};
	pthread_t writer;

	prepare();
	spool.data = mmap(NULL, size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (spool.data == MAP_FAILED)
		fail("cannot map memory");
	errno = pthread_create(&writer, NULL, write_all, &spool);
	if (errno)
		fail("cannot start a thread");
	read_all(&spool);
	pthread_join(writer, NULL);
	_exit(EXIT_DONE);
}
