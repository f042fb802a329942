// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/die.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum loudness loudness = LOUD_NORMAL;
static int closing[4];
static int nr_closing;

void die_closes(int fd)
{
	if (nr_closing < 4)
		closing[nr_closing++] = fd;
}

void die_loudness(enum loudness wanted)
{
	loudness = wanted;
}

bool die_details(void)
{
	return loudness == LOUD_DETAILS;
}

/* One write(2), so that the lines of two stages never mix. */
static void say(const char *format, va_list args, int error)
{
	char line[1024];
	int n;

	n = snprintf(line, sizeof(line), "%s: ", program_invocation_short_name);
	n += vsnprintf(line + n, sizeof(line) - (size_t)n, format, args);
	if (n > (int)sizeof(line) - 2)
		n = sizeof(line) - 2;
	if (error)
		n += snprintf(line + n, sizeof(line) - (size_t)n, ": %s",
			      strerror(error));
	if (n > (int)sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return; /* nobody listens; the exit code still tells */
}

static void let_go(void)
{
	while (nr_closing > 0)
		close(closing[--nr_closing]);
}

void die(enum exit_code code, const char *format, ...)
{
	va_list args;

	let_go();
	va_start(args, format);
	say(format, args, 0);
	exit(code);
}

void die_errno(enum exit_code code, const char *format, ...)
{
	int error = errno;
	va_list args;

	let_go();
	va_start(args, format);
	say(format, args, error);
	exit(code);
}

void complain(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args, 0);
	va_end(args);
}

void warn(const char *format, ...)
{
	va_list args;

	if (loudness < LOUD_NORMAL)
		return;
	va_start(args, format);
	say(format, args, 0);
	va_end(args);
}

void detail(const char *format, ...)
{
	va_list args;

	if (loudness < LOUD_DETAILS)
		return;
	va_start(args, format);
	say(format, args, 0);
	va_end(args);
}
