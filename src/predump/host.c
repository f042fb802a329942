// SPDX-License-Identifier: GPL-3.0-or-later
#include "predump/host.h"

#include "base/die.h"
#include "predump/guard.h"
#include "predump/script.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MARK     "pagepipe: "
#define NO_ENTRY (EXIT_SYSTEM << 8) /* as wait(2): nothing is known of it */

/* Any login shell takes that to sh. */
static const char *for_shell(const char *script)
{
	return text("exec sh -c %s", script_quote(script));
}

static void make_pipe(int ends[2])
{
	if (pipe2(ends, O_CLOEXEC) < 0)
		die_errno(EXIT_SYSTEM, "cannot make a pipe");
}

static void shell_begin(struct shell *shell, const struct command *ssh,
			const char *script)
{
	int in[2];
	int out[2];

	shell->command = *ssh;
	shell->command.argv[shell->command.nr++] = for_shell(script);
	make_pipe(in);
	make_pipe(out);
	shell->in = in[1];
	shell->out = out[0];
	run_start(&shell->run, &shell->command, 1, in[0], out[1]);
}

static void shell_end(struct shell *shell)
{
	run_wait(&shell->run);
	close(shell->out);
}

/* Longer ones are cut.  False: there are no more. */
static bool read_line(const struct shell *shell, char *line, size_t size)
{
	size_t length = 0;
	char byte;
	ssize_t n;

	while ((n = read(shell->out, &byte, 1)) == 1 && byte != '\n')
		if (length < size - 1)
			line[length++] = byte;
	line[length] = 0;
	return n == 1;
}

/* What the next line that is for us says; NULL: the connection has ended. */
static const char *hear(const struct shell *shell)
{
	char line[4096];

	while (read_line(shell, line, sizeof(line))) {
		if (!strncmp(line, MARK, strlen(MARK)))
			return text("%s", line + strlen(MARK));
		detail("the other host says: %s", line);
	}
	return NULL;
}

static const char *after(const char *line, const char *word)
{
	size_t length = strlen(word);

	return line && !strncmp(line, word, length) ? line + length : NULL;
}

/* --- the login --- */

static const char *make_script(const char *dir)
{
	return text("%s || { echo \"" MARK
		    "cannot make the directory\"; exit 1; }; ",
		    script_directory(dir));
}

static const char *login_script(const struct options *options)
{
	return text("for tool in imgwrite %s; do command -v $tool >/dev/null "
		    "|| { echo \"" MARK "without $tool $PATH\"; exit 127; "
		    "}; done; %secho \"" MARK
		    "ready $(imgwrite --version)\"; exec cat >/dev/null",
		    options->compress ? options->compress : "",
		    options->rounds ? make_script(options->dir) : "");
}

static struct {
	pid_t owner;
	const char *folder; /* of ssh's socket; NULL: none */
	const char *socket;
} place;

/* A child that could not execute comes here, too. */
void host_undo(void)
{
	if (!place.folder || getpid() != place.owner)
		return;
	unlink(place.socket);
	rmdir(place.folder);
	place.folder = NULL;
}

/* Only for our own eyes: who may use it is logged in as the user. */
static const char *make_socket(void)
{
	const char *tmp = getenv("TMPDIR");
	char *folder = text("%s/predump.XXXXXX", tmp && *tmp ? tmp : "/tmp");

	if (!mkdtemp(folder))
		die_errno(EXIT_SYSTEM, "cannot make %s", folder);
	place.owner = getpid();
	place.folder = folder;
	place.socket = text("%s/ssh", folder);
	atexit(host_undo);
	return place.socket;
}

/* It ends by itself: it has said why, or the connection is no more. */
static _Noreturn void die_of_login(struct host *host, const char *said)
{
	const char *name = host->plan->options->host;
	const char *missing = after(said, "without ");
	int status;

	close(host->login.in);
	shell_end(&host->login);
	if (guard_caught())
		guard_die();
	status = host->login.run.statuses[0];
	if (missing)
		die(EXIT_SYSTEM,
		    "%s has no %.*s where its shell looks for programs: %s",
		    name, (int)strcspn(missing, " "), missing,
		    strchr(missing, ' ') + 1);
	if (said)
		die(EXIT_SYSTEM, "%s: %s", name, said);
	if (!status)
		die(EXIT_SYSTEM, "%s answers, but runs no command for us",
		    name);
	die(EXIT_SYSTEM, "%s: %s; the target was not touched", name,
	    blame_text(&(struct blame){&host->login.command, status,
				       EXIT_SYSTEM}));
}

static void check_version(const struct host *host, const char *theirs)
{
	if (strcmp(theirs, "imgwrite (pagepipe) " VERSION))
		warn("%s has another version: %s, here it is " VERSION,
		     host->plan->options->host, theirs);
}

void host_begin(struct host *host, struct plan *plan)
{
	struct command ssh;
	const char *said;
	const char *version;

	if (!plan->options->host)
		return;
	host->plan = plan;
	ssh = plan_ssh(plan, false);
	if (plan_is_openssh(&ssh)) {
		plan->socket = make_socket();
		ssh = plan_ssh(plan, true);
	}
	shell_begin(&host->login, &ssh, login_script(plan->options));
	host->there = true;
	said = hear(&host->login);
	version = after(said, "ready ");
	if (!version)
		die_of_login(host, said);
	check_version(host, version);
}

void host_end(struct host *host)
{
	if (!host->there)
		return;
	host->there = false;
	close(host->login.in);
	run_signal(&host->login.run, SIGTERM);
	shell_end(&host->login);
	host_undo();
}

/* --- a copy --- */

/* "imgwrite ...; echo "pagepipe: 1 $?" >&3" */
static const char *stage_script(const struct command *command, int nr)
{
	return text("{ %s; echo \"" MARK "%d $?\" >&3; }",
		    script_words(command->argv[0], command), nr);
}

static const char *copy_script(const struct copy_plan *copy)
{
	const char *line = stage_script(&copy->remote[0], 0);

	for (int i = 1; i < copy->nr_remote; i++)
		line = text("%s | %s", line, stage_script(&copy->remote[i], i));
	return text("echo \"" MARK "ready\"; { %s; } 3>&1; exit 0", line);
}

bool receiver_begin(struct receiver *receiver, const struct plan *plan,
		    const struct copy_plan *copy)
{
	struct command ssh = plan_ssh(plan, false);

	*receiver = (struct receiver){.copy = copy};
	for (int i = 0; i < copy->nr_remote; i++)
		receiver->statuses[i] = NO_ENTRY;
	shell_begin(&receiver->shell, &ssh, copy_script(copy));
	if (after(hear(&receiver->shell), "ready"))
		return true;
	close(receiver->shell.in);
	shell_end(&receiver->shell);
	return false;
}

/* $? of a shell, as wait(2) would have it. */
static int status_of(int said)
{
	return said > 128 ? said - 128 : said << 8;
}

/* "1 0": the second one has ended with 0. */
static void note_end(struct receiver *receiver, const char *line)
{
	char *end;
	unsigned long nr = strtoul(line, &end, 10);
	unsigned long said = strtoul(end, NULL, 10);

	if (*end == ' ' && nr < (unsigned long)receiver->copy->nr_remote &&
	    said < 256)
		receiver->statuses[nr] = status_of((int)said);
}

void receiver_end(struct receiver *receiver)
{
	const char *line;

	while ((line = hear(&receiver->shell)))
		note_end(receiver, line);
	shell_end(&receiver->shell);
}

void receiver_blame(const struct receiver *receiver, struct blame *blame)
{
	const struct copy_plan *copy = receiver->copy;

	run_blame_more(blame, &receiver->shell.command,
		       receiver->shell.run.statuses[0]);
	for (int i = 0; i < copy->nr_remote; i++)
		run_blame_more(blame, &copy->remote[i], receiver->statuses[i]);
}

bool receiver_is_whole(const struct receiver *receiver)
{
	return receiver->statuses[receiver->copy->nr_remote - 1] == 0;
}
