#!/usr/bin/env bats
# predump --spool: what is read of a stopped target waits in memory, not the
# target.

load helpers/lib
export BATS_TEST_TIMEOUT=120

setup() { lib_setup; }
teardown() { lib_teardown; }

# stopped_ms [OPTION]...: by a final copy whose reader takes 8 MB a second.
stopped_ms() {
	predump -t "$VICTIM" --final --json "$@" -o - 2>said | pv -q -L 8m >stream || return 1
	framedump -t <stream || return 1
	sed -n 's/.*"stopped_ns": *\([0-9]*\)[0-9]\{6\}[,}].*/\1/p' said | head -n 1
}

# peak PID: the most that it had in memory, in KiB.
peak() { sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$1/status"; }

@test "spool: a slow reader does not hold the target of a final copy" {
	local spooled bounded not_spooled
	victim anon=24M
	spooled=$(stopped_ms)
	# (twins) without it, and with one that holds a part
	not_spooled=$(stopped_ms --spool 0)
	bounded=$(stopped_ms --spool 8M)
	echo "$spooled ms; $bounded ms with 8 MiB; $not_spooled ms without"
	[ "$not_spooled" -gt 2000 ]
	[ "$spooled" -lt $((not_spooled / 2)) ]
	[ "$bounded" -gt "$spooled" ]
	runs "$VICTIM"
	# the same bytes
	stand_still "$VICTIM"
	stopped_ms --spool 8M
	imgwrite image <stream
	imgcmp "$VICTIM" image
	change_is_found "$VICTIM" image 1
}

@test "spool: takes no more memory than it was given, and a directory too" {
	victim anon=24M
	mkfifo slow
	predump -t "$VICTIM" --final --spool 4M -o slow --force 3>&- &
	exec 4<slow
	wait_for 10 pgrep -P $! -x predump >spool.pid
	sleep 0.5
	[ "$(peak "$(cat spool.pid)")" -gt 4096 ]
	[ -n "${CHECKED:-}" ] || [ "$(peak "$(cat spool.pid)")" -lt 16384 ]
	cat <&4 >stream
	exec 4<&-
	wait_for 10 not kill -0 $!
	framedump -t <stream
	predump -t "$VICTIM" --final --spool 1K -D other -q
	imgread other | framedump -t
}

@test "spool: whoever is killed is named, and the target runs" {
	victim anon=24M
	mkfifo slow
	predump -t "$VICTIM" --final -o slow --force 2>said 3>&- &
	exec 4<slow
	wait_for 10 pgrep -P $! -x predump >spool.pid
	kill -KILL "$(cat spool.pid)"
	cat <&4 >stream
	exec 4<&-
	wait_for 10 grep -q '^predump: slow: spool was killed by signal 9' said
	wait_for 10 runs "$VICTIM"
	# a reader that goes away
	not predump -t "$VICTIM" --final --spool 4M -o - 2>said | head -c 100000 >part
	grep -q 'ended with 3$' said
	wait_for 10 runs "$VICTIM"
}

@test "spool: 100 for one that makes no sense" {
	victim anon
	for wrong in '--final --spool' '--final --spool x' '--final --spool -1' '--final --spool 1Q' '--spool 1M'; do
		local got=0
		# shellcheck disable=SC2086 # options
		predump -t "$VICTIM" -D image $wrong 2>said || got=$?
		[ "$got" = 100 ]
		[ ! -e image ]
	done
	# where nothing is started, it is not shown
	predump -t "$VICTIM" --final --spool 1M -o - -n | cat >said
	not grep -q spool said
}
