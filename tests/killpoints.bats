#!/usr/bin/env bats
# A fixed sample of what tests/torture does: every stage of every pipeline, the
# driver, memtrack and lazyserve are killed, stopped and told lies by the kernel
# at some of their system calls, run out of memory, disk and descriptors, lose
# their neighbours, and are killed at random moments.  Each case asks whether
# the target runs on as it was and nothing is left.
# All of it: make torture; 10,000 cases: make torture CASES=10000.

load helpers/lib
export BATS_TEST_TIMEOUT=180

setup() { unchecked 'milliseconds, at thousands of points' && lib_setup; }
teardown() { lib_teardown; }

# torture ARGUMENT...: $status and $output.
torture() { run "$ROOT/tests/torture" "$@" 3>&-; }

# does_wrong WHAT WORDS: when the harness itself does WHAT, it must find that.
does_wrong() {
	torture --short --mode predump --stage imgwrite --fault pieces --cases 1 --plant "$1"
	[ "$status" = 1 ]
	grep -q "^FAILED: .*$2.*; repeat: tests/torture --mode " <<<"$output"
	[[ ${lines[-1]} == 'torture: 1 cases, 1 failed, '* ]]
}

# nothing_wrong ARGUMENT...: more than one case, and all good.
nothing_wrong() {
	torture --patient --random 0 --seed 1 "$@"
	echo "$output"
	[ "$status" = 0 ]
	[[ ${lines[-1]} == 'torture: '[1-9]*' cases, 0 failed, '* ]]
}

@test "torture: a target that somebody stops is found" {
	does_wrong stop 'the target does not run'
}

@test "torture: an image of a failed run is found" {
	does_wrong image 'D is not whole'
}

@test "torture: a temporary directory that is left is found" {
	does_wrong temporary 'a temporary directory was left'
}

@test "torture: a process that is left is found, also in another session" {
	does_wrong process 'a process was left: sleep'
}

@test "torture: a descriptor that is left in the target is found" {
	does_wrong descriptor 'the target is not as it was: descriptor'
}

@test "torture: a mapping of the target that is another is found" {
	does_wrong mapping 'the target is not as it was: mapping'
}

@test "torture: a byte of the target's memory that is wrong is found" {
	does_wrong memory 'the target says: error 1 first'
}

@test "torture: signals that are left blocked in the target are found" {
	does_wrong mask 'the target is not as it was: thread'
}

@test "torture: an exit code that is not documented is found" {
	does_wrong code 'imgwrite ended with 42'
}

@test "torture: what no tool of ours says is found" {
	does_wrong noise 'this was said: Aborted'
}

@test "torture: a point that is never reached is not taken for a good one" {
	torture --mode predump --stage freeze --fault KILL --at getpid:1000
	[ "$status" = 1 ]
	grep -q 'too few were hurt' <<<"$output"
}

@test "freeze: a child that no descriptor was left to look for is not left out of the copy" {
	nothing_wrong --mode predump --stage freeze --fault ENFILE
}

@test "freeze: a read of /proc that fails makes no copy smaller" {
	nothing_wrong --mode consistent --stage freeze --fault EIO --cases 60
}

@test "memread: too few descriptors to look at a process do not make it gone" {
	nothing_wrong --mode predump --stage memread --fault nofile --jobs 2
}

@test "imgwrite: whatever fails, DIR is whole or not there, and nothing beside it" {
	nothing_wrong --mode predump --stage imgwrite --fault EIO
	nothing_wrong --mode predump --stage imgwrite --fault ENOMEM
}

@test "memtrack: a report that could not be sent is not taken for a whole one" {
	nothing_wrong --mode memtrack --stage memtrack --fault EAGAIN --cases 30
}

@test "memtrack: killed anywhere, a target that survives has its own signals and scheduling" {
	nothing_wrong --mode memtrack --stage memtrack --fault KILL --cases 60
}

@test "lazyserve: a descriptor that it cannot look at is open until its task is killed" {
	nothing_wrong --mode lazyserve --stage lazyserve --fault ENOMEM --cases 30
}

@test "lazyserve: killed before it could say who was let in, and no page is wrong" {
	nothing_wrong --mode lazyserve --stage lazyserve --fault KILL --at setsockopt:2
}

@test "freeze: an answer that cannot be sent keeps nobody waiting" {
	nothing_wrong --mode consistent --stage freeze --fault EINTR --at sendto:2
}

@test "freeze to imgwrite, predump, memtrack, lazyserve: hurt anywhere, the target runs on and nothing is left" {
	torture --short
	echo "$output"
	[ "$status" = 0 ]
	[[ ${lines[-1]} == 'torture: '*' cases, 0 failed, target stopped in '*' random kills of a consistent copy, seed 1' ]]
}

@test "lazyserve: a full table of descriptors loses no userfaultfd" {
	local most
	for most in {6..24}; do
		nothing_wrong --mode lazyserve --stage lazyserve --fault nofile --at "$most"
	done
	nothing_wrong --mode lazyserve --stage lazyserve --fault EMFILE --at accept4:1
}
