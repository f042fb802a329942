// SPDX-License-Identifier: GPL-3.0-or-later
#include "predump/run.h"

#include "base/die.h"
#include "predump/guard.h"
#include "predump/spool.h"
#include "predump/tools.h"

#include <fcntl.h>
#include <pipeline.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* libpipeline exits by itself, with 2, which means bad input here. */
static bool starting;

static void exit_as_we_do(void)
{
	if (starting)
		_exit(EXIT_SYSTEM);
}

/* In the child, which may also fail to execute: exit_as_we_do() is here too. */
static void prepare_child(void *data)
{
	const struct command *command = data;

	for (int i = 0; i < MAX_KEPT && command->keeps[i]; i++)
		fcntl(command->keeps[i], F_SETFD, 0);
	guard_child();
}

static void run_spool(void *data)
{
	const struct command *command = data;

	spool_run(command->spool);
}

static pipecmd *make_command(const struct command *command)
{
	pipecmd *made = command->spool
				? pipecmd_new_function("spool", run_spool, NULL,
						       (void *)command)
				: pipecmd_new(tools_find(command->argv[0]));

	for (int i = 1; i < command->nr; i++)
		pipecmd_arg(made, command->argv[i]);
	pipecmd_discard_err(made, command->silent);
	pipecmd_unsetenv(made, "PIPELINE_QUIET");
	pipecmd_pre_exec(made, prepare_child, NULL, (void *)command);
	return made;
}

static void start(struct run *run)
{
	static bool once;

	if (!once) {
		once = true;
		setenv("PIPELINE_QUIET", "1", 1); /* we say who was killed */
		atexit(exit_as_we_do);
	}
	guard_hold();
	starting = true;
	pipeline_start(run->line);
	starting = false;
	for (int i = 0; i < run->nr; i++)
		run->watched[i] = guard_watch(pipeline_get_pid(run->line, i));
	guard_release();
}

void run_start(struct run *run, const struct command *commands, int nr, int in,
	       int out)
{
	*run = (struct run){
		.commands = commands,
		.nr = nr,
		.line = pipeline_new(),
	};
	for (int i = 0; i < nr; i++)
		pipeline_command(run->line, make_command(&commands[i]));
	if (in != RUN_FROM_STDIN)
		pipeline_want_in(run->line, in);
	if (out != RUN_TO_STDOUT)
		pipeline_want_out(run->line, out);
	start(run);
}

const char *run_line(struct run *run)
{
	return pipeline_readline(run->line);
}

void run_signal(struct run *run, int number)
{
	for (int i = 0; i < run->nr; i++)
		guard_signal(run->watched[i], number);
}

void run_wait(struct run *run)
{
	int *statuses;
	int nr;

	pipeline_wait_all(run->line, &statuses, &nr);
	for (int i = 0; i < nr; i++) {
		run->statuses[i] = statuses[i];
		guard_forget(run->watched[i]);
	}
	free(statuses);
	pipeline_free(run->line);
	run->line = NULL;
}

/* A program that is not ours has its own meanings of 1, 2 and 3. */
static int code_of(const struct command *command, int status)
{
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGPIPE ? EXIT_READER : EXIT_SYSTEM;
	switch (WEXITSTATUS(status)) {
	case EXIT_DONE:
		return EXIT_DONE;
	case EXIT_TARGET:
	case EXIT_INPUT:
	case EXIT_READER:
	case EXIT_USAGE:
		return command->carrier ? EXIT_SYSTEM : WEXITSTATUS(status);
	default:
		return EXIT_SYSTEM;
	}
}

static bool is_graver(int code, int than)
{
	if (code == EXIT_DONE)
		return false;
	if (code == EXIT_READER)
		return than == EXIT_DONE || than == EXIT_READER;
	if (code == EXIT_INPUT)
		return than == EXIT_DONE || than == EXIT_READER;
	return than == EXIT_DONE || than == EXIT_READER || than == EXIT_INPUT;
}

void run_blame_more(struct blame *blame, const struct command *command,
		    int status)
{
	int code = code_of(command, status);

	if (is_graver(code, blame->code))
		*blame = (struct blame){command, status, code};
}

struct blame run_blame(const struct run *run)
{
	struct blame blame = {.code = EXIT_DONE};

	for (int i = 0; i < run->nr; i++)
		run_blame_more(&blame, &run->commands[i], run->statuses[i]);
	return blame;
}

bool run_has_ended_well(const struct run *run)
{
	return run->statuses[run->nr - 1] == 0;
}

const char *blame_text(const struct blame *blame)
{
	const struct command *command = blame->command;
	const char *name = command->host ? text("%s on %s", command->argv[0],
						command->host)
					 : command->argv[0];
	int status = blame->status;

	if (WIFSIGNALED(status))
		return text("%s was killed by signal %d (%s)", name,
			    WTERMSIG(status), strsignal(WTERMSIG(status)));
	return text("%s ended with %d", name, WEXITSTATUS(status));
}
