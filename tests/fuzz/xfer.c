// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * CRIU's page server protocol from both sides: a session of pageserve with a
 * client that says anything, and xfer's client with such a server.  Pages are
 * of 512 bytes, so that inputs are short.
 *
 *   byte 0   bit 0: the client's side
 *            bit 1: in the form of 32 bytes, bit 2: of 24; neither: by itself
 *            bit 3: a session with --prev-images-dir; a client that closes
 *            bit 4: a session: in the end the other side is silent
 *            bit 5: a session: in the end the server is told to end
 *   byte 1   how many bytes come at a time; 0: all
 *   rest     what the other side says
 */
#include "kit/kit.h"

#include "image/entries.h"
#include "image/pagemap_img.h"
#include "image/summary_img.h"
#include "pageserve/session.h"
#include "xfer/client.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE      512
#define TURNS     100000
#define QUESTIONS 4
#define PRESENT   8 /* pages of task 7, from 0x10000 on; 16 of 9 in a parent */

enum {
	CLIENT = 1,
	FORM_32 = 2,
	FORM_24 = 4,
	MORE = 8,
	SILENT = 16,
	STOPPED = 32,
};

/* --- the directories --- */

static const char *const ours[] = {INVENTORY_NAME, "pagemap-7.img",
				   "pages-1.img"};

static void make_images(const char *name, uint32_t pid, uint32_t nr_pages)
{
	char pages[16 * PAGE] = {1};
	struct run runs[] = {{0x10000, nr_pages, RUN_PRESENT},
			     {0x20000, 2, RUN_LAZY}};
	struct pagemap_img img;
	char inventory[32];
	int dir;

	mkdirat(kit_dir(), name, 0700);
	snprintf(inventory, sizeof(inventory), "%s/" INVENTORY_NAME, name);
	kit_file(inventory, NULL, 0);
	dir = openat(kit_dir(), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	kit_must(pagemap_img_create(&img, dir, pid, 1, PAGE) == 0 &&
			 pagemap_img_add(&img, &runs[0]) == 0 &&
			 pagemap_img_data(&img, pages, nr_pages * PAGE) == 0 &&
			 pagemap_img_add(&img, &runs[1]) == 0 &&
			 pagemap_img_finish(&img) == 0,
		 "images can be made");
	pagemap_img_release(&img);
	close(dir);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	make_images("dir", 7, PRESENT);
	make_images("previous", 9, 2 * PRESENT);
	return 0;
}

/* What has been kept is what can be read again. */
static void check_kept(int dir, const char *name)
{
	struct pagemap_list list;
	struct stat stat;
	char pages[32];

	kit_must(pagemap_list_read_file(&list, dir, name, PAGE) == 0,
		 "a pagemap that was kept is good");
	snprintf(pages, sizeof(pages), "pages-%u.img", list.pages_id);
	kit_must(fstatat(dir, pages, &stat, 0) == 0 &&
			 (uint64_t)stat.st_size == list.nr_present * PAGE,
		 "its pages are there");
	pagemap_list_release(&list);
}

static int check_entry(int dir, const char *name, void *of)
{
	(void)of;
	kit_must(*name != '.', "nothing is left behind");
	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
		if (!strcmp(name, ours[i]))
			return 0;
	if (entries_name_is(name, "pagemap-", ".img"))
		check_kept(dir, name);
	return 0;
}

static int remove_entry(int dir, const char *name, void *of)
{
	(void)of;
	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
		if (!strcmp(name, ours[i]))
			return 0;
	return unlinkat(dir, name, 0);
}

/* --- the other side --- */

struct other {
	struct kit_input input;
	size_t piece; /* bytes at a time */
	int socket;
	uint8_t how;
	bool over;
};

static void drain(const struct other *other)
{
	char scrap[65536];

	while (read(other->socket, scrap, sizeof(scrap)) > 0)
		;
}

/* One piece more; and its end, once all is said. */
static void say(struct other *other)
{
	const uint8_t *data;
	size_t size = kit_bytes(&other->input, other->piece, &data);

	drain(other);
	if (size && write(other->socket, data, size) < 0)
		other->over = true; /* nobody listens any more */
	if (!other->input.size)
		other->over = true;
	if (other->over && !(other->how & (SILENT | STOPPED)))
		shutdown(other->socket, SHUT_WR);
}

static enum message_form form_of(uint8_t how)
{
	return how & FORM_32   ? MESSAGE_FORM_32
	       : how & FORM_24 ? MESSAGE_FORM_24
			       : MESSAGE_FORM_UNKNOWN;
}

/* --- pageserve's session --- */

/* As the server's loop does where nothing comes any more. */
static void give_up(struct session *session, uint8_t how)
{
	if (how & STOPPED)
		session_break(session);
	else if (session_deadline(session, 1) != UINT64_MAX)
		session_expire(session);
}

static void serve(struct session *session, struct other *other)
{
	bool waits = false;
	int turns = 0;

	while (!session_is_over(session) && !waits) {
		uint64_t moved = session->moved;

		if (!other->over)
			say(other);
		session_turn(session, session_wants(session));
		drain(other);
		kit_must(turns++ < TURNS, "a session comes to its end");
		waits = other->over && session->moved == moved &&
			other->how & (SILENT | STOPPED);
	}
	if (waits)
		give_up(session, other->how);
	kit_must(!session->failed || *session->fault.text,
		 "a session that fails says why");
}

static void try_session(struct other *other, int fd)
{
	uint8_t how = other->how;
	char path[PATH_MAX];
	struct store store = {.path = path, .page_size = PAGE};
	struct session *sender = NULL;
	struct session_setup setup = {
		.path = path,
		.previous = how & MORE ? "../previous" : NULL,
		.form = form_of(how),
		.page_size = PAGE,
		.store = &store,
		.sender = &sender,
	};
	struct session *session;
	int dir;

	snprintf(path, sizeof(path), "%s/dir", kit_path());
	session = session_begin(&setup, fd, fd);
	kit_must(session, "a session begins");
	serve(session, other);
	session_end(session);
	store_release(&store);
	kit_must(!sender, "nobody is still sending");
	dir = openat(kit_dir(), "dir", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	entries_each(dir, check_entry, NULL);
	entries_each(dir, remove_entry, NULL);
	close(dir);
}

/* --- xfer's client --- */

static void ask_all(struct client *client, bool closes)
{
	for (uint32_t i = 0; i < QUESTIONS; i++) {
		struct client_question question = {7, 2,
						   0x10000 + i * 2 * PAGE};

		kit_must(client_ask(client, &question) == 0,
			 "a question can be asked");
	}
	if (closes)
		client_close(client);
}

static void check_answer(const struct client_answer *answer)
{
	uint64_t sum = 0;

	kit_must(answer->nr_pages <= answer->of.nr_pages,
		 "an answer is not more than was asked for");
	for (size_t i = 0; i < (size_t)answer->nr_pages * PAGE; i++)
		sum += (uint8_t)answer->data[i];
	kit_must(sum <= (uint64_t)answer->nr_pages * PAGE * UINT8_MAX,
		 "all of it can be read");
}

static void try_client(struct other *other, int fd)
{
	enum message_form form = form_of(other->how);
	enum client_outcome outcome = CLIENT_WAITS;
	struct client_answer answer;
	struct client client;
	int answers = 0;

	kit_must(client_begin(&client, fd, fd, form ? form : MESSAGE_FORM_24,
			      PAGE) == 0,
		 "a client begins");
	ask_all(&client, other->how & MORE);
	while (outcome == CLIENT_WAITS || outcome == CLIENT_ANSWER) {
		if (outcome == CLIENT_WAITS) {
			kit_must(!other->over, "a client sees the end");
			say(other);
		}
		outcome = client_next(&client, &answer);
		if (outcome != CLIENT_ANSWER)
			continue;
		check_answer(&answer);
		kit_must(++answers <= QUESTIONS, "an answer a question");
	}
	kit_must(outcome != CLIENT_BAD || client.why, "BAD says why");
	client_release(&client);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct other other = {.input = {data, size}};
	uint8_t piece;
	int ends[2];

	other.how = kit_byte(&other.input);
	piece = kit_byte(&other.input);
	other.piece = piece ? piece : SIZE_MAX;
	kit_must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
			    0, ends) == 0,
		 "there are sockets");
	other.socket = ends[0];
	if (other.how & CLIENT) {
		other.how &= (uint8_t) ~(SILENT | STOPPED);
		try_client(&other, ends[1]);
	} else {
		try_session(&other, ends[1]);
	}
	close(ends[0]);
	return 0;
}
