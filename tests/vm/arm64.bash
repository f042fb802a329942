# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Chains on arm64, where the kernel has no soft-dirty bits and criu can therefore
# make no rounds. What ours say is compared with what the process holds, byte for
# byte.

# shellcheck disable=SC2034 # steps.bash has it
TRACK=uffd

KINDS=(anon=16M sparse=1M none wonly growsdown shanon memfd shfile filepriv heap
	thp zeros zeropage reserve small=100 stacks)

# same N: that image alone is what the victim holds.
same() {
	"$PLANT"
	imgcmp "$VICTIM" "$1" >said || fail "$1 is not what the process holds: $(cat said)"
}

chain_copy() {
	victim "${KINDS[@]}" blocked=8
	stand_still "$VICTIM"
	copy 1
	same 1
}

# Three rounds, the last of a process that stands still.
chain_rounds() {
	victim "${KINDS[@]}" blocked=8
	track ''
	copy 1
	change
	order 'd sparse 16'
	copy 2
	at_most 2 1300
	change
	stand_still "$VICTIM"
	copy 3
	at_most 3 1300
	"$PLANT"
	equals 3
}

# Threads that write all the time, while the first rounds are made.
chain_busy() {
	local n
	victim anon=8M mutate=2 blocked=4
	track ''
	for n in 1 2 3 4; do
		copy $n
	done
	stand_still "$VICTIM"
	copy 5
	"$PLANT"
	equals 5
}

# A driver's rounds.
chain_driver() {
	victim "${KINDS[@]}"
	predump -t "$VICTIM" -D d --rounds 3 >said
	[ "$(readlink d/3/parent)" = ../2 ]
	stand_still "$VICTIM"
	imgread --flatten d/3 | imgwrite flat
	same flat
}

# These give EINTR after a stop; freeze(1).
NOTICE=" epoll_wait epoll_pwait epoll_pwait2 sigwait semop io_getevents \
epoll_wait_limit epoll_pwait_limit epoll_pwait2_limit sigwait_limit semop_limit \
io_getevents_limit io_uring_enter recv_limit send_limit accept_limit "

# disturbed COMMAND...: the results of every call that blocks, while the command
# is run on them.
disturbed() {
	local pid times=0
	blocker "$FLAVOUR" >results 2>ready &
	wait_for 20 grep -q '^ready ' ready
	pid=$(sed -n 's/^ready //p' ready)
	while runs "$pid"; do
		! "$@" "$pid" || times=$((times + 1))
		sleep 0.1
	done 2>/dev/null
	wait $!
	[ $times -gt 0 ] || fail "it was not disturbed"
}

# as_undisturbed: are results those of quiet?
as_undisturbed() {
	local call returned error handlers late result quiet
	while read -r call returned error handlers late; do
		result="$returned $error $handlers"
		quiet=$(sed -n "s/^$call \(.*\) [^ ]*$/\1/p" quiet)
		[ "$result" != '-1 4 0' ] || [[ $NOTICE != *" $call "* ]] || continue
		[ "$call $result" != 'futex -1 11 0' ] || continue # as any user expects
		[ "$result" = "$quiet" ] || fail "$call: $result; undisturbed: $quiet"
		[ "${late#-}" -lt 2000 ] || fail "$call: $late ms late"
	done <results
}

freeze_it() { freeze --one --timeout 1s "$1" | vmalist | thaw >/dev/null; }
send_it() { errand "$1" 1 uffd >>sent; }

# calls COMMAND...: with signals of all kinds, and without.
calls() {
	for FLAVOUR in none ignored handled restart; do
		blocker "$FLAVOUR" >quiet 2>/dev/null
		disturbed "$@"
		as_undisturbed
	done
}
chain_calls_stopped() { calls freeze_it; }
chain_calls_remote() {
	calls send_it
	# all threads but those that had ended were sent
	grep -qE '^(4[0-9]) calls' sent
	if grep -v ' 0 wrong' sent; then fail 'a call of ours was wrong'; fi
}

# Who was stopped stays so.
chain_remote_stopped() {
	victim threads=2
	stand_still "$VICTIM"
	errand "$VICTIM" 5 >sent
	grep -q '^15 calls, 0 wrong' sent
	stands_still "$VICTIM"
	kill -CONT "$VICTIM"
	[[ $(tell c) == ok* ]]
}

# count HOW: threads count in restartable sequences, and make calls for us.
count() {
	sections counts >said &
	VICTIMS+=($!)
	wait_for 20 grep -q '^ready ' said
	errand $! 60 "$1" >sent
	grep -q ' 0 wrong' sent
	printf '\1' | dd of=counts bs=1 seek=16 conv=notrunc status=none
	wait $!
	read -r COUNTED NUMBER < <(od -An -tu8 -N 16 counts)
	[ "$NUMBER" -gt 1000 ]
	note "$COUNTED counted of $NUMBER; $(cat sent)"
}
chain_remote_sections() {
	count uffd
	[ "$COUNTED" = "$NUMBER" ] || fail "a count is lost: $COUNTED of $NUMBER"
}
twin_sections() {
	count careless
	[ "$COUNTED" -lt "$NUMBER" ] || fail 'no count is lost'
}

# Twins: the same with a fault planted, which must be found.
twin_copy() { finds 'is not what the process holds' plant_byte chain_copy; }
twin_rounds() { finds 'is not what the process holds' plant_byte chain_rounds; }
