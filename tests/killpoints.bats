#!/usr/bin/env bats
# A fixed sample of what tests/torture does: every stage of every pipeline is
# killed at every 7th of its system calls, and a throttled copy at 10 random
# moments.  Each case asks whether the target runs on and nothing is left.
# All of it: tests/torture, some 10 minutes.

load helpers/lib
export BATS_TEST_TIMEOUT=120

setup() { unchecked 'milliseconds, at thousands of points' && lib_setup; }
teardown() { lib_teardown; }

# torture ARGUMENT...: $status and $output.
torture() { run "$ROOT/tests/torture" "$@" 3>&-; }

# does_wrong WHAT WORDS: when the harness itself does WHAT, it must find that.
does_wrong() {
	torture --short --cases 1 --random 0 --plant "$1"
	[ "$status" = 1 ]
	grep -q "^FAILED: .*$2.*; repeat: tests/torture --mode " <<<"$output"
	[[ ${lines[-1]} == 'torture: 1 cases, 1 failed, '* ]]
}

@test "torture: a target that somebody stops is found" {
	does_wrong stop 'the target does not run'
}

@test "torture: an image of a failed run is found" {
	does_wrong image 'an image was left'
}

@test "torture: a temporary directory that is left is found" {
	does_wrong temporary 'a temporary directory was left'
}

@test "torture: a process that is left is found" {
	does_wrong process 'a process was left'
}

@test "torture: a point that is never reached is not taken for a good one" {
	torture --mode predump --stage freeze --signal KILL --at getpid:1000
	[ "$status" = 1 ]
	grep -q 'too few were hurt' <<<"$output"
}

@test "freeze to imgwrite: killed anywhere, the target runs on and nothing is left" {
	torture --short
	echo "$output"
	[ "$status" = 0 ]
	[[ ${lines[-1]} == 'torture: '*' cases, 0 failed, target stopped in '*' of the 10 random kills, seed 1' ]]
}
