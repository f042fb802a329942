#!/usr/bin/env bats
# A short form of tests/soak: programs that are never idle are copied again and
# again, and neither notice it nor keep anything of it.  Its twins: what the
# harness itself does wrong must be found.
# All of it: tests/soak, some 40 minutes.

load helpers/lib
export BATS_TEST_TIMEOUT=120 # of which a quiet machine needs ten

setup() { unchecked 'milliseconds, thousands of times' && lib_setup; }
teardown() { lib_teardown; }

# soak ARGUMENT...: $status, $output and $lines.
soak() { run timeout 100 "$ROOT/tests/soak" --seed 1 "$@" 3>&-; }

# does_wrong: "list" has lines of WHAT and PATTERN.  When the harness does each
# WHAT in the middle of four rounds, a line must begin with each PATTERN.
does_wrong() {
	local what pattern plants=()
	for what in $(cut -d ' ' -f 1 list | uniq); do
		plants+=(--plant "$what")
	done
	soak --runs 4 --patience 1 "${plants[@]}"
	echo "$output"
	[ "$status" = 1 ]
	while read -r what pattern; do
		grep -q "^$pattern" <<<"$output" || { echo "$what was not found"; return 1; }
	done <list
}

@test "soak: after 100 pre-dumps of programs that are never idle all is as before" {
	soak --runs 50
	echo "$output"
	[ "$status" = 0 ]
	[[ ${lines[-1]} == 'soak: 100 pre-dumps, 0 failed, 0 client errors, 0 leaks: '*', seed 1' ]]
}

@test "soak: what is left behind, a copy that fails and a target that stands still are found" {
	[ "$(id -u)" = 0 ] || skip 'needs root'
	cat >list <<-'END'
	descriptor leak: redis: descriptor [0-9]*: 'nothing', then 'socket:
	mapping leak: redis: mapping .*: 'nothing', then 'VmFlags:
	thread leak: redis: thread [0-9]*, Name: 'jemalloc_bg_thd', then 'nothing'
	handlers leak: redis: thread [0-9]*, SigCgt:
	nice leak: redis: thread [0-9]*, scheduling: .*, then .* nice 19,
	slack leak: forks: thread [0-9]*, timer slack: .*, then '77777
	oom leak: forks: oom_score_adj: .*, then '77
	tracer leak: threads: thread [0-9]*, TracerPid: '0', then '[1-9]
	tracer FAILED: freeze .* ended with \[111,
	stop leak: exec: thread [0-9]*, stopped: False, then True
	stop FAILED: freeze .* exec does not go on
	directory leak: directory .*/.redis.image.abcdef
	END
	does_wrong
	[[ ${lines[-1]} == 'soak: 8 pre-dumps, 2 failed, 0 client errors, '[1-9]*' leaks: '* ]]
}

@test "soak: a wrong answer, a late one and an error are found" {
	cat >list <<-'END'
	answers client error: client 0: Wrong
	silence client error: client 1: TimeoutError
	refusal client error: redis gave errors
	END
	does_wrong
	[[ ${lines[-1]} == 'soak: 4 pre-dumps, 0 failed, 3 client errors, '* ]]
}
