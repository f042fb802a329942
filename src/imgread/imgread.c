// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * imgread DIR: an image directory back to a page stream; imgread(1).
 */
#include "imgread/memory.h"
#include "imgread/others.h"

#include "stage/confined.h"
#include "stage/options.h"

#include <stdlib.h>
#include <unistd.h>

static const struct tool tool = {
	"Usage: imgread [OPTION]... DIR\n"
	"\n"
	"Gives an image directory, ours or CRIU's, back as a page stream, and "
	"checks it:\n"
	"    imgread DIR | imgwrite COPY\n"
	"    imgread DIR >/dev/null                  only checks it\n"
	"    imgread --all --flatten DIR | imgwrite FULL    needs no parents\n"
	"\n"
	"      --all         the other image files too: registers, open "
	"files...\n"
	"      --flatten     with the pages that only its parents hold\n" COMMON_HELP
	"\n"
	"Exit status: 0 done; 2 a bad directory; 3 the reader went away; 100 "
	"called\n"
	"wrongly; 111 the system refused.\n"};

enum { OPTION_ALL = OPTION_OWN, OPTION_FLATTEN };

struct options {
	bool all;
	bool flatten;
	const char *path;
};

static struct options parse_options(int argc, char **argv)
{
	static const struct option table[] = {
		{"all", no_argument, NULL, OPTION_ALL},
		{"flatten", no_argument, NULL, OPTION_FLATTEN},
		COMMON_OPTIONS,
		{0},
	};
	struct options options = {0};
	int option;

	while ((option = getopt_long(argc, argv, COMMON_SHORT, table, NULL)) >=
	       0) {
		if (option == OPTION_ALL)
			options.all = true;
		else if (option == OPTION_FLATTEN)
			options.flatten = true;
		else
			option_common(&tool, option);
	}
	if (argc - optind != 1)
		option_misused(&tool, "imgread takes one directory");
	options.path = argv[optind];
	return options;
}

struct imgread {
	struct options options;
	struct stage stage;
	struct chain chain;
	struct contents contents;
	struct kept kept;
	struct memory memory;
	struct others others;
};

/* Before what stands in the files is looked at. */
static void confine_reader(const struct chain *chain)
{
	struct confine confine = {.calls = CONFINE_FILES};

	for (size_t i = 0; i < chain->nr; i++)
		confined_dir(&confine, chain->levels[i].dir, CONFINE_READ);
	confined_begin(&confine);
}

static void open_all(struct imgread *self)
{
	const struct options *options = &self->options;

	if (chain_open(&self->chain, options->path) < 0)
		memory_die(&self->chain);
	confine_reader(&self->chain);
	contents_read(&self->contents, self->chain.levels[0].dir, options->path,
		      options->all);
	kept_read(&self->kept, self->chain.levels[0].dir, &self->contents);
	self->memory.chain = &self->chain;
	self->memory.contents = &self->contents;
	self->memory.kept = &self->kept;
	self->memory.stage = &self->stage;
	self->memory.flatten = options->flatten;
	self->kept.flatten = options->flatten;
	self->others = (struct others){
		.chain = &self->chain,
		.contents = &self->contents,
		.page_size = self->kept.page_size,
		.flatten = options->all && options->flatten,
	};
}

/* All of it, before the first byte goes out. */
static void check(struct imgread *self)
{
	memory_check(&self->memory);
	others_check(&self->others);
}

/* The tasks that have no files are gone again for the next reader. */
static void send_end(struct imgread *self)
{
	Pagestream__End end = PAGESTREAM__END__INIT;

	end.gone = calloc(self->kept.nr_tasks + 1, sizeof(*end.gone));
	if (!end.gone)
		die(EXIT_SYSTEM, "no memory");
	for (uint32_t i = 0; i < self->kept.nr_tasks; i++)
		if (self->kept.tasks[i].gone)
			end.gone[end.n_gone++] = i;
	stage_end(&self->stage, &end);
	free(end.gone);
}

int main(int argc, char **argv)
{
	static struct imgread self;

	self.options = parse_options(argc, argv);
	stage_begin(&self.stage, PAGESTREAM__STAGE__IMGREAD, STAGE_WRITES);
	open_all(&self);
	check(&self);
	kept_send(&self.kept, &self.stage);
	if (self.options.all)
		others_send(&self.others, &self.stage);
	memory_send(&self.memory);
	kept_send_late(&self.kept, &self.stage);
	send_end(&self);
	return EXIT_DONE;
}
