// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * lazyserve DIR: gives the pages of a lazy restore; lazyserve(1).
 */
#include "lazyserve/connect.h"
#include "lazyserve/remote.h"
#include "lazyserve/summary.h"

#include "base/die.h"
#include "base/own.h"
#include "stage/confined.h"
#include "stage/daemon.h"
#include "stage/options.h"
#include "stage/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct tool tool = {
	"Usage: lazyserve [OPTION]... DIR\n"
	"\n"
	"Gives a process that is restored lazily its pages: those that it "
	"waits for at\n"
	"once, all others in the background:\n"
	"    lazyserve --daemon DIR && criu restore --lazy-pages -D DIR\n"
	"\n"
	"  -W, --work-dir DIR2   where the restore looks for us: its --work-dir, "
	"or\n"
	"                        its images, if not in DIR; default DIR\n"
	"      --on-death DEED   if we are killed midway: kill the tasks, or "
	"stop them\n"
	"      --source HOST:PORT    a page server, for the pages that are not "
	"here\n"
	"      --source-command CMD  the same through a command, such as ssh\n"
	"      --protocol 24|32  of CRIU up to 4.1 (default), or of 4.2\n"
	"      --check           only see whether all pages are there\n"
	"      --daemon          return when the restore may begin\n"
	"      --json            the summary as JSON, on standard output\n" COMMON_HELP
	"\n"
	"Exit status: 0 all pages are given; 1 the restore has gone too early; "
	"2 bad\n"
	"images or source, or no restore; 100 called wrongly; 111 the system "
	"refused.\n"};

enum {
	OPTION_ON_DEATH = OPTION_OWN,
	OPTION_SOURCE,
	OPTION_COMMAND,
	OPTION_PROTOCOL,
	OPTION_CHECK,
	OPTION_DAEMON,
	OPTION_JSON,
};

struct options {
	const char *dir;
	const char *work;
	enum guard_deed deed;
	const char *source;
	const char *command;
	enum message_form form;
	bool check;
	bool daemon;
	bool json;
};

static enum guard_deed parse_deed(void)
{
	if (!strcmp(optarg, "kill"))
		return GUARD_KILLS;
	if (!strcmp(optarg, "stop"))
		return GUARD_STOPS;
	option_misused(&tool, "--on-death takes kill or stop");
}

static enum message_form parse_form(void)
{
	enum message_form form = message_form_named(optarg);

	if (!form)
		option_misused(&tool, "--protocol takes 24 or 32");
	return form;
}

static void take_option(struct options *options, int option)
{
	switch (option) {
	case 'W':
		options->work = optarg;
		break;
	case OPTION_ON_DEATH:
		options->deed = parse_deed();
		break;
	case OPTION_SOURCE:
		options->source = optarg;
		break;
	case OPTION_COMMAND:
		options->command = optarg;
		break;
	case OPTION_PROTOCOL:
		options->form = parse_form();
		break;
	case OPTION_CHECK:
		options->check = true;
		break;
	case OPTION_DAEMON:
		options->daemon = true;
		break;
	case OPTION_JSON:
		options->json = true;
		break;
	default:
		option_common(&tool, option);
	}
}

static struct options parse_options(int argc, char **argv)
{
	static const struct option table[] = {
		{"work-dir", required_argument, NULL, 'W'},
		{"on-death", required_argument, NULL, OPTION_ON_DEATH},
		{"source", required_argument, NULL, OPTION_SOURCE},
		{"source-command", required_argument, NULL, OPTION_COMMAND},
		{"protocol", required_argument, NULL, OPTION_PROTOCOL},
		{"check", no_argument, NULL, OPTION_CHECK},
		{"daemon", no_argument, NULL, OPTION_DAEMON},
		{"json", no_argument, NULL, OPTION_JSON},
		COMMON_OPTIONS,
		{0},
	};
	struct options options = {.form = MESSAGE_FORM_24};
	int option;

	while ((option = getopt_long(argc, argv, COMMON_SHORT "W:", table,
				     NULL)) >= 0)
		take_option(&options, option);
	if (argc - optind != 1)
		option_misused(&tool, "lazyserve takes one directory");
	if (options.daemon && options.json)
		option_misused(&tool, "with --daemon nobody reads the JSON");
	if (options.source && options.command)
		option_misused(&tool, "there is one source");
	options.dir = argv[optind];
	if (!options.work)
		options.work = options.dir;
	return options;
}

static void say_checked(const struct image_set *set)
{
	uint64_t pages = 0;

	for (size_t i = 0; i < set->nr; i++)
		pages += set->all[i].nr_lazy;
	warn("%" PRIu64 " pages of %zu tasks can be given", pages, set->nr);
}

static void listen_for_restore(struct serve *serve,
			       const struct options *options)
{
	if (announce_listen(&serve->announce, options->work) == 0)
		return;
	if (errno == EADDRINUSE)
		die(EXIT_SYSTEM,
		    "%s/" ANNOUNCE_NAME ": is there, and no socket",
		    options->work);
	die_errno(EXIT_SYSTEM, "cannot listen at %s/" ANNOUNCE_NAME,
		  options->work);
}

static void say_ready(const struct options *options, int ready)
{
	warn("ready: %s/" ANNOUNCE_NAME, options->work);
	if (ready >= 0)
		daemon_ready(ready);
}

static void begin_sources(struct serve *serve, struct remote *remote,
			  const struct options *options)
{
	const char *name = options->source ? options->source : options->command;
	struct connection to;

	local_begin(&serve->local);
	if (!name)
		return;
	to = options->source ? connect_tcp(name) : connect_command(name);
	if (remote_begin(remote, to.in, to.out, name, options->form,
			 serve->page_size) < 0)
		die_errno(EXIT_SYSTEM, "cannot use %s", name);
	serve->remote = &remote->source;
}

/*
 * Before anybody is let in, or the source has said a word.  /proc is for the
 * children of the tasks.  The guard, which only looks at descriptors and pids,
 * is not confined, nor is a --source-command.
 */
static void confine_server(const struct serve *serve)
{
	own_fd int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct confine confine = {.calls = CONFINE_PATHS | CONFINE_CLIENTS |
					   CONFINE_TASKS};

	confined_dir(&confine, proc, CONFINE_READ);
	confined_dir(&confine, serve->announce.dir, CONFINE_REMOVE);
	confined_begin(&confine);
}

/* The guard is there before anybody can be let in. */
static void serve(struct serve *serve, const struct options *options)
{
	static struct remote remote;
	int ready = options->daemon ? daemon_begin() : -1;

	serve->page_size = (uint32_t)sysconf(_SC_PAGESIZE);
	serve->guard.deed = options->deed;
	serve->guard.page_size = serve->page_size;
	begin_sources(serve, &remote, options);
	listen_for_restore(serve, options);
	if (guard_begin(&serve->guard, serve->announce.listener) < 0)
		die_errno(EXIT_SYSTEM, "cannot start the guard");
	say_ready(options, ready);
	confine_server(serve);
	serve_run(serve);
	if (serve->remote)
		remote_end(&remote);
}

int main(int argc, char **argv)
{
	static struct image_set set;
	static struct serve self = {.set = &set};
	struct options options = parse_options(argc, argv);

	stage_prepare(0);
	image_set_read(&set, options.dir, options.work,
		       options.source || options.command);
	if (options.check) {
		say_checked(&set);
		return EXIT_DONE;
	}
	serve(&self, &options);
	summary_print(&self);
	if (options.json && summary_print_json(&self) < 0)
		die_errno(EXIT_SYSTEM, "cannot write");
	image_set_release(&set);
	return EXIT_DONE;
}
