#!/usr/bin/env bats
# A short form of tests/oracle: chains of rounds are what the stopped process
# holds, byte for byte, whatever it does to its memory.  Its twins: two rounds
# thrown away, or one byte changed, must be found.
# All of it: `make soak`.

load helpers/lib
export BATS_TEST_TIMEOUT=120

setup() { lib_setup; }
teardown() { lib_teardown; }

# oracle ARGUMENT...: $status, $output and $lines.
oracle() {
	run timeout 110 "$ROOT/tests/oracle" "$@" 3>&-
	echo "$output"
	[[ $output != *'cannot track by userfaultfd'* ]] ||
		skip 'this kernel tracks no writes by userfaultfd'
	[ "$status" != 77 ] || skip 'no file system here reads past the cache'
}

# is_right: none of them was wrong.
is_right() {
	[ "$status" = 0 ]
	[[ ${lines[-1]} =~ ^oracle:\ [0-9]+\ rounds,\ [1-9][0-9]*\ comparisons,\ 0\ wrong, ]]
}

@test "oracle: memory of every kind, in 80 rounds" {
	oracle --rounds 80 memory sparse places
	is_right
}

@test "oracle: input that the kernel stores behind the page tables, in 80 rounds" {
	oracle --rounds 80 direct aio uring fixed refixed
	is_right
}

@test "oracle: the same in pieces of 32 MiB, in 40 rounds" {
	oracle --rounds 40 direct-large aio-large uring-large fixed-large
	is_right
}

@test "oracle: rounds that are thrown away are found, and so is a byte" {
	oracle --rounds 1 --plant claim sparse
	[ "$status" = 1 ]
	[[ $output =~ oracle:\ sparse:\ round\ [0-9]+:\ .*\ [1-9][0-9]*\ wrong ]]
	oracle --rounds 1 --plant byte direct
	[ "$status" = 1 ]
	[[ $output == *' 1 wrong, 0 missing'* ]]
}
