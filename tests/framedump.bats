#!/usr/bin/env bats
# framedump: a stream as text, up to its end or its first fault.

load helpers/lib

setup() {
	lib_setup
	GOLDEN=$ROOT/tests/golden
	frames pack <"$GOLDEN/whole.text" >whole
}

teardown() { lib_teardown; }

HELLO='HELLO page_size=4096 boot=000102030405060708090a0b0c0d0e0f session=f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff'

# code NUMBER COMMAND...: the command exits with it.
code() {
	local want=$1 got=0
	shift
	"$@" || got=$?
	[ "$got" = "$want" ] || { echo "exit code $got, not $want: $*" >&2; return 1; }
}

# first_frames N FILE: the lines of a text's first N frames.
first_frames() { awk -v n="$1" '/^[A-Z]/ { seen++ } seen > n { exit } { print }' "$2"; }

# shown_as TEXT: framedump shows the text's stream as that text again.
shown_as() { frames pack <"$1" | framedump >shown && diff "$1" shown; }

@test "framedump: each golden stream is shown as its golden text" {
	for text in "$GOLDEN"/*.text; do
		shown_as "$text"
	done
}

@test "framedump: (twin) a golden text with one other number is not what is shown" {
	sed 's/pid=4242/pid=4243/; s/heads_crc=[0-9a-f]*//' "$GOLDEN/runs.text" >other.text
	run shown_as other.text
	[ "$status" = 1 ]
	[[ $output == *'heads_crc'* && $output != *TASK* ]]
	sed 's/nr=5/nr=4/' "$GOLDEN/runs.text" >other.text
	run shown_as other.text
	[ "$status" = 1 ]
	[[ $output == *'RUNS 0 nr=5'* ]]
}

@test "framedump: -t says nothing of a good stream" {
	framedump -t <whole >out 2>errors
	[ ! -s out ]
	[ ! -s errors ]
}

@test "framedump: -t says one line of a bad stream, on stderr" {
	frames cut 300 <whole | code 2 framedump -t >out 2>errors
	[ ! -s out ]
	[ "$(cat errors)" = 'framedump: cut short at byte 300, before its END' ]
}

@test "framedump: -s shows one line of totals" {
	framedump -s <whole >out
	diff - out <<-'LINE'
		2 processes (6.5 KiB resident), 2 mappings, 4 runs; pages: 2 present (1.0 KiB), 2 zero, 0 parent, 0 lazy, 3 skipped; whole; stopped for 61 us
	LINE
	frames pack <"$GOLDEN/pages.text" | framedump -s >out
	diff - out <<-'LINE'
		1 processes (0 bytes resident), 0 mappings, 11 runs; pages: 3 present (1.5 KiB), 8 zero, 1 parent, 4 lazy, 6 skipped; whole; stopped for 0 us
	LINE
}

@test "framedump: -s of a cut stream says that it is not whole" {
	frames cut 700 <whole | code 2 framedump -s >out 2>errors
	[ "$(wc -l <out)" = 1 ]
	[[ $(cat out) == '2 processes '*'; not whole; '* ]]
	code 2 framedump -s </dev/null >out 2>errors
	[[ $(cat out) == '0 processes '*'; not whole; '* ]]
}

@test "framedump: of a cut stream the frames before the cut are shown" {
	number=0
	frames heads <whole >places
	while read -r offset _ table body; do
		first_frames $number "$GOLDEN/whole.text" >expected
		for cut in $((offset)) $((offset + 1)) $((offset + table + body - 1)); do
			frames cut "$cut" <whole | code 2 framedump >shown 2>errors
			diff expected shown
			grep -q "^framedump: cut short at byte $cut, before its END\$" errors
		done
		number=$((number + 1))
	done <places
	[ $number = 9 ]
}

@test "framedump: of a damaged stream the frames before the damage are shown" {
	number=0
	frames heads <whole >places
	while read -r offset _; do
		first_frames $number "$GOLDEN/whole.text" >expected
		frames flip $(((offset + 16) * 8)) <whole | code 2 framedump >shown 2>errors
		diff expected shown
		grep -q 'wrong checksum of a head and its table' errors
		number=$((number + 1))
	done <places
	[ $number = 9 ]
}

@test "framedump: a frame with a damaged body is not shown" {
	read -r offset _ table _ < <(frames heads <whole | grep PAGES)
	frames flip $(((offset + table) * 8)) <whole | code 2 framedump >shown 2>errors
	first_frames 6 "$GOLDEN/whole.text" | diff - shown
	grep -q 'wrong digest of a body' errors
}

@test "framedump: the frames of a stream with a wrong END are shown" {
	sed 's/heads_crc=......../heads_crc=12345678/' "$GOLDEN/whole.text" |
		frames pack | code 2 framedump >shown 2>errors
	first_frames 8 "$GOLDEN/whole.text" | diff - shown
}

@test "framedump: control characters, quotes and newlines in names are escaped" {
	all=$(printf '\\%03o' {1..31} 34 92 {127..255})
	cat >odd.text <<-TEXT
		$HELLO machine="\033[2J" host="$all" writer="\012END stage=memread"
		TASK 0 pid=7 ns_pid=7 living=7 name="$all"
		  thread tid=7 ns_tid=7
		RELEASE clk_tck=100
		VMAS 0
		  vma 0x1000-0x2000 rw-p anon name="/a\012  vma \042b\042\134\000"
		END stage=other
	TEXT
	frames pack <odd.text >odd
	framedump <odd >shown
	[ "$(wc -l <shown)" = 8 ]
	[ "$(LC_ALL=C tr -d '\n -~' <shown | wc -c)" = 0 ]
	grep -qF "name=\"$all\"" shown
	grep -qF 'name="/a\012  vma \042b\042\134\000"' shown
	frames pack <shown | cmp odd -
	LC_ALL=C grep -qaF $'\e[2J' odd # (twin) it is in the stream
}

@test "framedump: a number without a name is not shown under another one's" {
	printf '%s\n' "$HELLO" 'RELEASE clk_tck=100 tracking=9 scan=9' 'END stage=9 outcome=9' | frames pack >stream
	framedump <stream >shown || [ $? = 2 ]
	wrong=$(grep -oE 'tracking=none|scan=none|stage=(none|other)|outcome=(gone|whole)' shown || :)
	[ "$wrong" = '' ]
}

@test "framedump: nothing at all is not a stream" {
	code 2 framedump </dev/null 2>errors
	[ "$(cat errors)" = 'framedump: cut short at byte 0, before its END' ]
}

@test "framedump: a terminal is refused" {
	code 100 script -qec framedump /dev/null </dev/null >out
	grep -q 'a page stream is not typed in' out
}

@test "framedump: an argument is refused" {
	code 100 framedump file <whole 2>errors
	grep -q 'takes no arguments' errors
	code 100 framedump --no-such-option <whole 2>errors
}

@test "framedump: what cannot be read or written is the system's fault" {
	code 111 framedump </ 2>errors
	grep -q 'cannot read the stream: Is a directory' errors
	code 111 framedump <whole >/dev/full 2>errors
	grep -q 'cannot write: No space left' errors
	# (valgrind opens what is closed)
	[ "${CHECKED:-}" = valgrind ] || code 100 framedump <&- 2>errors
}

@test "framedump: exits with 3 when its reader has gone" {
	gone() { framedump <whole >&"$nobody"; }
	exec {nobody}> >(:)
	wait $!
	code 3 gone 2>errors
	grep -q 'cannot write: Broken pipe' errors
}

@test "framedump: a stream a hundred times as long takes no more memory" {
	page() { printf 'PAGES 0 digest=auto\n  run %d 2048 present\n' $((0x100000 * ($1 + 1))); }
	{
		printf '%s\n' "${HELLO/4096/512}" 'TASK 0 pid=7 ns_pid=7 living=7' '  thread tid=7 ns_tid=7' 'RELEASE clk_tck=100'
		for i in {0..31}; do page "$i"; done
		echo 'END stage=other'
	} | frames pack >long
	[ "$(frames size <long)" -gt $((32 << 20)) ]
	limited 8192 framedump -t <long
}
