// SPDX-License-Identifier: GPL-3.0-or-later
#include "stage/confined.h"

#include "base/die.h"

void confined_dir(struct confine *confine, int fd, unsigned deeds)
{
	if (confine_dir(confine, fd, deeds) < 0)
		die_errno(EXIT_SYSTEM, "cannot confine itself");
}

void confined_begin(struct confine *confine)
{
	int holds = confine_begin(confine);

	if (holds < 0)
		die_errno(EXIT_SYSTEM, "cannot confine itself");
	detail("confined: system calls %s, paths %s",
	       holds & CONFINED_CALLS ? "by seccomp" : "not: no seccomp here",
	       holds & CONFINED_PATHS ? "by landlock"
				      : "not: no landlock here");
	confine_release(confine);
}
