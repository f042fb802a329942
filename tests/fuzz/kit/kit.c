// SPDX-License-Identifier: GPL-3.0-or-later
#include "kit/kit.h"

#include "kit/memory.h"

#include "base/die.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void kit_must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "fuzz: this does not hold: %s\n", what);
	abort();
}

/* Ours, and no fault of the product. */
static int must_be(int result, const char *what)
{
	if (result >= 0)
		return result;
	perror(what);
	exit(EXIT_SYSTEM);
}

/* --- the input --- */

size_t kit_bytes(struct kit_input *input, size_t size, const uint8_t **data)
{
	size_t taken = size < input->size ? size : input->size;

	*data = input->data;
	input->data += taken;
	input->size -= taken;
	return taken;
}

uint8_t kit_byte(struct kit_input *input)
{
	const uint8_t *data;

	return kit_bytes(input, 1, &data) ? *data : 0;
}

uint16_t kit_u16(struct kit_input *input)
{
	uint8_t low = kit_byte(input);

	return (uint16_t)(low | kit_byte(input) << 8);
}

/* --- base/die.h --- */

static jmp_buf out;
static bool running;

bool kit_run(void (*act)(void *of), void *of)
{
	volatile bool died = true;

	running = true;
	memory_begin();
	if (!setjmp(out)) {
		act(of);
		died = false;
	}
	memory_end();
	running = false;
	return !died;
}

static void format_all(const char *format, va_list args)
{
	char line[8192];

	vsnprintf(line, sizeof(line), format, args);
}

#define SAY(name)                                                              \
	void name(const char *format, ...)                                     \
	{                                                                      \
		va_list args;                                                  \
                                                                               \
		va_start(args, format);                                        \
		format_all(format, args);                                      \
		va_end(args);                                                  \
	}
SAY(complain)
SAY(warn)
SAY(detail)

#define DIE(name)                                                              \
	_Noreturn void name(enum exit_code code, const char *format, ...)      \
	{                                                                      \
		va_list args;                                                  \
                                                                               \
		(void)code;                                                    \
		va_start(args, format);                                        \
		format_all(format, args);                                      \
		va_end(args);                                                  \
		kit_must(running, "nothing dies outside of kit_run()");        \
		longjmp(out, 1);                                               \
	}
DIE(die)
DIE(die_errno)

void die_closes(int fd)
{
	(void)fd;
}

void die_loudness(enum loudness loudness)
{
	(void)loudness;
}

bool die_details(void)
{
	return true;
}

/* --- stage/confined.h: a target has to go on --- */

struct confine;
void confined_dir(struct confine *confine, int fd, unsigned deeds);
void confined_begin(struct confine *confine);

void confined_dir(struct confine *confine, int fd, unsigned deeds)
{
	(void)confine;
	(void)fd;
	(void)deeds;
}

void confined_begin(struct confine *confine)
{
	(void)confine;
}

/* --- files --- */

int kit_reader(const uint8_t *data, size_t size)
{
	int fd = must_be(memfd_create("input", MFD_CLOEXEC), "memfd_create");

	if (size && pwrite(fd, data, size, 0) != (ssize_t)size)
		must_be(-1, "input");
	return fd;
}

int kit_first(void)
{
	int fd = must_be(dup(STDERR_FILENO), "dup");

	close(fd);
	return fd;
}

void kit_close(int first)
{
	close_range((unsigned)first, ~0U, 0);
}

static char path[PATH_MAX];
static int dir = -1;
static pid_t owner;

static int remove_one(const char *name, const struct stat *stat, int type,
		      struct FTW *ftw)
{
	(void)stat;
	(void)type;
	(void)ftw;
	return remove(name);
}

/* Not by a child that a sanitizer or a tool has made. */
static void remove_all(void)
{
	if (getpid() == owner)
		nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *kit_path(void)
{
	const char *where = getenv("TMPDIR");

	if (dir >= 0)
		return path;
	snprintf(path, sizeof(path), "%s/pagepipe-fuzz.XXXXXX",
		 where ? where : "/tmp");
	if (!mkdtemp(path))
		must_be(-1, path);
	dir = must_be(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), path);
	owner = getpid();
	atexit(remove_all);
	return path;
}

int kit_dir(void)
{
	kit_path();
	return dir;
}

void kit_file(const char *name, const uint8_t *data, size_t size)
{
	int fd = must_be(openat(kit_dir(), name,
				O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600),
			 name);

	if (size && pwrite(fd, data, size, 0) != (ssize_t)size)
		must_be(-1, name);
	close(fd);
}

static int remove_below(const char *name, const struct stat *stat, int type,
			struct FTW *ftw)
{
	(void)stat;
	(void)type;
	return ftw->level ? remove(name) : 0;
}

void kit_empty(const char *name)
{
	char whole[2 * PATH_MAX];

	snprintf(whole, sizeof(whole), "%s/%s", kit_path(), name);
	nftw(whole, remove_below, 8, FTW_DEPTH | FTW_PHYS);
}

void kit_quiet(void)
{
	if (!freopen("/dev/null", "w", stdout))
		must_be(-1, "/dev/null");
}
