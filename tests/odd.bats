#!/usr/bin/env bats
# Targets that are not just threads in a memory of their own.

load helpers/lib

setup() { lib_setup; }

teardown() { lib_teardown; }

# odd KIND [FILE]: $VICTIM is one of them, $OTHER its second process.
odd() {
	COUNTS=${2:-$T/counts}
	: >said
	"$O/tests/odd" "$1" "$COUNTS" >said 3>&- &
	VICTIM=$!
	VICTIMS+=("$VICTIM")
	wait_for 10 grep -q '^ready ' said
	OTHER=$(sed -n 's/^ready [0-9]* //p' said)
}

# count N: the N-th number of the counts.
count() { od -An -tu8 -j$(($1 * 8)) -N8 "$COUNTS" | tr -d ' '; }

counts_on() {
	local before
	before=$(count 0)
	wait_for 5 eval '[ "$(count 0)" -gt '"$before"' ]'
}

# stands PID: while PID alone is held, the count does not change.
stands() {
	rm -f out
	mkfifo pipe
	releaser take tasks for="$T/go" thaw <pipe >out 3>&- &
	local other=$!
	freeze --one "$1" >pipe 2>errors 3>&- &
	local keeper=$!
	wait_for 5 grep -q '^tasks' out
	local before after
	before=$(count 0)
	sleep 0.1
	after=$(count 0)
	touch go
	wait "$other"
	wait "$keeper"
	rm pipe go
	[ "$before" = "$after" ]
}

@test "odd: what shares the target's memory is stopped with it, also with --one" {
	odd sharer
	stands "$VICTIM"
	grep -qx 'tasks 1' out
	counts_on
	stands "$OTHER"
	grep -qx 'tasks 1' out
	counts_on
	# (twin) a process that is not stopped would show
	odd full
	local other=$VICTIM
	odd sharer "$T/others"
	COUNTS=$T/counts
	[ "$other" != "$VICTIM" ]
	not stands "$VICTIM"
}

@test "odd: a list of processes that breaks off is not taken for a shorter one" {
	odd sharer
	local n=0
	while :; do
		n=$((n + 1))
		stages "timeout 20 strace -qq -o calls -e trace=getdents64 -e inject=getdents64:error=EIO:when=$n freeze --one $VICTIM" \
			vmalist 'thaw >/dev/null'
		grep -q INJECTED calls || break
		[[ $STATUS = 111* ]]
		counts_on
	done
	[ "$STATUS" = '0 0 0' ]
	# the tasks and /proc, of each the entries and their end
	[ "$n" -gt 4 ]
}

@test "odd: a vfork child is stopped although its parent waits for it" {
	odd vfork
	stands "$OTHER"
	counts_on
	runs "$OTHER"
	# its parent is ours no more
	wait_for 2 grep -q '^TracerPid:	0$' "/proc/$VICTIM/status"
	run freeze --one --timeout 100ms "$OTHER"
}

@test "odd: a refused call is refused throughout 1,000 stops" {
	odd confined
	counts_on
	run stopper "$VICTIM" 1000
	[ "$status" = 0 ]
	[[ $output == '1000 stopped, '* ]]
	stages "freeze $VICTIM" vmalist memread 'imgwrite images'
	[ "$STATUS" = "0 0 0 0" ]
	counts_on
	[ "$(count 1)" = 0 ]
	# (twin) what must not be done is seen
	wait_for 10 eval 'stopper "$VICTIM" 1 unfiltered && [ "$(count 1)" -gt 0 ]'
}

@test "odd: reads past the cache, 64 MiB each, are whole, and the target is copied" {
	odd direct "$BATS_TEST_TMPDIR/counts"
	counts_on
	for _ in 1 2 3 4 5; do
		stages "freeze $VICTIM" vmalist memread 'imgwrite --force images'
		[ "$STATUS" = "0 0 0 0" ]
		stages "freeze --consistent $VICTIM" vmalist memread 'imgwrite --force images'
		[ "$STATUS" = "0 0 0 0" ]
	done
	run stopper "$VICTIM" 100
	[ "$status" = 0 ]
	counts_on
	[ "$(count 1)" = 0 ]
}

@test "odd: a target without a free descriptor is copied" {
	odd full
	local before
	before=$(ls -l "/proc/$VICTIM/fd")
	[ "$(wc -l <<<"$before")" -ge 64 ]
	stages "freeze $VICTIM" vmalist memread 'imgwrite images'
	[ "$STATUS" = "0 0 0 0" ]
	[ "$(ls -l "/proc/$VICTIM/fd")" = "$before" ]
	counts_on
}
