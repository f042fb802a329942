# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Chains: a victim is copied, dumped by criu on top of that, restored, and has
# to find its memory as it left it.

# hand_over N PAGES: what most of them end with.
hand_over() {
	dump "$1"
	at_most "$1" "$2"
	restore "$1"
	check
}

# Without tracking every page counts as written, and is dumped.
chain_full() {
	victim anon=16M
	copy 1
	change
	hand_over 2 5000
	[ "$(own_pages 2)" -gt 4000 ]
}

# Only what has changed is dumped, huge pages as a whole; the rest is ours.
chain_parent() {
	victim anon=16M sparse=1M
	track ''
	copy 1
	"$PLANT"
	change
	hand_over 2 1200
}

# Three rounds of ours, each of which has what changed.
chain_rounds() {
	victim anon=16M sparse=1M
	track ''
	copy 1
	change
	copy 2
	at_most 2 1300
	order 'd anon 2000'
	copy 3
	at_most 3 2500
	"$PLANT"
	change
	hand_over 4 1300
}

chain_consistent() {
	victim anon=16M
	track ''
	copy 1 --consistent
	change
	hand_over 2 1200
}

# Two threads check their pages and write them anew, all the time.
chain_busy() {
	victim anon=4M thp=8M mutate=2 blocked=4
	track ''
	copy 1
	hand_over 2 1200
}

# Not hugetlb: criu 3.17.1 never ends restoring it, not even on top of its own
# pre-dump.
chain_kinds() {
	victim anon none wonly xonly growsdown shanon memfd shfile filepriv heap \
		thp sparse zeros zeropage reserve small=100 stacks
	track ''
	copy 1
	order 'd heap 3'
	order 'm sparse'
	order 'p none rw'
	hand_over 2 600
}

# The chain says what the stopped process holds, byte for byte: with a last
# round of ours on it, and then with criu's; and that, with its parents
# resolved, is all that criu needs.
chain_truth() {
	victim anon=16M sparse=1M none heap filepriv
	track ''
	copy 1
	change
	order 'd sparse 16'
	copy 2
	change
	kill -STOP "$VICTIM"
	copy 3 --consistent
	"$PLANT"
	equals 3
	kill -CONT "$VICTIM"
	change
	dump 4 dump --leave-stopped
	equals 4
	imgread --all --flatten 4 | imgwrite full
	rm -r 1 2 3 4
	kill -KILL "$VICTIM"
	restore full
	check
}

# Both ways of tracking end with what the stopped process holds. (userfaultfd
# can do that from Linux 6.7 on.)
chain_trackers() {
	local method
	victim anon=8M sparse=1M heap filepriv mutate=1
	for method in uffd soft-dirty; do
		memtrack --daemon --track="$method" "$VICTIM"
		mkdir "$method"
		(cd "$method" && copy 1 && change_sparse && copy 2 && copy 3)
		kill -STOP "$VICTIM"
		(cd "$method" && copy 4 --consistent && equals 4)
		kill -CONT "$VICTIM"
		memtrack --stop "$VICTIM"
	done
}
! grep -q '^6\.1\.' /proc/sys/kernel/osrelease || unset -f chain_trackers

change_sparse() {
	order 'd sparse 16'
	order 'd heap 3'
}

# What comes into a buffer that was registered with an io_uring in the first
# round, and is no more in the second one, passes by the page tables. The kernel
# does not clear the bits of pinned pages (clear_soft_dirty() in
# fs/proc/task_mmu.c).
chain_ring() {
	# shellcheck disable=SC2317 # victim calls it
	victim_command() { exec odd ring ring; }
	head -c 1M /dev/zero | tr '\0' '\2' >ring.data
	victim
	track ''
	clear
	copy 1
	kill -USR1 "$VICTIM"
	wait_for 10 eval '[ "$(od -An -tu8 -N 8 ring | tr -d " ")" = 1 ]'
	copy 2
	kill -STOP "$VICTIM"
	copy 3 --consistent
	"$PLANT"
	equals 3
	kill -KILL "$VICTIM"
}

# Sixteen threads, two of which write all the time.
chain_threads() {
	victim anon=4M mutate=2 blocked=13
	track ''
	copy 1
	copy 2
	copy 3
	hand_over 4 1200
}

# Children take no orders, and write nothing: what they hold is in our images.
# (One page more is missing there, since criu writes to it: its own code.)
chain_tree() {
	local child
	victim anon=1M children=3
	track ''
	copy 1
	copy 2
	at_most 2 200
	dump 3
	at_most 3 200
	restore 3
	while read -r child; do
		imgcmp "$child" 1 >said || grep ' 0 wrong, 1 missing' said
	done < <(sed -n 's/^child \([0-9]*\) .*/\1/p' "$SAID")
	check
}

# One child is born between the rounds, and one ends; neither is in all of them.
chain_family() {
	local first second
	victim anon=8M
	first=$(tell f)
	track ''
	copy 1
	[ -e "1/pagemap-${first#ok }.img" ]
	second=$(tell f)
	change
	copy 2
	# the new one has all that its parent had then, and is the only one
	at_most 2 5000
	[ "$(pages_of "${second#ok }" 2)" -gt 2000 ]
	[ "$(pages_of "${first#ok }" 2)" -lt 600 ]
	kill -KILL "${first#ok }"
	copy 3
	[ ! -e "3/pagemap-${first#ok }.img" ]
	copy 4
	[ "$(pages_of "${second#ok }" 4)" -lt 600 ]
	dump 5
	restore 5
	check
}

# Between two rounds the victim becomes another program: that round has all of
# it, and builds on nothing.
chain_exec() {
	victim anon=8M
	track ''
	copy 1
	: >"$SAID"
	echo x >&"$ORDERS"
	wait_for 20 grep -q '^ready ' "$SAID"
	copy 2
	[ "$(own_pages 2)" -gt 2000 ]
	no_parents 2
	copy 3
	copy 4
	not no_parents 4
	at_most 4 600
	hand_over 5 600
}

# A pid that is another process's at the next round, of the same parent.
chain_reuse() {
	family
	memtrack --daemon --track=soft-dirty "$LEADER"
	VICTIM=$LEADER
	copy 1
	: >"$SAID"
	kill -KILL "$CHILD"
	wait_for 20 grep -q '^ready ' "$SAID"
	grep -q "^ready $CHILD\$" "$SAID" || fail "the pid was not used again: $(tail -n 1 "$SAID")"
	copy 2
	[ "$(pages_of "$CHILD" 2)" -gt 900 ]
	copy 3
	copy 4
	[ "$(pages_of "$CHILD" 4)" -lt 600 ]
	order 'd anon 7'
	dump 5
	restore 5
	look
	kill -KILL "$LEADER"
}

# Two threads that map, unmap, protect and write at random, without pause.
chain_mapper() {
	local n
	# shellcheck disable=SC2317 # victim calls it
	victim_command() { exec setsid mapper; }
	victim
	track ''
	copy 1
	for n in 2 3 4 5 6; do
		copy $n
	done
	[[ $(tell n) != 'ok 0' ]]
	dump 7
	restore 7
	check
}

chain_small() {
	local max
	max=$(cat /proc/sys/vm/max_map_count)
	echo 300000 >/proc/sys/vm/max_map_count
	VICTIM_WAIT=60 victim small=100000 anon=1M
	track ''
	copy 1
	order 'd anon 3'
	copy 2
	at_most 2 600
	order 'd anon 5'
	dump 3
	at_most 3 600
	RESTORE_WAIT=400 restore 3
	check
	echo "$max" >/proc/sys/vm/max_map_count
}

# criu's pre-dump, a round of ours on top of it, and one on top of that.
chain_adopt() {
	victim anon=16M none=1M sparse=1M
	run_criu 1 pre-dump -t "$VICTIM"
	change
	track '--adopt 1'
	copy 2
	at_most 2 1300
	change
	copy 3
	at_most 3 1800
	order 'd anon 3000'
	hand_over 4 1200
}

# The driver makes the rounds, and says how criu goes on; it starts its own
# memtrack, which is gone then.
chain_driver() {
	local n
	victim anon=16M
	predump -t "$VICTIM" -D d --rounds 3 --track-mem >said
	if memtrack --status "$VICTIM" 2>/dev/null; then fail 'memtrack goes on'; fi
	for n in 2 3; do
		[ "$(readlink "d/$n/parent")" = "../$((n - 1))" ]
		grep -q "^d/$n: .* [1-9][0-9]* unchanged" said
	done
	change
	cd d || return
	bash -ec "$(sed -n 's/^to go on: //p' ../said) -v4 -o dump.log"
	at_most 4 1300
	restore 4
	check
}

# And by hand what it says that it would do.
chain_driver_dry() {
	victim anon=16M
	bash -ec "$(predump -t "$VICTIM" -D d --rounds 2 --track-mem --dry-run)"
	cd d || return
	at_most 2 1300
	hand_over 3 1300
}

# One round alone needs no memtrack for criu to build on it.
chain_driver_single() {
	victim anon=16M sparse=1M
	predump -t "$VICTIM" -D 1 --track-mem >said
	"$PLANT"
	change
	hand_over 2 1200
}

# criu's own pre-dump between ours and the dump: three generations.
chain_predump() {
	victim anon=16M
	track ''
	copy 1
	change
	dump 2 pre-dump
	at_most 2 1200
	order 'd anon 3000'
	hand_over 3 600
}

# crit encodes what it has decoded to the same bytes.
chain_crit() {
	local file
	victim anon=1M small=100
	copy 1
	"$PLANT"
	for file in 1/inventory.img 1/stats-dump 1/pagemap-*.img; do
		crit decode -i "$file" -o json
		crit encode -i json -o "$file.crit"
	done
	cmp 1/inventory.img 1/inventory.img.crit
	cmp 1/stats-dump 1/stats-dump.crit
	same_pagemap "1/pagemap-$VICTIM.img" "1/pagemap-$VICTIM.img.crit"
}

# same_pagemap OURS CRITS: but for field 5, which is CRIU 4.2's and says again
# what field 2 says. An entry: 08 vaddr 10 count 20 flags [28 count].
same_pagemap() {
	python3 - "$@" <<-'END'
		import struct, sys
		def messages(name):
		    data, at = open(name, 'rb').read(), 8
		    yield data[:at]
		    while at < len(data):
		        size, = struct.unpack_from('<I', data, at)
		        yield data[at + 4:at + 4 + size]
		        at += 4 + size
		ours, crits = (list(messages(name)) for name in sys.argv[1:])
		assert len(ours) == len(crits) > 10 and ours[:2] == crits[:2]
		for our, crit in zip(ours[2:], crits[2:]):
		    count = 1 + next(i for i in range(1, len(crit)) if crit[i] < 128)
		    assert our == crit + b'\x28' + crit[count + 1:-2], (our, crit)
	END
}
