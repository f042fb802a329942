// SPDX-License-Identifier: GPL-3.0-or-later
#include "stage/options.h"

#include "base/die.h"
#include "base/num.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool progress;
static bool quiet;

bool option_progress_forced(void)
{
	return progress;
}

bool option_is_quiet(void)
{
	return quiet;
}

static _Noreturn void show(const char *text)
{
	if (fputs(text, stdout) < 0 || fflush(stdout) < 0)
		die_errno(EXIT_SYSTEM, "cannot write");
	exit(EXIT_DONE);
}

static _Noreturn void show_version(void)
{
	printf("%s (pagepipe) %s\n", program_invocation_short_name, VERSION);
	show("");
}

void option_common(const struct tool *tool, int option)
{
	switch (option) {
	case 'h':
		show(tool->usage);
	case 'V':
		show_version();
	case 'q':
		quiet = true;
		die_loudness(LOUD_ERRORS);
		break;
	case 'v':
		die_loudness(LOUD_DETAILS);
		break;
	case OPTION_PROGRESS:
		progress = true;
		break;
	default: /* getopt has said what is wrong */
		exit(EXIT_USAGE);
	}
}

void option_misused(const struct tool *tool, const char *why)
{
	die(EXIT_USAGE, "%s (%.*s)", why, (int)strcspn(tool->usage, "\n"),
	    tool->usage);
}

uint64_t option_time(const struct tool *tool, const char *name)
{
	char why[128];
	uint64_t ns;

	if (num_parse_time(optarg, &ns) == 0)
		return ns;
	snprintf(why, sizeof(why),
		 "--%s takes a time such as 250ms or 2s, not '%.40s'", name,
		 optarg);
	option_misused(tool, why);
}

uint32_t option_pid(const struct tool *tool, const char *text)
{
	char why[128];
	uint64_t pid;

	if (num_parse(text, &pid) == 0 && pid > 0 && pid <= INT32_MAX)
		return (uint32_t)pid;
	snprintf(why, sizeof(why), "'%.40s' is not a process id", text);
	option_misused(tool, why);
}
