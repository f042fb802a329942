#!/usr/bin/env bats
# Rounds by userfaultfd, which this kernel has or has not: memory that moves,
# chains that are broken on purpose, and who else is there.  What cannot be
# right is refused, and heals in the next round; never is it silently wrong.
# (tests/vm/breaks.bash has the same by soft-dirty bits.)

load helpers/lib
export BATS_TEST_TIMEOUT=150

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

# Some of everything that a target does between two rounds.
change() {
	[ "$(tell 'd anon 3')" = ok ]
	[ "$(tell 'd anon 700')" = ok ]
	[ "$(tell 'u anon 20 5')" = ok ]
}

# chained: a victim, tracked, with two rounds.
chained() {
	victim anon=16M sparse=1M
	track
	copy 1
	change
	copy 2
	[ "$(own_pages 2)" -lt 2500 ]
}

# try DIR PARENT [VMALIST [FILTER]]: a round of which FILTER loses something.
try() {
	stages "freeze $VICTIM" "vmalist ${3-}" memread "${4-cat}" "imgwrite --parent ../$2 $1"
}

# refused DIR WHY: so was the last round, and nothing was written.
refused() {
	[[ $STATUS != *' 0' ]]
	grep -q -- "$2" errors || { cat errors; return 1; }
	[ ! -e "$1" ]
	runs "$VICTIM"
}

# heals N: round N is not full, and N + 1, of the stopped victim, is right.
heals() {
	change
	copy "$1"
	[ "$(own_pages "$1")" -lt 3000 ]
	change
	ends_right $(($1 + 1))
}

@test "rounds: a round whose image is lost is made again on the older base" {
	chained
	[ "$(tell 'd sparse 16')" = ok ]
	try 3 2 '' 'head -c 70000'
	refused 3 'cut short'
	# by itself a round builds on the last one, which nobody has
	try 3 2
	refused 3 'builds on round 3, but ../2 is round 2 (vmalist --base 2'
	[ "$(tell 'd anon 3000')" = ok ]
	try 3 2 '--base 2'
	[ "$STATUS" = '0 0 0 0 0' ]
	heals 4
	# (twin) two are lost, and the directory claims to be the second
	[ "$(tell 'd sparse 32')" = ok ]
	try lost 5 '' 'head -c 70000'
	try lost 5 '' 'head -c 70000'
	{ framedump <5/pagepipe.head 2>/dev/null || :; } |
		sed 's/ generation=[0-9]* / generation=9 /' | frames pack >claim
	mv claim 5/pagepipe.head
	memtrack --status "$VICTIM" | grep -q 'last round 9,'
	stand_still "$VICTIM"
	copy 6 --consistent
	not equals 6
}

@test "rounds: vmalist killed in round 3, in the midst of its scan: the next one is full" {
	chained
	change
	stages "freeze $VICTIM" \
		'strace -qq -o /dev/null -e trace=ioctl -e inject=ioctl:signal=KILL:when=20 vmalist' \
		memread 'imgwrite --parent ../2 3'
	refused 3 'cut short'
	copy 3
	grep -q 'this round is full: a round since its base was lost' errors
	[ "$(own_pages 3)" -gt 4000 ]
	heals 4
}

# killed CALL N COMMAND...: that is killed at its Nth call.
killed() { echo "strace -qq -o /dev/null -e trace=$1 -e inject=$1:signal=KILL:when=$2 ${*:3}"; }

@test "rounds: freeze, memread or imgwrite killed in round 3: made again on round 2" {
	chained
	change
	stages "$(killed ptrace 3 "freeze $VICTIM")" vmalist memread 'imgwrite --parent ../2 3'
	refused 3 'cut short'
	stages "freeze $VICTIM" vmalist "$(killed process_vm_readv 1 memread)" 'imgwrite --parent ../2 3'
	refused 3 'cut short'
	change
	stages "freeze $VICTIM" 'vmalist --base 2/' memread "$(killed pwrite64,write,writev 3 imgwrite --parent ../2 3)"
	[[ $STATUS == *' 137' ]]
	[ ! -e 3 ]
	try 3 2
	refused 3 'but ../2 is round 2'
	try 3 2 '--base 2/'
	[ "$STATUS" = '0 0 0 0 0' ]
	heals 4
}

@test "rounds: pages that cannot be read in one round are in the next" {
	chained
	[ "$(tell 'd sparse 16')" = ok ]
	stages "freeze $VICTIM" vmalist \
		"strace -qq -o /dev/null -e trace=process_vm_readv -e inject=process_vm_readv:error=EFAULT memread --method=readv" \
		'imgwrite --parent ../2 3'
	[ "$STATUS" = '0 0 0 0' ]
	[ "$(own_pages 3)" = 0 ]
	copy 4
	[ "$(own_pages 4)" -lt 3000 ]
	ends_right 5
}

@test "memread: pages written here and there are read many at once" {
	# shellcheck disable=SC2317 # victim calls it
	victim_command() { exec "$O/tests/writer" 16; }
	victim
	track
	copy 1
	tell 100
	stages "freeze $VICTIM" vmalist 'strace -f -o reads memread' 'imgwrite --parent ../1 2'
	[ "$STATUS" = '0 0 0 0' ]
	[ "$(own_pages 2)" -ge 409 ]
	[ "$(own_pages 2)" -le 1000 ]
	[ "$(grep -c ' process_vm_readv(' reads)" -le 40 ]
	ends_right 3
	# (twin) by another way it is a call for each piece
	tell 100
	stages "freeze $VICTIM" vmalist 'strace -f -o reads memread --method=mem' 'imgwrite --parent ../3 4'
	[ "$(grep -c ' pread64(' reads)" -ge 100 ]
}

@test "rounds: parents that have changed places are refused" {
	chained
	mv 1 x
	mv 2 1
	mv x 2
	try 3 2
	refused 3 'builds on round 2, but ../2 is round 1'
	mv 1 x
	mv 2 1
	mv x 2
	try 3 2 '--base 2'
	[ "$STATUS" = '0 0 0 0 0' ]
	heals 4
}

@test "rounds: memtrack started anew, or killed: the next one is full" {
	local pid n=3
	chained
	for how in stop KILL; do
		if [ $how = stop ]; then
			memtrack --stop "$VICTIM"
		else
			pid=$(memtrack --status "$VICTIM" | sed 's/.* by process \([0-9]*\),.*/\1/')
			kill -KILL "$pid"
			wait_for 5 not memtrack --status "$VICTIM"
		fi
		[ "$(tell 'd sparse 16')" = ok ]
		track
		try $n $((n - 1)) "--base $((n - 1))/"
		grep -q 'this round is full: its base is not of this memtrack' errors
		[ "$STATUS" = '0 0 0 0 0' ]
		[ "$(own_pages $n)" -gt 4000 ]
		heals $((n + 1))
		n=$((n + 3))
	done
}

called_exec() {
	chained
	[ "$(tell x)" = ok ]
	wait_for 10 eval '[ "$(grep -c "^ready " "$SAID")" = 2 ]'
	copy 3
	[ "$(own_pages 3)" -gt 4000 ]
	copy 4
	copy 5
	[ "$(own_pages 5)" -lt 500 ]
	change
	ends_right 6
}

@test "rounds: a target that has called exec is sent whole, once or twice" { called_exec; }

@test "rounds: and so if the new program looks just like the old one" {
	# shellcheck disable=SC2317 # victim calls it
	victim_command() { exec setarch -R "$O/tests/victim" "$@"; }
	called_exec
}

@test "rounds: two receivers, each with its own base, do not eat each other's bits" {
	victim anon=16M sparse=1M
	track
	mkdir a b
	(cd a && copy 1)
	(cd b && copy 1 '' --full) # round 2
	[ "$(tell 'd sparse 16')" = ok ]
	(cd a && copy 2 '' '--base 1') # round 3
	[ "$(tell 'd sparse 32')" = ok ]
	(cd b && copy 2 '' '--base 2') # round 4
	[ "$(tell 'd anon 99')" = ok ]
	(cd b && copy 3 '' '--base 4') # round 5
	(cd a && copy 3 '' '--base 3') # round 6
	[ "$(own_pages a/3)" -lt 2000 ]
	stand_still "$VICTIM"
	(cd b && copy 4 --consistent '--base 5')
	(cd a && copy 4 --consistent '--base 6')
	equals a/4
	equals b/4
}

@test "rounds: a second memtrack is refused, and a second vmalist waits" {
	local n makers=()
	victim anon=16M
	track
	not memtrack "$VICTIM" 2>errors
	grep -q 'is tracked already, by process' errors
	for n in 1 2 3 4; do
		timeout 50 bash -c "freeze --wait 40s --timeout 40s $VICTIM | vmalist | memread >pages.$n" 2>/dev/null 3>&- &
		makers+=($!)
	done
	wait "${makers[@]}" || : # all but the last one: too old
	memtrack --status "$VICTIM" | grep -q 'last round 4,'
	copy 1 '' --full
	heals 2
}

# eat RANGE: somebody else takes what tells which pages were written.
eat() { python3 "$ROOT/tests/helpers/eat.py" "$VICTIM" "$@"; }

@test "memtrack: one that it cannot ask, in another network, has the target first" {
	victim anon=1M
	unshare -n memtrack --daemon --track=uffd "$VICTIM" 2>errors || skip "$(cat errors)"
	run memtrack --daemon --track=uffd "$VICTIM"
	[ "$status" = 111 ]
	[ "$output" = "memtrack: pid $VICTIM: somebody else tracks it by userfaultfd" ]
	runs "$VICTIM"
}

@test "rounds: somebody else eats the bits: that is said, and the round is full" {
	chained
	[ "$(tell 'd sparse 16')" = ok ]
	[ "$(eat 0 7ffffffff000)" -gt 0 ]
	copy 3
	grep -q 'somebody else has cleared the marks of what it has written' errors
	[ "$(own_pages 3)" -gt 4000 ]
	heals 4
	# (twin) the canary sings all the same
	[ "$(tell 'd sparse 32')" = ok ]
	# shellcheck disable=SC2046 # words
	[ "$(eat $(range sparse))" -gt 0 ]
	stand_still "$VICTIM"
	copy 6 --consistent
	not grep . errors
	not equals 6
}

@test "rounds: a child that is forked is sent whole once or twice, then what it writes" {
	local child n
	chained
	child=$(tell f)
	child=${child#ok }
	for n in 3 4 5 6; do
		copy $n
		imgread $n | framedump >text
		grep -q "^TASK . pid=$child " text
	done
	[ "$(own_pages 3)" -gt 4000 ]
	[ "$(own_pages 6)" -lt 1000 ]
	stand_still "$VICTIM"
	stand_still "$child"
	copy 7 --consistent
	equals 7
	imgcmp "$child" 7
}

# registered KIND: input into a buffer that is registered with an io_uring.
registered() {
	eval "victim_command() { exec odd $1 ring; }"
	head -c 1M /dev/zero | tr '\0' '\2' >ring.data
	victim
	track
	copy 1
	sleep 1.2 # until what came before would have landed
	copy 2
	kill -USR1 "$VICTIM"
	wait_for 10 eval '[ "$(od -An -tu8 -N 8 ring | tr -d " ")" = 1 ]'
	copy 3
	stand_still "$VICTIM"
	copy 4 --consistent --allow-async-io
	equals 4
}

@test "rounds: input to a buffer that is registered no more is sent" { registered ring; }
@test "rounds: a ring without a descriptor: its target is sent whole each time" { registered hidden; }

# A victim that has a file open past the cache.
direct_victim() {
	head -c 4096 /dev/zero >direct
	# shellcheck disable=SC2317 # victim calls it
	victim_command() {
		exec python3 -c 'import os, sys
os.set_inheritable(os.open("direct", os.O_DIRECT), True)
os.execvp("victim", ["victim"] + sys.argv[1:])' "$@"
	}
	victim "$@"
}

# input MS: begins to come into page 100 of the victim's, and lands MS later.
input() {
	local start
	start=$(range anon | cut -d ' ' -f 1)
	late "$VICTIM" "$(printf %x $((0x$start + 100 * 4096)))" "$1" >landing 3>&- &
	LATE=$!
	VICTIMS+=("$LATE")
	wait_for 5 grep -q pinned landing
}

lands_late() {
	track
	copy 1
	copy 2
	input 700
	copy 3
	copy 4
	not grep -q landed landing
	wait "$LATE"
	copy 5
	[ "$(own_pages 5)" -lt 100 ]
	stand_still "$VICTIM"
	copy 6 --consistent
}

@test "rounds: input that lands two rounds after it was begun is sent" {
	direct_victim anon=1M
	lands_late
	equals 6
	# (twin) a process that has no file open so is not expected to have any
	memtrack --stop "$VICTIM"
	mkdir twin
	cd twin
	# shellcheck disable=SC2317 # victim calls it
	victim_command() { exec victim "$@"; }
	victim anon=1M
	lands_late
	not equals 6
	grep -q ' 1 wrong' said
}

@test "rounds: input that was under way when memtrack began is sent" {
	direct_victim anon=1M
	input 700
	track
	copy 1
	wait "$LATE"
	copy 2
	[ "$(own_pages 2)" -lt 400 ]
	ends_right 3
}

@test "memtrack: a target's own userfaultfd goes on, its memory is sent whole" {
	# shellcheck disable=SC2317 # victim calls it
	victim_command() { exec odd faults counts; }
	victim
	track
	copy 1
	copy 2
	before=$(od -An -tu8 -N 8 counts)
	copy 3
	sleep 0.1
	[ "$(od -An -tu8 -N 8 counts)" -gt "$before" ]
	[ "$(od -An -tu8 -j 8 -N 8 counts | tr -d ' ')" = 0 ]
}

@test "memtrack: nothing of it stays in the target" {
	victim anon=16M threads=3
	# shellcheck disable=SC2012 # numbers
	ls -l "/proc/$VICTIM/fd" | sed 's/.* \([0-9]* -> \)/\1/' >before
	track
	copy 1
	copy 2
	# shellcheck disable=SC2012 # numbers
	ls -l "/proc/$VICTIM/fd" | sed 's/.* \([0-9]* -> \)/\1/' >after
	diff before after
	memtrack --stop "$VICTIM"
	wait_for 5 not grep -q '^VmFlags:.* uw' "/proc/$VICTIM/smaps"
	runs "$VICTIM"
}
