# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
# What tests/pageserve.bats has done in tests/vm/native: criu dumps to a
# pageserve, and restores with pages that one gives out.

# serve DIR [OPTION...]: a pageserve; $PORT and $SERVER.
serve() {
	: >ready
	pageserve "${@:2}" "$1" >ready 2>>served &
	SERVER=$!
	wait_for 10 grep -q '^pageserve: ready: ' ready
	PORT=$(sed 's/.* port //' ready)
}

# serve_one DIR [OPTION...]: for one client; and served_one: it went well.
serve_one() { serve "$@" --once; }
served_one() { wait "$SERVER" || fail "pageserve ended with $?: $(tail -n 1 served)"; }

to_server() { echo --page-server --address 127.0.0.1 --port "$PORT"; }

# dump_to N DIR [OPTION...]: criu's own images into N, the pages into DIR.
dump_to() {
	serve_one "$2"
	# shellcheck disable=SC2046 # words
	dump "$1" $(to_server) "${@:3}"
	served_one
	! ls "$1"/pages-*.img 2>/dev/null || [ "$1" = "$2" ] || fail 'criu has kept pages'
}

restore_and_check() {
	restore "$1"
	check
}

KINDS='anon=16M sparse=1M shanon memfd heap zeros thp blocked=4 children=1'

# Into two directories, which are then put together.
sent_apart() {
	# shellcheck disable=SC2086 # words
	victim $KINDS
	dump_to 1 pages
	[ -e pages/inventory.img ]
	ls pages/pagemap-shmem-*.img
	imgread pages >/dev/null
	cp 1/* pages
	rm -r 1
	restore_and_check pages
}

twin_sent_apart() {
	victim anon=16M
	dump_to 1 1
	printf x | dd of=1/pages-65537.img bs=1 seek=$((8 << 20)) conv=notrunc status=none
	restore_and_check 1
}

# Into one directory, from both sides.
sent_together() {
	# shellcheck disable=SC2086 # words
	victim $KINDS
	mkdir 1
	dump_to 1 1
	imgread --all 1 >/dev/null
	restore_and_check 1
}

# A pre-dump first, and then a dump on top of it, each into a directory of its
# own on the server's side, where the parent is as well.
sent_rounds() {
	victim anon=16M sparse=1M
	serve_one pages/1
	mkdir -p 1 pages
	# shellcheck disable=SC2046 # words
	run_criu 1 pre-dump -t "$VICTIM" $(to_server)
	served_one
	order 'd anon 3'
	serve_one pages/2 --prev-images-dir ../1
	# shellcheck disable=SC2046 # words
	dump 2 --prev-images-dir ../1 $(to_server)
	served_one
	[ "$(readlink pages/2/parent)" = ../1 ]
	rm 2/parent
	cp 2/* pages/2
	imgread --all pages/2 >/dev/null
	restore_and_check pages/2
}

# The server is killed while criu sends: criu says so, and no image is there.
sent_in_vain() {
	victim anon=64M
	serve_one pages
	# shellcheck disable=SC2046 # words
	! timeout 40 criu dump -v4 -D . -o dump.log -t "$VICTIM" $(to_server) &
	wait_for 10 eval 'ls -d pages/.pagepipe.*'
	kill -KILL "$SERVER"
	wait $!
	[ ! -e pages/inventory.img ]
	! ls pages/*.img
	tell c >said
	grep -q '^ok' said
}

# fetch_lazily DIR: restores 1, with the pages that DIR's server has.
fetch_lazily() {
	local daemon
	serve "$1"
	# shellcheck disable=SC2046 # words
	run_criu 1 lazy-pages $(to_server) &
	daemon=$!
	wait_for 10 test -S 1/lazy-pages.socket
	restore 1 --lazy-pages
	check
	wait "$daemon"
	kill -TERM "$SERVER"
	served_one
	grep -q 'served [4-9][0-9][0-9][0-9] pages .* 0 of them of no pagemap' served
}

asked() {
	victim anon=16M sparse=1M
	dump 1
	fetch_lazily 1
}

# What pageserve has kept is also what it gives out.
asked_of_sent() {
	victim anon=16M sparse=1M
	dump_to 1 1
	fetch_lazily 1
}

twin_asked() {
	victim anon=16M
	dump 1
	cp -r 1 2
	printf x | dd of=2/pages-1.img bs=1 seek=$((8 << 20)) conv=notrunc status=none
	fetch_lazily 2
}
