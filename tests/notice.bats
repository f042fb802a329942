#!/usr/bin/env bats
# What a target notices of having been stopped.

load helpers/lib

setup() { lib_setup; }

teardown() {
	# a waiter removes its semaphore when it is asked to end
	[ ${#VICTIMS[@]} = 0 ] || kill -TERM "${VICTIMS[@]}" 2>/dev/null || :
	sleep 0.05
	lib_teardown
}

# waiter CALL [MS]: $VICTIM waits in that call; its counts are in $T/counts.
waiter() {
	rm -f counts
	"$ROOT/build/tests/waiter" counts "$@" 3>&- &
	VICTIM=$!
	VICTIMS+=("$VICTIM")
	wait_for 5 eval '[ "$(count 3)" = 1 ]'
	sleep 0.05
}

# count N: 0 EINTR, 1 other returns, 2 signals handled.
count() { od -An -tu8 -j$(($1 * 8)) -N8 counts | tr -d ' '; }

stop_it() { freeze "$VICTIM" | releaser take tasks sleep=5 thaw >/dev/null; }

CALLS=(epoll epoll_pwait sem sigwait aio)

@test "notice: a call without a time limit does not return EINTR after a stop" {
	local call
	for call in "${CALLS[@]}"; do
		waiter "$call"
		for _ in 1 2 3 4 5; do stop_it; done
		sleep 0.05
		[ "$(count 0) $(count 1)" = "0 0" ] || { echo "$call: $(count 0) EINTR, $(count 1) returns"; false; }
		# (twin) another way of stopping shows it
		kill -STOP "$VICTIM"
		sleep 0.02
		kill -CONT "$VICTIM"
		sleep 0.05
		[ "$(count 0)" -ge 1 ] || { echo "$call: SIGSTOP shows nothing, so this proves nothing"; false; }
	done
}

@test "notice: neither does it when the keeper is killed" {
	waiter epoll
	for _ in 1 2 3 4 5; do
		rm -f pipe out
		mkfifo pipe
		releaser take tasks sleep=2000 <pipe >out 3>&- &
		other=$!
		freeze "$VICTIM" >pipe 2>/dev/null 3>&- &
		keeper=$!
		wait_for 5 grep -q '^tasks' out
		kill -KILL "$keeper"
		wait "$keeper" || :
		kill "$other"
		wait_for 2 runs "$VICTIM"
	done
	sleep 0.05
	[ "$(count 0) $(count 1)" = "0 0" ]
}

@test "notice: a signal with a handler still ends the call with EINTR" {
	local call
	for call in "${CALLS[@]}"; do
		waiter "$call"
		# before, while it is stopped, and after
		kill -USR1 "$VICTIM"
		wait_for 2 eval '[ "$(count 0)" = 1 ]'
		freeze "$VICTIM" | releaser take tasks sleep=150 thaw >/dev/null &
		local pipeline=$!
		wait_for 5 eval '[[ "$(state_of "$VICTIM")" = *t* ]]'
		kill -USR1 "$VICTIM"
		wait "$pipeline"
		wait_for 2 eval '[ "$(count 0)" = 2 ]'
		stop_it
		kill -USR1 "$VICTIM"
		wait_for 2 eval '[ "$(count 0)" = 3 ]'
		[ "$(count 2)" = 3 ] || { echo "$call: $(count 2) signals handled"; false; }
	done
}

@test "notice: a wait with a time limit ends no later for being stopped" {
	local before after
	waiter epoll 300
	before=$(count 1)
	for _ in 1 2 3 4 5 6 7 8; do
		stop_it
		sleep 0.1
	done
	after=$(count 1)
	# it gives EINTR, and the program waits anew: at no stop is it silent
	[ $((after - before + $(count 0))) -ge 8 ]
}
