// SPDX-License-Identifier: GPL-3.0-or-later
#include "pageserve/fault.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int fault_set(struct fault *fault, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(fault->text, sizeof(fault->text), format, args);
	va_end(args);
	return -1;
}

int fault_errno(struct fault *fault, const char *format, ...)
{
	const char *why = strerror(errno);
	size_t size;
	va_list args;

	va_start(args, format);
	vsnprintf(fault->text, sizeof(fault->text), format, args);
	va_end(args);
	size = strlen(fault->text);
	snprintf(fault->text + size, sizeof(fault->text) - size, ": %s", why);
	return -1;
}
