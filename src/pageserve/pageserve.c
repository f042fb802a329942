// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * pageserve DIR: a page server as CRIU's, both ways; pageserve(1).
 */
#include "pageserve/confined.h"
#include "pageserve/listen.h"
#include "pageserve/server.h"

#include "base/clock.h"
#include "base/die.h"
#include "base/num.h"
#include "stage/daemon.h"
#include "stage/options.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const struct tool tool = {
	"Usage: pageserve [OPTION]... DIR\n"
	"\n"
	"Keeps in DIR the pages that criu sends, and gives out those that DIR "
	"holds:\n"
	"    criu dump --page-server --address 127.0.0.1 --port N ...\n"
	"    criu lazy-pages --page-server --address 127.0.0.1 --port N ...\n"
	"\n"
	"      --address ADDR       where to listen; default 127.0.0.1: nothing "
	"is\n"
	"                           encrypted, and nobody is asked who he is\n"
	"      --port N             default 0: any that is free, written to "
	"stdout\n"
	"      --ps-socket FD       a connection that is there already\n"
	"      --stdio              speak on stdin and stdout, as over ssh\n"
	"      --prev-images-dir PATH  the parent of what comes, relative to "
	"DIR: ../1\n"
	"      --protocol 24|32     of CRIU up to 4.1, or of 4.2; default: as "
	"the client\n"
	"      --once               end with the first client\n"
	"      --timeout TIME       for who owes something; 0: none; "
	"default 5min\n"
	"      --daemon             listen, and go on in the background\n"
	"      --status-fd FD       write a NUL byte there when listening\n" COMMON_HELP
	"\n"
	"Exit status: 0 done; 2 the one session (--once, --stdio, --ps-socket) "
	"was bad or\n"
	"cut short; 100 called wrongly; 111 the system refused.\n"};

enum {
	OPTION_ADDRESS = OPTION_OWN,
	OPTION_PORT,
	OPTION_PS_SOCKET,
	OPTION_STDIO,
	OPTION_PREVIOUS,
	OPTION_PROTOCOL,
	OPTION_ONCE,
	OPTION_TIMEOUT,
	OPTION_DAEMON,
	OPTION_STATUS_FD
};

struct options {
	const char *address;
	uint16_t port;
	int ps_socket; /* -1: none */
	bool stdio;
	bool daemon;
	int status_fd; /* -1: none */
	struct server server;
};

static uint64_t parse_number(const char *name, uint64_t most)
{
	uint64_t value;
	char why[96];

	if (num_parse(optarg, &value) == 0 && value <= most)
		return value;
	snprintf(why, sizeof(why), "--%s takes a number, not '%.40s'", name,
		 optarg);
	option_misused(&tool, why);
}

static enum message_form parse_protocol(void)
{
	enum message_form form = message_form_named(optarg);

	if (!form)
		option_misused(&tool, "--protocol takes 24 or 32");
	return form;
}

static void take_option(struct options *options, int option)
{
	struct server *server = &options->server;

	switch (option) {
	case OPTION_ADDRESS:
		options->address = optarg;
		break;
	case OPTION_PORT:
		options->port = (uint16_t)parse_number("port", UINT16_MAX);
		break;
	case OPTION_PS_SOCKET:
		options->ps_socket = (int)parse_number("ps-socket", INT32_MAX);
		break;
	case OPTION_STDIO:
		options->stdio = true;
		break;
	case OPTION_PREVIOUS:
		server->setup.previous = optarg;
		break;
	case OPTION_PROTOCOL:
		server->setup.form = parse_protocol();
		break;
	case OPTION_ONCE:
		server->once = true;
		break;
	case OPTION_TIMEOUT:
		server->limit_ns = option_time(&tool, "timeout");
		break;
	case OPTION_DAEMON:
		options->daemon = true;
		break;
	case OPTION_STATUS_FD:
		options->status_fd = (int)parse_number("status-fd", INT32_MAX);
		break;
	default:
		option_common(&tool, option);
	}
}

static void parse_options(struct options *options, int argc, char **argv)
{
	static const struct option table[] = {
		{"address", required_argument, NULL, OPTION_ADDRESS},
		{"port", required_argument, NULL, OPTION_PORT},
		{"ps-socket", required_argument, NULL, OPTION_PS_SOCKET},
		{"stdio", no_argument, NULL, OPTION_STDIO},
		{"prev-images-dir", required_argument, NULL, OPTION_PREVIOUS},
		{"protocol", required_argument, NULL, OPTION_PROTOCOL},
		{"once", no_argument, NULL, OPTION_ONCE},
		{"timeout", required_argument, NULL, OPTION_TIMEOUT},
		{"daemon", no_argument, NULL, OPTION_DAEMON},
		{"status-fd", required_argument, NULL, OPTION_STATUS_FD},
		COMMON_OPTIONS,
		{0},
	};
	int option;

	while ((option = getopt_long(argc, argv, COMMON_SHORT, table, NULL)) >=
	       0)
		take_option(options, option);
	if (argc - optind != 1)
		option_misused(&tool, "pageserve takes one directory");
	if (options->stdio && options->ps_socket >= 0)
		option_misused(&tool, "--stdio and --ps-socket exclude each "
				      "other");
	if (options->daemon && (options->stdio || options->ps_socket >= 0))
		option_misused(&tool, "--daemon goes with listening alone");
	options->server.setup.path = argv[optind];
}

/*
 * What we hold are a target's pages: no core file.  A chain takes two
 * descriptors a level and a process.
 */
static void prepare(void)
{
	struct rlimit none = {0, 0};
	struct rlimit files;

	setrlimit(RLIMIT_CORE, &none);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	signal(SIGPIPE, SIG_IGN);
}

/* A parent that is not there is found before a process is stopped for it. */
static void try_parent(const struct session_setup *setup)
{
	struct fault fault;
	struct inbox inbox = {
		.path = setup->path,
		.previous = setup->previous,
		.page_size = setup->page_size,
		.fault = &fault,
	};

	if (!setup->previous)
		return;
	if (inbox_begin(&inbox) < 0) {
		inbox_release(&inbox);
		die(EXIT_USAGE, "%s", fault.text);
	}
	inbox_release(&inbox);
}

static void say_port(const struct options *options)
{
	if (printf("pageserve: ready: %s port %u\n", options->address,
		   options->port) < 0 ||
	    fflush(stdout) < 0)
		die_errno(EXIT_SYSTEM, "cannot write");
}

/* As criu does: one NUL byte, and then the end of the file. */
static void say_status(int fd)
{
	if (fd < 0)
		return;
	if (write(fd, "", 1) != 1 || close(fd) < 0)
		die_errno(EXIT_USAGE, "--status-fd %d", fd);
}

static void listen_there(struct options *options)
{
	int ready = options->daemon ? daemon_begin() : -1;

	options->server.listener = listen_on(options->address, &options->port);
	say_port(options);
	say_status(options->status_fd);
	if (options->daemon)
		daemon_ready(ready);
	server_begin(&options->server);
}

static void take_stdio(struct server *server)
{
	if (isatty(0) || isatty(1))
		die(EXIT_USAGE, "--stdio: pages neither come from a terminal "
				"nor go to one");
	server_begin(server);
	server_take(server, 0, 1, "stdin");
}

static void take_socket(struct options *options)
{
	char name[64];

	if (fcntl(options->ps_socket, F_GETFD) < 0)
		die_errno(EXIT_USAGE, "--ps-socket %d", options->ps_socket);
	say_status(options->status_fd);
	listen_name(options->ps_socket, name, sizeof(name));
	server_begin(&options->server);
	server_take(&options->server, options->ps_socket, options->ps_socket,
		    name);
}

static void begin(struct options *options)
{
	if (options->stdio || options->ps_socket >= 0)
		options->server.once = true;
	if (options->stdio)
		take_stdio(&options->server);
	else if (options->ps_socket >= 0)
		take_socket(options);
	else
		listen_there(options);
}

int main(int argc, char **argv)
{
	static struct options options = {
		.address = "127.0.0.1",
		.ps_socket = -1,
		.status_fd = -1,
		.server = {.listener = -1, .limit_ns = 300 * S_NS},
	};
	struct server *server = &options.server;
	bool made;

	server->setup.page_size = (uint32_t)sysconf(_SC_PAGESIZE);
	parse_options(&options, argc, argv);
	prepare();
	try_parent(&server->setup);
	begin(&options);
	made = confine_server(&server->setup);
	server_run(server);
	if (made)
		rmdir(server->setup.path); /* unless something came */
	return server->failed && server->once ? EXIT_INPUT : EXIT_DONE;
}
