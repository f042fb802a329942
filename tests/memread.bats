#!/usr/bin/env bats
# memread and vmalist: what is listed, what is read, what happens when the
# target does not wait for it.

load helpers/lib
export BATS_TEST_TIMEOUT=150

setup() { lib_setup; }
teardown() { lib_teardown; }

# A listing whose target runs on: memread can be given it later.
list() { stages "freeze ${OPTIONS:-} $VICTIM" "vmalist ${VMALIST:-}" "thaw >listing"; [ "$STATUS" = "0 0 0" ]; }
# shown KEY: its value on the END line or among the totals of a dumped stream.
totals() { framedump <"$1" | sed -n 's/^  totals //p'; }
of() { grep -o " $1=[0-9]*" | head -n 1 | cut -d= -f2; }

@test "memread: what it was asked for comes out, every page exactly once" {
	victim anon=4M zeros=1M sparse=256 filepriv stacks=4
	list
	memread <listing >pages
	asked=$(totals listing | of present)
	present=$(totals pages | of present)
	zero=$(totals pages | of zero)
	[ "$asked" -gt 1200 ]
	[ "$zero" -ge 256 ]
	[ "$asked" = $((present + zero)) ]
	not grep -q skip <(totals pages)
}

@test "memread: a page unmapped after vmalist becomes a skip, and has no entry" {
	victim anon=1M
	read -r start _ < <(range anon)
	list
	[ "$(tell 'u anon 16 8')" = ok ]
	stand_still "$VICTIM" # before: a stop may write to its rseq area
	stages "memread <listing" "tee pages" "imgwrite copy"
	[ "$STATUS" = "0 0 0" ]
	[ "$(totals pages | of skip:unmapped)" = 8 ]
	framedump <pages | grep -q "run 0x$(printf %x $((0x$start + 16 * 4096))) 8 skip:unmapped"
	imgcmp "$VICTIM" copy
	# (twin) the same comparison misses a page that is there and was not copied
	kill -CONT "$VICTIM"
	rm -r copy
	list
	kill -STOP "$VICTIM"
	stages "memread --method=readv <listing" "imgwrite copy"
	kill -CONT "$VICTIM"
	[ "$(tell 'd anon 3')" = ok ]
	kill -STOP "$VICTIM"
	run imgcmp "$VICTIM" copy
	[ "$status" = 1 ]
}

# json NAME FILE: a number of it.
json() { /usr/bin/python3 -c 'import json,sys; print(json.load(open(sys.argv[2]))[sys.argv[1]])' "$@"; }

@test "memread: --totals says what END says, as JSON on a descriptor" {
	victim anon=4M zeros=1M children=2
	stages "freeze $VICTIM" vmalist 'memread --totals 7 7>total >pages'
	[ "$STATUS" = '0 0 0' ]
	[ "$(wc -l <total)" = 1 ]
	[ "$(json sent total)" = "$(totals pages | of present)" ]
	[ "$(json zero total)" = "$(totals pages | of zero)" ]
	[ "$(json bytes total)" = $(($(json sent total) * 4096)) ]
	[ "$(json tasks total)" = 3 ]
	[ "$(json stopped_ns total)" -gt 0 ]
	[ "$(json consistent total)" = False ]
	[ "$(json whole total)" = True ]
	# (twin) of another copy they are others
	list
	[ "$(tell 'u anon 16 8')" = ok ]
	memread --totals 7 7>other <listing >pages
	[ "$(json skipped other)" = "{'unmapped': 8, 'unreadable': 0, 'gone': 0}" ]
	[ "$(json sent other)" = $(($(json sent total) - 8)) ]
	# what was promised and cannot be kept leaves the copy without an END
	stages "freeze $VICTIM" vmalist 'memread --totals 7 7>/dev/full' 'imgwrite image'
	[ "$STATUS" = '0 0 111 2' ]
	[ ! -e image ]
	for fd in x 1 -3 99; do
		stages "memread --totals $fd" </dev/null
		[ "$STATUS" = 100 ]
		[ "$(wc -l <errors)" = 1 ]
	done
}

@test "memread: 1 GiB unmapped between release and read costs few system calls" {
	victim anon=1G
	list
	[ "$(tell 'u anon')" = ok ]
	strace -f -c -o calls memread <listing >pages
	[ "$(totals pages | of skip:unmapped)" = 262144 ]
	[ "$(awk '$NF == "total" { print $4 }' calls)" -lt 2000 ]
	# (twin) the same 1 GiB, mapped, does cost more: strace counts
	victim anon=1G
	list
	strace -f -c -o calls2 memread <listing >/dev/null
	[ "$(awk '$NF == "total" { print $4 }' calls2)" -gt 4000 ]
}

@test "memread: a hole every second page is still copied page by page" {
	victim anon=2M
	list
	for ((i = 0; i < 512; i += 32)); do
		[ "$(tell "u anon $i")" = ok ]
	done
	memread <listing >pages
	[ "$(totals pages | of skip:unmapped)" = 16 ]
}

@test "memread: a named process that ends is said in END, 1, and nothing is written" {
	victim anon=4M
	list
	kill -KILL "$VICTIM"
	wait_for 5 eval '! grep -q "^State:	[^Z]" /proc/$VICTIM/status'
	stages "memread <listing" "tee pages" "imgwrite copy"
	[ "$STATUS" = "1 0 1" ]
	framedump <pages | grep -q '^END.*outcome=gone.* gone=0'
	[ ! -e copy ]
}

@test "memread: exec keeps pid and start time, and is still noticed" {
	victim anon=4M
	list
	before=$(cut -d' ' -f22 "/proc/$VICTIM/stat")
	tell x >/dev/null
	wait_for 5 eval '[ $(grep -c "^ready" $SAID) = 2 ]'
	[ "$(cut -d' ' -f22 "/proc/$VICTIM/stat")" = "$before" ]
	# the same addresses may be mapped again: not one page of them is taken
	stages "memread <listing" "tee pages" "imgwrite copy"
	[ "$STATUS" = "1 0 1" ]
	[ ! -e copy ]
}

@test "memread: a target that ends while it is read" {
	victim anon=256M
	list
	{
		memread <listing 2>memread.errors || echo $? >code
	} | { head -c 20000000; kill -KILL "$VICTIM"; sleep 0.1; cat; } >pages
	[ "$(cat code)" = 1 ]
	[ "$(totals pages | of skip:gone)" -gt 1000 ]
	run imgwrite copy <pages
	[ "$status" = 1 ]
	[ ! -e copy ]
}

@test "memread: a descendant that ends is left out, the others are kept, 0" {
	local child
	victim anon children=2
	list
	child=$(sed -n 's/^child \([0-9]*\) .*/\1/p' "$SAID" | head -n 1)
	kill -KILL "$child"
	wait_for 5 eval '! grep -q "^State:	[^Z]" /proc/'"$child"/status
	stages "memread <listing" "tee pages" "imgwrite copy"
	[ "$STATUS" = "0 0 0" ]
	framedump <pages | grep -q '^END.*outcome=whole.* gone=[12]$'
	[ ! -e "copy/pagemap-$child.img" ]
	[ "$(find copy -name 'pagemap-*.img' | wc -l)" = 2 ]
	[ "$(find copy -name 'pages-*.img' | wc -l)" = 2 ]
	grep -q "pid $child ended" errors
}

@test "memread: a target that loses its leader thread is read to the end" {
	python3 -c 'import ctypes, threading, time
data = bytearray(b"x" * (8 << 20))
threading.Thread(target=lambda: time.sleep(60)).start()
open("ready", "w").close()
while True:
    try: open("go")
    except OSError: time.sleep(0.02); continue
    break
ctypes.PyDLL(None).pthread_exit(None)' 3>&- &
	VICTIM=$!
	VICTIMS+=("$VICTIM")
	wait_for 5 test -e ready
	list
	touch go
	wait_for 5 grep -q '^State:	Z' "/proc/$VICTIM/status"
	memread <listing >pages
	[ "$(totals pages | of present)" -gt 2048 ]
	not grep -q skip <(totals pages)
}

@test "memread: a stopped target with pages that cannot be read is no consistent copy: 1, no END" {
	victim anon none=64K
	stages "freeze --consistent $VICTIM" vmalist "memread --method=readv" "tee pages" "imgwrite copy"
	[ "$STATUS" = "3 0 1 0 2" ]
	grep -q 'of the stopped target: unreadable' errors
	run framedump -t <pages
	[ "$status" = 2 ]
	[ ! -e copy ]
	runs "$VICTIM"
	# and running: skipped, counted, 0
	stages "freeze $VICTIM" vmalist "memread --method=readv" "tee pages" "imgwrite copy"
	[ "$STATUS" = "0 0 0 0 0" ]
	[ "$(totals pages | of skip:unreadable)" -ge 16 ]
}

@test "memread: a target killed while stopped gives no consistent copy" {
	victim anon=32M
	stages "freeze --consistent $VICTIM" vmalist memread "{ head -c 3000000; kill -KILL $VICTIM; sleep 0.1; cat; }" "imgwrite copy"
	# freeze sees the end, or that memread went away because it did
	[[ "$STATUS" =~ ^[13]\ [0-9]\ 1\ [0-9]+\ 2$ ]]
	[ ! -e copy ]
}

@test "vmalist: a stopped target with asynchronous I/O is refused, unless allowed" {
	local kind
	for kind in aio io_uring; do
		python3 -c "import ctypes, time
libc = ctypes.CDLL(None, use_errno=True)
if '$kind' == 'aio': r = libc.syscall(206, 8, ctypes.byref(ctypes.c_ulong()))
else: r = libc.syscall(425, 8, ctypes.create_string_buffer(120))
open('$kind', 'w').write(str(r))
time.sleep(60)" 3>&- &
		VICTIM=$!
		VICTIMS+=("$VICTIM")
		wait_for 5 test -s $kind
		[ "$(cat $kind)" -ge 0 ]
		stages "freeze --consistent $VICTIM" vmalist memread "imgwrite copy"
		[ "$STATUS" = "3 1 2 2" ]
		grep -q 'asynchronous I/O' errors
		[ ! -e copy ]
		runs "$VICTIM"
		stages "freeze --consistent $VICTIM" "vmalist --allow-async-io" memread "tee pages" "imgwrite copy"
		[ "$STATUS" = "0 0 0 0 0" ]
		framedump <pages | grep -q '^END.* async_io=0'
		rm -r copy
		# a pre-dump takes it, and says so
		list
		framedump <listing | grep -q '^END.* async_io=0'
	done
}

@test "vmalist: --scan=pagemap lists the pages that --scan=scan lists" {
	victim anon=1M sparse=512 filepriv zeros zeropage thp=4M none growsdown small=50
	kill -STOP "$VICTIM"
	VMALIST=--scan=scan list
	framedump <listing | grep '^  run' >by-scan
	grep -q ' scan=scan ' <(framedump <listing)
	VMALIST=--scan=pagemap list
	framedump <listing | grep '^  run' >by-pagemap
	grep -q ' scan=pagemap ' <(framedump <listing)
	# runs may be cut at other places: compare the pages
	pages() { while read -r _ at nr _; do for ((i = 0; i < nr; i++)); do printf '%x\n' $((at + i * 4096)); done; done; }
	pages <by-scan >a
	pages <by-pagemap >b
	[ "$(wc -l <a)" -gt 1300 ]
	cmp a b
	# (twin) a page more is noticed
	kill -CONT "$VICTIM"
	[ "$(tell 'd zeropage 0')" = ok ]
	kill -STOP "$VICTIM"
	VMALIST=--scan=scan list
	framedump <listing | grep '^  run' | pages >c
	not cmp -s a c
}

@test "vmalist: shared mappings are left out, and said with -v" {
	victim anon memfd=1M shanon=2M shfile=1M
	VMALIST=-v list
	grep -qE "left out: [0-9]+ shared mappings, [4-9]\.[0-9] MiB" errors
	read -r start _ < <(range shanon)
	not grep -qi "run 0x$start" <(framedump <listing)
}

@test "vmalist: a reservation of 1 TiB costs nothing" {
	victim anon reserve=1T
	list
	[ "$(totals listing | of present)" -lt 2000 ]
}

# cuts STAGE...: freeze's stream, cut at each length, into these stages.
cuts() {
	local n size bad=0
	stages "freeze $VICTIM" "tee whole" "releaser take tasks thaw >/dev/null"
	size=$(wc -c <whole)
	[ "$size" -gt 150 ]
	for ((n = 0; n < size - 4; n += ${STEP:-1})); do
		stages "freeze --wait 1s $VICTIM" "frames cut $n" "$@"
		code=$(cut -d' ' -f"${PLACE:-3}" status)
		[ "$code" = 2 ] || { echo "cut at $n: $STATUS"; cat errors; bad=1; }
		[ ! -e copy ] || { echo "cut at $n: an image"; bad=1; }
	done
	runs "$VICTIM"
	return $bad
}

@test "vmalist: each cut of its input is refused: 2, no image, the target runs" {
	victim anon
	STEP=3 cuts vmalist memread "imgwrite copy"
}

@test "thaw: each cut of its input is refused" {
	victim anon
	stages "freeze $VICTIM" vmalist "tee whole" "releaser take tasks thaw >/dev/null"
	size=$(wc -c <whole)
	for ((n = 0; n < size - 4; n += 23)); do
		stages "freeze $VICTIM" vmalist "frames cut $n" thaw memread "imgwrite copy"
		[ "$(cut -d' ' -f4 status)" = 2 ] || { echo "cut at $n of $size: $STATUS"; false; }
		[ ! -e copy ]
	done
	runs "$VICTIM"
}

@test "memread: each cut of its input is refused" {
	victim anon
	list
	size=$(wc -c <listing)
	for ((n = 0; n < size; n += 7)); do
		stages "head -c $n listing" memread "cat >pages"
		[ "$STATUS" = "0 2 0" ] || { echo "cut at $n of $size: $STATUS"; false; }
		run framedump -t <pages
		[ "$status" = 2 ]
	done
}

@test "memread: one flipped bit in each byte of a listing is refused" {
	victim anon
	list
	size=$(wc -c <listing)
	for ((n = 0; n < size; n += 11)); do
		frames flip $((n * 8 + n % 8)) <listing >flipped
		code=0
		memread <flipped >/dev/null 2>errors || code=$?
		[ "$code" = 2 ] || { echo "flip in byte $n: $code"; false; }
	done
}

@test "memread: a listing of another machine, or one made from files, is refused" {
	victim anon
	list
	boot=$(tr -d - </proc/sys/kernel/random/boot_id)
	framedump <listing >text
	sed 's/boot=[0-9a-f]*/boot=00112233445566778899aabbccddeeff/; s/ heads_crc=[0-9a-f]*//' text | frames pack >other
	code=0
	memread <other >/dev/null 2>errors || code=$?
	[ "$code" = 2 ]
	grep -q 'another machine' errors
	sed 's/keeper=[^ ]*/keeper=-/; s/ heads_crc=[0-9a-f]*//' text | frames pack >files
	code=0
	memread <files >/dev/null 2>errors || code=$?
	[ "$code" = 100 ]
	grep -q 'made from files' errors
	# (twin) what was packed anew and not changed is taken
	sed "s/ heads_crc=[0-9a-f]*//; s/boot=[0-9a-f]*/boot=$boot/" text | frames pack | memread | framedump -t
}

@test "memread: a pid that another process has now, and a stream without its keeper, give nothing" {
	[ "$(id -u)" = 0 ] || skip "needs root"
	local code=0
	unshare -p -f -m --kill-child reuse.bash 3>&- || code=$?
	[ "$code" != 77 ] || skip "this kernel gives no pid anew"
	grep -q sleep before
	grep -q tail after
	[ "$(cat code) $(cat code2) $(cat code3)" = '1 2 0' ]
	framedump <stream | grep -q '^END.*outcome=gone.* gone=0'
	[ "$(totals stream | of present)" = 0 ]
	grep -q 'freeze has gone: this stream is not live any more' errors
	# (twin) that process can be read
	[ "$(totals twin | of present)" -gt 0 ]
}

@test "memread: a listing that was kept and is replayed later is refused" {
	local code now age
	victim anon
	list
	framedump <listing | sed 's/ heads_crc=[0-9a-f]*//' >text
	now=$(sed -n 's/^THAWED.* uptime_us=\([0-9]*\).*/\1/p' text)
	for age in 61 3600 -3600; do
		sed "s/uptime_us=$now/uptime_us=$((now - age * 1000000))/" text | frames pack >later
		code=0
		memread <later >out 2>errors || code=$?
		[ "$code" = 2 ]
		grep -q 'not live any more: its target was stopped more than a minute ago' errors
		not grep -qa 'PAGES' <(framedump <out 2>/dev/null)
	done
	# (twin) what was packed anew and is as old as it is
	frames pack <text | memread | framedump -t
}

@test "memread: progress is for a terminal, or by --progress; -q silences" {
	victim anon=600M
	list
	memread <listing 2>errors >/dev/null
	[ ! -s errors ]
	memread --progress <listing 2>errors >/dev/null
	tr '\r' '\n' <errors | grep -qE '^[0-9]+ pages, .* MB/s'
	script -qec "memread <listing >/dev/null" /dev/null >terminal
	tr '\r' '\n' <terminal | grep -qE '^[0-9]+ pages, .* MB/s'
	script -qec "memread -q <listing >/dev/null" /dev/null >terminal
	[ ! -s terminal ]
}

@test "memread: a page dropped from under the target's own userfaultfd does not hang it" {
	cat >uffd.py <<-'PY'
		import ctypes, struct, sys, time
		libc = ctypes.CDLL(None, use_errno=True)
		libc.mmap.restype = ctypes.c_void_p
		libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
		size = 1 << 20
		at = libc.mmap(None, size, 3, 0x22, -1, 0)
		ctypes.memset(at, 7, size)
		fd = libc.syscall(323, 0o2000000 | 0o4000)
		api = ctypes.create_string_buffer(struct.pack("QQQ", 0xAA, 0, 0))
		assert libc.ioctl(fd, ctypes.c_ulong(0xC018AA3F), api) == 0
		reg = ctypes.create_string_buffer(struct.pack("QQQQ", at, size, 1, 0))
		assert libc.ioctl(fd, ctypes.c_ulong(0xC020AA00), reg) == 0
		open("ready", "w").close()
		sys.stdin.readline()
		libc.madvise(ctypes.c_void_p(at), ctypes.c_size_t(size), 4)
		open("dropped", "w").close()
		time.sleep(60)
	PY
	mkfifo go
	python3 uffd.py <go 3>&- &
	VICTIM=$!
	VICTIMS+=("$VICTIM")
	exec {go}>go
	wait_for 5 test -e ready
	list
	echo >&"$go"
	wait_for 5 test -e dropped
	STAGES_TIMEOUT=5 stages "memread <listing" "cat >pages"
	[ "$STATUS" = "0 0" ]
	[ "$(totals pages | of skip:unmapped)" -ge 256 ]
	# (twin) process_vm_readv alone does hang there
	STAGES_TIMEOUT=1 stages "memread --method=readv <listing" "cat >/dev/null"
	[ "$STATUS" = timeout ]
}
