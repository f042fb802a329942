#!/usr/bin/env bats
# Rounds that build on each other: what can be told without a kernel that
# tracks writes.  (tests/vm has the others.)

load helpers/lib

setup() { lib_setup; }
teardown() { lib_teardown; }

TRACKER=a0a1a2a3a4a5a6a7a8a9aaabacadaeaf

# round GENERATION BASE RUN...: a stream of one process, in the file sGENERATION.
# $START, $STACK, $ID, $UPTIME: of the process, the tracker, an adopted base.
round() {
	local run adopted='' tracker=" tracker=${ID-$TRACKER}" generation=$1
	[ -z "${UPTIME-}" ] || adopted=" base_uptime_us=$UPTIME"
	[ -n "${ID-$TRACKER}" ] || tracker=''
	{
		cat <<-END
			HELLO version=0 page_size=4096 mode=pre-dump machine="x86_64" host="here" boot=000102030405060708090a0b0c0d0e0f session=f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff keeper=k leased=1 hold=1 writer=""
			TASK 0 pid=4242 ns_pid=7 parent=0 start=${START-100} uid=0 resident=0 living=4242 named=1 start_stack=${STACK-0x7ffd12345000} name="v"
			  thread tid=4242 ns_tid=7 sp=0x0
			THAWED tracking=soft-dirty base=$2 generation=$1 uptime_us=98765432100 clk_tck=100 scan=scan stopped_ns=5$tracker$adopted
		END
		shift 2
		echo 'PAGES 0 digest=auto'
		for run; do
			echo "  run $run"
		done
		echo 'END stage=other outcome=whole'
	} | sed 's/ digest=auto//' | frames pack >"s$generation"
}

# chain: 1, which holds three pages in a row, in a/1.
chain() {
	mkdir a
	round 1 0 '0x1000 3 present' '0x8000 1 zero'
	imgwrite a/1 <s1
}

# refused CODE MESSAGE FILE OPTION...: and nothing is written to a/2.
refused() {
	local code=$1 message=$2 file=$3 got=0
	shift 3
	imgwrite "$@" a/2 <"$file" 2>errors || got=$?
	[ "$got" = "$code" ] || { echo "$got, not $code: $(cat errors)"; return 1; }
	grep -q -- "$message" errors || { cat errors; return 1; }
	[ "$(wc -l <errors)" = 1 ]
	[ "$(ls -A a)" = 1 ]
}

# entries FILE: VADDR PAGES FLAGS of each.
entries() {
	python3 - "$1" <<-'END'
		import struct, sys
		data, at = open(sys.argv[1], 'rb').read(), 8
		def fields(message):
		    i, out = 0, {}
		    while i < len(message):
		        key, i = message[i] >> 3, i + 1
		        value = shift = 0
		        while True:
		            value |= (message[i] & 127) << shift
		            shift, i = shift + 7, i + 1
		            if message[i - 1] < 128:
		                break
		        out[key] = value
		    return out
		first = True
		while at < len(data):
		    size, = struct.unpack_from('<I', data, at)
		    if not first:
		        f = fields(data[at + 4:at + 4 + size])
		        print('%#x %d %d' % (f[1], f[5], f[4]))
		    first, at = False, at + 4 + size
	END
}

@test "imgwrite --parent: what did not change is an entry of the parent's, and a link names it" {
	chain
	round 2 1 '0x1000 1 parent' '0x2000 1 present' '0x3000 1 parent' '0x8000 1 parent'
	imgwrite --parent ../1 a/2 <s2
	[ "$(readlink a/2/parent)" = ../1 ]
	[ "$(entries a/2/pagemap-7.img)" = '0x1000 1 1
0x2000 1 4
0x3000 1 1
0x8000 1 1' ]
	[ "$(stat -c %s a/2/pages-1.img)" = 4096 ]
	# in a parent, a parent's entry does as well as a page
	round 3 2 '0x1000 3 parent' '0x8000 1 present'
	imgwrite --parent ../2 a/3 <s3
	# in place
	mkdir a/4
	round 4 3 '0x1000 3 parent'
	(cd a/4 && imgwrite --parent ../3 . <../../s4)
	[ "$(readlink a/4/parent)" = ../3 ]
}

@test "imgwrite --parent: a page that the parent lacks is named, and nothing is written" {
	chain
	round 2 1 '0x1000 4 parent'
	refused 2 'process 7: ../1 does not hold the page at 0x4000' s2 --parent ../1
	round 2 1 '0x0 1 parent'
	refused 2 'does not hold the page at 0x0' s2 --parent ../1
	round 2 1 '0x3000 1 parent' '0x7000 2 parent'
	refused 2 'does not hold the page at 0x7000' s2 --parent ../1
	round 2 1 '0x9000 1 parent'
	refused 2 'does not hold the page at 0x9000' s2 --parent ../1
	# a skipped page has no entry, and is nobody's
	round 1 0 '0x1000 1 present' '0x2000 1 skip:unreadable'
	imgwrite --force a/1 <s1
	round 2 1 '0x1000 2 parent'
	refused 2 'does not hold the page at 0x2000' s2 --parent ../1
	# nor has a lazy one its bytes
	round 1 0 '0x1000 1 lazy'
	imgwrite --force a/1 <s1
	round 2 1 '0x1000 1 parent'
	refused 2 'does not hold the page at 0x1000' s2 --parent ../1
}

@test "imgwrite --parent: another round, another tracker, another process: refused" {
	chain
	round 3 2 '0x1000 1 parent'
	refused 2 'builds on round 2, but ../1 is round 1 (vmalist --base 1' s3 --parent ../1
	refused 2 'builds on round 2: imgwrite --parent' s3
	ID=00000000000000000000000000000000 round 2 1 '0x1000 1 parent'
	refused 2 'another memtrack' s2 --parent ../1
	START=101 round 2 1 '0x1000 1 parent'
	refused 2 'process 7 is not the one that ../1 holds' s2 --parent ../1
	STACK=0x7ffd00000000 round 2 1 '0x1000 1 parent'
	refused 2 'process 7 is not the one that ../1 holds' s2 --parent ../1
	round 2 1 '0x1000 1 present'
	refused 100 'is no whole image directory: inventory.img' s2 --parent ..
	refused 111 'cannot open the parent' s2 --parent ../nowhere
	printf X | dd of=a/1/pagepipe.head bs=1 seek=40 conv=notrunc status=none
	refused 100 'the parent ../1: pagepipe.head' s2 --parent ../1
	rm a/1/pagepipe.head
	refused 2 'builds on round 1 of its memtrack, and ../1 is no such round' s2 --parent ../1
}

@test "imgwrite --parent: a directory is not its own parent" {
	local code=0
	chain
	round 2 1 '0x1000 1 parent'
	imgwrite --force --parent ../1 a/1 <s2 2>errors || code=$?
	[ "$code" = 100 ]
	grep -q 'is not its own parent' errors
	[ "$(entries a/1/pagemap-7.img | wc -l)" = 2 ]
}

@test "imgwrite --parent: a full round needs none, and has no link" {
	chain
	round 2 0 '0x1000 1 present'
	imgwrite --parent ../1 a/2 <s2
	[ ! -e a/2/parent ] && [ ! -L a/2/parent ]
	# but a live one that says so and yet leaves pages to it is refused
	rm -r a/2
	round 2 0 '0x1000 1 parent'
	refused 2 'builds on an earlier one' s2 --parent ../1
}

# dump_uptime is by what an adopted directory is known.
@test "imgwrite --parent: a directory that was adopted must be that one" {
	chain
	rm a/1/pagepipe.head	# as criu's
	UPTIME=98765432100 round 2 1 '0x1000 1 parent' '0x2000 1 present'
	imgwrite --parent ../1 a/2 <s2
	rm -r a/2
	UPTIME=98765432101 round 2 1 '0x1000 1 parent'
	refused 2 'adopted, which ../1 is not' s2 --parent ../1
	# a process that is younger than the directory
	START=9876543 UPTIME=98765432100 round 2 1 '0x1000 1 parent'
	refused 2 'process 7 is not the one' s2 --parent ../1
	START=9876542 UPTIME=98765432100 round 2 1 '0x1000 1 parent'
	imgwrite --parent ../1 a/2 <s2
}

@test "imgwrite --index: all but the pages, and it says so" {
	victim anon=1M children=1
	stand_still "$VICTIM" # before: a stop may write to its rseq area
	freeze "$VICTIM" | vmalist | memread >stream
	imgwrite whole <stream
	imgwrite --index index <stream
	[ "$(cd index && ls -- *.img stats-dump)" = "$(cd whole && ls -- *.img stats-dump)" ]
	for file in whole/pagemap-*.img whole/inventory.img whole/pagepipe.head; do
		cmp "$file" "index/${file#whole/}"
	done
	for file in whole/pages-*.img; do
		[ "$(stat -c %s "$file")" = "$(stat -c %s "index/${file#whole/}")" ]
		[ "$(du -k "index/${file#whole/}" | cut -f 1)" = 0 ]
	done
	grep -q 'imgwrite --index' index/pagepipe.index
	imgwrite --force index <stream
	[ ! -e index/pagepipe.index ]
	# (twin) pages that are not there are found
	imgwrite --force --index index <stream
	[[ $(imgcmp "$VICTIM" whole) == *' 0 wrong, 0 missing'* ]]
	not imgcmp "$VICTIM" index
}

@test "stream: a round without a tracker, or on one that is later, makes no sense" {
	ID='' round 2 1 '0x1000 1 present'
	not framedump -t <s2 2>errors
	grep -q 'THAWED that makes no sense' errors
	round 2 2 '0x1000 1 present'
	not framedump -t <s2 2>errors
	grep -q 'THAWED that makes no sense' errors
}

@test "vmalist: a round that cannot be made is refused before anything is stopped" {
	victim anon
	stages "freeze $VICTIM" 'vmalist --base 1' memread 'imgwrite copy'
	[ "$STATUS" = '1 100 2 2' ] || [ "$STATUS" = '3 100 2 2' ]
	grep -q 'no memtrack has a record of its rounds' errors
	stages "freeze $VICTIM" 'vmalist --base 1 --full' memread 'imgwrite copy'
	grep -q 'a full round has no --base' errors
	stages "freeze $VICTIM" 'vmalist --track=sometimes' memread 'imgwrite copy'
	grep -q -- '--track takes auto, none, uffd or soft-dirty' errors
	runs "$VICTIM"
	[ ! -e copy ]
}

# no_soft_dirty: the kernel of this machine tracks nothing.
no_soft_dirty() { ! memtrack --daemon "$VICTIM" 2>errors; }

@test "memtrack: says where the kernel does not track, and so does vmalist" {
	victim anon
	no_soft_dirty || skip 'this kernel has soft-dirty bits'
	grep -q 'this kernel has no soft-dirty bits (CONFIG_MEM_SOFT_DIRTY)' errors
	[ "$(wc -l <errors)" = 1 ]
	stages "freeze $VICTIM" 'vmalist --track=soft-dirty' memread 'imgwrite copy'
	[ "${STATUS#* }" = '111 2 2' ]
	grep -q 'this kernel has no soft-dirty bits' errors
	stages "freeze $VICTIM" 'vmalist --track=none' memread 'imgwrite copy'
	[ "$STATUS" = '0 0 0 0' ]
}

@test "memtrack: what is wrong is said in one line" {
	local code=0
	memtrack 2>errors || code=$?
	[ "$code" = 100 ]
	code=0
	memtrack no-number 2>errors || code=$?
	[ "$code" = 100 ]
	code=0
	memtrack 2 2>errors || code=$?
	[ "$code" = 100 ]
	grep -q 'kernel thread' errors
	code=0
	memtrack --status $$ 2>errors || code=$?
	[ "$code" = 1 ]
	grep -q "no memtrack tracks it" errors
	code=0
	memtrack --stop 999999999 2>errors || code=$?
	[ "$code" = 1 ]
	grep -q 'no such process' errors
}
