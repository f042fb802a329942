#!/usr/bin/env bats
# Every system call that blocks returns what it would have returned, and when
# it would have, for all that its thread was stopped meanwhile; 64 and 32 bits.

load helpers/lib

# Milliseconds matter here, also beside other work on the machine.
setup() {
	lib_setup
	renice -n -15 -p "$BASHPID" >/dev/null
}

teardown() { lib_teardown; }

# What the kernel makes impossible; freeze(1), "What the target can notice".
# EINTR comes after any stop, and the call, made again, would begin its time
# limit anew.  That is in the target's memory (a timespec), or in the socket:
MEMORY='epoll_pwait2_limit sigwait_limit semop_limit io_getevents_limit'
SOCKET='recv_limit send_limit accept_limit'
# and in 32-bit programs, in a register whose value the caller keeps:
REGISTER='epoll_wait_limit epoll_pwait_limit'
# The kernel notes what is left of these when they are interrupted, and counts
# on when they are made again: they are late by as long as they were stopped.
STOPPED_CLOCK='ppoll_limit select_limit pselect_limit'
# What a futex waits for may come while it is stopped; made again, the call
# finds that the word has changed (EAGAIN), which every user of it expects.

# stop_it HOW: one stop of $VICTIM alone.
stop_it() {
	case $1 in
	brief) freeze --one "$VICTIM" | vmalist | thaw >/dev/null ;;
	ten) stopper "$VICTIM" 10 >/dev/null ;;
	remote) errand "$VICTIM" 2 uffd >>called ;;
	killed) kill_the_keeper ;;
	held) freeze --one "$VICTIM" | releaser take tasks sleep=15 thaw >/dev/null ;;
	SIGSTOP)
		kill -STOP "$VICTIM"
		sleep 0.015
		kill -CONT "$VICTIM"
		sleep 0.02
		;;
	esac 2>/dev/null
}

# The keeper dies while it holds the target; for as short as can be, as nobody
# is left then who would set right what remains of a time limit.
kill_the_keeper() {
	rm -f pipe out
	mkfifo pipe out
	releaser take tasks sleep=2000 <pipe >out 3>&- &
	local other=$!
	freeze --one "$VICTIM" >pipe 3>&- &
	local keeper=$!
	timeout 5 grep -m 1 -q '^tasks' <out || :
	kill -KILL "$keeper"
	kill "$other" || :
	wait "$keeper" "$other" || :
}

# stopped PROGRAM FLAVOUR HOW...: its results while it is stopped in those
# ways, in turns, until it ends; how often that was, in $T/stops.
stopped() {
	local program=$1 flavour=$2 how
	shift 2
	: >ready
	timeout 20 "$program" "$flavour" >results 2>ready 3>&- &
	local running=$!
	wait_for 5 grep -q '^ready ' ready || return 1
	VICTIM=$(sed -n 's/^ready //p' ready)
	while [ -e "/proc/$VICTIM" ] && ! grep -q '^State:	Z' "/proc/$VICTIM/status"; do
		for how; do stop_it "$how" && echo "$how" >>stops; done
	done
	wait "$running"
}

# as_undisturbed CALL...: are results those of quiet?  CALL: may be EINTR.
# Fails with 1 where a call noticed a stop, with 2 where only the time is wrong,
# as it is on a machine with too much to do.  A limit that begins anew at each
# stop does not end before the stops do, so it shows all the same.
as_undisturbed() {
	awk -v exceptions=" $* " -v slow=" $STOPPED_CLOCK " '
	FNR == NR { quiet[$1] = $2 " " $3 " " $4; next }
	{ seen++; result = $2 " " $3 " " $4 }
	result == "-1 4 0" && index(exceptions, " " $1 " ") { next }
	$1 == "futex" && $2 == -1 && $3 == 11 { next }
	index(slow, " " $1 " ") && $5 > 0 { $5 = 0 }
	result == "-1 4 0" { noticed++ }
	result != quiet[$1] || $5 < -5 || $5 > 700 {
		print $1 ": " result " " $5 " ms late; undisturbed: " quiet[$1]
		wrong++
	}
	END { exit noticed || seen != 41 ? 1 : wrong ? 2 : 0 }' quiet results
}

# undisturbed PROGRAM FLAVOUR CALL...: $HOW says how it is stopped; five tries for a busy machine.
undisturbed() {
	local program=$1 flavour=$2 try result
	shift 2
	for try in 1 2 3 4 5; do
		timeout 20 "$program" "$flavour" >quiet 2>/dev/null
		# shellcheck disable=SC2086 # a list of words
		stopped "$program" "$flavour" ${HOW:-brief ten held} || return 1
		result=0
		as_undisturbed "$@" || result=$?
		[ "$result" = 2 ] || return "$result"
		echo "($flavour, try $try)"
	done
	return 1
}

# all_undisturbed PROGRAM CALL...: with signals of all kinds, and without.
all_undisturbed() {
	local program=$1 flavour
	shift
	: >stops
	for flavour in none ignored handled restart; do
		undisturbed "$program" "$flavour" "$@" || return 1
	done
	echo "# stops: $(sort stops | uniq -c | tr '\n' ' ')" >&3
	# in a checked build each takes its time
	[ "$(wc -l <stops)" -ge "$([ -z "${CHECKED:-}" ] && echo "${STOPS:-20}" || echo 1)" ]
}

@test "calls: none of 41 that block notices a stop, with and without signals" {
	# shellcheck disable=SC2086 # lists of names
	all_undisturbed blocker $MEMORY $SOCKET
}

@test "calls: the same in a program of 32 bits" {
	# shellcheck disable=SC2086 # lists of names
	all_undisturbed blocker32 $MEMORY $SOCKET $REGISTER
}

@test "calls: nor that the keeper is killed while it holds the target" {
	: >stops
	# shellcheck disable=SC2086 # lists of names
	HOW=killed undisturbed blocker none $MEMORY $SOCKET
	grep -q killed stops
}

# Each blocked thread makes two calls for us, and then its own goes on.
@test "calls: nor that they make a system call for us, with 64 bits and with 32" {
	: >called
	# shellcheck disable=SC2086 # lists of names
	HOW=remote STOPS=8 all_undisturbed blocker $MEMORY $SOCKET
	# shellcheck disable=SC2086 # lists of names
	HOW=remote STOPS=8 all_undisturbed blocker32 $MEMORY $SOCKET $REGISTER
	not grep -v ' 0 wrong' called
	[ "$(wc -l <called)" -ge 8 ]
}

@test "calls: (twin) SIGSTOP and SIGCONT are noticed" {
	timeout 20 blocker none >quiet 2>/dev/null
	stopped blocker none SIGSTOP
	run as_undisturbed
	[ "$status" = 1 ]
	local call
	for call in epoll_wait epoll_pwait epoll_pwait2 sigwait semop io_getevents io_uring_enter $REGISTER $MEMORY; do
		[[ $output == *"$call: -1 4 0"* ]] || { echo "$call did not show it"; false; }
	done
}
