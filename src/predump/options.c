// SPDX-License-Identifier: GPL-3.0-or-later
#include "predump/options.h"

#include "base/die.h"
#include "base/num.h"
#include "predump/spool.h"
#include "stage/options.h"

#include <stdio.h>
#include <string.h>

#define MOST_ROUNDS 99

static const struct tool tool = {
	"Usage: predump -t PID -D DIR [OPTION]...\n"
	"       predump -t PID --to [USER@]HOST:DIR [OPTION]...\n"
	"       predump -t PID -o FILE [OPTION]...\n"
	"\n"
	"Copies the memory of a running process and its descendants, as criu "
	"pre-dump\n"
	"does, by the pipeline freeze | vmalist | memread | imgwrite.\n"
	"\n"
	"  -t, --tree PID              the process\n"
	"  -D, --images-dir DIR        make this image directory; with --rounds "
	"DIR/1 ...\n"
	"  -o, --output FILE           write the stream to a new file, or to - "
	"(stdout)\n"
	"      --to [USER@]HOST:DIR    make DIR on another host, through ssh\n"
	"      --ssh COMMAND           instead of ssh, such as 'ssh -p 2222'\n"
	"      --compress METHOD       the stream, or what ssh carries: zstd or "
	"lz4\n"
	"      --rounds N              N copies in a row, each of what has "
	"changed\n"
	"      --rounds auto           until what is left no longer shrinks, "
	"or\n"
	"      --downtime TIME         could be copied in that time, such as "
	"20ms, or\n"
	"      --max-time TIME         the rounds have taken that long\n"
	"      --final                 a last copy, with the target stopped all "
	"the time\n"
	"      --spool SIZE            keep so much of it in memory where the "
	"way is slow\n"
	"  -s, --leave-stopped         behind it, leave the target stopped\n"
	"  -R, --leave-running         let it run; this is the default\n"
	"      --track-mem             track by soft-dirty, so that criu dump can "
	"go on\n"
	"      --track METHOD          auto, none, soft-dirty or uffd\n"
	"      --prev-images-dir PATH  build on this one, relative to DIR\n"
	"      --pre-dump-mode MODE    read; splice is not there yet\n"
	"      --force                 replace the images in DIR, or FILE\n"
	"      --json                  the summary as JSON\n"
	"  -n, --dry-run               print the commands for the shell instead\n" COMMON_HELP
	"\n"
	"Exit status: 0 done; otherwise that of the stage to blame: 1 the "
	"target; 2 bad\n"
	"input; 3 the reader went away; 100 called wrongly; 111 the system "
	"refused.\n"};

enum {
	OPTION_TO = OPTION_OWN,
	OPTION_SSH,
	OPTION_COMPRESS,
	OPTION_ROUNDS,
	OPTION_DOWNTIME,
	OPTION_MAX_TIME,
	OPTION_FINAL,
	OPTION_SPOOL,
	OPTION_TRACK_MEM,
	OPTION_TRACK,
	OPTION_PREVIOUS,
	OPTION_MODE,
	OPTION_FORCE,
	OPTION_JSON,
	OPTION_OF_CRIU,
};

#define SHORT_OPTIONS "hVqv::t:D:o:sRnjW:lx"

static const struct option table[] = {
	{"tree", required_argument, NULL, 't'},
	{"images-dir", required_argument, NULL, 'D'},
	{"output", required_argument, NULL, 'o'},
	{"to", required_argument, NULL, OPTION_TO},
	{"ssh", required_argument, NULL, OPTION_SSH},
	{"compress", required_argument, NULL, OPTION_COMPRESS},
	{"rounds", required_argument, NULL, OPTION_ROUNDS},
	{"downtime", required_argument, NULL, OPTION_DOWNTIME},
	{"max-time", required_argument, NULL, OPTION_MAX_TIME},
	{"final", no_argument, NULL, OPTION_FINAL},
	{"spool", required_argument, NULL, OPTION_SPOOL},
	{"leave-stopped", no_argument, NULL, 's'},
	{"leave-running", no_argument, NULL, 'R'},
	{"track-mem", no_argument, NULL, OPTION_TRACK_MEM},
	{"track", required_argument, NULL, OPTION_TRACK},
	{"prev-images-dir", required_argument, NULL, OPTION_PREVIOUS},
	{"pre-dump-mode", required_argument, NULL, OPTION_MODE},
	{"force", no_argument, NULL, OPTION_FORCE},
	{"json", no_argument, NULL, OPTION_JSON},
	{"dry-run", no_argument, NULL, 'n'},
	/* people give them from habit, and would not miss what they do */
	{"shell-job", optional_argument, NULL, OPTION_OF_CRIU},
	{"work-dir", optional_argument, NULL, OPTION_OF_CRIU},
	{"log-file", optional_argument, NULL, OPTION_OF_CRIU},
	{"tcp-established", optional_argument, NULL, OPTION_OF_CRIU},
	{"file-locks", optional_argument, NULL, OPTION_OF_CRIU},
	{"ext-unix-sk", optional_argument, NULL, OPTION_OF_CRIU},
	{"external", optional_argument, NULL, OPTION_OF_CRIU},
	{"link-remap", optional_argument, NULL, OPTION_OF_CRIU},
	{"ghost-limit", optional_argument, NULL, OPTION_OF_CRIU},
	{"manage-cgroups", optional_argument, NULL, OPTION_OF_CRIU},
	COMMON_OPTIONS,
	{0},
};

static _Noreturn void refuse_of_criu(void)
{
	option_misused(&tool, "that option is for the other things that criu "
			      "dump writes; a pre-dump is memory alone");
}

static const char *one_of(const char *const *words, const char *why)
{
	for (; *words; words++)
		if (!strcmp(optarg, *words))
			return *words;
	option_misused(&tool, why);
}

/* One that begins with a dash would be an option to the tools. */
static const char *path(const char *text)
{
	static char dashed[2][4096];
	static int nr;

	if (!*text)
		option_misused(&tool, "an empty name is no path");
	if (*text != '-')
		return text;
	if (snprintf(dashed[nr], sizeof(dashed[nr]), "./%s", text) >=
	    (int)sizeof(dashed[nr]))
		option_misused(&tool, "that path is too long");
	return dashed[nr++ ? 1 : 0];
}

/* user@host:dir, user@[::1]:dir; the brackets are for us alone. */
static void take_host(struct options *options)
{
	char *open = strchr(optarg, '[');
	char *close = open ? strstr(open, "]:") : NULL;
	char *colon = close ? close + 1 : strchr(optarg, ':');

	if (!colon || colon == optarg || !colon[1] || *optarg == '-')
		option_misused(&tool, "--to takes HOST:DIR or USER@HOST:DIR");
	*colon = 0;
	if (close) {
		*close = 0;
		memmove(open, open + 1, strlen(open));
	}
	colon++;
	if (!strncmp(colon, "~/", 2)) /* it is relative to that anyway */
		colon += 2;
	options->host = optarg;
	options->dir = path(colon);
}

static void take_rounds(struct options *options)
{
	uint64_t rounds = MOST_ROUNDS;

	options->automatic = !strcmp(optarg, "auto");
	if (!options->automatic &&
	    (num_parse(optarg, &rounds) < 0 || !rounds || rounds > MOST_ROUNDS))
		option_misused(&tool,
			       "--rounds takes a number from 1 to 99, or auto");
	options->rounds = (unsigned int)rounds;
}

static uint64_t parse_time(const char *name)
{
	uint64_t ns = option_time(&tool, name);

	if (!ns)
		option_misused(&tool, "no time at all is nothing to reach");
	return ns;
}

static void check_mode(void)
{
	if (!strcmp(optarg, "splice"))
		option_misused(
			&tool,
			"--pre-dump-mode splice is not there yet: this "
			"version reads the memory, leave the option out");
	if (strcmp(optarg, "read"))
		option_misused(&tool, "--pre-dump-mode takes read");
}

/* criu's -v4 and -vvvv are our -v, which has no degrees. */
static void take_verbose(struct options *options)
{
	if (optarg && optarg[strspn(optarg, "0123456789v")])
		option_misused(&tool, "-v takes a number or nothing");
	options->verbose = true;
	option_common(&tool, 'v');
}

static void take_spool(struct options *options)
{
	if (num_parse_size(optarg, &options->spool) < 0)
		option_misused(&tool,
			       "--spool takes a size such as 256M or 1G, "
			       "or 0 for none");
	options->spool_given = true;
}

static void take_chain(struct options *options, int option)
{
	switch (option) {
	case OPTION_ROUNDS:
		take_rounds(options);
		break;
	case OPTION_DOWNTIME:
		options->downtime_ns = parse_time("downtime");
		break;
	case OPTION_MAX_TIME:
		options->max_time_ns = parse_time("max-time");
		break;
	case OPTION_FINAL:
		options->final = true;
		break;
	case OPTION_SPOOL:
		take_spool(options);
		break;
	default:
		option_common(&tool, option);
	}
}

static void take_long(struct options *options, int option)
{
	static const char *const methods[] = {"zstd", "lz4", NULL};
	static const char *const tracks[] = {"auto", "none", "soft-dirty",
					     "uffd", NULL};

	switch (option) {
	case OPTION_TO:
		take_host(options);
		break;
	case OPTION_SSH:
		options->ssh = optarg;
		break;
	case OPTION_COMPRESS:
		options->compress =
			one_of(methods, "--compress takes zstd or lz4");
		break;
	case OPTION_TRACK_MEM:
		options->track = "soft-dirty";
		break;
	case OPTION_TRACK:
		options->track = one_of(tracks, "--track takes auto, none, "
						"soft-dirty or uffd");
		break;
	case OPTION_PREVIOUS:
		options->previous = path(optarg);
		break;
	case OPTION_MODE:
		check_mode();
		break;
	case OPTION_FORCE:
		options->force = true;
		break;
	case OPTION_JSON:
		options->json = true;
		break;
	case OPTION_OF_CRIU:
		refuse_of_criu();
	default:
		take_chain(options, option);
	}
}

static void take(struct options *options, int option)
{
	switch (option) {
	case 't':
		options->pid = option_pid(&tool, optarg);
		break;
	case 'D':
		options->dir = path(optarg);
		options->host = NULL;
		break;
	case 'o':
		options->output = strcmp(optarg, "-") ? path(optarg) : "-";
		break;
	case 's':
		options->leave_stopped = true;
		break;
	case 'R':
		options->leave_stopped = false;
		break;
	case 'n':
		options->dry_run = true;
		break;
	case 'v':
		take_verbose(options);
		break;
	case 'j':
	case 'W':
	case 'l':
	case 'x':
		refuse_of_criu();
	default:
		take_long(options, option);
	}
}

/* The first of these that holds is said. */
static void check_together(const struct options *o)
{
	const struct {
		bool wrong;
		const char *why;
	} rules[] = {
		{!o->pid, "no process given: -t PID"},
		{!o->dir && !o->output,
		 "nowhere to write to: -D DIR, --to HOST:DIR, or -o FILE for "
		 "the stream"},
		{o->dir && o->output,
		 "-D makes a directory, -o a stream: one of them "
		 "(messages go to stderr, not to a log file)"},
		{o->ssh && !o->host, "--ssh goes with --to"},
		{o->host && o->previous,
		 "--prev-images-dir with --to: a chain on another host begins "
		 "with --rounds there"},
		{o->compress && o->dir && !o->host,
		 "--compress is for a stream (-o): criu reads no compressed "
		 "images"},
		{o->output && (o->rounds || o->previous),
		 "a stream holds one copy: --rounds and --prev-images-dir go "
		 "with -D"},
		{o->leave_stopped && !o->final,
		 "--leave-stopped goes with --final: the others are read "
		 "while the target runs"},
		{o->spool_given && !o->final,
		 "--spool goes with --final: a target that runs need not wait "
		 "for the copy"},
		{o->force && o->rounds,
		 "--force replaces one copy, not a chain: give --rounds "
		 "another directory"},
		{o->previous && o->track && !strcmp(o->track, "none"),
		 "--track none makes whole copies, which build on nothing"},
		{o->automatic && o->track && !strcmp(o->track, "none"),
		 "--track none makes whole copies, so --rounds auto could not "
		 "see less and less to copy"},
		{o->automatic && o->dry_run,
		 "--dry-run prints no --rounds auto: only the rounds "
		 "themselves tell how many there are; it prints --rounds N"},
		{(o->downtime_ns || o->max_time_ns) && !o->automatic,
		 "--downtime and --max-time go with --rounds auto"},
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++)
		if (rules[i].wrong)
			option_misused(&tool, rules[i].why);
}

struct options options_parse(int argc, char **argv)
{
	struct options options = {.spool = SPOOL_DEFAULT};
	int option;

	while ((option = getopt_long(argc, argv, SHORT_OPTIONS, table, NULL)) >=
	       0)
		take(&options, option);
	if (optind < argc)
		option_misused(&tool, "predump takes options alone: the "
				      "process is -t PID");
	options.quiet = option_is_quiet();
	options.progress = option_progress_forced();
	check_together(&options);
	return options;
}

unsigned int options_rounds(const struct options *options)
{
	return options->rounds ? options->rounds : !options->final;
}

unsigned int options_copies(const struct options *options)
{
	return options_rounds(options) + options->final;
}

bool options_need_tracker(const struct options *options)
{
	if (options->track && !strcmp(options->track, "none"))
		return false;
	return options->previous || options_copies(options) > 1;
}
