// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * How a tool fails: one line on stderr, `tool: what happened[: errno]`, and
 * one of the exit codes that every manual page lists.  Only tools (and the
 * stage room, which is their common part) call these; other rooms return.
 *
 * die_closes() names a descriptor to close before the line is written.  A
 * line to a terminal can block for as long as the terminal's program is
 * stopped, and that program may be our target: so what keeps it stopped goes
 * first.
 */
#ifndef BASE_DIE_H
#define BASE_DIE_H

#include <stdbool.h>

enum exit_code {
	EXIT_DONE = 0,
	EXIT_TARGET = 1,   /* gone, not stopped in time, torn, not released */
	EXIT_INPUT = 2,    /* bad, cut short, or not for this place */
	EXIT_READER = 3,   /* the reader of our output went away */
	EXIT_USAGE = 100,  /* called wrongly */
	EXIT_SYSTEM = 111, /* the system refused */
};

enum loudness {
	LOUD_ERRORS, /* -q */
	LOUD_NORMAL,
	LOUD_DETAILS, /* -v */
};

void die_closes(int fd);
void die_loudness(enum loudness loudness);
bool die_details(void);

_Noreturn void die(enum exit_code code, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The same, with the text of errno behind the line. */
_Noreturn void die_errno(enum exit_code code, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* An error that is no reason to end at once; not even -q silences it. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Something the user should know; silenced by -q. */
void warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Something the user asked to know with -v. */
void detail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
