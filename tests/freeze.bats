#!/usr/bin/env bats
# freeze, thaw and the keeper between them.

load helpers/lib

setup() { lib_setup; }
teardown() { lib_teardown; }

# keeper_does ACTION...: freeze on the victim, the helper in thaw's place.
# $STATUS, $T/errors, and what the helper said in $T/out.
keeper_does() { stages "freeze ${OPTIONS:-} $VICTIM" "releaser $* >out"; }

counter() { od -An -tu8 -N8 "$1" | tr -d ' '; }

@test "freeze: HELLO comes before anything is stopped" {
	victim anon
	freeze --wait 600ms "$VICTIM" 2>errors | (
		dd bs=8 count=1 status=none >magic
		sleep 0.2
		state_of "$VICTIM" >state
		cat >/dev/null
	)
	[ "$(head -c 4 magic | tail -c 3)" = pgs ]
	[[ "$(cat state)" != *t* ]]
}

@test "freeze: with nobody to release it stops nothing, says so and ends with 1" {
	victim anon
	OPTIONS='--wait 300ms' keeper_does sleep=1
	STATUS=x
	stages "freeze --wait 300ms $VICTIM" "cat >/dev/null"
	[ "$STATUS" = "1 0" ]
	grep -q 'nobody to the right releases' errors
	runs "$VICTIM"
}

@test "freeze: the target is stopped between the lease and the thaw, and then runs" {
	victim anon spin blocked=4
	keeper_does take tasks status thaw
	[ "$STATUS" = "0 0" ]
	grep -qx 'take yes' out
	grep -qx 'tasks 1' out
	grep -qx 'status stopped' out
	grep -qE '^thaw [0-9]+$' out
	runs "$VICTIM"
	[[ "$(tell c)" = ok* ]]
}

@test "freeze: a pre-dump's target runs as soon as its maps are read" {
	victim anon
	export -f runs state_of
	stages "freeze $VICTIM" "{ releaser brief tasks sleep=300 status thaw >out & sleep 0.2; runs $VICTIM && echo ran >early; wait \$!; }"
	[ "$STATUS" = "0 0" ]
	[ "$(cat early)" = ran ]
	grep -qx 'tasks 1' out
	grep -qx 'status ran' out
	# the release is answered all the same, with a time that is not our sleep
	local ns
	ns=$(sed -n 's/^thaw \([0-9]*\)$/\1/p' out)
	[ "$ns" -gt 0 ]
	[ "$ns" -lt 200000000 ]
	# (twin) one that is held is seen to be stopped
	stages "freeze $VICTIM" "{ releaser take tasks sleep=300 thaw >out & sleep 0.2; runs $VICTIM && echo ran >held; wait \$!; }"
	[ "$STATUS" = "0 0" ]
	[ ! -e held ]
}

@test "freeze: ^Z behind the stop of a pre-dump suspends freeze and no more" {
	victim anon
	mkfifo pipe
	releaser brief tasks for="$T/go" thaw <pipe >out 3>&- &
	local other=$!
	freeze "$VICTIM" >pipe 2>errors 3>&- &
	local keeper=$!
	wait_for 5 grep -q '^tasks' out
	kill -TSTP "$keeper"
	wait_for 5 eval '[[ $(state_of $keeper) = T ]]'
	runs "$VICTIM"
	sleep 1.2 # longer than the dead man's timer
	kill -CONT "$keeper"
	touch go
	wait "$keeper"
	wait "$other"
	grep -qE '^thaw [0-9]+$' out
}

@test "freeze: MAPS is what /proc/PID/maps says" {
	victim anon threads=3 small=3000
	stand_still "$VICTIM"
	freeze "$VICTIM" | tee stream | releaser brief tasks thaw >out
	framedump <stream | sed -n 's/^MAPS 0 text="\(.*\)"$/\1/p' | tr -d '\n' | sed 's/\\012/\n/g; s/\\042/"/g' >maps
	[ "$(wc -l <maps)" -gt 3000 ]
	diff "/proc/$VICTIM/maps" maps
}

@test "freeze: a second lease is refused" {
	victim anon
	stages "freeze $VICTIM" "tee >(sleep 0.1; releaser take >second)" "releaser take tasks sleep=500 thaw >out"
	[ "$STATUS" = "0 0 0" ]
	grep -qx 'take yes' out
	wait_for 5 grep -qx 'take no' second
}

@test "freeze: a lease that closes without a thaw lets the target run at once, 3" {
	victim anon
	keeper_does take tasks close sleep=50
	[ "$STATUS" = "3 0" ]
	grep -q 'went away before it released' errors
	runs "$VICTIM"
}

@test "freeze: bytes that are no packet end the lease, and the target runs" {
	victim anon
	keeper_does take tasks garbage sleep=50 thaw
	[ "$STATUS" = "3 0" ]
	grep -qv '^thaw [0-9]' out
	runs "$VICTIM"
}

@test "freeze: --max-stop bounds a pre-dump" {
	victim anon
	OPTIONS='--max-stop 100ms' keeper_does take tasks sleep=400 thaw
	[ "$STATUS" = "1 0" ]
	grep -q 'stopped for 100 ms (--max-stop)' errors
	grep -q '^thaw Connection' out
	runs "$VICTIM"
}

@test "freeze: --stall ends a consistent copy without beats, and beats keep it" {
	victim anon
	OPTIONS='--consistent --stall 400ms' keeper_does take tasks sleep=900 thaw
	[ "$STATUS" = "1 0" ]
	grep -q 'nothing was read for 400 ms (--stall)' errors
	OPTIONS='--consistent --stall 400ms' keeper_does take tasks beat sleep=200 beat sleep=200 beat sleep=200 status thaw
	[ "$STATUS" = "0 0" ]
	grep -qx 'status stopped' out
	runs "$VICTIM"
}

@test "freeze: refuses what is no target, each in one line with its code" {
	local zombie
	stages 'freeze 999999' 'cat >/dev/null'
	[ "$STATUS" = "1 0" ]
	grep -q 'pid 999999: no such process' errors
	stages 'freeze 2' 'cat >/dev/null'
	[ "$STATUS" = "100 0" ]
	grep -q 'a kernel thread' errors
	for bad in '' 0 -1 12x 99999999999 '--wait 1' "--wait soon 1" '--nonsense 1'; do
		stages "freeze $bad" 'cat >/dev/null'
		[ "${STATUS% *}" = 100 ] || [ "$bad" = '--wait 1' ]
		[ "$(wc -l <errors)" -le 1 ]
	done
	python3 -c 'import os, time
if os.fork() == 0: os._exit(0)
open("parent", "w").write(str(os.getpid()))
time.sleep(30)' 3>&- &
	VICTIMS+=($!)
	wait_for 5 test -s parent
	sleep 0.1 # a file of /proc has no size
	zombie=$(tr -d ' ' <"/proc/$!/task/$!/children")
	wait_for 5 grep -q '^State:	Z' "/proc/$zombie/status"
	VICTIM=$zombie keeper_does take tasks
	[ "${STATUS% *}" = 1 ]
	grep -q "pid $zombie: a zombie" errors
}

@test "freeze: refuses its ancestors: the shell, and tmux above it" {
	bash -c 'freeze $$ 2>errors | cat >/dev/null; echo ${PIPESTATUS[0]} >code'
	[ "$(cat code)" = 100 ]
	grep -q 'this pipeline runs under it' errors
	tmux -L "pp$$" -f /dev/null new-session -d "cd $T; PATH=$PATH"'; freeze $(cat /proc/$PPID/task/$PPID/stat | cut -d" " -f1) 2>errors | cat >/dev/null; echo ${PIPESTATUS[0]} ${pipestatus[1]} $PPID >code.new; mv code.new code2' 3>&-
	wait_for 10 test -s code2
	grep -q 'this pipeline runs under it' errors
	tmux -L "pp$$" kill-server 2>/dev/null || :
}

@test "freeze: a target under a debugger is refused, naming it" {
	victim anon
	strace -qq -o /dev/null -p "$VICTIM" 3>&- &
	local tracer=$!
	wait_for 5 grep -q "^TracerPid:	$tracer\$" "/proc/$VICTIM/status"
	keeper_does take tasks thaw
	kill "$tracer"
	[ "${STATUS% *}" = 111 ]
	grep -q "already traced by strace (pid $tracer)" errors
}

@test "freeze: a stopped target (SIGSTOP) stays stopped afterwards, and can go on" {
	victim anon spin
	kill -STOP "$VICTIM"
	wait_for 5 grep -q '^State:	T' "/proc/$VICTIM/status"
	keeper_does take tasks status thaw
	[ "$STATUS" = "0 0" ]
	[ "$(state_of "$VICTIM")" = T ]
	kill -CONT "$VICTIM"
	[[ "$(tell c)" = ok* ]]
}

@test "freeze: a SIGCONT during the stop is not lost, and not early" {
	victim anon spin
	stand_still "$VICTIM"
	stages "freeze $VICTIM" "{ releaser take tasks sleep=300 thaw >out & sleep 0.15; kill -CONT $VICTIM; sleep 0.05; grep ^State: /proc/$VICTIM/status >early; wait \$!; }"
	[ "$STATUS" = "0 0" ]
	grep -q 't (tracing stop)' early
	wait_for 2 eval '[[ "$(state_of "$VICTIM")" != *[tT]* ]]'
	[[ "$(tell c)" = ok* ]]
}

@test "freeze: a SIGSTOP during the stop is neither lost nor early" {
	victim anon spin
	stages "freeze $VICTIM" "{ releaser take tasks sleep=300 thaw >out & sleep 0.15; kill -STOP $VICTIM; wait \$!; }"
	[ "$STATUS" = "0 0" ]
	wait_for 5 eval '[ "$(state_of "$VICTIM")" = T ]'
	kill -CONT "$VICTIM"
	[[ "$(tell c)" = ok* ]]
}

# busy_copy OPTION...: a consistent copy of four threads that count in their
# own memory, and then the target stands still.
busy_copy() {
	rm -rf image
	stages "freeze --consistent $* $VICTIM" vmalist memread 'imgwrite image'
	[ "$STATUS" = '0 0 0 0' ]
	kill -STOP "$VICTIM"
	wait_for 5 stands_still "$VICTIM"
}

@test "freeze: --leave-stopped, and not one instruction after the copy is executed" {
	local i
	victim anon spin=4 children=2
	for i in {1..20}; do
		busy_copy --leave-stopped
		for pid in "$VICTIM" $(pgrep -P "$VICTIM"); do
			stands_still "$pid"
			imgcmp "$pid" image
		done
		kill -CONT "$VICTIM" $(pgrep -P "$VICTIM")
		runs "$VICTIM"
	done
	[[ "$(tell c)" = ok* ]]
	# (twin) without it, a SIGSTOP right afterwards comes too late
	busy_copy
	not imgcmp "$VICTIM" image
}

@test "freeze: --leave-stopped leaves nothing stopped when there is no release" {
	victim anon spin
	OPTIONS='--consistent --leave-stopped' keeper_does take tasks
	[ "$STATUS" = '3 0' ]
	runs "$VICTIM"
	OPTIONS='--consistent --leave-stopped --max-stop 200ms' keeper_does take tasks sleep=600
	[[ $STATUS == 1* ]]
	runs "$VICTIM"
	stages "freeze --leave-stopped $VICTIM" cat
	[[ $STATUS == 100* ]]
	[ "$(wc -l <errors)" = 1 ]
	runs "$VICTIM"
	# (twin) with a release it is stopped
	OPTIONS='--consistent --leave-stopped' keeper_does take tasks thaw
	[ "$STATUS" = '0 0' ]
	wait_for 5 stands_still "$VICTIM"
}

@test "freeze: nothing moves in a stopped target that makes threads, forks, execs" {
	local mode before after
	for mode in threads forks tree exec; do
		churn "$mode" "$T/count" 3>&- &
		VICTIM=$!
		VICTIMS+=("$VICTIM")
		wait_for 5 eval '[ "$(counter count)" -gt 1000 ]'
		for _ in 1 2 3; do
			freeze "$VICTIM" 2>>errors | {
				rm -f counted out
				releaser take tasks for=counted status thaw >out &
				wait_for 5 grep -q tasks out
				counter count >before
				sleep 0.04
				counter count >after
				touch counted
				wait $!
			}
			grep -qx 'status stopped' out
			before=$(cat before) after=$(cat after)
			[ "$before" = "$after" ] || { echo "$mode: $before, then $after"; false; }
		done
		before=$(counter count)
		wait_for 5 eval '[ "$(counter count)" -gt '"$before"' ]'
		kill -KILL "$VICTIM"
		rm count
	done
}

@test "freeze: waits out a vfork child by trying again with more patience" {
	churn vfork=100 "$T/count" 3>&- &
	VICTIM=$!
	VICTIMS+=("$VICTIM")
	sleep 0.05
	OPTIONS='--one' keeper_does take tasks status thaw
	[ "$STATUS" = "0 0" ]
	grep -qx 'status stopped' out
	runs "$VICTIM"
}

@test "freeze: a vfork child that is stopped too does not keep its parent from stopping" {
	churn vfork=5 "$T/count" 3>&- &
	VICTIM=$!
	VICTIMS+=("$VICTIM")
	sleep 0.05
	for _ in 1 2 3 4 5; do
		OPTIONS='--timeout 2s' keeper_does take tasks status thaw
		[ "$STATUS" = "0 0" ]
		grep -qx 'status stopped' out
		runs "$VICTIM"
	done
	# (twin) it goes on afterwards, so it was not the end of the child that helped
	before=$(counter count)
	wait_for 5 eval '[ "$(counter count)" -gt '"$before"' ]'
}

@test "freeze: --timeout bounds the attempts; nothing stays stopped" {
	churn vfork=3000 "$T/count" 3>&- &
	VICTIM=$!
	VICTIMS+=("$VICTIM")
	sleep 0.1
	OPTIONS='--one --timeout 200ms' keeper_does take tasks
	[ "${STATUS% *}" = 1 ]
	grep -q 'not all threads could be stopped within 200 ms' errors
	[[ "$(state_of "$VICTIM")" != *t* ]]
}

@test "freeze: a process whose leader has exited is stopped and copied" {
	victim anon=1M leaderexit spin
	wait_for 5 grep -q '^State:	Z' "/proc/$VICTIM/status"
	kill -STOP "$VICTIM"
	stages "freeze --consistent $VICTIM" vmalist memread "imgwrite copy"
	[ "$STATUS" = "0 0 0 0" ]
	imgcmp "$VICTIM" copy
	kill -CONT "$VICTIM"
	[[ "$(tell c)" = ok* ]]
}

@test "freeze: children belong to the target, --one leaves them out" {
	victim anon children=5
	keeper_does take tasks thaw
	grep -qx 'tasks 6' out
	OPTIONS=--one keeper_does take tasks thaw
	grep -qx 'tasks 1' out
}

@test "freeze: a signal that ends it lets the target run first" {
	local name
	victim anon spin
	for name in INT TERM HUP QUIT TSTP TTIN TTOU; do
		releaser_ready=$T/ready.$name
		mkfifo "pipe.$name"
		releaser take tasks sleep=300 <"pipe.$name" >"$releaser_ready" 3>&- &
		# a shell's background jobs ignore SIGINT and SIGQUIT, and so would we
		env --default-signal freeze "$VICTIM" 2>"errors.$name" >"pipe.$name" 3>&- &
		local keeper=$!
		wait_for 5 grep -q '^tasks' "$releaser_ready"
		[[ "$(state_of "$VICTIM")" = *t* ]]
		kill -"$name" "$keeper"
		wait_for 1 runs "$VICTIM"
		local code=0
		wait "$keeper" || code=$?
		case $name in
		TSTP | TTIN | TTOU) [ "$code" = 1 ] ;;
		*) [ "$code" = $((128 + $(kill -l "$name"))) ] ;;
		esac
	done
	[[ "$(tell c)" = ok* ]]
}

@test "freeze: a keeper that is stopped or killed does not keep the target" {
	local name
	victim anon spin
	for name in STOP KILL; do
		mkfifo "pipe.$name"
		releaser take tasks sleep=1500 <"pipe.$name" >"out.$name" 3>&- &
		freeze "$VICTIM" 2>/dev/null >"pipe.$name" 3>&- &
		local keeper=$!
		wait_for 5 grep -q '^tasks' "out.$name"
		kill -"$name" "$keeper"
		wait_for 2 runs "$VICTIM"
		wait "$keeper" || :
	done
	[[ "$(tell c)" = ok* ]]
}

@test "freeze: Ctrl-C and Ctrl-Z in a terminal leave the target running" {
	local key
	victim anon=64M spin
	for key in '\003' '\032'; do
		# a consistent copy that cannot end by itself: its reader is asleep
			{ sleep 0.7; printf "$key"; sleep 0.5; printf '\003'; sleep 0.2; } | timeout 10 script -qec \
			"bash -ic 'freeze --consistent $VICTIM | vmalist | memread | (sleep 3; cat >/dev/null)'" /dev/null >terminal 2>&1 &
		local script=$!
		wait_for 5 eval '[[ "$(state_of "$VICTIM")" = *t* ]]'
		wait_for 3 runs "$VICTIM"
		wait "$script" || :
	done
	[[ "$(tell c)" = ok* ]]
}

@test "thaw: refused in a consistent copy, and a second one too; nothing stays stopped" {
	victim anon
	stages "freeze --consistent $VICTIM" vmalist thaw memread "imgwrite copy"
	[ "$STATUS" = "3 3 100 2 2" ]
	grep -q 'leave thaw out' errors
	stages "freeze $VICTIM" vmalist thaw thaw memread "imgwrite copy"
	[[ "$STATUS" = *100* ]]
	[ ! -e copy ]
	runs "$VICTIM"
}

@test "thaw, vmalist, memread, imgwrite: a wrong order is said in one line" {
	victim anon
	stages "freeze $VICTIM" thaw "cat >/dev/null"
	[ "$STATUS" = "3 100 0" ]
	grep -q 'no vmalist to the left of thaw' errors
	stages "freeze $VICTIM" memread "cat >/dev/null"
	[ "$STATUS" = "3 100 0" ]
	grep -q 'no vmalist to the left of memread' errors
	stages "freeze $VICTIM" vmalist thaw "imgwrite copy"
	[ "${STATUS##* }" = 100 ]
	grep -q 'memread belongs' errors
	stages "freeze $VICTIM" vmalist thaw vmalist "cat >/dev/null"
	[[ "$STATUS" = *"100 0" ]]
	stages "freeze $VICTIM" vmalist memread memread "cat >/dev/null"
	[[ "$STATUS" = *"100 0" ]]
	[ ! -e copy ]
	runs "$VICTIM"
}

@test "freeze: nothing binary goes to a terminal" {
	victim anon
	timeout 10 script -qec "freeze $VICTIM" /dev/null >terminal </dev/null || :
	grep -q 'a page stream is not for a terminal' terminal
	timeout 10 script -qec "vmalist" /dev/null >terminal </dev/null || :
	grep -q 'a page stream is not' terminal
}

@test "freeze: a tree of shells that fork and exec is copied consistently, each time" {
	bash -c 'while :; do (sleep 0.002); /bin/true | /bin/cat; done' 3>&- &
	VICTIM=$!
	VICTIMS+=("$VICTIM")
	for _ in {1..25}; do
		stages "freeze --consistent $VICTIM" vmalist memread "imgwrite --force copy"
		[ "$STATUS" = "0 0 0 0" ] || { echo "$STATUS"; cat errors; false; }
	done
}
