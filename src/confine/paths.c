// SPDX-License-Identifier: GPL-3.0-or-later
#include "confine/paths.h"

#include "base/own.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/syscall.h>

#define ABI_NEEDED 2 /* the first that lets files change their directory */

/* Of later kernels than the headers of Debian 12. */
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ull << 14)
#endif
#ifndef LANDLOCK_ACCESS_FS_IOCTL_DEV
#define LANDLOCK_ACCESS_FS_IOCTL_DEV (1ull << 15)
#endif

/* Everything that a kernel of that ABI can refuse. */
static uint64_t handled(long abi)
{
	uint64_t all = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;

	all |= LANDLOCK_ACCESS_FS_REFER;
	if (abi >= 3)
		all |= LANDLOCK_ACCESS_FS_TRUNCATE;
	if (abi >= 5)
		all |= LANDLOCK_ACCESS_FS_IOCTL_DEV;
	return all;
}

static uint64_t access_of(unsigned deeds)
{
	uint64_t access = 0;

	if (deeds & CONFINE_READ)
		access |= LANDLOCK_ACCESS_FS_READ_FILE |
			  LANDLOCK_ACCESS_FS_READ_DIR;
	if (deeds & CONFINE_WRITE)
		access |= LANDLOCK_ACCESS_FS_WRITE_FILE |
			  LANDLOCK_ACCESS_FS_MAKE_REG |
			  LANDLOCK_ACCESS_FS_MAKE_SYM |
			  LANDLOCK_ACCESS_FS_REFER |
			  LANDLOCK_ACCESS_FS_TRUNCATE;
	if (deeds & CONFINE_REMOVE)
		access |= LANDLOCK_ACCESS_FS_REMOVE_FILE;
	if (deeds & CONFINE_DIRS)
		access |= LANDLOCK_ACCESS_FS_MAKE_DIR |
			  LANDLOCK_ACCESS_FS_REMOVE_DIR;
	return access;
}

static int add(int rules, const struct confine_dir *dir, uint64_t all)
{
	struct landlock_path_beneath_attr below = {
		.allowed_access = access_of(dir->deeds) & all,
		.parent_fd = dir->fd,
	};

	return (int)syscall(SYS_landlock_add_rule, rules,
			    LANDLOCK_RULE_PATH_BENEATH, &below, 0);
}

/* A sanitizer's search for leaks, at the end, looks there for threads. */
static int add_proc(int rules, uint64_t all)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	own_fd int proc = open("/proc", O_PATH | O_CLOEXEC);
	struct confine_dir dir = {proc, CONFINE_READ};

	return add(rules, &dir, all);
#else
	(void)rules;
	(void)all;
	return 0;
#endif
}

/* ENOSYS, EOPNOTSUPP: not in this kernel; EPERM: a container refuses it. */
static long probe(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0,
		       LANDLOCK_CREATE_RULESET_VERSION);
}

int paths_confine(const struct confine *confine)
{
	long abi = probe();
	struct landlock_ruleset_attr attr = {.handled_access_fs = handled(abi)};
	own_fd int rules = -1;

	if (abi < ABI_NEEDED)
		return 0;
	rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr),
			     0);
	if (rules < 0)
		return -1;
	for (size_t i = 0; i < confine->nr_dirs; i++)
		if (add(rules, &confine->dirs[i], attr.handled_access_fs) < 0)
			return -1;
	if (add_proc(rules, attr.handled_access_fs) < 0)
		return -1;
	return syscall(SYS_landlock_restrict_self, rules, 0) < 0 ? -1 : 1;
}
