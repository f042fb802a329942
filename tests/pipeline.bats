#!/usr/bin/env bats
# Whole pipelines: what may stand between their stages, and targets of every
# kind.  A target that is to be compared stands still (SIGSTOP) before it is
# copied: a thread that runs on may find itself on another CPU, and the kernel
# then writes that into its memory (rseq).

load helpers/lib
export BATS_TEST_TIMEOUT=150

PREDUMP=('freeze $VICTIM' vmalist memread 'imgwrite image')
THAWED=('freeze $VICTIM' vmalist thaw memread 'imgwrite image')
CONSISTENT=('freeze --consistent $VICTIM' vmalist memread 'imgwrite image')
# Every kind of memory but hugetlb, which has to be reserved.
EVERY_KIND=(anon heap stacks=32 filepriv none wonly xonly guard growsdown memfd
	shanon shfile thp reserve=1T zeros zeropage sparse small=200)

setup() {
	lib_setup
	export VICTIM
	HUGE_PAGES=
	SWAP=
}

teardown() {
	[ -z "$SWAP" ] || swapoff "$SWAP"
	[ -z "$HUGE_PAGES" ] || echo "$HUGE_PAGES" >/proc/sys/vm/nr_hugepages
	lib_teardown
}

# still_victim KIND...: one that stands still.
still_victim() {
	victim "$@"
	stand_still "$VICTIM"
}

# succeed STAGE...: a pipeline all of whose stages end with 0, into image.
succeed() {
	rm -rf image
	stages "$@"
	[[ $STATUS =~ ^0( 0)*$ ]] && return
	printf '%s: %s\n' "$*" "$STATUS"
	cat errors
	return 1
}

# carry CARRIER GAP STAGE...: CARRIER behind the stage GAP, 1 for the first; 0:
# behind every one.
carry() {
	local carrier=$1 gap=$2 i line=()
	shift 2
	for ((i = 1; i <= $#; i++)); do
		line+=("${!i}")
		((i == $# || (gap && gap != i))) || line+=("$carrier")
	done
	succeed "${line[@]}"
	imgcmp "$VICTIM" image
}

carry_in_every_gap() {
	local carrier gap
	still_victim anon=1M none sparse=4M zeros
	for carrier in cat 'tee copy' 'dd bs=777 status=none' 'pv -q'; do
		for ((gap = 0; gap < $#; gap++)); do
			carry "$carrier" "$gap" "$@"
			[ "$carrier $gap" != 'tee copy 1' ] || framedump -t <copy
		done
	done
}

tracer_of() { sed -n 's/^TracerPid:\t//p' "/proc/$1/status"; }
is_held() { [ "$(tracer_of "$1")" != 0 ]; }

@test "pipeline: cat, tee, dd and pv may stand anywhere in a pre-dump" {
	carry_in_every_gap "${PREDUMP[@]}"
}

@test "pipeline: cat, tee, dd and pv may stand anywhere in a pre-dump with thaw" {
	carry_in_every_gap "${THAWED[@]}"
}

@test "pipeline: cat, tee, dd and pv may stand anywhere in a consistent copy" {
	carry_in_every_gap "${CONSISTENT[@]}"
	change_is_found "$VICTIM" image 1
}

@test "pipeline: freeze may run under a program that keeps its output open, as sudo does" {
	still_victim anon
	succeed '( freeze $VICTIM; true )' vmalist memread 'imgwrite image'
	succeed '( freeze $VICTIM; true )' vmalist thaw memread 'imgwrite image'
	succeed '( freeze --consistent $VICTIM; true )' vmalist memread 'imgwrite image'
	succeed '( freeze $VICTIM )' '( vmalist; true )' '( thaw; true )' \
		'( memread; true )' '( imgwrite image; true )'
	imgcmp "$VICTIM" image
}

@test "pipeline: zstd and mbuffer may stand right of the release" {
	local carrier
	still_victim anon=1M
	for carrier in 'zstd -q | zstd -q -d' 'mbuffer -q'; do
		carry "$carrier" 3 "${PREDUMP[@]}"
		carry "$carrier" 3 "${THAWED[@]}"
		carry "$carrier" 4 "${THAWED[@]}"
		carry "$carrier" 3 "${CONSISTENT[@]}"
	done
}

@test "pipeline: zstd left of the release makes freeze give up, and nothing was stopped" {
	local traced="strace -f -o calls -e trace=ptrace freeze --wait 500ms"
	victim anon
	stages "$traced $VICTIM" 'zstd -q' 'zstd -q -d' vmalist thaw memread 'imgwrite image'
	[[ $STATUS =~ ^1\ 0\ 0\ [23]\ 2\ 2\ 2$ ]]
	grep -q '^freeze: nobody to the right releases: .*zstd.* nothing was stopped$' errors
	not grep PTRACE calls
	runs "$VICTIM"
	[ ! -e image ]

	stages "$traced $VICTIM" vmalist 'zstd -q' 'zstd -q -d' memread 'imgwrite image'
	[ "$STATUS" = '1 2 0 0 2 2' ]
	not grep PTRACE calls
	[ ! -e image ]

	succeed "$traced $VICTIM" vmalist thaw memread 'imgwrite image'
	grep -q PTRACE_SEIZE calls
}

# saved_for_later STAGE...: behind memread; the same directory, but for the
# times in stats-dump, is made of the file when the target is no more.
saved_for_later() {
	victim anon=1M none sparse zeros children=2
	succeed "$@" 'tee saved' 'imgwrite now'
	kill -KILL "$VICTIM"
	wait "$VICTIM" || :
	imgwrite later <saved
	zstd -q <saved | zstd -q -d | imgwrite later.zstd
	diff -r -x stats-dump now later
	diff -r -x stats-dump now later.zstd
	[ "$(compgen -G 'later/pages-*.img' | wc -l)" = 3 ]
	printf X >>later/pages-2.img
	not diff -r -x stats-dump now later
	rm -r now later later.zstd
}

@test "pipeline: a stream in a file becomes the same directory later, without the target" {
	saved_for_later 'freeze $VICTIM' vmalist memread
	saved_for_later 'freeze $VICTIM' vmalist thaw memread
	saved_for_later 'freeze --consistent $VICTIM' vmalist memread
}

@test "pipeline: crit decodes every file and finds the right numbers" {
	local before
	victim anon=9M none sparse zeros children=2 small=3000
	before=$(cut -d ' ' -f 1 /proc/uptime)
	succeed "${CONSISTENT[@]}"
	cat >check.py <<-'END'
	import glob, json, os, subprocess, sys
	def crit(name):
	    text = subprocess.check_output(["crit", "show", name])
	    return json.loads(text)
	def same(what, left, right):
	    print(what, left, right)
	    if left != right:
	        sys.exit("not the same: %s %s %s" % (what, left, right))
	pid, before, after = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
	children = open("/proc/%d/task/%d/children" % (pid, pid)).read().split()
	os.chdir("image")
	page, written, pages_ids = os.sysconf("SC_PAGESIZE"), 0, set()
	for p in [str(pid)] + children:
	    img = crit("pagemap-%s.img" % p)
	    head, entries = img["entries"][0], img["entries"][1:]
	    same("magic", img["magic"], "PAGEMAP")
	    nr = sum(e["nr_pages"] for e in entries if e["flags"] == "PE_PRESENT")
	    pages_ids.add(head["pages_id"])
	    name = "pages-%d.img" % head["pages_id"]
	    same(name, nr * page, os.stat(name).st_size)
	    same("flags", {e["flags"] for e in entries}, {"PE_PRESENT"})
	    same("longest", max(e["nr_pages"] for e in entries) <= 1024, True)
	    starts = [int(e["vaddr"], 0) for e in entries]
	    ends = [s + e["nr_pages"] * page for s, e in zip(starts, entries)]
	    same("ascends", all(a <= b for a, b in zip(ends, starts[1:])), True)
	    written += nr
	same("files", len(glob.glob("pagemap-*.img")), len(pages_ids))
	stats = crit("stats-dump")["entries"][0]["dump"]
	total = sum(os.stat(n).st_size for n in glob.glob("pages-*.img"))
	same("pages_written", stats["pages_written"] * page, total)
	same("pages_written", stats["pages_written"], written)
	same("pages_scanned", stats["pages_scanned"], written)
	same("frozen", 0 < stats["frozen_time"] < 10**7, True)
	inventory = crit("inventory.img")["entries"][0]
	uptime = inventory.pop("dump_uptime") / 1e6
	same("uptime", before <= uptime <= after, True)
	same("inventory", inventory, {"img_version": 0, "pre_dump_mode": 2})
	same("others", set(os.listdir()) - set(glob.glob("pagemap-*.img")) -
	     set(glob.glob("pages-*.img")), {"inventory.img", "stats-dump", "pagepipe.head"})
	END
	/usr/bin/python3 check.py "$VICTIM" "$before" "$(cut -d ' ' -f 1 /proc/uptime)"
	truncate -s -4096 image/pages-2.img
	run /usr/bin/python3 check.py "$VICTIM" 0 1e9
	[[ $status == 1 && $output == *'not the same: pages-2.img '* ]]
}

@test "pipeline: crit encodes what it has decoded to the same bytes, but for field 5" {
	local file
	victim anon=9M none sparse zeros children=2 small=3000
	succeed "${CONSISTENT[@]}"
	for file in inventory.img stats-dump; do
		crit decode -i "image/$file" -o json
		crit encode -i json -o encoded
		cmp "image/$file" encoded
	done
	# crit 3.17 knows the count in field 2, nr_pages of CRIU 4.2 is field 5.
	cat >fields.py <<-'END'
	import struct, sys
	def varint(data, at):
	    value = shift = 0
	    while True:
	        byte = data[at]
	        at += 1
	        value |= (byte & 127) << shift
	        shift += 7
	        if byte < 128:
	            return value, at
	def fields(data):
	    at, found = 0, []
	    while at < len(data):
	        key, at = varint(data, at)
	        assert key & 7 == 0  # every field of these messages is a varint
	        value, at = varint(data, at)
	        found.append((key >> 3, value))
	    return found
	def messages(name):
	    data, found = open(name, "rb").read(), []
	    at = 8
	    while at < len(data):
	        size, = struct.unpack_from("<I", data, at)
	        found.append(fields(data[at + 4:at + 4 + size]))
	        at += 4 + size
	    assert at == len(data)
	    return data[:8], found
	own_magic, own = messages(sys.argv[1])
	magic, crits = messages(sys.argv[2])
	assert own_magic == magic and len(own) == len(crits) > 10
	assert own[0] == crits[0]
	for mine, other in zip(own[1:], crits[1:]):
	    assert [f[0] for f in mine] == [1, 2, 4, 5], mine
	    assert mine[1][1] == mine[3][1], mine
	    assert mine[:3] == other, (mine, other)
	END
	for file in image/pagemap-*.img; do
		crit decode -i "$file" -o json
		crit encode -i json -o encoded
		not cmp "$file" encoded
		/usr/bin/python3 fields.py "$file" encoded
	done
	sed -i '0,/"nr_pages": 1,/s//"nr_pages": 2,/' json
	crit encode -i json -o encoded
	not /usr/bin/python3 fields.py "$file" encoded
}

# every_method SCAN: a copy of every kind of memory, by every way of reading.
# /proc/PID/pagemap takes a second for each TiB, many where the machine is busy.
every_method() {
	local method
	for method in auto mem; do
		succeed 'freeze --consistent --stall 60s $VICTIM' "vmalist --scan=$1" \
			"memread --method=$method" 'imgwrite image'
		imgcmp "$VICTIM" image
	done
	change_is_found "$VICTIM" image 1
}

@test "pipeline: every kind of memory is copied right, found by PAGEMAP_SCAN" {
	still_victim "${EVERY_KIND[@]}"
	every_method scan
	kill -CONT "$VICTIM"
	[[ $(tell c) == ok* ]]
}

@test "pipeline: every kind of memory is copied right, found by /proc/PID/pagemap" {
	still_victim "${EVERY_KIND[@]}"
	every_method pagemap
	kill -CONT "$VICTIM"
	[[ $(tell c) == ok* ]]
}

@test "pipeline: process_vm_readv alone leaves out what the target itself may not read" {
	still_victim "${EVERY_KIND[@]}"
	succeed "freeze $VICTIM" vmalist 'memread -v --method=readv' 'imgwrite -v image'
	# none, and xonly; wonly can be read on x86
	grep -q 'skipped: 0 unmapped, [1-9][0-9]* unreadable, 0 gone' errors
	run imgcmp "$VICTIM" image
	[ "$status" = 1 ]
	[[ $output == *' 0 wrong, '[1-9]*' missing'* ]]

	stages 'freeze --consistent $VICTIM' vmalist 'memread --method=readv' 'imgwrite other'
	[[ $STATUS =~ ^3\ [03]\ 1\ 2$ ]]
	grep -q "^memread: pid $VICTIM: cannot read .* pages at 0x[0-9a-f]* " errors
	[ ! -e other ]
}

@test "pipeline: shared mappings are left out, and vmalist -v says so" {
	local kind
	still_victim anon memfd shanon shfile
	succeed "freeze $VICTIM" 'vmalist -v' memread 'imgwrite image'
	grep -q "^vmalist: pid $VICTIM: left out: 3 shared mappings, 192.0 KiB" errors
	crit show "image/pagemap-$VICTIM.img" >json
	for kind in memfd shanon shfile; do
		not grep -F "\"0x$(range $kind | cut -d ' ' -f 1)\"" json
	done
	grep -F "\"0x$(range anon | cut -d ' ' -f 1)\"" json
	imgcmp "$VICTIM" image
}

# cheap SCAN: a copy of $VICTIM takes less than 0.3 s of CPU time in all.
cheap() {
	local TIMEFORMAT='%U %S'
	{ time succeed "freeze $VICTIM" "vmalist --scan=$1" memread 'imgwrite image'; } 2>took
	tail -n 1 took
	[ "$STATUS" = '0 0 0 0' ]
	tail -n 1 took | awk '{ exit $1 + $2 > 0.3 }'
}

@test "pipeline: a reservation of 1 TiB costs nothing" {
	still_victim anon reserve=1T
	cheap scan
	[ "$(stat -c %s image/pages-1.img)" -lt 1000000 ]
	imgcmp "$VICTIM" image
	not cheap pagemap # an entry for every page
}

@test "pipeline: a scan that is longer than --stall is no stall" {
	still_victim anon reserve=2T
	succeed 'freeze --consistent --stall 300ms $VICTIM' 'vmalist --scan=pagemap' memread \
		'imgwrite image'
}

@test "pipeline: huge pages are copied right" {
	local scan before
	before=$(cat /proc/sys/vm/nr_hugepages)
	echo $((before + 4)) >/proc/sys/vm/nr_hugepages
	HUGE_PAGES=$before
	[ "$(cat /proc/sys/vm/nr_hugepages)" = $((before + 4)) ] ||
		skip 'no huge pages to be had'
	still_victim anon hugetlb=8M
	not grep -q unavailable "$SAID"
	for scan in scan pagemap; do
		every_method "$scan"
		grep -q "$(range hugetlb | cut -d ' ' -f 1)" < <(crit show "image/pagemap-$VICTIM.img")
		[ "$(stat -c %s image/pages-1.img)" -gt 8388608 ]
	done
	kill -CONT "$VICTIM"
	[[ $(tell c) == ok* ]]
}

# A machine without swap gets some for a while, if it may.
need_swap() {
	local file=$BATS_TEST_TMPDIR/swap
	[ "$(wc -l </proc/swaps)" = 1 ] || return 0
	dd if=/dev/zero of="$file" bs=1M count=64 status=none
	chmod 600 "$file"
	mkswap -q "$file"
	swapon "$file" || skip 'no swap to be had'
	SWAP=$file
}

@test "pipeline: pages in swap are copied right" {
	local scan
	need_swap
	victim anon=8M heap none small=50
	for scan in scan pagemap; do
		[ "$(tell w)" = ok ]
		[ "$(sed -n 's/^VmSwap:\t *\([0-9]*\) kB/\1/p' "/proc/$VICTIM/status")" -ge 4000 ]
		stand_still "$VICTIM"
		succeed 'freeze --consistent $VICTIM' "vmalist --scan=$scan" memread 'imgwrite image'
		imgcmp "$VICTIM" image
		[ "$(stat -c %s image/pages-1.img)" -ge 8388608 ]
		kill -CONT "$VICTIM"
		[[ $(tell c) == ok* ]]
	done
}

@test "pipeline: a tree of 200 processes" {
	local pid pids
	still_victim anon children=199
	mapfile -t pids < <(pgrep -P "$VICTIM")
	[ ${#pids[@]} = 199 ]
	for pid in "${pids[@]}"; do
		stand_still "$pid"
	done
	succeed "${PREDUMP[@]}"
	[ "$(compgen -G 'image/pagemap-*.img' | wc -l)" = 200 ]
	succeed "${CONSISTENT[@]}"
	[ "$(compgen -G 'image/pagemap-*.img' | wc -l)" = 200 ]
	for pid in "$VICTIM" "${pids[@]}"; do
		imgcmp "$pid" image
		stands_still "$pid"
	done
	change_is_found "${pids[98]}" image 100
}

@test "pipeline: a second one on the same target waits for the first" {
	local first keeper
	still_victim anon=64M
	mkdir first
	(
		cd first
		stages "freeze --consistent $VICTIM" vmalist memread 'pv -q -L 40m' 'imgwrite image'
		echo "$STATUS" >ended
	) 3>&- &
	first=$!
	wait_for 5 is_held "$VICTIM"
	keeper=$(tracer_of "$VICTIM")

	stages "freeze --timeout 300ms $VICTIM" vmalist memread 'imgwrite early'
	[[ $STATUS =~ ^111\ 2\ 2\ 2$ ]]
	grep -q "^freeze: pid $VICTIM: already traced by freeze (pid $keeper)" errors
	[ ! -e early ]
	[ "$(tracer_of "$VICTIM")" = "$keeper" ]

	succeed "${PREDUMP[@]}"
	wait "$first"
	[ "$(cat first/ended)" = '0 0 0 0 0' ]
	not is_held "$VICTIM"
	imgcmp "$VICTIM" image
	imgcmp "$VICTIM" first/image
}

# hold PID: stopped until let_go.
hold() {
	freeze --one --max-stop 30s "$1" 2>hold.errors 3>&- |
		releaser take tasks sleep=30000 >/dev/null 3>&- &
	HOLDER=$!
	VICTIMS+=("$HOLDER")
	wait_for 5 is_held "$1"
}

let_go() {
	kill "$HOLDER"
	wait "$HOLDER" || :
}

# late CALL STAGE...: succeed, with a freeze that is slow just when the kernel has
# refused its ptrace call number CALL; meanwhile the other one lets go.
late() {
	local call=$1 second
	shift
	succeed "strace -f -o calls -e trace=ptrace \
		-e inject=ptrace:delay_exit=500000:when=$call $1" "${@:2}" 3>&- &
	second=$!
	wait_for 5 grep -q 'EPERM.*DELAYED' calls
	let_go
	wait "$second"
}

@test "pipeline: a second one is not refused when the first lets go just as it looks" {
	victim anon
	hold "$VICTIM"
	late 1 "freeze $VICTIM" vmalist memread 'imgwrite image'
}

@test "pipeline: a child that another one lets go of is not left out" {
	victim anon children=1
	hold "$(pgrep -P "$VICTIM")"
	late 2 "freeze $VICTIM" vmalist memread 'imgwrite image'
	[ "$(compgen -G 'image/pagemap-*.img' | wc -l)" = 2 ]
}

@test "pipeline: a target that calls exec just before it is stopped" {
	local copy
	victim anon
	# freeze knows the process by now, and looks for its threads
	succeed "strace -f -o calls -P /proc/$VICTIM/task -e trace=openat \
		-e inject=openat:delay_exit=500000:when=1 freeze --consistent $VICTIM" \
		vmalist memread 'imgwrite image' 3>&- &
	copy=$!
	wait_for 5 grep -q DELAYED calls
	tell x
	wait "$copy"
	stand_still "$VICTIM"
	run imgcmp "$VICTIM" image
	[[ $output == *' 0 missing'* ]]
}

@test "pipeline: between attempts to stop that fail the target runs" {
	local stuck gap
	churn vfork=5000 count 3>&- &
	stuck=$!
	wait_for 5 eval '[ "$(state_of '"$stuck"')" = D ]'
	VICTIMS+=("$stuck" "$(pgrep -P "$stuck")")
	victim anon spin
	tell g
	stages "freeze --one --timeout 2s $stuck $VICTIM" vmalist memread 'imgwrite image'
	[ "$STATUS" = '1 2 2 2' ]
	grep -q '^freeze: not all threads could be stopped within 2' errors
	gap=$(tell g)
	echo "$gap ns" # the last attempt is the longest: 640 ms
	[ "${gap#ok }" -gt 15000000 ]
	[ "${gap#ok }" -lt 1300000000 ]
}

@test "pipeline: a target whose name holds a parenthesis and a newline" {
	local fields
	still_victim anon name=$'x) S 1\n(y)'
	succeed 'freeze --consistent $VICTIM' vmalist memread 'tee saved' 'imgwrite image'
	imgcmp "$VICTIM" image
	framedump <saved >text
	grep -F 'name="x) S 1\012(y)"' text
	# from the state on, proc_pid_stat(5)'s third
	read -ra fields <<<"$(tr '\n' ' ' <"/proc/$VICTIM/stat" | sed 's/.*) //')"
	grep "pid=$VICTIM .*parent=${fields[1]} start=${fields[19]} " text
}

@test "pipeline: a target whose executable is deleted" {
	cp "$O/tests/victim" gone
	victim_command() { exec "$T/gone" "$@"; }
	still_victim anon filepriv
	rm gone
	[[ $(readlink "/proc/$VICTIM/exe") == *'(deleted)' ]]
	succeed "${PREDUMP[@]}"
	imgcmp "$VICTIM" image
	succeed "${CONSISTENT[@]}"
	imgcmp "$VICTIM" image
}

@test "pipeline: several processes on one command line, each with its children" {
	local pid pids=()
	for pid in anon children=2 stacks=3; do
		still_victim anon "$pid"
		pids+=("$VICTIM")
	done
	for pid in $(pgrep -P "${pids[1]}"); do
		stand_still "$pid"
	done
	succeed "freeze ${pids[*]}" vmalist thaw memread 'imgwrite image'
	[ "$(compgen -G 'image/pagemap-*.img' | wc -l)" = 5 ]
	succeed "freeze --consistent ${pids[*]}" vmalist memread 'imgwrite image'
	for pid in "${pids[@]}" $(pgrep -P "${pids[1]}"); do
		imgcmp "$pid" image
	done
	[ "$(compgen -G 'image/pagemap-*.img' | wc -l)" = 5 ]
	change_is_found "${pids[1]}" image 2
}

@test "pipeline: --one leaves the children out" {
	still_victim anon children=2
	succeed "freeze --one $VICTIM" vmalist memread 'imgwrite image'
	[ "$(echo image/pagemap-*)" = "image/pagemap-$VICTIM.img" ]
	imgcmp "$VICTIM" image
	succeed "${PREDUMP[@]}"
	[ "$(compgen -G 'image/pagemap-*.img' | wc -l)" = 3 ]
}
