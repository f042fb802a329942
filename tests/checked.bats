#!/usr/bin/env bats
# Checked builds: SANITIZE=1, SANITIZE=thread, VALGRIND=1.  What they are there
# for must turn a run red, or their silence means nothing.

load helpers/lib
export BATS_TEST_TIMEOUT=300

setup() { lib_setup; }
teardown() { lib_teardown; }

# What the kind of build that this is has to report.
to_be_found() {
	case ${CHECKED:-} in
	1) echo overflow leak undefined ;;
	thread) echo race ;;
	valgrind) echo overflow leak descriptor ;;
	esac
}

# planted FAULT: the exit code of a run whose test has that; what it says, in
# `said`.  A run within a run has been seen to hang, once, before any test began.
planted() {
	local code=124
	printf '%s\n' "@test 'planted' { faulty $1 || :; }" >planted.bats
	for _ in 1 2 3; do
		code=0
		timeout -k 1 40 env -i PATH="$BIN:$O/tests:/usr/sbin:/usr/bin:/sbin:/bin" BIN="$BIN" O="$O" \
			SANITIZE="${SANITIZE:-}" VALGRIND="${VALGRIND:-}" \
			"$ROOT/tests/run" -t "$T/planted" >said 2>&1 3>&- || code=$?
		[ "$code" = 124 ] || break
	done
	return "$code"
}

@test "checked: (twin) what is planted is reported, though its test sees nothing, and in other builds not" {
	local fault code
	for fault in overflow leak undefined race descriptor; do
		code=0
		planted "$fault" || code=$?
		cat said
		grep -qx 'ok 1 planted' said
		if [[ " $(to_be_found) " == *" $fault "* ]]; then
			[ "$code" = 1 ]
			grep -qx '1 passed, 1 failed, 0 skipped' said
			grep -q '^a report that no test may leave' said
		else
			[ "$code" = 0 ]
			grep -qx '1 passed, 0 failed, 0 skipped' said
		fi
	done
}

# unhardened FILE: which protections a program lacks, a line each.
unhardened() {
	readelf -hW "$1" | grep -q 'Type: *DYN' || echo 'PIE'
	readelf -lW "$1" | grep -q 'GNU_RELRO' || echo 'RELRO'
	readelf -dW "$1" | grep -q NOW || echo 'BIND_NOW'
	! readelf -lW "$1" | grep 'GNU_STACK' | grep -q 'RWE' || echo 'a stack that is not executable'
	readelf -sW "$1" | grep -q '__stack_chk_fail' || echo 'a stack protector'
	readelf -sW "$1" | grep -qE '__(v?snprintf|memcpy|read|readlink|poll|memset)_chk' || echo 'FORTIFY_SOURCE'
	# by the code, since Debian's own crt1.o has no note of it
	objdump -d --disassemble=main "$1" | grep -qE 'endbr64|bti|paciasp' || echo 'control-flow protection'
}

@test "each tool: is hardened as dpkg-buildflags would have it" {
	unchecked 'sanitizers have flags of their own'
	local tool
	for tool in "$BIN"/*; do
		[ -z "$(unhardened "$tool")" ] || { echo "$tool is without: $(unhardened "$tool")"; false; }
	done
}

@test "each tool: (twin) a program that is built without is found to lack all of it" {
	cat >open.c <<-END
		#include <stdio.h>
		int main(int argc, char **argv)
		{
			char text[64];

			return snprintf(text, sizeof(text), "%d %s", argc, argv[0]) + text[argc];
		}
	END
	gcc -O2 -no-pie -fno-stack-protector -fcf-protection=none -U_FORTIFY_SOURCE \
		-Wl,-z,norelro,-z,lazy,-z,execstack -o open open.c
	unhardened ./open >lacks
	cat lacks
	[ "$(wc -l <lacks)" = 7 ]
}

@test "make: HARDEN names what readelf cannot see" {
	make -s -C "$ROOT" SANITIZE= --eval 'print-harden: ; @echo $(HARDEN)' print-harden >flags
	grep -qw -- -fstack-clash-protection flags
	grep -qw -- -D_FORTIFY_SOURCE=3 flags
}
