#!/usr/bin/env bats
# imgread: a directory back to a stream, and every bad directory refused.

load helpers/lib
load helpers/images

setup() { lib_setup; }
teardown() { lib_teardown; }

# bad CODE MESSAGE [OPTION...] DIR: refused with one line, and nothing came out.
bad() {
	local want=$1 message=$2 code=0
	shift 2
	imgread "$@" >out 2>errors || code=$?
	[ "$code" = "$want" ] || { echo "$code, not $want: $(cat errors)"; return 1; }
	grep -qF -- "$message" errors || { cat errors; return 1; }
	[ "$(wc -l <errors)" = 1 ]
	[ ! -s out ]
}

# back FROM TO [OPTION...]
back() {
	rm -rf "$2"
	stages "imgread ${*:3} $1" "imgwrite $2"
	[ "$STATUS" = '0 0' ] || { echo "$STATUS: $(cat errors)"; return 1; }
}

# same FROM TO: byte for byte, but for what tells when it was written.
same() {
	local name
	[ "$(ls "$1")" = "$(ls "$2")" ] || return 1
	for name in "$1"/*; do
		name=${name##*/}
		case $name in
		stats-dump | pagepipe.head) ;;
		*) cmp "$1/$name" "$2/$name" || return 1 ;;
		esac
	done
	heads "$1" >head.1
	heads "$2" | diff head.1 -
}

heads() { { framedump 2>/dev/null || :; } <"$1/pagepipe.head" | sed '/^HELLO/{s/mode=[^ ]* //; s/session=.*//}'; }

# same_pages FROM TO [flatten]: with the same flags
same_pages() {
	images.py pages "$@" >pages.1
	[ -s pages.1 ]
	shift
	images.py pages "$1" | diff pages.1 - >pages.diff
}

@test "imgread: gives back what imgwrite has written, byte for byte" {
	victim anon=4M sparse=1M zeros=8M heap thp children=2 blocked=3
	stand_still "$VICTIM" # before: a stop may write to its rseq area
	freeze "$VICTIM" | vmalist | memread | imgwrite a
	back a b
	same a b
	[ "$(find b -name 'pagemap-*' | wc -l)" = 3 ]
	[ "$(du -k b/pages-1.img | cut -f1)" -le "$(du -k a/pages-1.img | cut -f1)" ]
	imgcmp "$VICTIM" b
	change_is_found "$VICTIM" b 1 # (twin)
	not same a b # (twin)
	back b c --all
	same b c
}

@test "imgread: gives back a consistent copy, its late THAWED too" {
	victim anon=1M
	freeze --consistent "$VICTIM" | vmalist | memread | imgwrite a
	back a b
	same a b
	imgread a | framedump | grep -E '^[A-Z]' | cut -d' ' -f1 | uniq | tr '\n' ' ' >kinds
	[ "$(cat kinds)" = 'HELLO TASK RELEASE VMAS PAGES THAWED END ' ]
}

@test "imgread: a stream of its own: never stopped, no keeper, a new session" {
	victim anon=64K
	freeze "$VICTIM" | vmalist | memread | imgwrite a
	imgread a | framedump >one
	imgread a | framedump >two
	head -n 1 one | grep "mode=never-stopped .* host=\"$(uname -n)\" .* keeper=- leased=0 hold=0 writer=\"imgread "
	[ "$(head -n 1 one)" != "$(head -n 1 two)" ]
	diff <(tail -n +2 one | grep -v '^END') <(tail -n +2 two | grep -v '^END')
	stages 'imgread a' memread 'imgwrite b'
	[ "${STATUS% *}" != '0 0' ]
}

@test "imgread: a descendant that ended while it was copied is gone again" {
	victim anon=64K children=1
	child=$(sed -n 's/^child \([0-9]*\) .*/\1/p' "$SAID")
	freeze "$VICTIM" | vmalist | memread | imgwrite a
	[ "$VICTIM" -lt "$child" ] || skip 'the child comes first'
	rm "a/pagemap-$child.img"
	bad 2 'a/pages-2.img: no pagemap names it (is one missing?)' a
	rm a/pages-2.img
	back a b
	grep -q "pid $child ended" errors
	same a b
	# but not one that was named, or that nobody names
	rm "a/pagemap-$VICTIM.img"
	bad 2 "a/pagemap-$VICTIM.img: is not there, and pagepipe.head names its process" a
	cp "b/pagemap-$VICTIM.img" a/
	cp "b/pagemap-$VICTIM.img" a/pagemap-7.img
	bad 2 'a/pagepipe.head: does not name the process of each pagemap' a
}

@test "imgread: reads every encoding that a CRIU has written" {
	for style in both old new; do
		make a 'pagemap 7 77' "entry 0x10000 3 present $style" "entry 0x20000 1500 present,lazy $style" \
			"entry 0x800000 2 present $style hole" "entry 0x900000 2 present,lazy $style zero" \
			"entry 0xa00000 5 lazy $style" 'pagemap 9 3' "entry 0x7fffffff0000 1 present $style"
		back a b
		same_pages a b
	done
	make a 'pagemap 7 1' 'entry 0x10000 3 present plain'
	back a b --all
	same_pages a b
	not same_pages <(:) b # (twin)
	make p 'pagemap 7 1' 'entry 0x10000 4 present old'
	make a 'parent ../p' 'pagemap 7 1' 'entry 0x10000 4 present in_parent' # without flags
	imgread a | framedump | grep -q '^  run 0x10000 4 parent$'
}

@test "imgread: (twin) images.py finds a flag, a byte and a page that differ" {
	make a 'pagemap 7 1' 'entry 0x10000 3 present'
	make b 'pagemap 7 1' 'entry 0x10000 3 present,lazy'
	not same_pages a b
	make b 'pagemap 7 1' 'entry 0x10000 2 present'
	not same_pages a b
	make b 'pagemap 7 1' 'entry 0x10000 3 present'
	same_pages a b
	printf x | dd of=b/pages-1.img bs=1 seek=5000 conv=notrunc status=none
	not same_pages a b
}

@test "imgread: a directory of CRIU's own gets its control frames from its files" {
	make a 'pagemap 12 1' 'entry 0x10000 1 present' 'pagemap 9 2' 'entry 0x10000 1 present'
	imgread a | framedump >shown
	[ "$(grep -c '^TASK' shown)" = 2 ]
	grep -q '^TASK 0 pid=9 ns_pid=9 .* start=0 .* living=9 named=1' shown
	grep -q '^THAWED .* uptime_us=123456 ' shown
	head -n 1 shown | grep -q "page_size=$(getconf PAGESIZE) .*host=\"\" boot=00*0 session"
	grep -q '^END stage=imgread outcome=whole' shown
	not grep -q '^IMAGE' shown
}

# A chain of three, whose pages stand in different levels in every way.
chain() {
	make d1 'pagemap 7 1' 'entry 0x10000 8 present old 1' 'entry 0x20000 4 present,lazy new 1' \
		'entry 0x30000 600 present both hole' 'entry 0x900000 1 present'
	make d2 'parent ../d1' 'pagemap 7 5' 'entry 0x10000 2 parent new' 'entry 0x12000 3 present new 2' \
		'entry 0x15000 3 parent in_parent' 'entry 0x20000 4 parent' 'entry 0x30000 600 parent old'
	make d3 'parent ../d2' 'pagemap 7 2' 'entry 0x10000 1 present new 3' 'entry 0x11000 7 parent' \
		'entry 0x20000 2 parent' 'entry 0x22000 1 present,lazy both 3' 'entry 0x23000 1 parent' \
		'entry 0x30000 600 parent'
}

@test "imgread: a page that a parent holds is a PARENT run, with --flatten its bytes" {
	chain
	imgread d3 | framedump | grep '^  run' >runs
	diff - runs <<-'E'
		  run 0x10000 1 present
		  run 0x11000 7 parent
		  run 0x20000 2 parent
		  run 0x22000 1 present,lazy
		  run 0x23000 1 parent
		  run 0x30000 600 parent
	E
	images.py pages d3 flatten | cut -d' ' -f1,2,4 >wanted
	imgread --flatten d3 | framedump -s | grep -q ' 12 present .* 600 zero, 0 parent, '
	back d3 full --flatten
	[ ! -e full/parent ]
	images.py pages full | cut -d' ' -f1,2,4 | diff wanted -
	# (twin) a byte that is different in the oldest is found
	printf x | dd of=d1/pages-1.img bs=1 seek=$((0x5000)) conv=notrunc status=none
	back d3 other --flatten
	not diff -q wanted <(images.py pages other | cut -d' ' -f1,2,4)
	# what only a parent has is not in the chain
	not grep -q 0x900000 wanted
}

@test "imgread: --flatten of three rounds is what the target's memory holds" {
	victim anon=4M sparse=1M heap
	for round in 1 2 3; do
		kill -STOP "$VICTIM"
		freeze "$VICTIM" | vmalist | memread | imgwrite d$round
		[ $round = 3 ] || kill -CONT "$VICTIM"
		[ $round = 1 ] || ln -s ../d$((round - 1)) d$round/parent
		[ $round = 1 ] || images.py thin d$round
		[ $round = 3 ] || { tell 'd anon 100' && tell 'd heap 2' && tell "u anon $((round * 9)) 5"; }
	done
	[ "$(images.py pages d3 | grep -c ' 1 -$')" -gt 1000 ]
	imgread d3 >/dev/null
	imgcmp "$VICTIM" d3 >chain
	back d3 full --flatten
	imgcmp "$VICTIM" full | diff chain -
	change_is_found "$VICTIM" full 1 # (twin)
	not change_is_found "$VICTIM" d1 1 # what the later rounds hold
	[[ $(imgcmp "$VICTIM" d3) == *' 1 wrong, 0 missing, the first at 0x'* ]] # (twin)
}

@test "imgread: --flatten of a round that has a base has none, before and behind the pages" {
	local base='tracking=uffd tracker=00112233445566778899aabbccddeeff base=4 generation=5 clk_tck=100'
	local hello='HELLO page_size=4096 boot=00000000000000000000000000000000 session=00000000000000000000000000000000'
	chain
	for frames in "THAWED $base" "RELEASE $base|THAWED $base"; do
		printf '%s\n' "$hello" 'TASK 0 pid=7 ns_pid=7 living=7' '  thread tid=7 ns_tid=7' "${frames//|/$'\n'}" |
			frames pack >d3/pagepipe.head
		imgread d3 | framedump | grep -cE '^(RELEASE|THAWED) .* base=4 generation=5 .* tracker=0011' >nr
		imgread --flatten d3 | framedump | grep -cE '^(RELEASE|THAWED) .* base=0 generation=5 .* tracker=0011' | cmp nr -
		[ "$(cat nr)" = "$(grep -o clk_tck <<<"$frames" | wc -l)" ]
		imgread --flatten d3 | framedump -t
	done
}

@test "imgread: a page that no parent holds is refused, with or without --flatten" {
	local options
	for options in '' --flatten; do
		chain
		mv d1 away
		# shellcheck disable=SC2086 # none, where there is none
		bad 2 'd3/pagemap-7.img: byte 28: the page 0x11000 is to be in d3/parent/parent: No such file' $options d3
		rm d2/parent
		# shellcheck disable=SC2086
		bad 2 'd3/pagemap-7.img: byte 28: the page 0x11000 is to be in d3/parent/parent: there is no parent' $options d3
		make d2 'pagemap 7 1' 'entry 0x10000 2 present' 'entry 0x13000 5 present'
		# shellcheck disable=SC2086
		bad 2 'd3/pagemap-7.img: byte 28: the page 0x12000 is to be in a parent, and d3/parent/pagemap-7.img does not hold it' $options d3
		make d2 'pagemap 7 1' 'entry 0x10000 8 lazy'
		# shellcheck disable=SC2086
		bad 2 'the page 0x11000 is to be in a parent, and d3/parent/pagemap-7.img does not hold it' $options d3
		make d2 'pagemap 8 1' 'entry 0x10000 8 present'
		# shellcheck disable=SC2086
		bad 2 'and d3/parent/pagemap-7.img does not hold it' $options d3
		rm d2/inventory.img
		# shellcheck disable=SC2086
		bad 2 'is to be in d3/parent: it is not whole' $options d3
		make d2 'pagemap 7 1' 'entry 0x10000 40 present' 'entry 0x8000 1 present'
		# shellcheck disable=SC2086
		bad 2 'd3/parent/pagemap-7.img: byte 28: entries that do not ascend' $options d3
	done
	make d2 'pagemap 7 1' 'entry 0x10000 1000 present' 'cut 4096'
	bad 2 'd3/parent/pages-1.img: ends at byte 4091904, pagemap-7.img has pages up to byte 4096000' d3
}

@test "imgread: a parent that no page needs may be missing; a loop may not" {
	make a 'parent ../nowhere' 'pagemap 7 1' 'entry 0x10000 3 present'
	back a b
	same_pages a b
	make a 'parent .' 'pagemap 7 1' 'entry 0x10000 3 present'
	bad 2 'a/parent: the parents form a loop' a
	make b 'parent ../a' 'pagemap 7 1' 'entry 0x10000 3 present'
	rm a/parent
	ln -s ../b a/parent
	bad 2 'a/parent/parent: the parents form a loop' a
}

@test "imgread: a pages file that is short, missing or named twice is refused" {
	make a 'pagemap 7 1' 'entry 0x10000 3 present' 'cut 1'
	bad 2 'a/pages-1.img: ends at byte 12287, pagemap-7.img has pages up to byte 12288' a
	rm a/pages-1.img
	bad 2 'a/pages-1.img: is not there, and pagemap-7.img names it' a
	mkdir a/pages-1.img
	not imgread a >out 2>errors
	make a 'pagemap 7 1' 'entry 0x10000 3 present' 'pagemap 8 1' 'entry 0x10000 3 present'
	bad 2 'a/pagemap-8.img: names pages-1.img, and so does another pagemap' a
	make a 'pagemap 7 1' 'entry 0x10000 3 present' 'pagemap shmem-8 1' 'entry 0x10000 3 present'
	bad 2 'a/pagemap-shmem-8.img: names pages-1.img, and so does another pagemap' a
	# longer is none of CRIU's concern; none at all where there is no page
	make a 'pagemap 7 1' 'entry 0x10000 3 present' 'cut -5000' 'pagemap 8 2'
	rm a/pages-2.img
	imgread -v a 2>errors >out
	grep -q 'a/pages-1.img: 5000 bytes at its end are no page of pagemap-7.img' errors
}

@test "imgread: a pagemap that is unsorted, of unknown flags or fields, or damaged is refused" {
	local one='entry 0x10000 3 present'
	make a 'pagemap 7 1' "$one" 'entry 0x12000 1 present'
	bad 2 'a/pagemap-7.img: byte 28: entries that do not ascend' a
	make a 'pagemap 7 1' "$one" 'entry 0x8000 1 present'
	bad 2 'entries that do not ascend' a
	for flags in 0 3 5 7 8 12 0x80000004; do
		make a 'pagemap 7 1' "entry 0x10000 1 $flags"
		bad 2 'a/pagemap-7.img: byte 14: an entry with flags that are not known (are its pages compressed?)' a
	done
	# field 6, as a newer CRIU might: 30 01
	make a 'pagemap 7 1' 'record 088080041001200428013001'
	bad 2 'a/pagemap-7.img: byte 14: an entry with a field that is not known (are its pages compressed?)' a
	make a 'pagemap 7 1' "$one"
	printf '\x04\0\0\0\x08\x01\x10\x01' | dd of=a/pagemap-7.img bs=1 seek=8 conv=notrunc status=none
	not imgread a >out 2>errors
	make a 'pagemap 7 1' 'entry 0x10000 3 present differ'
	bad 2 'an entry with two counts that differ' a
	make a 'pagemap 7 1' 'entry 0x10000 0 present'
	bad 2 'an entry of no pages' a
	make a 'pagemap 7 1' 'entry 0x10001 1 present'
	bad 2 'an entry that begins within a page' a
	make a 'pagemap 7 1' 'entry 0xfffffffffffff000 2 lazy'
	bad 2 'an entry that ends beyond all addresses' a
	make a 'pagemap 7 1' "$one" 'bytes 0102'
	bad 2 'a/pagemap-7.img: byte 28: an entry that is cut short or damaged' a
	make a 'pagemap 7 1' "$one" 'bytes ff00000008'
	bad 2 'an entry that is cut short or damaged' a
	make a 'pagemap 7 1' 'record ffff'
	bad 2 'a/pagemap-7.img: byte 14: an entry that is cut short or damaged' a
}

@test "imgread: garbage in place of a file is refused, each cut of a pagemap too" {
	local size n
	chain
	for name in d3/pagemap-7.img d3/inventory.img; do
		cp "$name" kept
		head -c 3000 /dev/urandom >"$name"
		bad 2 "$name: byte 0: " d3
		: >"$name"
		bad 2 "$name: byte 0: " d3
		rm "$name"
		mkfifo "$name"
		not timeout 5 imgread d3 >out 2>errors
		[ "$(cat errors)" != '' ]
		rm "$name"
		cp kept "$name"
	done
	imgread d3 >/dev/null
	# shorter by whole entries it is a pagemap still, and the pages file longer
	size=$(stat -c %s d3/pagemap-7.img)
	cp d3/pagemap-7.img kept
	whole=0
	for ((n = 0; n < size; n++)); do
		head -c "$n" kept >d3/pagemap-7.img
		code=0
		imgread d3 >out 2>errors || code=$?
		[ "$code" = 2 ] || whole=$((whole + 1))
	done
	[ "$whole" = 6 ]
}

@test "imgread: what is no image directory, is not whole or is an index is refused" {
	mkdir empty
	bad 2 'empty: it is not whole, or no image directory: it has no inventory.img' empty
	bad 111 'cannot read nowhere: No such file or directory' nowhere
	touch file
	bad 111 'cannot read file: Not a directory' file
	make a 'pagemap 7 1' 'entry 0x10000 3 present'
	touch a/pagepipe.index
	bad 2 'a: it holds no page bytes' a
	rm a/pagepipe.index
	chmod 700 a
	setpriv --reuid=65534 --regid=65534 --clear-groups "$BIN/imgread" a 2>errors >out || code=$?
	[ "$code" = 111 ]
	grep -q 'cannot read a: Permission denied' errors
	bad 100 'imgread takes one directory'
	bad 100 'imgread takes one directory' a a
	bad 100 'unrecognized option' --everything a
}

@test "imgread: a pagepipe.head that is cut, longer or of something else is refused" {
	local size n
	victim anon=64K
	freeze "$VICTIM" | vmalist | memread | tee stream | imgwrite a
	cp a/pagepipe.head kept
	size=$(stat -c %s kept)
	for n in 0 1 7 8 20 100 $((size - 1)); do
		head -c "$n" kept >a/pagepipe.head
		bad 2 'a/pagepipe.head: ' a
	done
	cp stream a/pagepipe.head
	bad 2 'a/pagepipe.head: holds a frame that has no place in it' a
	{ cat kept; printf x; } >a/pagepipe.head
	bad 2 "a/pagepipe.head: byte $((size + 1)): it is cut short, or has an END" a
	frames pack <"$ROOT/tests/golden/hello.text" >a/pagepipe.head
	bad 2 'a/pagepipe.head: ' a
}

# An image file with that magic number, and some bytes of it.
image() { printf 'file %s 19435654%s%s\n' "$1" "$2" "${3-0400000008011002}"; }

others() {
	make a 'pagemap 7 2' 'entry 0x10000 3 present' 'pagemap 8 4' 'entry 0x10000 1 present' \
		'pagemap shmem-99 1' 'entry 0x0 2 present new 9' 'entry 0x5000 1 present' \
		'pagemap shmem-18446744073709551614 3' "$(image core-7.img 47380555)" "$(image core-8.img 47380555)" \
		"$(image mm-7.img 20284957)" "$(image ghost-file-1f.img 05365852)" 'file iptables-3.img 2a0a' \
		'file ifaddr-3.img' 'file tmpfs-12.tar.gz.img 1f8b' 'file irmap-cache 4059105559400057' \
		'file stats-dump 00' 'file dump.log 41' 'file seccomp.img 1943565449304164'
	truncate -s 5000000 a/ghost-file-1f.img
}

@test "imgread: --all carries the other files, as types and numbers" {
	others
	imgread --all a | framedump >shown
	grep -q '^IMAGE 0 type=3 id=8 offset=0 size=16 body=16 ' shown
	grep -q '^IMAGE 0 type=30 id=31 offset=0 ' shown
	grep -q '^IMAGE 0 type=30 id=31 offset=5000000 size=5000000 body=0 ' shown
	grep -q '^IMAGE 0 type=59 id=18446744073709551614 ' shown
	[ "$(grep -n '^PAGES' shown | head -n 1 | cut -d: -f1)" -gt "$(grep -n '^IMAGE' shown | tail -n 1 | cut -d: -f1)" ]
	back a b --all
	for name in core-7.img core-8.img mm-7.img ghost-file-1f.img iptables-3.img ifaddr-3.img irmap-cache \
		tmpfs-12.tar.gz.img pagemap-shmem-99.img pages-1.img pages-3.img inventory.img seccomp.img; do
		cmp "a/$name" "b/$name"
	done
	# a hole stays one, and no pages file has the number of another
	[ "$(du -k b/ghost-file-1f.img | cut -f1)" -lt 100 ]
	same_pages a b
	[ "$(find b -name 'pages-*' | wc -l)" = 4 ]
	[ ! -e b/dump.log ]
	[ "$(find b -type f ! -perm 600 | wc -l)" = 0 ]
	back b c --all
	same b c
	# (twin) a byte in one of them is found
	printf x | dd of=b/ghost-file-1f.img bs=1 seek=4999999 conv=notrunc status=none
	not same b c
}

@test "imgread: without --all no other file goes, with it what is left out is said" {
	others
	imgread a | framedump >shown
	not grep -q '^IMAGE' shown
	touch a/descriptors.json
	imgread --all a 2>errors >/dev/null
	[ "$(cat errors)" = 'imgread: a/descriptors.json: is no image file, left out' ]
	imgread --all -v a 2>errors >/dev/null
	grep -q 'a/dump.log: left out' errors
	touch a/pages-55.img
	imgread --all -v a 2>&1 >/dev/null | grep -q 'a/pages-55.img: no pagemap names it, left out'
}

@test "imgread: --all refuses an image file that is not known, or begins as another" {
	for name in amdgpu-kfd-1.img core-07.img core-x.img core-4294967296.img pagemap-0.img pagemap-1a.img \
		ghost-file-1F.img xcore-1.img inventory-1.img; do
		others
		touch "a/$name"
		bad 2 "a/$name: not an image file that is known" --all a
		imgread a >/dev/null
	done
	others
	cp a/core-7.img a/mm-7.img
	bad 2 'a/mm-7.img: byte 0: it does not begin as such a file' --all a
	bad 2 'a/mm-7.img: byte 0: it does not begin as such a file' a
	others
	mkdir a/core-9.img
	bad 2 'a/core-9.img: is no file' --all a
}

@test "imgread: pages of shared memory that a parent holds are checked, and refused by --flatten" {
	make p 'pagemap shmem-5 1' 'entry 0x0 2 present'
	make a 'parent ../p' 'pagemap shmem-5 1' 'entry 0x0 1 parent' 'entry 0x1000 1 present'
	imgread --all a >/dev/null
	bad 2 'a/pagemap-shmem-5.img: has pages in a parent, which --flatten does not resolve in shared memory' --all --flatten a
	make a 'parent ../p' 'pagemap shmem-5 1' 'entry 0x0 3 parent'
	bad 2 'a/pagemap-shmem-5.img: byte 14: the page 0x2000 is to be in a parent' --all a
	bad 2 'a/pagemap-shmem-5.img: byte 14: the page 0x2000 is to be in a parent' a
}

@test "imgread: a tebibyte of zeros takes neither time nor memory" {
	[ "${CHECKED:-}" != valgrind ] || unchecked 'a bound on time'
	make a 'pagemap 7 1' 'entry 0x10000 268435456 present new hole' 'entry 0x200000000000 1 present' \
		'pagemap 8 2' 'entry 0x10000 17179869184 lazy new'
	[ "$(stat -c %s a/pages-1.img)" = $((268435456 * 4096 + 4096)) ]
	limited 50000 timeout 5 imgread a >stream
	[ "$(stat -c %s stream)" -lt 20000 ]
	framedump -s <stream | grep -q ' 1 present .* 268435456 zero, 0 parent, 17179869184 lazy'
	timeout 20 imgwrite b <stream
	cmp <(tail -c 4096 a/pages-1.img) <(tail -c 4096 b/pages-1.img)
	[ "$(du -k b/pages-1.img | cut -f1)" -lt 100 ]
}

@test "imgread: many entries, and pages in small pieces, come back the same" {
	seq 0 9999 | awk '{ printf "entry %d %d present new %d\n", 65536 + $1 * 32768, 1 + $1 % 7, $1 % 3 == 0 ? 0 : $1 % 9 }' >entries
	make a 'pagemap 7 1' "$(sed 's/ 0$/ zero/' entries)"
	back a b
	same_pages a b
	imgread a | framedump -s | grep -q 'whole'
}

@test "imgread: exits with 3 when its reader has gone" {
	make a 'pagemap 7 1' 'entry 0x10000 3000 present'
	stages 'imgread a' 'head -c 100000 >/dev/null'
	[ "$STATUS" = '3 0' ]
	grep -q 'the reader of our output went away' errors
	[ "$(wc -l <errors)" = 1 ]
	stages 'imgread a >/dev/full'
	[ "$STATUS" = 111 ]
	# (valgrind opens what is closed)
	[ "${CHECKED:-}" = valgrind ] || stages 'imgread a >&-'
	[ "${CHECKED:-}" = valgrind ] || [ "$STATUS" = 100 ]
}

@test "imgread: --progress shows how far it is, -q silences all but errors" {
	make a 'pagemap 7 1' 'entry 0x10000 3000 present'
	imgread --progress a 2>errors >/dev/null
	tr '\r' '\n' <errors | grep -q '^3000 pages, 11.7 MiB'
	imgread a 2>errors >/dev/null
	[ ! -s errors ]
	touch a/thing
	imgread -q --all a 2>errors >/dev/null
	[ ! -s errors ]
}
