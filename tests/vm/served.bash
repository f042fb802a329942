# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
# What tests/pageserve.bats has done in tests/vm/native: criu dumps to a
# pageserve, and restores with pages that one gives out.

# open_server DIR [OPTION...]: a pageserve; $PORT and $SERVER.
open_server() {
	: >ready
	pageserve "${@:2}" "$1" >ready 2>>served &
	SERVER=$!
	wait_for 10 grep -q '^pageserve: ready: ' ready
	PORT=$(sed 's/.* port //' ready)
}

# open_server_once DIR [OPTION...]: for one client; and server_went_well: it went well.
open_server_once() { open_server "$@" --once; }
server_went_well() { wait "$SERVER" || fail "pageserve ended with $?: $(tail -n 1 served)"; }

# has PATTERN: there is such a file.
has() { compgen -G "$1" >/dev/null; }

to_server() { echo --page-server --address 127.0.0.1 --port "$PORT"; }

# dump_to N DIR [OPTION...]: criu's own images into N, the pages into DIR.
dump_to() {
	open_server_once "$2"
	# shellcheck disable=SC2046 # words
	dump "$1" $(to_server) "${@:3}"
	server_went_well
	[ "$1" = "$2" ] || not has "$1/pages-*" || fail 'criu has kept pages'
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
	has 'pages/pagemap-shmem-*.img'
	imgread pages >/dev/null
	cp 1/* pages
	rm -r 1
	restore_and_check pages
}

fault_sent() {
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

# On top of a round of ours, into a directory beside it. (criu's own pre-dump
# needs what this kernel may not have: tests/vm/moves.bash.)
sent_round() {
	victim anon=16M sparse=1M
	copy
	order 'd anon 3'
	open_server_once pages --prev-images-dir ../1
	# shellcheck disable=SC2046 # words
	dump 2 --prev-images-dir ../1 $(to_server)
	server_went_well
	[ "$(readlink pages/parent)" = ../1 ]
	rm 2/parent
	cp 2/* pages
	imgread --all pages >/dev/null
	restore_and_check pages
}

# criu_fails_to_dump: it says so, no image is there, and the victim lives on.
criu_fails_to_dump() {
	# shellcheck disable=SC2046 # words
	if timeout 40 criu dump -v4 -o dump.log -t "$VICTIM" $(to_server); then
		fail 'criu has noticed nothing'
	fi
	[ ! -e pages/inventory.img ]
	not has 'pages/*.img'
	tell c >answer
	grep -q '^ok' answer
}

# The server dies while criu sends.
sent_in_vain() {
	victim anon=16M
	(
		ulimit -f 4096 # KiB; the signal for more kills it
		open_server_once pages
		criu_fails_to_dump
		not wait "$SERVER"
	)
	has 'pages/.pagepipe.*'
	# what it has left is tidied up by the next one
	dump_to 1 pages
	not has 'pages/.pagepipe.*'
	cp 1/* pages
	restore_and_check pages
}

# The same in the directory that criu writes to: criu fails before it writes its
# inventory.img.
sent_together_in_vain() {
	victim anon=16M
	mkdir 1
	(
		ulimit -f 4096
		open_server_once 1
		# shellcheck disable=SC2046 # words
		not timeout 40 criu dump -v4 -D 1 -o dump.log -t "$VICTIM" $(to_server)
		not wait "$SERVER"
	)
	has '1/ids-*.img'
	not has '1/inventory.img'
	not has '1/page*.img'
}

# No space is left while criu sends.
sent_too_much() {
	victim anon=16M
	mkdir pages
	mount -t tmpfs -o size=4M none pages
	open_server_once pages
	criu_fails_to_dump
	not wait "$SERVER"
	grep -q 'No space left on device: what it sent is thrown away' served
	[ -z "$(ls -A pages)" ]
	umount pages
}

# fetch_lazily DIR: restores 1, with the pages that DIR's server has.
fetch_lazily() {
	local daemon
	open_server "$1"
	# shellcheck disable=SC2046 # words
	run_criu 1 lazy-pages $(to_server) &
	daemon=$!
	wait_for 10 test -S 1/lazy-pages.socket
	restore 1 --lazy-pages
	check
	wait "$daemon"
	kill -TERM "$SERVER"
	server_went_well
	grep -q 'served [4-9][0-9][0-9][0-9] pages' served || fail "$(cat served)"
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

fault_asked() {
	victim anon=16M
	dump 1
	cp -r 1 2
	printf x | dd of=2/pages-1.img bs=1 seek=$((8 << 20)) conv=notrunc status=none
	fetch_lazily 2
}
