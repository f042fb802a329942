// SPDX-License-Identifier: GPL-3.0-or-later
#include "predump/script.h"

#include "base/die.h"
#include "predump/tools.h"

#include <stdio.h>
#include <string.h>

#define PLAIN                                                                  \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"       \
	"_@%+=:,./-"

const char *script_quote(const char *argument)
{
	char *out;
	char *to;

	if (*argument && !argument[strspn(argument, PLAIN)])
		return argument;
	to = out = text("%*s", (int)strlen(argument) * 4 + 2, "");
	*to++ = '\'';
	for (; *argument; argument++) {
		if (*argument == '\'')
			to = stpcpy(to, "'\\''");
		else
			*to++ = *argument;
	}
	*to++ = '\'';
	*to = 0;
	return out;
}

const char *script_words(const char *name, const struct command *command)
{
	const char *line = script_quote(name);

	for (int i = 1; i < command->nr; i++)
		line = text("%s %s", line, script_quote(command->argv[i]));
	return line;
}

const char *script_directory(const char *dir)
{
	const char *quoted = script_quote(dir);

	return text("[ -d %s ] || mkdir -m 700 %s", quoted, quoted);
}

static const char *command_text(const struct command *command)
{
	return script_words(tools_find(command->argv[0]), command);
}

/* As it is called on the other host, and ssh by whoever types it. */
static const char *plain_text(const struct command *command)
{
	return script_words(command->argv[0], command);
}

/* ssh HOST 'zstd -dqc | imgwrite DIR' */
static const char *remote_text(const struct plan *plan,
			       const struct copy_plan *copy)
{
	struct command ssh = plan_ssh(plan, false);
	const char *line = plain_text(&copy->remote[0]);

	for (int i = 1; i < copy->nr_remote; i++)
		line = text("%s | %s", line, plain_text(&copy->remote[i]));
	return text("%s %s", plain_text(&ssh), script_quote(line));
}

static const char *copy_text(const struct plan *plan, unsigned int nr)
{
	struct copy_plan copy =
		plan_copy(plan, nr, nr >= options_rounds(plan->options));
	const char *line = command_text(&copy.commands[0]);

	for (int i = 1; i < copy.nr; i++)
		line = text("%s | %s", line, command_text(&copy.commands[i]));
	return plan->options->host
		       ? text("%s | %s", line, remote_text(plan, &copy))
		       : line;
}

/* It is there when --status says so; a tracker that ends says why itself. */
static void print_tracker(const struct plan *plan)
{
	const char *status = command_text(&plan->track_status);
	const char *track = command_text(&plan->track);

	if (plan->options->previous) {
		printf("%s >/dev/null\n", status);
		return;
	}
	printf("%s >/dev/null 2>&1 || {\n"
	       "\t%s >/dev/null &\n"
	       "\ttracker=$!\n"
	       "\ttrap 'kill $tracker; wait $tracker || :' EXIT\n"
	       "\tuntil %s >/dev/null 2>&1; do kill -0 $tracker; sleep 0.1; "
	       "done\n"
	       "}\n",
	       status, track, status);
}

static void print_stream(const struct plan *plan)
{
	const char *line = copy_text(plan, 0);
	const char *file = plan->options->output;

	if (!strcmp(file, "-"))
		printf("%s\n", line);
	else
		printf("umask 077\n%s%s >%s\n",
		       plan->options->force ? "" : "set -C\n", line,
		       script_quote(file));
}

static void print_directory(const struct plan *plan)
{
	const char *make = script_directory(plan->options->dir);
	struct command ssh;

	if (!plan->options->host) {
		printf("%s\n", make);
		return;
	}
	ssh = plan_ssh(plan, false);
	printf("%s %s\n", plain_text(&ssh), script_quote(make));
}

/* The status of a shell's pipeline is imgwrite's: is the directory there? */
void script_print(const struct plan *plan)
{
	const char *dir = plan->options->dir;

	if (plan->tracked || plan->options->rounds)
		printf("set -e\n");
	if (plan->tracked)
		print_tracker(plan);
	if (plan->options->rounds)
		print_directory(plan);
	for (unsigned int i = 0; dir && i < options_copies(plan->options); i++)
		printf("%s\n", copy_text(plan, i));
	if (!dir)
		print_stream(plan);
	if (fflush(stdout) < 0 || ferror(stdout))
		die_errno(EXIT_SYSTEM, "cannot write");
}
