// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Why a session ends badly, as one line.  A server does not end with it, so it
 * is kept and not said at once.  Both give back -1.
 */
#ifndef PAGESERVE_FAULT_H
#define PAGESERVE_FAULT_H

#include <limits.h>

struct fault {
	char text[PATH_MAX + 512];
};

int fault_set(struct fault *fault, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* With the text of errno behind it. */
int fault_errno(struct fault *fault, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
