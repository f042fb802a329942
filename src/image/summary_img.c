// SPDX-License-Identifier: GPL-3.0-or-later
#include "image/summary_img.h"

#include "image/criu.pb-c.h"
#include "image/img.h"

#include <errno.h>

#define INVENTORY_MAX (1u << 20) /* bytes, and as it is unpacked */

#define MODE_READ 2 /* CRIU's VM_READ (criu/include/cr_options.h) */

static int write_message(int dir, const char *name, uint32_t first,
			 uint32_t second, const ProtobufCMessage *message)
{
	struct buf out = {0};
	int result = img_put_magic(&out, first, second);

	if (result == 0)
		result = img_put(&out, message);
	if (result == 0)
		result = img_write_file(dir, name, &out);
	buf_release(&out);
	return result;
}

int inventory_write(int dir, uint64_t uptime_us)
{
	Criu__Inventory inventory = CRIU__INVENTORY__INIT;

	inventory.has_dump_uptime = 1;
	inventory.dump_uptime = uptime_us;
	inventory.has_pre_dump_mode = 1;
	inventory.pre_dump_mode = MODE_READ;
	return write_message(dir, INVENTORY_NAME, 0, IMG_INVENTORY,
			     &inventory.base);
}

static int parse_inventory(const struct buf *file, uint64_t *uptime_us)
{
	const char *at = file->data;
	const char *end = at + file->size;
	ProtobufCMessage *message;

	if (img_take_magic(&at, end, 0, IMG_INVENTORY) < 0)
		return -1;
	if (img_take_within(&at, end, INVENTORY_MAX,
			    &criu__inventory__descriptor, &message) <= 0) {
		errno = EBADMSG;
		return -1;
	}
	*uptime_us = ((const Criu__Inventory *)message)->dump_uptime;
	protobuf_c_message_free_unpacked(message, NULL);
	return 0;
}

int inventory_read(int dir, uint64_t *uptime_us)
{
	struct buf file = {0};
	int result = img_read_small(dir, INVENTORY_NAME, INVENTORY_MAX, &file);

	if (result == 0)
		result = parse_inventory(&file, uptime_us);
	buf_release(&file);
	return result;
}

static uint32_t microseconds(uint64_t ns)
{
	return ns / 1000 > UINT32_MAX ? UINT32_MAX : (uint32_t)(ns / 1000);
}

int stats_write(int dir, const struct dump_stats *stats)
{
	Criu__DumpStats dump = CRIU__DUMP_STATS__INIT;
	Criu__Stats message = CRIU__STATS__INIT;

	dump.frozen_time = microseconds(stats->stopped_ns);
	dump.memdump_time = microseconds(stats->written_ns);
	dump.memwrite_time = microseconds(stats->written_ns);
	dump.pages_scanned = stats->pages_scanned;
	dump.pages_skipped_parent = stats->pages_skipped_parent;
	dump.pages_written = stats->pages_written;
	dump.pages_lazy = stats->pages_lazy;
	dump.has_page_pipes = 1;
	dump.has_page_pipe_bufs = 1;
	dump.has_shpages_scanned = 1;
	dump.has_shpages_skipped_parent = 1;
	dump.has_shpages_written = 1;
	message.dump = &dump;
	return write_message(dir, "stats-dump", IMG_SERVICE, IMG_STATS,
			     &message.base);
}
