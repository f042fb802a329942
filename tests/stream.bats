#!/usr/bin/env bats
# The wire: golden bytes, and everything that is not one of them refused.

load helpers/lib

setup() {
	lib_setup
	GOLDEN=$ROOT/tests/golden
}

teardown() { lib_teardown; }

HELLO='HELLO page_size=512 boot=000102030405060708090a0b0c0d0e0f session=f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff'
TASK='TASK 0 pid=7 ns_pid=7 living=7
  thread tid=7 ns_tid=7'
RELEASE='RELEASE clk_tck=100'
PAGES='PAGES 0 digest=auto
  run 0x1000 1 present'

# pack LINE...: a stream in $T/stream
pack() { printf '%s\n' "$@" | frames pack >stream; }

# code NUMBER COMMAND...: the command exits with it; what it says is in errors.
code() {
	local want=$1 got=0
	shift
	"$@" >/dev/null 2>errors || got=$?
	[ "$got" = "$want" ] || {
		echo "exit code $got, not $want: $*: $(cat errors)" >&2
		return 1
	}
}

test_stream() { framedump -t; }
write_images() { imgwrite images; }

# bad MESSAGE: framedump and imgwrite refuse $T/stream, and say why.
bad() {
	local tool
	for tool in test_stream write_images; do
		code 2 $tool <stream || return 1
		[[ $(cat errors) == *"$1"* ]] || {
			echo "$tool says: $(cat errors), not: $1" >&2
			return 1
		}
	done
	nothing_left
}

nothing_left() { [ ! -e images ] && [ -z "$(compgen -G '.images*')" ]; }

# refused FILE...: golden bad streams, each with the message in its first line.
refused() {
	local file line
	for file; do
		read -r line <"$file"
		[[ $line == '# expect: '?* ]] || return 1
		frames pack <"$file" >stream || return 1
		bad "${line#\# expect: }" || { echo "$file" >&2; return 1; }
	done
}

# golden_bytes DIR: each text gives the bytes of its hex file.
golden_bytes() {
	local text
	for text in "$1"/*.text; do
		frames pack <"$text" >packed || return 1
		xxd -r -p "${text%.text}.hex" >bytes
		cmp bytes packed || { echo "$text" >&2; return 1; }
	done
}

@test "stream: each golden text is packed to its golden bytes" {
	golden_bytes "$GOLDEN"
}

@test "stream: (twin) one changed nibble in one golden file is found" {
	cp "$GOLDEN"/*.text "$GOLDEN"/*.hex .
	golden_bytes .
	for line in 1 2 3; do
		cp "$GOLDEN/thawed.hex" .
		sed -i "$line"'s/^9/8/; '"$line"'s/^0/1/; '"$line"'s/^2/3/' thawed.hex
		run golden_bytes .
		[ "$status" = 1 ]
		[[ $output == *thawed.text ]]
	done
}

@test "stream: each kind of frame has its golden bytes" {
	for kind in hello:HELLO task:TASK release:RELEASE thawed:THAWED vmas:VMAS maps:MAPS \
		runs:RUNS pages:PAGES image:IMAGE end:END skippable:SKIPPABLE; do
		xxd -r -p "$GOLDEN/${kind%:*}.hex" | frames heads | grep -q " ${kind#*:} "
	done
}

@test "stream: the reader and the writer give back each golden stream byte for byte" {
	for hex in "$GOLDEN"/*.hex; do
		xxd -r -p "$hex" >bytes
		frames copy <bytes >copied
		cmp bytes copied
	done
}

@test "stream: what is not a stream, or was changed like text, is refused" {
	refused "$GOLDEN"/bad/magic-*
}

@test "stream: a head with an unknown kind or flag, or a wrong checksum, is refused" {
	refused "$GOLDEN"/bad/kind-* "$GOLDEN"/bad/head-*
}

@test "stream: a HELLO that makes no sense, or needs an unknown feature, is refused" {
	refused "$GOLDEN"/bad/hello-*
}

@test "stream: tasks that make no sense or are out of order are refused" {
	refused "$GOLDEN"/bad/task-* "$GOLDEN"/bad/maps-*
}

@test "stream: frames out of order are refused" {
	refused "$GOLDEN"/bad/release-* "$GOLDEN"/bad/thawed-* \
		"$GOLDEN"/bad/vmas-* "$GOLDEN"/bad/pages-*
}

@test "stream: runs with unknown flags, or that overlap, are refused" {
	refused "$GOLDEN"/bad/run-* "$GOLDEN"/bad/runs-*
}

@test "stream: a body that does not match its runs or its digest is refused" {
	refused "$GOLDEN"/bad/body-*
}

@test "stream: image files that are not whole, come twice or out of order are refused" {
	refused "$GOLDEN"/bad/image-*
}

@test "stream: no END, a wrong END, or bytes behind it are refused" {
	refused "$GOLDEN"/bad/end-*
}

@test "stream: a lost, doubled or swapped frame is refused" {
	refused "$GOLDEN"/bad/lost-* "$GOLDEN"/bad/doubled-* "$GOLDEN"/bad/swapped-*
}

@test "stream: each golden bad stream is tried by one of these tests" {
	for text in "$GOLDEN"/bad/*; do
		name=${text##*/}
		grep -qF "/bad/${name%%-*}-*" "$BATS_TEST_FILENAME"
		[[ $name == *.text ]]
	done
}

@test "stream: (twin) a good stream, or another message, is not taken for refused" {
	{ echo '# expect: END'; cat "$GOLDEN/whole.text"; } >good.text
	run refused good.text
	[ "$status" = 1 ]
	[[ $output == *'exit code 0, not 2'* ]]
	sed '1s/.*/# expect: another message/' "$GOLDEN/bad/run-flag.text" >other.text
	run refused other.text
	[ "$status" = 1 ]
	[[ $output == *'not: another message'* ]]
}

@test "stream: the example in pagestream(5) is whole" {
	sed -n '/^\.\\" HEX/,/^\.Ed/p' "$ROOT/src/stream/pagestream.5" | sed '/^\./d' | xxd -r -p >stream
	code 0 framedump -t <stream
	[ "$(frames size <stream)" = 109 ]
}

@test "stream: an unknown feature that may be ignored is ignored" {
	pack "$HELLO features_ignorable=0x8000000000000001" "$TASK" "$RELEASE" "$PAGES" 'END stage=other'
	code 0 framedump -t <stream
	code 0 imgwrite images <stream
}

@test "stream: a minor version that is newer is read" {
	pack "$HELLO version=99" 'END stage=other'
	code 0 framedump -t <stream
}

@test "stream: skippable frames are skipped wherever they stand behind HELLO" {
	skip_me='SKIPPABLE 3 kind=0x8001 table=40'
	pack "$HELLO" "$skip_me" "$TASK" "$skip_me" "$RELEASE" "$skip_me" "$PAGES" "$skip_me" 'END stage=other'
	code 0 framedump -t <stream
	code 0 imgwrite images <stream
}

@test "stream: a filter passes a skippable frame on, unchanged" {
	boot=$(tr -d - </proc/sys/kernel/random/boot_id)
	pack "${HELLO/boot=*session/boot=$boot host=\"$(uname -n)\" mode=pre-dump keeper=nobody leased=1 session}" \
		'SKIPPABLE 9 kind=0x8001 table=40' "THAWED uptime_us=$(cut -d. -f1 /proc/uptime)000000 clk_tck=100" 'END stage=thaw'
	memread <stream >passed
	framedump <stream | sed '/^END/,$d' >before
	framedump <passed | sed '/^END/,$d' | diff before -
	code 0 framedump -t <passed
}

@test "stream: each cut is refused by framedump" {
	frames pack <"$GOLDEN/consistent.text" >stream
	code 0 framedump -t <stream
	frames cuts framedump -t <stream 2>errors
	[ "$(grep -vc 'before its END$' errors)" = 0 ]
}

@test "stream: each cut is refused by imgwrite, which leaves nothing" {
	frames pack <"$GOLDEN/consistent.text" >stream
	code 0 imgwrite images <stream
	rm -r images
	frames cuts imgwrite images <stream 2>errors
	nothing_left
	[ "$(grep -vcE 'before its END|nothing came in' errors)" = 0 ]
}

@test "stream: (twin) a program that takes a cut or flipped stream is found" {
	frames pack <"$GOLDEN/hello.text" >stream
	run frames cuts true <stream
	[ "$status" = 1 ]
	size=$(frames size <stream)
	[ "${lines[-1]}" = "$size cuts, $size wrong" ]
	run frames flips true <stream
	[ "$status" = 1 ]
	[ "${lines[-1]}" = "$size flips, $size wrong" ]
}

@test "stream: each single flipped bit is noticed" {
	for text in "$GOLDEN"/*.text; do
		[[ $text != */pages.text ]] || continue
		frames pack <"$text" | frames allflips
	done
	sed 's/^PAGES 0 nr=1 body=512$/& digest=auto/; /^END/s/heads_crc=[0-9a-f]*//' \
		"$GOLDEN/pages.text" | frames pack | frames allflips
}

@test "stream: (twin) in a body without digest, and there alone, flips go unnoticed" {
	frames pack <"$GOLDEN/pages.text" >stream
	run frames allflips <stream
	[ "$status" = 1 ]
	[ "${#lines[@]}" = 2 ]
	[[ ${lines[0]} == 'body of PAGES, without digest: 4096 of 4096 bits go unnoticed'* ]]
	[[ ${lines[1]} == *', 4096 unnoticed' ]]
}

@test "stream: (twin) flips of a stream that was bad before prove nothing" {
	frames pack <"$GOLDEN/bad/end-checksum.text" >stream
	code 100 frames allflips <stream
}

@test "stream: a flip in each byte of heads and tables is refused by framedump" {
	frames pack <"$GOLDEN/whole.text" >stream
	frames flips framedump -t <stream 2>errors
}

@test "stream: a flip in each byte of heads and tables is refused by imgwrite" {
	frames pack <"$GOLDEN/whole.text" >stream
	frames flips imgwrite images <stream 2>errors
	nothing_left
}

@test "stream: a flip in a body is refused by framedump and imgwrite" {
	frames pack <"$GOLDEN/whole.text" >whole
	read -r offset _ table _ < <(frames heads <whole | grep PAGES)
	for bit in 0 1 2047 4095; do
		frames flip $(((offset + table) * 8 + bit)) <whole >stream
		bad 'wrong digest of a body'
	done
}

@test "stream: a table may be as long as its kind's limit and no longer" {
	for limit in 1:4096 2:4194304 3:4096 4:4096 5:262144 6:262144 7:262144 \
		8:4194304 11:4096 0x8000:262144 0x80ff:262144; do
		pack "FRAME kind=${limit%:*} table_size=${limit#*:}"
		bad 'before its END'
		pack "FRAME kind=${limit%:*} table_size=$((${limit#*:} + 1))"
		bad 'table longer than its kind allows'
	done
}

@test "stream: a body may be 4 MiB long and no longer" {
	pack "$HELLO" "$TASK" "$RELEASE" 'PAGES 0 digest=auto' '  run 0x10000 8192 present' 'END stage=other'
	code 0 framedump -t <stream
	code 0 imgwrite images <stream
	rm -r images
	pack "$HELLO" "$TASK" "$RELEASE" 'PAGES 0 digest=auto' '  run 0x10000 8193 present' 'END stage=other'
	bad 'body longer than its kind allows'
	for size in 4194304 4194305; do
		pack "$HELLO" "$TASK" "$RELEASE" "IMAGE type=101 id=1 size=$size body=$size digest=auto" 'END stage=other'
		[ "$size" = 4194304 ] || bad 'body longer than its kind allows'
		[ "$size" != 4194304 ] || code 0 framedump -t <stream
	done
}

@test "stream: a frame may have 4096 runs and no more" {
	seq -f '  run %.0f 1 zero' 4096 1024 $((4097 * 1024 + 4095)) >many
	[ "$(wc -l <many)" = 4097 ]
	pack "$HELLO" "$TASK" "$RELEASE" 'PAGES 0' "$(head -n 4096 many)" 'END stage=other'
	code 0 framedump -t <stream
	pack "$HELLO" "$TASK" "$RELEASE" 'PAGES 0' "$(cat many)" 'END stage=other'
	bad 'table of runs that makes no sense'
}

@test "stream: a length beyond the limit is refused before memory is reserved" {
	pack "$HELLO" "$TASK" "$RELEASE" "$PAGES" 'END stage=other'
	code 0 limited 16384 framedump -t <stream
	code 0 limited 16384 imgwrite images <stream
	rm -r images
	[ -n "${CHECKED:-}" ] || code 1 limited 16384 dd bs=32M if=/dev/zero of=/dev/null count=1 # it does limit
	for kind in 1 2 3 4 5 6 7 8 11 0x8000 0x80ff; do
		pack "FRAME kind=$kind table_size=0xffffffff"
		code 2 limited 16384 framedump -t <stream
		code 2 limited 16384 imgwrite images <stream
	done
	for kind in 7 11 0x8000; do
		pack "FRAME kind=$kind body_size=0xffffffff"
		code 2 limited 16384 framedump -t <stream
		code 2 limited 16384 imgwrite images <stream
	done
	nothing_left
}

@test "stream: a reader takes it in any pieces" {
	frames pack <"$GOLDEN/whole.text" >stream
	dd bs=1 if=stream status=none | framedump -t
	dd bs=7 if=stream status=none | imgwrite images
	{ head -c 100 stream; sleep 0.1; tail -c +101 stream; } | framedump -t
}
