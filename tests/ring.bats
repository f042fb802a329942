#!/usr/bin/env bats
# The ring: bodies beside the pipe, as predump has memread and imgwrite share
# them.

load helpers/lib
export BATS_TEST_TIMEOUT=60

setup() { lib_setup; }
teardown() { lib_teardown; }

shared() { /usr/bin/python3 "$ROOT/tests/helpers/shared.py" "$1"; }

list() { freeze "$VICTIM" | vmalist | thaw >listing; }

# Small enough for the ring as a whole: nobody needs to give pieces back.
small() {
	victim anon=512K zeros=64K
	list
}

@test "ring: the same images as by the pipe, and a tenth of the bytes there" {
	victim anon=8M zeros=1M none sparse thp=4M
	stand_still "$VICTIM"
	export VICTIM
	shared 'freeze $VICTIM | vmalist | memread --ring $RING | tee stream | imgwrite --ring $RING copy'
	freeze "$VICTIM" | vmalist | memread | imgwrite typed
	imgcmp "$VICTIM" copy
	cmp copy/pages-1.img typed/pages-1.img
	cmp "copy/pagemap-$VICTIM.img" "typed/pagemap-$VICTIM.img"
	[ "$(stat -c %s stream)" -lt $(((8 << 20) / 10)) ]
	# (twin) one page of the target changes
	change_is_found "$VICTIM" copy 1
}

@test "ring: without a digest too, and zeros leave no gap" {
	victim anon=1M
	stand_still "$VICTIM"
	export VICTIM
	shared 'freeze $VICTIM | vmalist | memread --no-digest --ring $RING | imgwrite --ring $RING copy'
	imgcmp "$VICTIM" copy
}

@test "ring: a byte that changes in it is found by its digest" {
	small
	stand_still "$VICTIM"
	shared 'memread --ring $RING <listing >stream; imgwrite --ring $RING copy <stream'
	imgcmp "$VICTIM" copy
	list
	not shared 'memread --ring $RING <listing >stream
		printf X | dd of=$MEMORY bs=1 seek=5000 conv=notrunc status=none
		imgwrite --ring $RING other <stream' 2>errors
	grep -q '^imgwrite: bad stream before byte [0-9]*: wrong digest of a body$' errors
	[ ! -e other ]
}

@test "ring: a stream whose bodies are in one is refused where there is none" {
	small
	shared 'memread --ring $RING <listing >stream'
	not imgwrite copy <stream 2>errors
	not framedump -t <stream 2>>errors
	[ "$(grep -c 'unknown flag in a head' errors)" = 2 ]
	[ ! -e copy ]
}

@test "ring: 100 for what is none" {
	local ring
	small
	for ring in '' 3 '3,' ',3' '3,4,5' '3,4' 'x,y'; do
		local got=0
		memread --ring "$ring" <listing >out 2>errors 3</dev/null 4</dev/null || got=$?
		[ "$got" = 100 ]
		[ "$(wc -l <errors)" = 1 ]
	done
}

# killed STAGE: the other one's code, in code, with the stage to the right
# stopped until the ring is full.
killed() {
	export VICTIM
	rm -f ./*.code ./*.pid
	shared 'run() { "$@" <&9 & echo $! >${1##*/}.pid; [ $1 != imgwrite ] || kill -STOP $!; wait $!; echo $? >$1.code; }
		freeze $VICTIM | vmalist | { run memread --ring $RING; } 9<&0 |
		{ run imgwrite --ring $RING copy; } 9<&0' 3>&- 2>errors &
	wait_for 10 test -s imgwrite.pid
	wait_for 10 grep -q '^State:	S' "/proc/$(cat memread.pid)/status"
	sleep 0.3
	kill -KILL "$(cat "$1.pid")"
	kill -CONT "$(cat imgwrite.pid)" 2>/dev/null || :
	wait_for 10 test -s "$2.code"
	cat "$2.code"
}

@test "ring: either side that is killed ends the other one, with its code" {
	victim anon=64M
	[ "$(killed imgwrite memread)" = 3 ]
	[ ! -e copy ]
	[ "$(killed memread imgwrite)" = 2 ]
	[ ! -e copy ]
	runs "$VICTIM"
}
