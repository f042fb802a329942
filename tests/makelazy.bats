#!/usr/bin/env bats
# makelazy: bytes go where a lazy restore can fetch them, and nowhere else.

load helpers/lib
load helpers/criu
load helpers/images

setup() { lib_setup; }
teardown() { lib_teardown; }

HELLO='HELLO page_size=512 boot=000102030405060708090a0b0c0d0e0f session=f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff'
TASK='TASK 0 pid=7 ns_pid=7 living=7
  thread tid=7 ns_tid=7'
THAWED='THAWED clk_tck=100'

# pack LINE...: a stream in $T/stream
pack() { printf '%s\n' "$HELLO" "$@" 'END stage=imgread' | frames pack >stream; }

# becomes TEXT [OPTION...]: what makelazy makes of $T/stream's pages.
becomes() {
	makelazy "${@:2}" <stream >out 2>errors
	framedump -t <out
	framedump <out | grep -E '^(PAGES|  run)' | sed 's/ nr=.*//' | diff <(echo "$1") -
}

# refuse CODE MESSAGE [FILE]: $T/stream, or that, is refused with one line.
refuse() {
	local code=0
	timeout 20 makelazy <"${3:-stream}" >out 2>errors || code=$?
	[[ "$code: $(cat errors)" == "$1: makelazy: $2"* ]] || { echo "$code: $(cat errors)"; return 1; }
	[ "$(wc -l <errors)" = 1 ]
	not framedump -t <out 2>/dev/null
}

# A dump: two threads, of whose stacks one begins where a mapping does.
dump() {
	make d 'pstree 7 7 8' 'core 7 0x20fff' 'core 8 0x30000' 'mm 7' \
		'vma 0x10000 0x14000 3 0x2 0x41' 'vma 0x14000 0x18000 3 0x22 0x201' \
		'vma 0x20000 0x23000 3 0x122 0x201' 'vma 0x30000 0x33000 0 0x22 0x201' \
		'vma 0x40000 0x41000 3 0x2022 0x201' 'vma 0x41000 0x42000 3 0x40022 0x201' \
		'vma 0x42000 0x44000 5 0x22 0x209' 'vma 0x44000 0x45000 3 0x21 0x101' \
		'vma 0x20000 0x21000 0 0 0x10000' 'pagemap 7 1' "$@"
}

PAGES=('entry 0x13000 3 present,lazy' 'entry 0x17000 1 present,lazy' 'entry 0x20000 3 present,lazy'
	'entry 0x30000 3 present,lazy' 'entry 0x40000 4 present,lazy')

@test "makelazy: of a dump, what mm-PID.img allows goes" {
	dump "${PAGES[@]}"
	imgread --all d >stream
	becomes 'PAGES 0
  run 0x13000 1 present
  run 0x14000 2 lazy
  run 0x17000 1 lazy
  run 0x20000 3 lazy
  run 0x30000 3 lazy
  run 0x40000 4 present'
	grep -qxE 'makelazy: [0-9.]+ KiB became [0-9.]+ KiB: 9 of 14 pages left to be fetched' errors
	[ "$(wc -l <errors)" = 1 ]
}

@test "makelazy: the stacks in use stay, if they are not marked" {
	dump "${PAGES[@]//,lazy/}"
	imgread --all d >stream
	becomes 'PAGES 0
  run 0x13000 1 present
  run 0x14000 2 lazy
  run 0x17000 1 lazy
  run 0x20000 1 present
  run 0x21000 2 lazy
  run 0x30000 1 present
  run 0x31000 2 lazy
  run 0x40000 4 present'
	grep -q '^makelazy: 7 of them were not marked as lazy: criu lazy-pages would give zeros for them' errors
	# and what is marked by us is what we leave out then
	imgread --all d | makelazy -q --mark | imgwrite e
	imgread --all e | makelazy 2>errors | framedump | grep '^  run' | diff - <(framedump <out | grep '^  run')
	[ "$(wc -l <errors)" = 1 ]
	images.py pages e | grep -c ' 6 ' | grep -qx 7
}

@test "makelazy: without the files and without mappings the marks in the pagemaps tell" {
	dump "${PAGES[@]//,lazy/}"
	imgread d >stream
	becomes 'PAGES 0
  run 0x13000 3 present
  run 0x17000 1 present
  run 0x20000 3 present
  run 0x30000 3 present
  run 0x40000 4 present'
	grep -q '^makelazy: no file, mapping or flag in this stream allows' errors
	dump 'entry 0x13000 3 present,lazy' 'entry 0x17000 1 present'
	imgread d >stream
	becomes 'PAGES 0
  run 0x13000 3 lazy
  run 0x17000 1 present'
}

@test "makelazy: the bytes that stay are those that were there, the other files as they were" {
	dump "${PAGES[@]}" 'entry 0x50000 3000 present' 'pagemap shmem-5 2' 'entry 0x0 3 present,lazy'
	imgread --all d | makelazy -q | imgwrite e 2>errors
	[ ! -s errors ]
	images.py pages e | grep ' 4 ' >kept
	[ "$(wc -l <kept)" = 3005 ]
	images.py pages d | sed 's/ 6 / 4 /' | grep -vE 'pagemap-7.* 0x(14|15|17|2[012]|3[012])000 ' |
		grep -v shmem | diff - <(cat kept)
	for file in pstree.img core-7.img core-8.img mm-7.img pagemap-shmem-5.img inventory.img pages-2.img; do
		cmp "d/$file" "e/$file"
	done
	# (twin) a byte of what stays, changed before, is found
	printf x | dd of=d/pages-1.img bs=1 seek=$((14 * 4096 + 9)) conv=notrunc status=none
	images.py pages d | sed 's/ 6 / 4 /' >changed
	not grep -qFf <(tail -n +6 kept | head -n 1) changed
}

@test "makelazy: entries without bytes have CRIU's flag for that alone, and 1,024 pages at most" {
	make d 'pstree 7 7' 'core 7 0x1' 'mm 7' 'vma 0x10000 0x1000000 3 0x22 0x201' \
		'pagemap 7 1' 'entry 0x10000 3000 present,lazy' 'entry 0x1000000 2 present'
	imgread --all d | makelazy -q | imgwrite e
	images.py pages e | cut -d' ' -f3 | uniq -c | sed 's/^ *//' >flags
	printf '3000 2\n2 4\n' | diff flags -
	[ "$(stat -c %s e/pages-1.img)" = 8192 ]
	crit show e/pagemap-7.img | grep nr_pages | grep -v compat | tr -dc '0-9\n' | sort -rn | head -n 1 >largest
	[ "$(cat largest)" -le 1024 ]
	imgread e | framedump | grep '^  run' | diff - <(printf '  run 0x10000 3000 lazy\n  run 0x1000000 2 present\n')
	imgread e | framedump -s | grep -q ' 2 present .* 3000 lazy,'
	# once more: nothing is left to be taken
	imgread --all e | makelazy 2>errors | framedump | grep '^  run' | diff - <(imgread e | framedump | grep '^  run')
	grep -q '3000 of 3002 pages left to be fetched' errors
}

@test "makelazy: a page that a parent holds is a parent's still, and one left out is in no parent" {
	dump "${PAGES[@]}"
	imgread --all d | makelazy -q | imgwrite p
	make d2 'parent ../p' 'pstree 7 7' 'core 7 0x1' 'mm 7' 'vma 0x13000 0x20000 3 0x22 0x201' 'pagemap 7 1' \
		'entry 0x13000 1 parent' 'entry 0x14000 1 present,lazy'
	imgread --all d2 >stream
	becomes 'PAGES 0
  run 0x13000 1 parent
  run 0x14000 1 lazy'
	imgwrite --parent ../p e <out
	imgread e >/dev/null
	make d3 'parent ../p' 'pagemap 7 1' 'entry 0x13000 1 present' 'entry 0x14000 1 parent'
	not imgread d3 >out 2>errors
	grep -q 'the page 0x14000 is to be in a parent, and d3/parent/pagemap-7.img does not hold it' errors
	# (a good parent, by which it can be read, and only then the other)
	dump "${PAGES[@]}"
	rm d3/parent
	ln -s ../d d3/parent
	imgread d3 >stream
	not imgwrite --parent ../p f <stream 2>errors
	grep -q 'p does not hold the page at 0x14000, which this round leaves to it' errors
	[ ! -e f ]
}

@test "makelazy: without files the mappings in the stream tell, each kind of run as it should" {
	local vmas='VMAS 0
  vma 0x1000-0x2000 rw-p anon name="[heap]"
  vma 0x2000-0x3000 rw-p file name="/lib"
VMAS 0
  vma 0x3000-0x4000 rw-s shared
  vma 0x4000-0x5000 r-xp vdso
  vma 0x5000-0x6000 rw-p anon
  vma 0x7000-0x8000 rw-p anon name="[stack]"'
	local pages='PAGES 0 digest=auto
  run 0x1000 7 present
  run 0x1e00 2 present
  run 0x2200 1 lazy
  run 0x3000 1 present
PAGES 0 digest=auto
  run 0x4000 8 present
  run 0x5000 1 zero
  run 0x5200 1 parent
  run 0x5400 1 skip:gone
  run 0x5600 1 present
  run 0x7800 1 present
  run 0x7a00 1 present'
	pack "$TASK" "$THAWED" "$vmas" "$pages"
	becomes 'PAGES 0
  run 0x1000 8 lazy
  run 0x2000 1 present
  run 0x2200 1 lazy
  run 0x3000 1 present
  run 0x4000 8 present
  run 0x5000 1 lazy
  run 0x5200 1 parent
  run 0x5400 1 skip:gone
  run 0x5600 1 lazy
  run 0x7800 2 present'
	becomes 'PAGES 0
  run 0x1000 8 present,lazy
  run 0x2000 1 present
  run 0x2200 1 lazy
  run 0x3000 1 present
  run 0x4000 8 present
  run 0x5000 1 zero,lazy
  run 0x5200 1 parent
  run 0x5400 1 skip:gone
  run 0x5600 1 present,lazy
  run 0x7800 2 present' --mark
	[ "$(cat errors)" = 'makelazy: 11 of 24 pages are marked as lazy' ]
	# where the stack pointers are known, only their pages stay
	pack "${TASK/ns_tid=7/ns_tid=7 sp=0x7a08}
  thread tid=8 ns_tid=8 sp=0x5600" "$THAWED" "$vmas" "$pages"
	becomes 'PAGES 0
  run 0x1000 8 lazy
  run 0x2000 1 present
  run 0x2200 1 lazy
  run 0x3000 1 present
  run 0x4000 8 present
  run 0x5000 1 lazy
  run 0x5200 1 parent
  run 0x5400 1 skip:gone
  run 0x5600 1 present
  run 0x7800 1 lazy
  run 0x7a00 1 present'
	grep -q ': 11 of 24 pages left to be fetched$' errors # lazy, of all but the skipped
}

@test "makelazy: tasks have their own mappings, frames and totals" {
	pack "$TASK" "TASK 1${TASK#TASK 0}" "$THAWED" 'VMAS 0' '  vma 0x1000-0x2000 rw-p anon' 'VMAS 1' '  vma 0x5000-0x6000 rw-p anon' \
		'PAGES 0 digest=auto' '  run 0x1000 1 present' 'PAGES 0 digest=auto' '  run 0x1200 1 present' '  run 0x5000 1 present' \
		'PAGES 1' '  run 0x1000 1 present' 'SKIPPABLE 0 kind=0x8001 table=3' 'PAGES 1' '  run 0x5000 1 present' '  run 0x5400 1 present'
	becomes 'PAGES 0
  run 0x1000 2 lazy
  run 0x5000 1 present
PAGES 1
  run 0x1000 1 present
PAGES 1
  run 0x5000 1 lazy
  run 0x5400 1 lazy'
	framedump <out | tail -n 3 | sed 's/heads_crc=.*//' | diff - <(cat <<-'E'
		END stage=other outcome=whole 
		  totals frames=10 runs=5 present=2 zero=0 parent=0 lazy=4 body_bytes=1024
		  before frames=11 runs=6 present=6 zero=0 parent=0 lazy=0 body_bytes=3072
	E
	)
	# with a digest where there was one, without where there was none
	framedump <out | grep '^PAGES' | grep -o 'digest=.*' | sed 's/=.*//' | uniq -c | grep -q '1 digest'
}

@test "makelazy: more runs than a frame holds, and frames of many pages, come out whole" {
	seq 0 1499 | awk '{ printf "entry %d %d present new %d\n", 65536 + $1 * 32768, 1 + $1 % 7, 1 + $1 % 9 }' >entries
	seq 0 2 1499 | awk '{ printf "vma %d %d 3 0x22 0x201\n", 65536 + $1 * 32768, 65536 + $1 * 32768 + 8192 }' >vmas
	make d 'pstree 7 7' 'core 7 none' 'mm 7' "$(cat vmas)" 'pagemap 7 1' "$(cat entries)" 'entry 0x20000000 3000 present'
	imgread --all d | makelazy 2>errors | imgwrite e
	images.py pages d >before
	images.py pages e >after
	cut -d' ' -f1,2 before | diff - <(cut -d' ' -f1,2 after)
	grep ' 4 ' after >kept
	[ "$(wc -l <kept)" -gt 7000 ]
	[ "$(grep -c ' 2 -' after)" -gt 1000 ]
	[ "$(sort before kept | uniq -d | wc -l)" = "$(wc -l <kept)" ]
	# what is lazy is what the mappings say
	python3 - vmas after <<-'E'
		import sys
		lazy = set()
		for line in open(sys.argv[1]):
		    _, start, end, *_ = line.split()
		    lazy |= {page for page in range(int(start), int(end), 4096)}
		for line in open(sys.argv[2]):
		    _, vaddr, flags, _ = line.split()
		    assert (flags == "2") == (int(vaddr, 16) in lazy), line
	E
}

@test "makelazy: a dump that lacks a file that tells, or has a bad one, is refused" {
	local name
	refused() {
		imgread --all d >stream
		refuse 2 "$1"
	}
	dump "${PAGES[@]}"
	rm d/core-8.img
	refused 'core-8.img, which pstree.img names, is not in the stream'
	dump "${PAGES[@]}"
	rm d/mm-7.img
	refused "mm-7.img is not in the stream, but its process's pages are"
	dump "${PAGES[@]}"
	rm d/pstree.img
	refused 'there is an mm-7.img, but no pstree.img'
	dump "${PAGES[@]}"
	make e 'pstree 9 9'
	cp e/pstree.img d/
	refused 'mm-7.img: its process is not in pstree.img'
	for name in pstree core-8 mm-7; do
		dump "${PAGES[@]}"
		truncate -s 30 "d/$name.img"
		refused "$name.img: "
		truncate -s 34M "d/$name.img"
		refused "$name.img: it is larger than any"
	done
	dump "${PAGES[@]}"
	make e 'mm 7' 'vma 0x2000 0x3000 3 0x22 0x201' 'vma 0x1000 0x2000 3 0x22 0x201'
	cp e/mm-7.img d/
	refused 'mm-7.img: mappings that do not ascend'
}

@test "makelazy: mappings in a stream that make no sense are refused" {
	pack "$TASK" "$THAWED" 'VMAS 0' '  vma 0x2000-0x3000 rw-p anon' 'VMAS 0' '  vma 0x1000-0x2000 rw-p anon' 'PAGES 0' '  run 0x1000 1 present'
	refuse 2 'bad stream: mappings that do not ascend'
	pack "$TASK" "$THAWED" 'VMAS 0' '  vma 0x1000-0x2100 rw-p anon' 'PAGES 0' '  run 0x1000 1 present'
	refuse 2 'bad stream: a mapping that begins or ends within a page'
	pack "$TASK" "$THAWED" 'VMAS 0' '  vma 0x1010-0x2000 rw-p anon' 'PAGES 0' '  run 0x1000 1 present'
	refuse 2 'bad stream: a mapping that begins or ends within a page'
}

@test "makelazy: each cut and each flip ends with 2, and nothing that is whole comes out" {
	make d 'pstree 7 7' 'core 7 0x1' 'mm 7' 'vma 0x14000 0x18000 3 0x22 0x201' \
		'pagemap 7 1' 'entry 0x13000 2 present,lazy new hole'
	imgread --all d >stream
	cuts
	pack "$TASK" "$THAWED" 'VMAS 0' '  vma 0x1000-0x2000 rw-p anon' 'PAGES 0 digest=auto' '  run 0x1000 1 present' '  run 0x5000 1 present'
	cuts
	frames flips quiet <stream >said
	tail -n 1 said | grep -q ', 0 wrong'
	# each bit of a page that is left out counts, too
	at=$(frames heads <stream | awk '$2 == "PAGES" { print ($1 + $3) * 8 }')
	for bit in "$at" $((at + 4095)) $((at + 8191)); do
		frames flip "$bit" <stream >flipped
		refuse 2 'bad stream before byte' flipped
		grep -q 'wrong digest of a body' errors
	done
}

# cuts: of $T/stream; and what comes out of each is no whole stream either.
cuts() {
	local n size
	mkdir -p bin
	printf '#!/bin/sh\nexec makelazy >/dev/null 2>&1\n' >bin/quiet
	chmod +x bin/quiet
	PATH=$PATH:$T/bin
	frames cuts quiet <stream >said
	tail -n 1 said | grep -q ' cuts, 0 wrong'
	size=$(frames size <stream)
	for n in 1 300 $((size / 2)) $((size - 1)); do
		head -c "$n" stream | makelazy 2>/dev/null >out || :
		not framedump -t <out 2>/dev/null
	done
}

@test "makelazy: nothing, garbage, a terminal and a wrong place are refused with one line" {
	refuse 2 'nothing came in: the stage to the left failed, or there is none' /dev/null
	head -c 5000 /dev/urandom >garbage
	refuse 2 '' garbage
	echo 'Welcome to Debian' >garbage
	refuse 2 'this is not a page stream: it begins with "Welcome " (a remote' garbage
	not timeout 10 script -qec 'makelazy' /dev/null >terminal </dev/null
	grep -q 'makelazy: a page stream is not' terminal
	dump "${PAGES[@]}"
	imgread --all d >stream
	not timeout 10 script -qec 'makelazy <stream' /dev/null >terminal </dev/null
	grep -q 'makelazy: a page stream is not for a terminal' terminal
	victim anon=64K
	stages "freeze $VICTIM" vmalist thaw makelazy 'imgwrite copy'
	[[ $STATUS == *' 100 2' ]]
	grep -q 'makelazy: this stream has no pages yet, memread belongs to the left of makelazy' errors
	wait_for 10 runs "$VICTIM"
	code=0
	makelazy something <stream 2>errors >out || code=$?
	[ "$code" = 100 ]
}

@test "makelazy: exits with 3 when its reader has gone, 111 when its output is full" {
	make d 'pagemap 7 1' 'entry 0x10000 3000 present'
	imgread d >stream
	stages 'makelazy <stream' 'head -c 100000 >/dev/null'
	[ "$STATUS" = '3 0' ]
	grep -q 'the reader of our output went away' errors
	stages 'makelazy <stream >/dev/full'
	[ "$STATUS" = 111 ]
}

@test "makelazy: a tebibyte of zeros takes neither time nor memory" {
	make d 'pstree 7 7' 'core 7 none' 'mm 7' 'vma 0x10000 0x700000000000 3 0x22 0x201' \
		'pagemap 7 1' 'entry 0x10000 268435456 present new hole' 'entry 0x200000000000 4294967295 lazy new'
	imgread --all d >stream
	limited 60000 timeout 5 makelazy <stream >out 2>errors
	framedump -s <out | grep -q ' 0 present .* 0 zero, 0 parent, 4563402751 lazy'
	limited 60000 timeout 5 makelazy --mark <stream 2>errors | framedump -s | grep -q ' 268435456 zero, '
}

@test "makelazy: of a live process in a consistent copy, what stays is what the memory holds" {
	victim anon=4M sparse=1M heap zeros blocked=2
	kill -STOP "$VICTIM"
	stages "freeze --consistent $VICTIM" vmalist memread makelazy 'imgwrite copy'
	[ "$STATUS" = '0 0 0 0 0' ]
	grep -q 'makelazy: .* pages left to be fetched' errors
	imgread copy | framedump -s >sums
	[ "$(grep -o ' [0-9]* lazy' sums | tr -dc 0-9)" -gt 1000 ]
	present=$(grep -o ' [0-9]* present' sums | tr -dc 0-9)
	[ "$present" -gt 5 ]
	[ "$present" -lt 400 ]
	# (what is lazy is no page that imgcmp misses)
	imgcmp "$VICTIM" copy
	change_is_found "$VICTIM" copy 1 # (twin)
	# the page of each stack pointer is one of them
	framedump <copy/pagepipe.head 2>/dev/null | sed -n 's/.* sp=//p' >stacks
	[ "$(wc -l <stacks)" = 3 ]
	images.py pages copy >shown
	while read -r sp; do
		grep -q "$(printf ' %#x 4 ' $((sp & ~4095)))" shown
	done <stacks
}

@test "makelazy: a pre-dump goes through it too, and one whose target went away stays one" {
	victim anon=1M
	stages "freeze $VICTIM" vmalist memread makelazy 'imgwrite copy'
	[ "$STATUS" = '0 0 0 0 0' ]
	imgread copy | framedump -s | grep -q ' [1-9][0-9]* lazy'
	printf '%s\n' "$HELLO" "$TASK" "$THAWED" 'PAGES 0' '  run 0x1000 1 present' 'END stage=memread outcome=gone gone=0' |
		frames pack >stream
	stages 'makelazy <stream' 'imgwrite other'
	[ "$STATUS" = '1 1' ]
	[ ! -e other ]
}

@test "makelazy: criu restores a small directory, with the pages of the full one" {
	restores small
}

@test "makelazy: (real criu) threads, children, shared memory and huge pages too" {
	restores small_many
}

@test "makelazy: --mark makes of a chain a directory from which criu fetches" {
	restores small_chain
}

@test "makelazy: criu restores a small directory of a chain, with pageserve for the pages" {
	restores small_served
}

@test "makelazy: (twin) where both have a page criu lazy-pages never ends" {
	not restores twin_both
	grep -q 'criu lazy-pages did not end well' errors
}

@test "makelazy: (twin) a byte that was changed before it was fetched is found" {
	not restores twin_small
	grep -q 'the restored victim says: error 1 ' errors
}

@test "makelazy: (twin) a page that is in neither directory is found" {
	not restores twin_gap
	grep -q 'the restored victim says: error 1 ' errors
}

@test "makelazy: (twin) of a directory that is not marked criu gives zeros" {
	not restores twin_unmarked
	# or nothing, where the zeros are in what it needs to run
	grep -qE 'the restored victim says: (error [0-9]* .*)?$' errors
}
