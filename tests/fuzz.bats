#!/usr/bin/env bats
# fuzz: what `make fuzz` has found before, given to each target once more.

load helpers/lib

setup() {
	lib_setup
	FUZZ=$ROOT/tests/fuzz
	export TMPDIR=$T
	unset ASAN_OPTIONS UBSAN_OPTIONS # they are sanitized in any case
}

teardown() { lib_teardown; }

# kept TARGET: the files that it is given.
kept() { find "$FUZZ/corpus/$1" "$FUZZ/crashers/$1" -type f 2>/dev/null | sort; }

# replay TARGET[.planted]: all of them; what it says is in $T/said.
replay() {
	local files
	mapfile -t files < <(kept "${1%.planted}")
	[ ${#files[@]} -gt 0 ] || { echo "$1 has no file"; return 100; }
	timeout -k 1 50 "$ROOT/build-replay/fuzz/$1" "${files[@]}" >said 2>&1
}

targets() { basename -s .c "$FUZZ"/*.c; }

@test "fuzz: each target takes what is kept, and none is without" {
	local target
	for target in $(targets); do
		replay "$target" || { echo "$target:"; tail -n 30 said; false; }
		[ "$(tail -n 1 said)" = "$(kept "$target" | wc -l) files, no fault" ]
	done
	[ "$(targets | wc -l)" -ge 11 ]
}

@test "fuzz: (twin) each target reports a fault that was planted" {
	local target
	for target in $(targets); do
		not replay "$target.planted" || { echo "$target sees nothing"; false; }
		grep -qE 'AddressSanitizer: heap-buffer-overflow|^fuzz: this does not hold' said ||
			{ echo "$target:"; tail -n 30 said; false; }
	done
}

@test "fuzz: what is kept is small" {
	[ "$(du -s --apparent-size -B 1 "$FUZZ/corpus" | cut -f 1)" -lt 1000000 ]
}
