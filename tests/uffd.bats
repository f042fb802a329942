#!/usr/bin/env bats
# Rounds by userfaultfd, which this kernel has or has not: memory that moves,
# chains that are broken on purpose, and who else is there.  What cannot be
# right is refused, and heals in the next round; never is it silently wrong.
# (tests/vm/breaks.bash has the same by soft-dirty bits.)

load helpers/lib
export BATS_TEST_TIMEOUT=60

setup() { lib_setup; }
teardown() {
	[ -z "$VICTIM" ] || memtrack --stop "$VICTIM" 2>/dev/null || :
	lib_teardown
}

track() {
	memtrack --daemon --track=uffd "$VICTIM" 2>errors && return
	! grep -q 'this kernel cannot track by userfaultfd' errors ||
		skip 'this kernel tracks no writes by userfaultfd'
	cat errors
	return 1
}

# copy N [FREEZE [VMALIST]]: a round into N, on top of N - 1 where there is
# that one; the options are of those.
copy() {
	local parent=''
	[ ! -e $(($1 - 1)) ] || parent="--parent ../$(($1 - 1))"
	stages "freeze ${2-} $VICTIM" "vmalist ${3-}" memread "imgwrite $parent $1"
	[ "$STATUS" = '0 0 0 0' ] || { echo "$STATUS"; cat errors; return 1; }
}

# equals N: the chain in N is what the victim holds, who stands still.
equals() {
	imgread --flatten "$1" | imgwrite --force flat
	imgcmp "$VICTIM" flat >said
	cat said
	grep -q ' 0 wrong, 0 missing' said
}

# ends_right N: a last round, N, of the stopped victim, is right.
ends_right() {
	stand_still "$VICTIM"
	copy "$1" --consistent
	equals "$1"
	kill -CONT "$VICTIM"
}

# own_pages N: how many pages N holds; the others are its parent's.
own_pages() { echo $(($(cat "$1"/pages-*.img | wc -c) / 4096)); }

neighbours() {
	# shellcheck disable=SC2317 # victim calls it
	victim_command() { exec python3 "$ROOT/tests/helpers/neighbours.py"; }
	victim
	track
	copy 1
}

@test "vmalist: memory that has moved is sent, and what it has moved next to" {
	neighbours
	tell 'm 1 2'
	copy 2
	# joins the one at 2, and both are tracked no more
	tell 'm 0 1'
	tell 'w 2'
	ends_right 3
}

@test "vmalist: what has moved to where something was is not taken for that" {
	neighbours
	copy 2
	tell 'm 1 2'
	copy 3
	tell 'm 0 1'	# 2 is not tracked any more ...
	tell 'm 2 0'	# ... when it moves
	copy 4
	ends_right 5
}
@test "memtrack: --stop returns when another can begin" {
	local n
	victim anon=64M
	for n in {1..30}; do
		track
		memtrack --stop "$VICTIM"
	done
	track
}
