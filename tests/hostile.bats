#!/usr/bin/env bats
# hostile: whatever a stream or a directory claims, who reads it takes little
# memory.

export BATS_TEST_TIMEOUT=150

load helpers/lib

setup() {
	unchecked 'bounds on memory'
	lib_setup
	[ -s "$BATS_FILE_TMPDIR/honest" ] || {
		claim threads
		peak 0 framedump -t
		echo "$PEAK" >"$BATS_FILE_TMPDIR/honest"
	}
	HONEST=$(<"$BATS_FILE_TMPDIR/honest")
	MORE=20480 # KiB: what a hostile one may take more than an honest one
}

teardown() { lib_teardown; }

# claim WHAT: such a stream, in $T/stream
claim() { python3 "$ROOT/tests/helpers/hostile.py" "$1" | frames pack >stream; }

# peak CODE COMMAND...: it exits with that; PEAK is its most memory in KiB.
peak() {
	local want=$1 got=0
	shift
	timeout 50 python3 "$ROOT/tests/helpers/peak.py" "$@" <stream >out 2>errors || got=$?
	[ "$got" = "$want" ] || { echo "exit code $got: $*: $(cat errors)"; return 1; }
	PEAK=$(sed -n 's/^peak \([0-9]*\) KiB$/\1/p' errors)
}

little() { [ "$PEAK" -le $((HONEST + MORE)) ] || { echo "$PEAK KiB, honest $HONEST: $1"; return 1; }; }

@test "hostile: what is honest passes: 200,000 threads, 100,000 mappings" {
	local what
	for what in threads stackless mappings; do
		claim $what
		peak 0 framedump -t
	done
	peak 0 imgwrite images
}

@test "hostile: a frame of each kind takes little memory, and is refused" {
	local kind
	for kind in hello task maps release thawed vmas end; do
		claim $kind
		peak 2 framedump -t
		little $kind
		grep -qE 'too much memory|makes no sense' errors
	done
	claim task
	peak 2 framedump -t
	grep -q 'a message that would take too much memory' errors
}

@test "hostile: so does each tool that reads a stream" {
	local tool
	claim task
	for tool in "framedump -s" makelazy "imgwrite images"; do
		# shellcheck disable=SC2086 # words
		peak 2 $tool
		little "$tool"
	done
	[ ! -e images ]
}

@test "hostile: (twin) without the limit it takes much, and that is seen" {
	cat >limitless.c <<-'C'
		#define _GNU_SOURCE
		#include <dlfcn.h>
		#include <stddef.h>
		void *protobuf_c_message_unpack(const void *type, void *limit, size_t size, const void *data)
		{
			void *(*real)(const void *, void *, size_t, const void *) =
				dlsym(RTLD_NEXT, "protobuf_c_message_unpack");
			(void)limit;
			return real(type, NULL, size, data);
		}
	C
	cc -shared -fPIC -o limitless.so limitless.c
	claim task
	peak 2 env LD_PRELOAD="$T/limitless.so" framedump -t
	not little task
}

@test "hostile: more tasks, lists and images than a stream may have" {
	claim tasks
	peak 2 imgwrite images
	grep -q 'more tasks than a stream may have' errors
	little tasks
	claim lists
	peak 2 framedump -t
	grep -q 'more of TASK, MAPS and VMAS than a stream may have' errors
	little lists
	claim images
	peak 2 framedump -t
	grep -q 'more image files than a stream may have' errors
	little images
}

# refused REASON: imgread does not take $T/images.
refused() {
	peak 2 imgread images
	little "$1"
	grep -q "$1" errors || { cat errors; return 1; }
}

@test "hostile: a directory of files that are holes, or many threads" {
	mkdir images
	: >stream
	printf '\x16\x31\x31\x58\x02\x00\x00\x00\x08\x00' >images/inventory.img
	truncate -s 1T images/pagemap-7.img
	refused 'it does not begin as a pagemap'
	printf '\x19\x43\x56\x54\x25\x40\x08\x56\x02\x00\x00\x00\x08\x01' >images/pagemap-7.img
	truncate -s 1T images/pagemap-7.img
	refused 'byte 14: an entry that is cut short or damaged'
	rm images/pagemap-7.img
	truncate -s 1T images/pagepipe.head
	refused 'this is not a page stream'
	claim task
	mv stream images/pagepipe.head
	: >stream
	refused 'a message that would take too much memory'
	rm images/pagepipe.head
	truncate -s 1T images/inventory.img
	refused 'inventory.img: byte 0: is damaged'
}
