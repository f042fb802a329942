#!/usr/bin/env bats
# imgwrite: a directory whole, or nothing.

load helpers/lib

setup() {
	lib_setup
	MOUNTED=
}

teardown() {
	cd /
	[ -z "$MOUNTED" ] || umount "$MOUNTED"
	lib_teardown
}

# A small stream to write; its process is gone by then.
stream() {
	victim anon=64K zeros=16K children="${1:-1}"
	freeze "$VICTIM" | vmalist | memread >stream
}

nothing_left() { [ -z "$(find . -maxdepth 1 -name '.*.??????')" ]; }

# refused CODE MESSAGE COMMAND...
refused() {
	local code=$1 message=$2 got=0
	shift 2
	"$@" <stream 2>errors || got=$?
	[ "$got" = "$code" ] || { echo "$got, not $code: $(cat errors)"; return 1; }
	grep -q "$message" errors || { cat errors; return 1; }
	[ "$(wc -l <errors)" = 1 ]
	nothing_left
}

@test "imgwrite: writes what CRIU's pre-dump writes, for nobody else to read" {
	stream 1
	imgwrite copy <stream
	[ "$(stat -c %a copy)" = 700 ]
	[ "$(find copy -type f ! -perm 600 | wc -l)" = 0 ]
	child=$(sed -n 's/^child \([0-9]*\) .*/\1/p' "$SAID")
	[ "$(ls copy)" = "inventory.img
pagemap-$VICTIM.img
pagemap-$child.img
pagepipe.head
pages-1.img
pages-2.img
stats-dump" ] || [ "$VICTIM" -gt "$child" ]
	nothing_left
	# pagepipe.head is the stream's control frames
	not framedump <copy/pagepipe.head >shown 2>/dev/null
	framedump <stream | grep -v '^  run\|^PAGES\|^END\|^  totals\|^  before' | cmp - shown
}

@test "imgwrite: pages of zeros are entries over a hole" {
	victim zeros=8M
	stand_still "$VICTIM" # before: a stop may write to its rseq area
	freeze "$VICTIM" | vmalist | memread | imgwrite copy
	[ "$(stat -c %s copy/pages-1.img)" -gt 8388608 ]
	[ "$(du -k copy/pages-1.img | cut -f1)" -lt 4096 ]
	imgcmp "$VICTIM" copy
}

@test "imgwrite: entries hold at most 1,024 pages, with the count in both fields" {
	victim anon=16M
	freeze "$VICTIM" | vmalist | memread | imgwrite copy
	crit decode -i "copy/pagemap-$VICTIM.img" >decoded
	python3 - <<-'PY'
		import json
		entries = json.load(open("decoded"))["entries"][1:]
		assert max(e["nr_pages"] for e in entries) == 1024, entries
		assert sum(e["nr_pages"] for e in entries) > 4096
	PY
	# field 2 (tag 10) and field 5 (tag 28) of a full entry: 1024 is 80 08
	xxd -p -c0 "copy/pagemap-$VICTIM.img" | grep -q '1080082004288008'
}

@test "imgwrite: an absent and an empty directory are taken, others refused" {
	stream
	imgwrite absent <stream
	mkdir empty
	imgwrite empty/ <stream
	[ -e empty/inventory.img ]
	refused 100 'is not empty' imgwrite empty
	mkdir other
	touch other/precious
	refused 100 'is not empty' imgwrite other
	refused 100 'other things than images' imgwrite --force other
	[ -e other/precious ]
	touch file
	refused 111 'is not a directory' imgwrite file
	ln -s empty link
	refused 111 'is not a directory' imgwrite link
	refused 111 'cannot make' imgwrite no/such/place
	refused 111 'too long' imgwrite "$(printf 'x%.0s' {1..252})"
	refused 100 'takes one directory' imgwrite
	refused 100 'takes one directory' imgwrite a b
	refused 111 'cannot make' imgwrite ''
}

@test "imgwrite: --force exchanges, and keeps the old one when the new one fails" {
	stream
	imgwrite copy <stream
	before=$(cksum copy/* | cksum)
	head -c 9000 stream >short
	code=0
	imgwrite --force copy <short 2>errors || code=$?
	[ "$code" = 2 ]
	[ "$(cksum copy/* | cksum)" = "$before" ]
	nothing_left
	victim anon=1M
	freeze "$VICTIM" | vmalist | memread | imgwrite --force copy
	[ -e "copy/pagemap-$VICTIM.img" ]
	[ "$(find copy -name 'pagemap-*' | wc -l)" = 1 ]
	nothing_left
}

@test "imgwrite: a mount point, and the directory one stands in" {
	stream
	mkdir mounted here
	mount -t tmpfs none mounted || skip "needs root"
	MOUNTED=$T/mounted
	imgwrite mounted <stream
	[ -e mounted/inventory.img ]
	[ "$(find mounted -name '.*' -mindepth 1 | wc -l)" = 0 ]
	refused 100 'is not empty' imgwrite mounted
	imgwrite --force mounted <stream
	[ -e mounted/inventory.img ]
	head -c 9000 stream >short
	not imgwrite --force mounted <short 2>/dev/null
	[ -e mounted/inventory.img ]
	(cd here && imgwrite . <../stream && [ -e inventory.img ])
	[ -z "$(find here -name '.pagepipe.*')" ]
	(cd mounted && not imgwrite .. <../stream 2>/dev/null)
}

@test "imgwrite: a file system that is full, or read-only, leaves nothing" {
	stream
	victim anon=8M
	freeze "$VICTIM" | vmalist | memread >stream
	mkdir mounted
	mount -t tmpfs -o size=2m none mounted || skip "needs root"
	MOUNTED=$T/mounted
	refused 111 'No space left' imgwrite mounted/copy
	[ -z "$(ls -A mounted)" ]
	refused 111 'No space left' imgwrite mounted
	[ -z "$(ls -A mounted)" ]
	wait_for 5 mount -o remount,ro mounted # landlock lets go of what was removed a little later
	refused 111 'Read-only' imgwrite mounted/copy
	# and upstream: every stage ends by itself with its code
	mount -o remount,rw mounted
	stages "freeze $VICTIM" vmalist memread "imgwrite mounted/copy"
	[[ "$STATUS" = *" 3 111" ]]
	runs "$VICTIM"
}

@test "imgwrite: ended by a signal it leaves nothing, and dies by that signal" {
	local name
	stream
	for name in INT TERM HUP QUIT; do
		{ head -c 9000 stream; sleep 1; } | {
			code=0
			env --default-signal imgwrite copy 2>/dev/null &
			writer=$!
			wait_for 5 eval '[ -n "$(find . -maxdepth 1 -name ".copy.*")" ]'
			sleep 0.1
			kill -"$name" $writer
			wait $writer || code=$?
			echo $code >code
		} &
		local group=$!
		wait_for 5 test -s code
		[ "$(cat code)" = $((128 + $(kill -l $name))) ]
		kill $group 2>/dev/null || :
		wait $group 2>/dev/null || :
		rm code
		nothing_left
		[ ! -e copy ]
	done
}

@test "imgwrite: killed, it leaves nothing that looks whole, and the next run tidies up" {
	stream
	mkfifo slow
	imgwrite copy <slow 2>/dev/null 3>&- &
	writer=$!
	exec {feed}>slow
	head -c 9000 stream >&"$feed"
	wait_for 5 eval '[ -n "$(find . -maxdepth 1 -name ".copy.*")" ]'
	# another run while it lives leaves it alone
	imgwrite other <stream
	[ -n "$(find . -maxdepth 1 -name '.copy.*')" ]
	kill -KILL "$writer"
	wait "$writer" || :
	exec {feed}>&-
	# a directory of somebody else's is left alone, whatever its name
	mkdir .copy.backup
	touch .copy.backup/precious
	mkdir -m 700 .copy.backu2
	[ ! -e copy ]
	left=$(find . -maxdepth 1 -name '.copy.*' ! -name '.copy.backu*')
	[ -n "$left" ]
	[ ! -e "$left/inventory.img" ]
	imgwrite copy <stream
	[ ! -e "$left" ]
	[ -e .copy.backup/precious ]
	[ -d .copy.backu2 ]
	[ -e copy/inventory.img ]
}

# What imgwrite does with IMAGE frames that no imgread writes.
hostile() {
	printf '%s\n' 'HELLO page_size=4096 boot=00000000000000000000000000000000 session=00000000000000000000000000000000' \
		'TASK 0 pid=7 ns_pid=7 living=7' '  thread tid=7 ns_tid=7' 'THAWED clk_tck=100' "$@" \
		'PAGES 0 digest=auto' '  run 0x1000 1 present' 'END stage=imgread' | frames pack >stream
	code=0
	imgwrite images <stream 2>errors || code=$?
}

@test "imgwrite: an image file of unknown type, number or beginning is refused" {
	local core=194356544738055504000000
	hostile "IMAGE type=3 id=7 size=12 data=$core digest=auto"
	[ "$code" = 0 ]
	rm -r images
	for type in 0 13000 70 99 112 4294967295; do
		hostile "IMAGE type=$type id=7 size=12 data=$core digest=auto"
		[ "$code" = 2 ]
		grep -q "an image file of type $type, which is not known" errors
	done
	for id in 2:1 3:4294967296 30:4294967296 59:18446744073709551615 100:4294967296; do
		hostile "IMAGE type=${id%:*} id=${id#*:} size=12 data=$core digest=auto"
		[ "$code" = 2 ]
		grep -q "with the number ${id#*:}, which it cannot have" errors
	done
	for data in 'size=12 data=194356544738055604000000' 'size=7 data=19435654473805' 'size=0' \
		"offset=1 size=13 data=$core" 'size=12 data=473805551943565404000000'; do
		hostile "IMAGE type=3 id=7 $data digest=auto"
		[ "$code" = 2 ]
		grep -q 'core-7.img: it does not begin as such a file' errors
	done
	hostile "IMAGE type=3 id=7 size=12 data=$core digest=auto" "IMAGE type=3 id=7 size=12 data=$core digest=auto"
	[ "$code" = 2 ]
	hostile "IMAGE type=1 id=0 size=9000000 data=16313158 digest=auto" 'IMAGE type=1 id=0 offset=8999999 size=9000000 data=00 digest=auto'
	[ "$code" = 2 ]
	grep -q 'inventory.img: is larger than any' errors
	hostile "IMAGE type=1 id=0 size=9 data=16313158 digest=auto" 'IMAGE type=1 id=0 offset=8 size=9 data=00 digest=auto'
	[ "$code" = 2 ]
	grep -q 'inventory.img: has a hole' errors
	[ ! -e images ]
	[ -z "$(compgen -G '.images*')" ]
}

@test "imgwrite: each cut of a stream with other files is refused, and leaves nothing" {
	hostile "IMAGE type=1 size=14 data=1631315806000000080240c0c407 digest=auto" \
		'IMAGE type=3 id=7 size=12 data=194356544738055504000000 digest=auto' 'IMAGE type=101 id=1 size=0 digest=auto' \
		'IMAGE type=105 id=1 size=100 data=0102 digest=auto' 'IMAGE type=105 id=1 offset=100 size=100 digest=auto'
	[ "$code" = 0 ]
	[ "$(xxd -p images/inventory.img)" = 1631315806000000080240c0c407 ]
	[ "$(stat -c %s images/iptables-1.img)" = 100 ]
	rm -r images
	head -c -4200 stream | frames cuts imgwrite images 2>errors
	[ ! -e images ]
	[ -z "$(compgen -G '.images*')" ]
}

@test "imgwrite: its table of types is the one in pagestream(5)" {
	grep -oE '^	\{[0-9A-Z_]+, "[^"]+", ID_[A-Z]+' "$ROOT/src/image/type.c" |
		sed "$(sed -n 's/^	\(IMAGE_[A-Z_]*\) = \([0-9]*\),$/s,{\1\\>,{\2,/p' "$ROOT/src/image/type.h")" |
		sed 's/^	{\([0-9]*\), "\([^"]*\)", \(ID_.*\)/\1 \2 \3/; s/ ID_HEX/ x/; s/ ID_LONG/ l/; s/ ID_.*//' | sort -n >table
	[ "$(wc -l <table)" -gt 70 ]
	sed -n '/^\.\\" TYPES/,/^\.El/p' "$ROOT/src/stream/pagestream.5" | sed -n 's/^\.It \([0-9]\)/\1/p' |
		sed 's/ Ta "" Ta ""//; s/ No / /g; s/ Ta Pa / /g; s/ Ta \([0-9]\)/\n\1/' | sort -n | diff table -
}

@test "imgwrite: two processes with one pid in their own namespaces are refused by both outer pids" {
	unshare -p -f --kill-child true 2>/dev/null || skip "needs root"
	unshare -p -f --kill-child sleep 60 3>&- &
	VICTIMS+=($!)
	unshare -p -f --kill-child sleep 60 3>&- &
	VICTIMS+=($!)
	wait_for 5 eval '[ -n "$(tr -d " " </proc/${VICTIMS[1]}/task/${VICTIMS[1]}/children)" ]'
	a=$(tr -d ' ' <"/proc/${VICTIMS[0]}/task/${VICTIMS[0]}/children")
	b=$(tr -d ' ' <"/proc/${VICTIMS[1]}/task/${VICTIMS[1]}/children")
	stages "freeze $a $b" vmalist memread "imgwrite copy"
	[ "${STATUS##* }" = 2 ]
	grep -qE "pids ($a and $b|$b and $a) are both 1 in their own namespaces" errors
	[ ! -e copy ]
	# one by one they are fine, under the pid they know themselves
	kill -STOP "$a"
	stages "freeze $a" vmalist memread "imgwrite copy"
	[ "$STATUS" = "0 0 0 0" ]
	[ -e copy/pagemap-1.img ]
	imgcmp "$a" copy 1
	kill -KILL "$a" "$b"
}

@test "imgwrite: a wrong page in the stream is found by its digest, and (twin) not without one" {
	victim anon=64K
	freeze "$VICTIM" | vmalist | memread >stream
	read -r offset _ table body <<<"$(frames heads <stream | awk '/PAGES/ { print $1, $2, $3, $4; exit }')"
	[ "$body" -gt 4096 ]
	frames flip $(((offset + table + 100) * 8)) <stream >flipped
	code=0
	imgwrite copy <flipped 2>errors || code=$?
	[ "$code" = 2 ]
	grep -q 'digest' errors
	[ ! -e copy ]
	freeze "$VICTIM" | vmalist | memread --no-digest >stream
	read -r offset _ table body <<<"$(frames heads <stream | awk '/PAGES/ { print $1, $2, $3, $4; exit }')"
	frames flip $(((offset + table + 100) * 8)) <stream | imgwrite copy
	kill -STOP "$VICTIM"
	run imgcmp "$VICTIM" copy
	[ "$status" = 1 ]
}
