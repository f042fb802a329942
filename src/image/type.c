// SPDX-License-Identifier: GPL-3.0-or-later
#include "image/type.h"

#include "image/img.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/*
 * Names and magic numbers as in criu/image-desc.c and criu/include/magic.h,
 * 3.17 to 4.2; N stands for the id.  The numbers are on the wire
 * (pagestream.5) and are never used again for something else.
 */
static const struct image_type types[] = {
	/* what a dump of any process has */
	{IMAGE_INVENTORY, "inventory.img", ID_NONE, IMG_INVENTORY},
	{IMAGE_PSTREE, "pstree.img", ID_NONE, IMG_PSTREE},
	{IMAGE_CORE, "core-N.img", ID_DECIMAL, IMG_CORE},
	{4, "ids-N.img", ID_DECIMAL, 0x54432030},
	{IMAGE_MM, "mm-N.img", ID_DECIMAL, IMG_MM},
	{6, "fdinfo-N.img", ID_DECIMAL, 0x56213732},
	{7, "files.img", ID_NONE, 0x56303138},
	{8, "fs-N.img", ID_DECIMAL, 0x51403912},
	{9, "seccomp.img", ID_NONE, 0x64413049},
	{10, "timens-N.img", ID_DECIMAL, 0x43114433},
	{11, "memfd.img", ID_NONE, 0x48453499},
	{12, "cgroup.img", ID_NONE, 0x59383330},
	{13, "cpuinfo.img", ID_NONE, 0x61404013},
	/* open files and namespaces */
	{14, "tty.img", ID_NONE, 0x59433025},
	{15, "tty-info.img", ID_NONE, 0x59453036},
	{16, "tty-data.img", ID_NONE, 0x59413026},
	{17, "pipes.img", ID_NONE, 0x56513555},
	{18, "pipes-data.img", ID_NONE, 0x56453709},
	{19, "fifo.img", ID_NONE, 0x58364939},
	{20, "fifo-data.img", ID_NONE, 0x59333054},
	{21, "mountpoints-N.img", ID_DECIMAL, 0x55563928},
	{22, "userns-N.img", ID_DECIMAL, 0x55474906},
	{23, "utsns-N.img", ID_DECIMAL, 0x54473203},
	{24, "pidns-N.img", ID_DECIMAL, 0x61157326},
	{25, "netns-N.img", ID_DECIMAL, 0x55933752},
	{26, "ipcns-var-N.img", ID_DECIMAL, 0x53115007},
	{27, "ipcns-shm-N.img", ID_DECIMAL, 0x46283044},
	{28, "ipcns-msg-N.img", ID_DECIMAL, 0x55453737},
	{29, "ipcns-sem-N.img", ID_DECIMAL, 0x59573019},
	{30, "ghost-file-N.img", ID_HEX, 0x52583605},
	{31, "remap-fpath.img", ID_NONE, 0x59133954},
	{32, "inetsk.img", ID_NONE, 0x56443851},
	{33, "unixsk.img", ID_NONE, 0x54373943},
	{34, "packetsk.img", ID_NONE, 0x60454618},
	{35, "netlinksk.img", ID_NONE, 0x58005614},
	{36, "sk-queues.img", ID_NONE, 0x56264026},
	{37, "tcp-stream-N.img", ID_HEX, 0x51465506},
	{38, "eventfd.img", ID_NONE, 0x44523722},
	{39, "eventpoll.img", ID_NONE, 0x45023858},
	{40, "eventpoll-tfd.img", ID_NONE, 0x44433746},
	{41, "signalfd.img", ID_NONE, 0x57323820},
	{42, "timerfd.img", ID_NONE, 0x50493712},
	{43, "pidfd.img", ID_NONE, 0x54435556},
	{44, "inotify.img", ID_NONE, 0x48424431},
	{45, "inotify-wd.img", ID_NONE, 0x54562009},
	{46, "fanotify.img", ID_NONE, 0x55096122},
	{47, "fanotify-mark.img", ID_NONE, 0x56506035},
	{48, "filelocks.img", ID_NONE, 0x54323616},
	{49, "ext-files.img", ID_NONE, 0x59255641},
	{50, "ns-files.img", ID_NONE, 0x61394011},
	{51, "apparmor.img", ID_NONE, 0x59423047},
	{52, "netdev-N.img", ID_DECIMAL, 0x57373951},
	{53, "tunfile.img", ID_NONE, 0x57143751},
	{54, "bpfmap-file.img", ID_NONE, 0x57506142},
	{55, "bpfmap-data.img", ID_NONE, 0x64324033},
	{56, "binfmt-misc.img", ID_NONE, 0x67343323},
	{57, "binfmt-misc-N.img", ID_DECIMAL, 0x67343323},
	{58, "autofs-N.img", ID_DECIMAL, 0x49353943},
	{IMAGE_SHMEM_PAGEMAP, "pagemap-shmem-N.img", ID_LONG, IMG_PAGEMAP},
	{IMAGE_IRMAP_CACHE, "irmap-cache", ID_NONE, 0x57004059},
	/* of older CRIUs, still read */
	{61, "reg-files.img", ID_NONE, 0x50363636},
	{62, "vmas-N.img", ID_DECIMAL, 0x54123737},
	{63, "sigacts-N.img", ID_DECIMAL, 0x55344201},
	{64, "rlimit-N.img", ID_DECIMAL, 0x57113925},
	{65, "creds-N.img", ID_DECIMAL, 0x54023547},
	{66, "itimers-N.img", ID_DECIMAL, 0x57464056},
	{67, "posix-timers-N.img", ID_DECIMAL, 0x52603957},
	{68, "signal-s-N.img", ID_DECIMAL, 0x59255647},
	{69, "signal-p-N.img", ID_DECIMAL, 0x59255647},
	/* no magic number: pages, and what other programs have written */
	{IMAGE_PAGES, "pages-N.img", ID_DECIMAL, 0},
	{101, "ifaddr-N.img", ID_DECIMAL, 0},
	{102, "route-N.img", ID_DECIMAL, 0},
	{103, "route6-N.img", ID_DECIMAL, 0},
	{104, "rule-N.img", ID_DECIMAL, 0},
	{105, "iptables-N.img", ID_DECIMAL, 0},
	{106, "ip6tables-N.img", ID_DECIMAL, 0},
	{107, "nftables-N.img", ID_DECIMAL, 0},
	{108, "tmpfs-N.tar.gz.img", ID_DECIMAL, 0},
	{109, "tmpfs-dev-N.tar.gz.img", ID_DECIMAL, 0},
	{110, "netns-ct-N.img", ID_DECIMAL, 0},
	{111, "netns-exp-N.img", ID_DECIMAL, 0},
};

#define NR_TYPES (sizeof(types) / sizeof(*types))

/* "12", or "c" in a hexadecimal form; UINT64_MAX for what is no number. */
static uint64_t parse_id(const char *text, size_t size, enum image_id form)
{
	static const char digits[] = "0123456789abcdef";
	uint64_t base = form == ID_HEX ? 16 : 10;
	uint64_t id = 0;

	for (size_t i = 0; i < size; i++) {
		const char *digit = memchr(digits, text[i], base);

		if (!digit || __builtin_mul_overflow(id, base, &id) ||
		    __builtin_add_overflow(id, digit - digits, &id))
			return UINT64_MAX;
	}
	return size ? id : UINT64_MAX;
}

static bool has_name(const struct image_type *type, const char *name,
		     uint64_t *id)
{
	size_t before = strcspn(type->name, "N");
	size_t size = strlen(name);
	size_t behind;
	char again[IMAGE_NAME_SIZE];

	*id = 0;
	if (type->form == ID_NONE)
		return !strcmp(type->name, name);
	behind = strlen(type->name + before + 1);
	if (size <= before + behind || strncmp(name, type->name, before))
		return false;
	*id = parse_id(name + before, size - before - behind, type->form);
	return image_type_name(type, *id, again) == 0 && !strcmp(again, name);
}

const struct image_type *image_type_of(const char *name, uint64_t *id)
{
	for (size_t i = 0; i < NR_TYPES; i++)
		if (has_name(&types[i], name, id))
			return &types[i];
	return NULL;
}

const struct image_type *image_type_numbered(uint32_t number)
{
	for (size_t i = 0; i < NR_TYPES; i++)
		if (types[i].number == number)
			return &types[i];
	return NULL;
}

static uint64_t largest_id(enum image_id form)
{
	switch (form) {
	case ID_NONE:
		return 0;
	case ID_DECIMAL:
	case ID_HEX:
		return UINT32_MAX;
	case ID_LONG:
		return UINT64_MAX - 1;
	}
	return 0;
}

int image_type_name(const struct image_type *type, uint64_t id, char *out)
{
	int before = (int)strcspn(type->name, "N");
	char text[24] = "";

	if (id > largest_id(type->form))
		return -1;
	if (type->form == ID_NONE)
		snprintf(out, IMAGE_NAME_SIZE, "%s", type->name);
	if (type->form == ID_NONE)
		return 0;
	snprintf(text, sizeof(text),
		 type->form == ID_HEX ? "%" PRIx64 : "%" PRIu64, id);
	snprintf(out, IMAGE_NAME_SIZE, "%.*s%s%s", before, type->name, text,
		 type->name + before + 1);
	return 0;
}

static uint32_t first_magic(const struct image_type *type)
{
	if (type->number == IMAGE_INVENTORY)
		return 0;
	return type->number == IMAGE_IRMAP_CACHE ? IMG_SERVICE : IMG_COMMON;
}

bool image_type_begins(const struct image_type *type, const void *data,
		       size_t size)
{
	const char *at = data;

	return !type->magic || img_take_magic(&at, at + size, first_magic(type),
					      type->magic) == 0;
}
