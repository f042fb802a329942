# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Chains whose pages criu sends to a pageserve, and fetches from one, where the
# kernel tracks soft-dirty pages.

# send N ACTION [TO]: criu's own images into N, the pages into TO, or sent/N; on
# top of N - 1. Where they are together, the link that criu makes is enough.
send() {
	local to=${3:-sent/$1} previous='' theirs=''
	mkdir -p sent "$1"
	[ "$1" = 1 ] || previous="--prev-images-dir ../$(($1 - 1))"
	[ "$to" = "$1" ] || theirs=$previous
	# shellcheck disable=SC2086 # options
	open_server_once "$to" $theirs
	# shellcheck disable=SC2046,SC2086 # options
	run_criu "$1" "$2" -t "$VICTIM" --track-mem $previous $(to_server)
	server_went_well
}

# left_to_parent: how many pages the last session left there.
left_to_parent() { sed -n 's/.* \([0-9]*\) left to the parent.*/\1/p' served | tail -n 1; }

# Two pre-dumps and a dump, of which pageserve checks and keeps the pages.
chain_pageserve() {
	victim anon=16M sparse=1M
	send 1 pre-dump
	change
	send 2 pre-dump
	at_most sent/2 1300
	[ "$(left_to_parent)" -gt 3000 ]
	"$PLANT"
	order 'd anon 3000'
	send 3 dump
	at_most sent/3 1300
	[ "$(left_to_parent)" -gt 3000 ]
	imgread sent/3 >/dev/null
	cp 3/*.img sent/3
	rm -r 1 2 3
	restore sent/3
	check
}

# The same, where each round has one directory for both.
chain_pageserve_together() {
	victim anon=16M
	send 1 pre-dump 1
	change
	send 2 pre-dump 2
	order 'd anon 3000'
	send 3 dump 3
	at_most 3 1300
	[ "$(left_to_parent)" -gt 3000 ]
	restore 3
	check
}

# On top of a round of ours.
chain_pageserve_ours() {
	victim anon=16M
	track ''
	mkdir sent
	copy 1
	cp -r 1 sent/1
	change
	send 2 dump
	at_most sent/2 1300
	cp 2/*.img sent/2
	rm -r 1 2
	restore sent/2
	check
}

# A restore whose pages come from there when they are touched.
chain_pageserve_lazy() {
	local daemon
	victim anon=16M sparse=1M
	run_criu 1 dump -t "$VICTIM"
	open_server_once 1
	# shellcheck disable=SC2046 # options
	run_criu 1 lazy-pages $(to_server) &
	daemon=$!
	wait_for 60 test -S 1/lazy-pages.socket
	run_criu 1 restore --lazy-pages &
	RESTORER=$!
	wait_for 60 grep -q 'Restore finished successfully' 1/restore.log
	check
	wait "$daemon"
	server_went_well
	grep -q 'served [4-9][0-9][0-9][0-9] pages' served
}

plant_sent() {
	local file
	for file in sent/1/pages-*.img; do
		printf X | dd of="$file" bs=4096 seek=2000 conv=notrunc status=none
	done
}
twin_pageserve() { finds 'says: error 1 first' plant_sent chain_pageserve; }

# The parent has not all the pages that it should have: criu cannot even dump.
plant_lack() {
	mkdir lack
	ln -s ../sent/2 lack/1
	(cd lack && plant_entry)
}
twin_pageserve_lack() { finds 'criu dump: .*page-xfer' plant_lack chain_pageserve; }
