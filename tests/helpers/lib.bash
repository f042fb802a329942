# shellcheck shell=bash
# What the .bats files share.  Each loads it, and calls lib_setup in setup().
#
#   $T              the test's own directory (on a tmpfs where there is one)
#   $BIN, $O/tests  where the tools and the tests' programs are
#   victim KIND...  starts a victim; $VICTIM is its pid, tell TEXT its commands
#   stages CMD...   runs a pipeline; $STATUS has the exit code of every stage

lib_setup() {
	ROOT=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
	: "${BIN:=$ROOT/bin}" "${O:=$ROOT/build}"
	PATH=$BIN:$O/tests:$ROOT/tests/helpers:$PATH
	export PATH BIN O LC_ALL=C
	local base=$BATS_TEST_TMPDIR
	[ ! -w /dev/shm ] || base=/dev/shm
	T=$(mktemp -d "$base/pagepipe-test.XXXXXX")
	VICTIM=
	VICTIMS=()
	cd "$T" || return 1
}

# Ends what the test began, its victims and others; by pid, and nothing else.
lib_teardown() {
	local pid
	for pid in "${VICTIMS[@]}"; do
		kill -CONT "$pid" 2>/dev/null || :
		kill -KILL "$pid" 2>/dev/null || :
	done
	# by pid: a bare wait would wait for the timer of bats itself
	[ ${#VICTIMS[@]} = 0 ] || wait "${VICTIMS[@]}" 2>/dev/null || :
	cd / || return 1
	rm -rf "$T"
}

# Starts a victim and waits until it is ready.  Its lines are in $T/said.
victim() {
	local number=${#VICTIMS[@]}
	local fifo=$T/orders.$number
	SAID=$T/said.$number
	mkfifo "$fifo"
	: >"$SAID"
	victim_command "$@" <"$fifo" >"$SAID" 2>"$T/victim.$number.errors" 3>&- &
	VICTIM=$!
	VICTIMS+=("$VICTIM")
	exec {ORDERS}>"$fifo"
	wait_for "${VICTIM_WAIT:-10}" grep -q '^ready ' "$SAID"
}

# To be replaced where the victim is to be started in another way.
victim_command() { exec "$O/tests/victim" "$@"; }

# tell COMMAND: gives the victim a command, prints its answer.
tell() {
	local before
	before=$(wc -l <"$SAID")
	echo "$1" >&"$ORDERS"
	wait_for 20 eval '[ "$(wc -l <"$SAID")" -gt '"$before"' ]'
	sed -n "$((before + 1)),\$p" "$SAID"
}

# range KIND: where the victim's mapping of that kind is: START END, in hex.
range() { sed -n "s/^$1 \([0-9a-fx]*\) \([0-9a-fx]*\)\$/\1 \2/p" "$SAID" | head -n 1; }

# wait_for SECONDS COMMAND...: until the command is true.
wait_for() {
	local until=$((SECONDS + $1 + 1))
	shift
	until "$@" 2>/dev/null; do
		[ $SECONDS -lt $until ] || { echo "waited in vain for: $*" >&2; return 1; }
		sleep 0.01
	done
}

# stages CMD [CMD...]: runs them as a pipeline, each a piece of shell.
# $STATUS: their exit codes; $T/errors: what they said on stderr.  Never fails.
stages() {
	local line='' command
	for command; do
		line+="${line:+ | }{ $command; } 2>>errors"
	done
	: >errors
	echo timeout >status
	timeout -k 1 "${STAGES_TIMEOUT:-30}" \
		bash -c "$line"'; echo "${PIPESTATUS[*]}" >status' || :
	STATUS=$(cat status)
}

# not COMMAND...: fails where the command does not.  (bats does not mind a
# plain `! COMMAND` unless it is a test's last one.)
not() { ! "$@"; }

# unchecked WHY: for what cannot hold of tools that are slow and large by what looks
# after them, a sanitizer or valgrind.
unchecked() { [ -z "${CHECKED:-}" ] || skip "not in a checked build: $1"; }

# limited KIB COMMAND...: it has no more memory; in a checked build, whose shadow
# is larger than any limit, only the rest of the test counts.
limited() { ([ -n "${CHECKED:-}" ] || ulimit -v "$1" && shift && "$@"); }

# state_of PID: the letters of all its threads' states, without repeats.
state_of() { sed 's/.*) \(.\).*/\1/' "/proc/$1"/task/*/stat 2>/dev/null | sort -u | tr -d '\n'; }

# runs PID: no thread of it is stopped or traced.
runs() { [ -e "/proc/$1/stat" ] && [[ $(state_of "$1") != *[tT]* ]] && grep -q '^TracerPid:	0$' "/proc/$1/status"; }

# stand_still PID: stops it, and waits until all its threads have obeyed.
stand_still() {
	kill -STOP "$1"
	wait_for 10 stands_still "$1"
}

# By status, whose lines no name breaks.
stands_still() { ! grep -h '^State:' "/proc/$1"/task/*/status | grep -qv 'T (stopped)$'; }

# change_is_found PID DIR N: imgcmp's twin: it finds one byte that is changed
# in the middle of DIR/pages-N.img, which is PID's.
change_is_found() {
	local file=$2/pages-$3.img at byte
	at=$(($(stat -c %s "$file") / 2))
	byte=$(od -An -tu1 -j "$at" -N 1 "$file")
	printf "\\x$(printf %x $((byte ^ 1)))" |
		dd of="$file" bs=1 seek="$at" conv=notrunc status=none
	[[ $(imgcmp "$1" "$2") == *' 1 wrong, 0 missing, the first at 0x'* ]]
}
