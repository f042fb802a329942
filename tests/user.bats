#!/usr/bin/env bats
# An ordinary user on his own processes, without any capability; and targets
# that root finds in other namespaces.

load helpers/lib

setup() {
	lib_setup
	[ "$(id -u)" = 0 ] || skip "needs root"
	chmod 755 "$T"
	mkdir -m 777 "$T/own"
	cd "$T/own" || return 1
	ROOTLIKE=
}
teardown() { lib_teardown; }

UNPRIVILEGED=(setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all --inh-caps=-all --no-new-privs)

# as_user COMMAND...: with no capability at all.
as_user() { "${UNPRIVILEGED[@]}" "$@"; }

victim_command() { exec ${ROOTLIKE:+env} "${WRAP[@]}" "$O/tests/victim" "$@"; }

user_stages() {
	local command line=''
	for command; do
		line+="${line:+ | }{ $command; } 2>>errors"
	done
	rm -f errors status
	timeout -k 1 30 "${UNPRIVILEGED[@]}" bash -c "$line"'; echo "${PIPESTATUS[*]}" >status' || :
	STATUS=$(cat status)
}

@test "an ordinary user: his own process, pre-dump and consistent, copied right" {
	WRAP=("${UNPRIVILEGED[@]}")
	victim anon=2M none wonly filepriv stacks=3 zeros zeropage spin
	grep -q '^CapEff:	0000000000000000$' "/proc/$VICTIM/status"
	user_stages "freeze -v $VICTIM" "vmalist -v" thaw memread "imgwrite running"
	[ "$STATUS" = "0 0 0 0 0" ]
	user_stages "freeze $VICTIM" "vmalist --scan=pagemap" memread "imgwrite paged"
	[ "$STATUS" = "0 0 0 0" ]
	as_user kill -STOP "$VICTIM"
	user_stages "freeze --consistent $VICTIM" vmalist memread "imgwrite still"
	[ "$STATUS" = "0 0 0 0" ]
	imgcmp "$VICTIM" still
	as_user kill -CONT "$VICTIM"
	[[ "$(tell c)" = ok* ]]
}

@test "an ordinary user: another's process is refused, with a hint" {
	WRAP=()
	victim anon
	user_stages "freeze $VICTIM" vmalist memread "imgwrite copy"
	[ "$STATUS" = "111 2 2 2" ]
	grep -q 'not allowed to trace it: run as its owner or as root' errors
	[ "$(grep -c ^freeze errors)" = 1 ]
	runs "$VICTIM"
}

@test "an ordinary user: a setuid child is left out of a pre-dump, and refuses a consistent copy" {
	WRAP=("${UNPRIVILEGED[@]:0:4}") # a child can be another user's
	cp "$(command -v sleep)" ../setuid-sleep
	chown 65533 ../setuid-sleep
	chmod 4755 ../setuid-sleep
	mount | grep -q ' /dev/shm .*nosuid' && mount -o remount,suid /dev/shm 2>/dev/null || :
	"${WRAP[@]}" bash -c '../setuid-sleep 60 & wait' 3>&- &
	VICTIM=$!
	VICTIMS+=("$VICTIM")
	wait_for 5 eval '[ -n "$(tr -d " " </proc/$VICTIM/task/$VICTIM/children)" ]'
	child=$(tr -d ' ' <"/proc/$VICTIM/task/$VICTIM/children")
	VICTIMS+=("$child")
	wait_for 5 grep -q '^Uid:	65534	65533' "/proc/$child/status"
	user_stages "freeze $VICTIM" vmalist memread "imgwrite copy"
	[ "$STATUS" = "0 0 0 0" ]
	grep -q "pid $child: left out: not allowed" errors
	[ "$(find copy -name 'pagemap-*' | wc -l)" = 1 ]
	user_stages "freeze --consistent $VICTIM" vmalist memread "imgwrite copy2"
	[ "${STATUS%% *}" = 111 ]
	grep -q "pid $child: not allowed to trace it, so the tree cannot be copied consistently" errors
	user_stages "freeze --consistent --one $VICTIM" vmalist memread "imgwrite copy2"
	[ "$STATUS" = "0 0 0 0" ]
	# root takes them all
	stages "freeze --consistent $VICTIM" vmalist memread "imgwrite all"
	[ "$(find all -name 'pagemap-*' | wc -l)" = 2 ]
}

@test "an ordinary user: the stages after freeze run as another user are refused, named" {
	WRAP=()
	victim anon
	stages "freeze --wait 500ms $VICTIM" "${UNPRIVILEGED[*]} vmalist" "${UNPRIVILEGED[*]} thaw" "cat >/dev/null"
	[ "$(cut -d' ' -f3 status)" = 111 ]
	grep -q 'the keeper does not serve this user' errors
	runs "$VICTIM"
}

# knocks USER keeper|tracker NAME: as that one, with no capability.
knocks() { setpriv --reuid="$1" --regid="$1" --clear-groups --inh-caps=-all "$O/tests/knock" "${@:2}"; }

@test "another user: the keeper's socket hangs up on him, the owner and root are answered" {
	local name
	WRAP=("${UNPRIVILEGED[@]}")
	victim anon
	mkfifo listing
	as_user freeze --wait 20s "$VICTIM" >listing 2>errors 3>&- &
	VICTIMS+=("$!")
	exec {LISTING}<listing
	# HELLO comes before anything is stopped
	timeout 5 dd bs=4096 count=1 status=none <&$LISTING | grep -aoE 'pagepipe-keeper-[0-9]+-[0-9a-f]{16}' >name
	name=$(cat name)
	[ -n "$name" ]
	[ "$(knocks 65533 keeper "$name")" = 'hung up' ]
	[ "$(knocks 65534 keeper "$name")" = answered ]
	[ "$("$O/tests/knock" keeper "$name")" = answered ]
	[ "$(knocks 65533 keeper "$name")" = 'hung up' ]
	runs "$VICTIM"
	exec {LISTING}<&-
}

@test "another user: memtrack's socket hangs up on him, and its tools say who may" {
	local name
	WRAP=("${UNPRIVILEGED[@]}")
	victim anon
	as_user memtrack --daemon "$VICTIM" >said 2>errors || skip "an ordinary user cannot track here: $(cat errors)"
	name=pagepipe-tracker-$VICTIM-$(sed 's/.*) //' "/proc/$VICTIM/stat" | cut -d' ' -f20)
	[ "$(knocks 65533 tracker "$name")" = 'hung up' ]
	[ "$(knocks 65534 tracker "$name")" = answered ]
	[ "$("$O/tests/knock" tracker "$name")" = answered ]
	for option in --status --stop; do
		code=0
		setpriv --reuid=65533 --regid=65533 --clear-groups memtrack $option "$VICTIM" 2>said || code=$?
		[ "$code" = 111 ]
		grep -q 'another user tracks it' said
	done
	as_user memtrack --status "$VICTIM" | grep -q tracked
	as_user memtrack --stop "$VICTIM"
}

@test "another user: root's stages take no keeper, and no tracker, of his" {
	WRAP=("${UNPRIVILEGED[@]}")
	victim anon
	# whoever writes the stream could have root read any process
	for releaser in thaw memread; do
		stages "${UNPRIVILEGED[*]} freeze --wait 500ms $VICTIM" vmalist "$releaser" "cat >/dev/null"
		[ "$(cut -d' ' -f3 status)" = 111 ]
		grep -q 'the keeper does not serve this user: run the stages .* as the same user as freeze' errors
		runs "$VICTIM"
	done
	as_user memtrack --daemon "$VICTIM" >said 2>errors || skip "an ordinary user cannot track here: $(cat errors)"
	stages "freeze $VICTIM" vmalist "memread >/dev/null"
	[ "$(cut -d' ' -f2 status)" = 111 ]
	grep -q 'another user tracks it; --track=none copies it whole' errors
	as_user memtrack --stop "$VICTIM"
}

@test "an ordinary user: what he lacks is named" {
	local code
	WRAP=()
	victim anon
	freeze "$VICTIM" | vmalist | thaw >listing
	chmod 666 listing
	code=0
	as_user memread <listing >out 2>errors || code=$?
	[ "$code" = 111 ]
	grep -q 'not allowed to read its memory: .*CAP_SYS_PTRACE' errors
	code=0
	as_user memtrack "$VICTIM" </dev/null >out 2>errors || code=$?
	[ "$code" = 111 ]
	grep -q 'not allowed to trace it: .*CAP_SYS_PTRACE' errors
	user_stages "freeze $VICTIM" vmalist thaw cat
	[ "${STATUS%% *}" = 111 ]
	grep -q 'not allowed to trace it: .*CAP_SYS_PTRACE' errors
	mkdir -m 755 images
	code=0
	as_user pageserve --port 1 images >out 2>errors || code=$?
	[ "$code" = 111 ]
	grep -q CAP_NET_BIND_SERVICE errors
}

@test "root: a process of another user" {
	WRAP=("${UNPRIVILEGED[@]}")
	victim anon=1M
	kill -STOP "$VICTIM"
	stages "freeze --consistent $VICTIM" vmalist memread "imgwrite copy"
	[ "$STATUS" = "0 0 0 0" ]
	imgcmp "$VICTIM" copy
}

@test "root: a process in its own pid, mount and user namespace, under the pid it knows" {
	WRAP=(unshare -p -f -m -U -r --kill-child)
	unshare -p -f -m -U -r --kill-child true 2>/dev/null || skip "needs root"
	victim anon=1M blocked=2
	local inner
	inner=$(tr -d ' ' <"/proc/$VICTIM/task/$VICTIM/children")
	VICTIMS+=("$inner")
	kill -STOP "$inner"
	stages "freeze --consistent $inner" vmalist "tee listing" memread "imgwrite copy"
	[ "$STATUS" = "0 0 0 0 0" ]
	framedump <listing | grep -q "^TASK 0 pid=$inner ns_pid=1 "
	framedump <listing | grep -qE "^  thread tid=$((inner + 1)) ns_tid=2 " || framedump <listing | grep -qE '^  thread tid=[0-9]+ ns_tid=2 '
	imgcmp "$inner" copy 1
	kill -CONT "$inner"
}

@test "root: a zombie child does not matter" {
	python3 -c 'import os, time
if os.fork() == 0: os._exit(0)
open("ready", "w").close()
time.sleep(60)' 3>&- &
	VICTIM=$!
	VICTIMS+=("$VICTIM")
	wait_for 5 test -e ready
	stages "freeze $VICTIM" vmalist memread "imgwrite copy"
	[ "$STATUS" = "0 0 0 0" ]
	[ "$(find copy -name 'pagemap-*' | wc -l)" = 1 ]
}

@test "root: a target larger than free memory: nothing of ours grows with it" {
	unchecked 'a bound on memory'
	victim anon=1536M
	stages "freeze $VICTIM" "vmalist" "/usr/bin/env python3 $ROOT/tests/helpers/peak.py memread" "cat >/dev/null"
	[ "$STATUS" = "0 0 0 0" ]
	[ "$(sed -n 's/^peak \([0-9]*\) KiB$/\1/p' errors)" -lt 16384 ]
}
