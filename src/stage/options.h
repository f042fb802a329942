// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The options that every tool has, and how each tool says what it is:
 * -h --help, -V --version, -q --quiet, -v --verbose, --progress.
 */
#ifndef STAGE_OPTIONS_H
#define STAGE_OPTIONS_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

struct tool {
	const char *usage; /* the whole of --help; its first line is shown
			      when the tool is called wrongly */
};

enum { OPTION_PROGRESS = 0x1000, OPTION_OWN /* a tool's own start here */ };

#define COMMON_OPTIONS                                                         \
	{"help", no_argument, NULL, 'h'}, {"version", no_argument, NULL, 'V'}, \
		{"quiet", no_argument, NULL, 'q'},                             \
		{"verbose", no_argument, NULL, 'v'},                           \
	{                                                                      \
		"progress", no_argument, NULL, OPTION_PROGRESS                 \
	}
#define COMMON_SHORT "hVqv"

#define COMMON_HELP                                                            \
	"  -q, --quiet       say nothing but errors\n"                         \
	"  -v, --verbose     say more\n"                                       \
	"      --progress    show progress even where stderr is no "           \
	"terminal\n"                                                           \
	"  -h, --help        show this and end\n"                              \
	"  -V, --version     show the version and end\n"

/*
 * Handles a common option; dies with the usage line for any other.  Call it
 * from the default case.
 */
void option_common(const struct tool *tool, int option);
_Noreturn void option_misused(const struct tool *tool, const char *why);
bool option_progress_forced(void);
bool option_is_quiet(void);

uint64_t option_time(const struct tool *tool, const char *name);
uint32_t option_pid(const struct tool *tool, const char *text);

#endif
