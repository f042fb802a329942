#!/usr/bin/env bats
# System calls that a target makes for us: it does not notice.

load helpers/lib

setup() { lib_setup; }
teardown() { lib_teardown; }

# target COMMAND...: $VICTIM, which says "ready PID".
target() {
	: >said
	"$@" >said 3>&- &
	VICTIM=$!
	VICTIMS+=("$VICTIM")
	wait_for 10 grep -q '^ready ' said
}

# number N: of the counts.
number() { od -An -tu8 -j$(($1 * 8)) -N8 counts | tr -d ' '; }

@test "remote: a refused call is refused throughout, and ours are made" {
	target odd confined "$T/counts"
	errand "$VICTIM" 300 >said.errand
	grep -qE '^[1-9][0-9]* calls, 0 wrong' said.errand
	[ "$(number 0)" -gt 0 ]
	[ "$(number 1)" = 0 ]
	runs "$VICTIM"
	# (twin) a filter that is suspended while it runs lets calls through
	for _ in 1 2 3 4 5; do stopper "$VICTIM" 1 unfiltered; done
	wait_for 5 eval '[ "$(number 1)" -gt 0 ]'
}

@test "remote: a restartable sequence is begun anew, no count is lost" {
	target sections "$T/counts"
	errand "$VICTIM" 150 >said.errand
	grep -qE ' 0 wrong' said.errand
	finish_counting
	[ "$(number 0)" = "$(number 1)" ]
	[ "$(number 0)" -gt 1000 ]
	# (twin) counts are lost where it is not told that it was interrupted
	rm counts
	target sections "$T/counts"
	errand "$VICTIM" 150 careless >said.errand
	finish_counting
	[ "$(number 0)" -lt "$(number 1)" ]
}

finish_counting() {
	printf '\1' | dd of=counts bs=1 seek=16 conv=notrunc status=none
	wait "$VICTIM"
}

@test "remote: what was stopped by SIGSTOP stays so, and SIGCONT lets it go on" {
	victim threads=2
	stand_still "$VICTIM"
	errand "$VICTIM" 20 >said.errand
	grep -qE '^60 calls, 0 wrong, 0 not in time|^[1-9][0-9]* calls, 0 wrong' said.errand
	stands_still "$VICTIM"
	kill -CONT "$VICTIM"
	[[ $(tell c) == ok* ]]
}

@test "remote: a SIGSTOP that comes in the middle stops it all the same" {
	local n
	victim threads=2
	errand "$VICTIM" 3000 >said.errand 3>&- &
	local errands=$!
	for n in 1 2 3 4 5 6 7 8 9 10; do
		kill -STOP "$VICTIM"
		sleep 0.03
		kill -CONT "$VICTIM"
		sleep 0.01
	done
	stand_still "$VICTIM"
	kill -TERM "$errands"
	wait "$errands" || :
	sleep 0.2
	stands_still "$VICTIM"
	kill -CONT "$VICTIM"
	[[ $(tell c) == ok* ]]
}

@test "remote: signals with handlers arrive once each" {
	local n
	mkfifo fifo
	bash -c 'n=0; trap "n=\$((n + 1)); echo \$n >counted" USR1; echo ready $$; while [ ! -e end ]; do read -rt 0.01 _ <>fifo; done; echo $n >counted' >said 3>&- &
	VICTIM=$!
	VICTIMS+=("$VICTIM")
	wait_for 10 grep -q '^ready ' said
	errand "$VICTIM" 20000 >said.errand 3>&- &
	local errands=$!
	for n in {1..40}; do
		kill -USR1 "$VICTIM"
		wait_for 10 grep -qx "$n" counted # or two become one
	done
	kill -TERM "$errands"
	wait "$errands" || :
	sleep 0.1
	touch end
	wait "$VICTIM" || :
	[ "$(cat counted)" = 40 ]
}

@test "memtrack: a process with no descriptor left is named, and runs on" {
	local code=0
	target odd full "$T/counts"
	memtrack --track=uffd "$VICTIM" 2>errors || code=$?
	[ "$code" = 111 ]
	grep -q "pid $VICTIM: has no file descriptor left" errors
	runs "$VICTIM"
}

@test "memtrack: somebody else's tracee is refused in one line, after a while" {
	victim anon
	strace -qq -o /dev/null -p "$VICTIM" 3>&- &
	local tracer=$! code=0
	wait_for 5 eval '! grep -q "^TracerPid:	0$" "/proc/$VICTIM/status"'
	timeout 20 memtrack --track=uffd "$VICTIM" 2>errors || code=$?
	kill "$tracer"
	[ "$code" = 111 ]
	grep -q "pid $VICTIM: somebody else traces it" errors
	[ "$(wc -l <errors)" = 1 ]
}
