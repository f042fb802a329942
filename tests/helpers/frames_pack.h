// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Text to a stream, for frames.c.  It does not share the frame encoder and
 * the totals of src/stream/writer.h, so that each is a check of the other.
 */
#ifndef FRAMES_PACK_H
#define FRAMES_PACK_H

#include "frames_text.h"
#include "stream/reader.h"
#include "stream/wire.h"

enum head_key {
	KEY_KIND,
	KEY_FLAGS,
	KEY_SUBJECT,
	KEY_TABLE,
	KEY_BODY,
	KEY_CRC
};
#define HEAD_KEYS 6
#define NOT_GIVEN (-1)

struct packer {
	struct buf out, last, lost;
	bool has_magic;
	uint32_t page_size;
	uint32_t heads_crc;
	uint64_t frames, body_bytes;
	struct tally tally;
	/* the frame that is being described, if any */
	bool open, is_lost;
	uint16_t kind;
	int64_t head[HEAD_KEYS], table_size, body_size;
	bool digest, digest_given;
	uint64_t digest_value;
	struct image_piece piece;
	ProtobufCMessage *message;
	struct buf table, body;
};

/* --- what stands behind a head --- */

static uint32_t run_flags(char *text)
{
	uint32_t flags = 0;

	for (char *one = strtok(text, ","); one; one = strtok(NULL, ",")) {
		if (!strncmp(one, "skip:", 5))
			flags |= RUN_SKIP | word_index(REASONS, one + 5) << 8;
		else if (*one >= '0' && *one <= '9')
			flags |= (uint32_t)number(one, 0);
		else
			flags |= 1u << word_index("present parent zero skip "
						  "lazy",
						  one);
	}
	return flags;
}

static void append_pages(struct packer *self, const struct run *run)
{
	vaddr_t end = run_end(run, self->page_size);

	for (vaddr_t word = run->vaddr; word < end; word += 8) {
		uint64_t value = htole64(word);

		append(&self->body, &value, sizeof(value));
	}
}

static void add_run(struct packer *self, char *line)
{
	char *vaddr = next_word(&line);
	char *pages = next_word(&line);
	char *flags = next_word(&line);
	uint8_t bytes[16], *at = bytes;
	struct run run;

	if (!flags)
		die(EXIT_USAGE, "half a run");
	run.vaddr = number(vaddr, 0);
	run.nr_pages = (uint32_t)number(pages, 0);
	run.flags = run_flags(flags);
	put_u64(&at, run.vaddr);
	put_u32(&at, run.nr_pages);
	put_u32(&at, run.flags);
	append(&self->table, bytes, sizeof(bytes));
	if (run.flags >> 8 < RUN_SKIPS)
		tally_add(&self->tally, &run);
	if (self->kind == KIND_PAGES && run.flags & RUN_PRESENT)
		append_pages(self, &run);
}

/* An indented line. */
static void add_line(struct packer *self, char *line)
{
	char *name = next_word(&line);
	ProtobufCMessage *message;

	// NOLINTNEXTLINE(analyzer-null-argument): the line has a word
	if (!strcmp(name, "run")) {
		add_run(self, line);
		return;
	}
	if (!self->message)
		die(EXIT_USAGE, "'%s' has no place here", name);
	message = add_message(self->message, name);
	if (!strcmp(name, "vma"))
		set_mapping((Pagestream__Vma *)message, &line);
	for (char *word; (word = next_word(&line));)
		set_word(message, word);
}

static void fill_totals(struct packer *self, Pagestream__Totals *totals)
{
	const struct tally *tally = &self->tally;

	totals->frames = self->frames;
	totals->runs = tally->runs;
	totals->present = tally->present;
	totals->zero = tally->zero;
	totals->parent = tally->parent;
	totals->lazy = tally->lazy;
	totals->body_bytes = self->body_bytes;
	for (uint32_t why = 1; why < RUN_SKIPS; why++) {
		Pagestream__Skipped *skipped;

		if (!tally->skip[why])
			continue;
		skipped = (Pagestream__Skipped *)add_message(&totals->base,
							     "skipped");
		skipped->reason = why;
		skipped->pages = tally->skip[why];
	}
}

static void fill_end(struct packer *self, Pagestream__End *end)
{
	if (!end->heads_crc)
		end->heads_crc = self->heads_crc;
	if (end->totals)
		return;
	add_message(&end->base, "totals");
	fill_totals(self, end->totals);
}

static void put_piece(struct packer *self)
{
	uint8_t bytes[32], *at = bytes;

	if (self->kind != KIND_IMAGE)
		return;
	put_u32(&at, self->piece.type);
	put_u32(&at, 0);
	put_u64(&at, self->piece.id);
	put_u64(&at, self->piece.offset);
	put_u64(&at, self->piece.size);
	append(&self->table, bytes, sizeof(bytes));
}

static void put_message(struct packer *self)
{
	if (!self->message)
		return;
	if (self->kind == KIND_HELLO)
		self->page_size =
			((Pagestream__Hello *)self->message)->page_size;
	if (self->kind == KIND_END)
		fill_end(self, (Pagestream__End *)self->message);
	if (!self->table.size &&
	    control_encode(self->message, &self->table) < 0)
		die(EXIT_SYSTEM, "no memory");
	control_free(self->message);
	self->message = NULL;
}

static void resize(struct buf *buf, int64_t size)
{
	if (size == NOT_GIVEN)
		return;
	while (buf->size < (size_t)size)
		append(buf, &(uint8_t){(uint8_t)buf->size}, 1);
	buf->size = (size_t)size;
}

static void put_digest(struct packer *self)
{
	struct digest digest;
	uint8_t *at = (uint8_t *)self->table.data;

	if (!self->digest || self->table.size < 8)
		return;
	digest_begin(&digest);
	digest_add(&digest, self->body.data, self->body.size);
	put_u64(&at,
		self->digest_given ? self->digest_value : digest_end(&digest));
}

/* --- frames --- */

static uint32_t head_field(const struct packer *self, enum head_key key,
			   size_t otherwise)
{
	return (uint32_t)(self->head[key] == NOT_GIVEN ? (int64_t)otherwise
						       : self->head[key]);
}

static void encode_head(const struct packer *self, uint8_t *head)
{
	uint8_t *at = head;
	uint32_t crc;

	put_u16(&at, (uint16_t)head_field(self, KEY_KIND, self->kind));
	put_u16(&at, (uint16_t)head_field(self, KEY_FLAGS, self->digest));
	put_u32(&at, head_field(self, KEY_SUBJECT, 0));
	put_u32(&at, head_field(self, KEY_TABLE, self->table.size));
	put_u32(&at, head_field(self, KEY_BODY, self->body.size));
	crc = crc32c(crc32c(0, head, 16), self->table.data, self->table.size);
	put_u32(&at, head_field(self, KEY_CRC, crc));
}

/* The frame as it was described so far; then none is. */
static void close_frame(struct packer *self)
{
	struct buf *frame = self->is_lost ? &self->lost : &self->last;
	uint8_t head[FRAME_HEAD_SIZE];

	if (!self->open)
		return;
	put_message(self);
	put_piece(self);
	resize(&self->table, self->table_size);
	resize(&self->body, self->body_size);
	put_digest(self);
	encode_head(self, head);
	self->heads_crc = crc32c(self->heads_crc, head + 16, 4);
	self->frames++;
	if (self->kind == KIND_PAGES || self->kind == KIND_IMAGE)
		self->body_bytes += self->body.size;
	frame->size = 0;
	append(frame, head, sizeof(head));
	append(frame, self->table.data, self->table.size);
	append(frame, self->body.data, self->body.size);
	if (!self->is_lost)
		append(&self->out, frame->data, frame->size);
	self->open = false;
}

static const ProtobufCMessageDescriptor *message_of(uint16_t kind)
{
	switch (kind) {
	case KIND_HELLO:
		return &pagestream__hello__descriptor;
	case KIND_TASK:
		return &pagestream__task__descriptor;
	case KIND_RELEASE:
	case KIND_THAWED:
		return &pagestream__release__descriptor;
	case KIND_MAPS:
		return &pagestream__maps__descriptor;
	case KIND_VMAS:
		return &pagestream__vmas__descriptor;
	case KIND_END:
		return &pagestream__end__descriptor;
	default:
		return NULL;
	}
}

/* The fields of an IMAGE frame. */
static bool set_piece_word(struct packer *self, const char *word)
{
	struct image_piece *piece = &self->piece;
	const char *value = word + strcspn(word, "=") + 1;

	if (!strncmp(word, "type=", 5))
		piece->type = (uint32_t)number(value, 0);
	else if (!strncmp(word, "id=", 3))
		piece->id = number(value, 0);
	else if (!strncmp(word, "offset=", 7))
		piece->offset = number(value, 0);
	else if (!strncmp(word, "size=", 5))
		piece->size = number(value, 0);
	else if (!strncmp(word, "data=", 5))
		append_hex(&self->body, value);
	else
		return false;
	return true;
}

/* Words that say how the frame is written, not what is in it. */
static bool set_frame_word(struct packer *self, char *word)
{
	static const char *const keys[HEAD_KEYS] = {
		"kind", "flags", "subject", "table_size", "body_size", "crc"};
	size_t size = strcspn(word, "=");
	char *value = word[size] ? word + size + 1 : word + size;

	for (int i = 0; i < HEAD_KEYS; i++) {
		if (size != strlen(keys[i]) || memcmp(word, keys[i], size))
			continue;
		self->head[i] = (int64_t)number(value, 0);
		return true;
	}
	if (!strncmp(word, "hex=", 4)) {
		append_hex(&self->table, value);
	} else if (!strncmp(word, "table=", 6)) {
		self->table_size = (int64_t)number(value, 0);
	} else if (!strncmp(word, "body=", 5)) {
		self->body_size = (int64_t)number(value, 0);
	} else if (!strncmp(word, "digest=", 7)) {
		self->digest = true;
		self->digest_given = strcmp(value, "auto");
		if (self->digest_given)
			self->digest_value = number(value, 16);
	} else if (*word >= '0' && *word <= '9') {
		self->head[KEY_SUBJECT] = (int64_t)number(word, 0);
	} else {
		return !strncmp(word, "nr=", 3);
	}
	return true;
}

static void clear_frame(struct packer *self)
{
	self->open = true;
	self->table.size = 0;
	self->body.size = 0;
	self->table_size = NOT_GIVEN;
	self->body_size = NOT_GIVEN;
	self->digest = false;
	for (int i = 0; i < HEAD_KEYS; i++)
		self->head[i] = NOT_GIVEN;
}

static void open_frame(struct packer *self, const char *name, char *line)
{
	const ProtobufCMessageDescriptor *type;

	clear_frame(self);
	self->kind = (uint16_t)word_index("FRAME HELLO TASK RELEASE THAWED "
					  "VMAS RUNS PAGES END "
					  "OBJECT THREAD IMAGE MAPS",
					  strcmp(name, "SKIPPABLE") ? name
								    : "0x8000");
	type = message_of(self->kind);
	self->message = type ? new_message(type) : NULL;
	self->piece = (struct image_piece){0};
	if (self->kind == KIND_PAGES || self->kind == KIND_IMAGE)
		append(&self->table, &(uint64_t){0}, sizeof(uint64_t));
	for (char *word; (word = next_word(&line));) {
		if ((self->kind == KIND_IMAGE && set_piece_word(self, word)) ||
		    set_frame_word(self, word))
			continue;
		if (!self->message)
			die(EXIT_USAGE, "%s has no '%s'", name, word);
		set_word(self->message, word);
	}
}

static void put_magic(struct packer *self)
{
	if (!self->has_magic)
		append(&self->out, FRAME_MAGIC, FRAME_MAGIC_SIZE);
	self->has_magic = true;
}

static void add_frame(struct packer *self, char *line)
{
	char *name = next_word(&line);

	if (!name)
		return;
	close_frame(self);
	if (!strcmp(name, "raw")) {
		append_hex(&self->out, line);
	} else if (!strcmp(name, "magic")) {
		append_hex(&self->out, line);
		self->has_magic = true;
	} else if (!strcmp(name, "again")) {
		append(&self->out, self->last.data, self->last.size);
	} else if (!strcmp(name, "late")) {
		append(&self->out, self->lost.data, self->lost.size);
	} else {
		put_magic(self);
		self->is_lost = !strcmp(name, "lost");
		if (self->is_lost)
			name = next_word(&line);
		open_frame(self, name, line);
	}
}

/* A line without its newline. */
static void pack_line(struct packer *self, char *line)
{
	if (*line == ' ')
		add_line(self, line);
	else if (*line != '#')
		add_frame(self, line);
}

#endif
