// SPDX-License-Identifier: GPL-3.0-or-later
#include "predump/plan.h"

#include "base/die.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wordexp.h>

/* All of them are had until the end, some by nobody else. */
static char **texts;
static size_t nr_texts;

char *text(const char *format, ...)
{
	va_list args;
	char *out;

	va_start(args, format);
	texts = reallocarray(texts, nr_texts + 1, sizeof(char *));
	if (!texts || vasprintf(&out, format, args) < 0)
		die(EXIT_SYSTEM, "no memory");
	va_end(args);
	texts[nr_texts++] = out;
	return out;
}

static void add(struct command *command, const char *argument)
{
	command->argv[command->nr++] = argument;
}

static struct command begin(const struct options *options, const char *name)
{
	struct command command = {0};

	add(&command, name);
	if (options->quiet)
		add(&command, "-q");
	if (options->verbose)
		add(&command, "-v");
	return command;
}

static size_t length_without_slashes(const char *path)
{
	size_t length = strlen(path);

	while (length > 1 && path[length - 1] == '/')
		length--;
	return length;
}

/* DIR/1 and so on; DIR itself where there are no rounds. */
static const char *directory_of(const struct options *options,
				unsigned int copy)
{
	if (!options->dir || !options->rounds)
		return options->dir;
	return text("%.*s/%u", (int)length_without_slashes(options->dir),
		    options->dir, copy + 1);
}

/*
 * path, which is relative to dir, from here.  dir may not be there yet, so ".."
 * is taken off by its name; a new directory is no symbolic link.
 */
static const char *beside(const char *dir, const char *path)
{
	size_t length = length_without_slashes(dir);
	const char *slash = memrchr(dir, '/', length);
	const char *name = slash ? slash + 1 : dir;
	const char *last = text("%.*s", (int)(dir + length - name), name);

	if (*path == '/')
		return path;
	if (strncmp(path, "../", 3) || !strcmp(last, ".") ||
	    !strcmp(last, ".."))
		return text("%.*s/%s", (int)length, dir, path);
	if (name == dir) /* for vmalist a number is a generation */
		return text("./%s", path + 3);
	return text("%.*s%s", (int)(name - dir), dir, path + 3);
}

/* The directory that a copy builds on, as its own `parent` link has it. */
static const char *parent_of(const struct plan *plan, unsigned int copy)
{
	if (copy == 0)
		return plan->options->previous;
	return plan->tracked ? text("../%u", copy) : NULL;
}

static struct command freeze_of(const struct options *options, bool consistent)
{
	struct command freeze = begin(options, "freeze");

	if (consistent)
		add(&freeze, "--consistent");
	if (consistent && options->leave_stopped)
		add(&freeze, "--leave-stopped");
	add(&freeze, text("%" PRIu32, options->pid));
	return freeze;
}

/* A tracker may be older than this chain: its first round is full. */
static struct command vmalist_of(const struct plan *plan, unsigned int copy)
{
	const struct options *options = plan->options;
	const char *parent = parent_of(plan, copy);
	struct command vmalist = begin(options, "vmalist");

	if (options->track)
		add(&vmalist, text("--track=%s", options->track));
	if (parent && !options->host) {
		add(&vmalist, "--base");
		add(&vmalist, beside(directory_of(options, copy), parent));
	} else if (parent && plan->generation) {
		add(&vmalist, "--base");
		add(&vmalist, text("%" PRIu64, plan->generation));
	} else if (!parent && plan->tracked) {
		add(&vmalist, "--full");
	}
	return vmalist;
}

static void keep(struct command *command, int fd)
{
	int *place = command->keeps;

	while (*place)
		place++;
	*place = fd;
}

static void add_ring(struct command *command, const struct plan *plan)
{
	if (plan->ring[0] < 0)
		return;
	add(command, "--ring");
	add(command, text("%d,%d", plan->ring[0], plan->ring[1]));
	keep(command, plan->ring[0]);
	keep(command, plan->ring[1]);
}

static struct command memread_of(const struct plan *plan)
{
	struct command memread = begin(plan->options, "memread");

	if (plan->draws) /* it says nothing but that */
		add(&memread, "-q");
	else if (plan->options->progress)
		add(&memread, "--progress");
	if (plan->totals >= 0) {
		add(&memread, "--totals");
		add(&memread, text("%d", plan->totals));
		keep(&memread, plan->totals);
	}
	add_ring(&memread, plan);
	return memread;
}

static struct command imgwrite_of(const struct plan *plan, unsigned int copy)
{
	const struct options *options = plan->options;
	const char *parent = parent_of(plan, copy);
	struct command imgwrite = begin(options, "imgwrite");

	if (options->force)
		add(&imgwrite, "--force");
	if (parent) {
		add(&imgwrite, "--parent");
		add(&imgwrite, parent);
	}
	add_ring(&imgwrite, plan);
	add(&imgwrite, directory_of(options, copy));
	return imgwrite;
}

static struct command carrier_of(const struct options *options, const char *how)
{
	struct command carrier = {.carrier = true};

	add(&carrier, options->compress);
	add(&carrier, how);
	return carrier;
}

static void plan_remote(const struct plan *plan, unsigned int copy,
			struct copy_plan *out)
{
	const struct options *options = plan->options;

	if (options->compress)
		out->remote[out->nr_remote++] = carrier_of(options, "-dqc");
	out->remote[out->nr_remote++] = imgwrite_of(plan, copy);
	for (int i = 0; i < out->nr_remote; i++)
		out->remote[i].host = options->host;
	out->directory = text("%s:%s", options->host, out->directory);
}

/* To a directory of this machine. */
static bool is_here(const struct options *options)
{
	return options->dir && !options->host;
}

/* A directory here takes what comes as fast as it can be read, most often. */
static bool is_spooled(const struct options *options, bool consistent)
{
	return consistent && options->spool && !options->dry_run &&
	       (options->spool_given || !is_here(options));
}

static struct command spool_of(const struct options *options)
{
	struct command spool = {.spool = options->spool};

	add(&spool, "spool");
	return spool;
}

bool plan_shares(const struct plan *plan, bool consistent)
{
	return is_here(plan->options) && !is_spooled(plan->options, consistent);
}

bool plan_is_openssh(const struct command *ssh)
{
	const char *slash = strrchr(ssh->argv[0], '/');

	return !strcmp(slash ? slash + 1 : ssh->argv[0], "ssh");
}

const char *plan_directory(const struct plan *plan, unsigned int copy)
{
	return directory_of(plan->options, copy);
}

struct copy_plan plan_copy(const struct plan *plan, unsigned int copy,
			   bool consistent)
{
	const struct options *options = plan->options;
	struct copy_plan out = {
		.directory = directory_of(options, copy),
		.consistent = consistent,
	};

	out.commands[out.nr++] = freeze_of(options, consistent);
	out.commands[out.nr++] = vmalist_of(plan, copy);
	out.commands[out.nr++] = memread_of(plan);
	if (is_spooled(options, consistent))
		out.commands[out.nr++] = spool_of(options);
	if (options->compress)
		out.commands[out.nr++] = carrier_of(options, "-qc");
	else if (is_here(options))
		out.commands[out.nr++] = imgwrite_of(plan, copy);
	if (options->host)
		plan_remote(plan, copy, &out);
	return out;
}

/* What was given comes first: of an option that is there twice that one holds.
 */
static void add_ssh_options(struct command *ssh, const struct plan *plan,
			    bool master)
{
	add(ssh, "-T");
	add(ssh, "-oServerAliveInterval=15");
	if (!plan->socket)
		return;
	if (master)
		add(ssh, "-M");
	add(ssh, "-S");
	add(ssh, plan->socket);
}

struct command plan_ssh(const struct plan *plan, bool master)
{
	const char *line = plan->options->ssh ? plan->options->ssh : "ssh";
	struct command ssh = {.carrier = true};
	wordexp_t words;

	if (wordexp(line, &words, WRDE_NOCMD) || !words.we_wordc ||
	    words.we_wordc > MAX_ARGUMENTS / 2)
		die(EXIT_USAGE, "--ssh is no command: %s", line);
	for (size_t i = 0; i < words.we_wordc; i++)
		add(&ssh, text("%s", words.we_wordv[i]));
	wordfree(&words);
	if (plan_is_openssh(&ssh))
		add_ssh_options(&ssh, plan, master);
	add(&ssh, plan->options->host);
	return ssh;
}

static void plan_tracker(struct plan *plan)
{
	const char *pid = text("%" PRIu32, plan->options->pid);

	plan->track = begin(plan->options, "memtrack");
	if (plan->options->track)
		add(&plan->track, text("--track=%s", plan->options->track));
	add(&plan->track, pid);
	plan->track_status = (struct command){
		.argv = {"memtrack", "--status", pid},
		.nr = 3,
		.silent = true, /* that there is none is no error */
	};
}

struct plan plan_make(const struct options *options, int totals)
{
	struct plan plan = {
		.options = options,
		.totals = totals,
		.ring = {-1, -1},
		.tracked = options_need_tracker(options),
	};

	plan_tracker(&plan);
	return plan;
}
