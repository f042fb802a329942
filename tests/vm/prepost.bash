# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Chains that move a victim to another machine at once, where it gets its pages
# from lazyserve when it touches them. The machines are two networks, and two
# sets of pids: meanwhile the victim is there with the pid that it has here.

HERE=10.0.0.1
# what goes through ssh takes its time on an emulated machine
LIMITS+=([chain_prepost]=300 [twin_prepost_parent]=300 [twin_prepost_source]=300
	[chain_made_lazy_there]=300 [twin_made_lazy_there]=300)

# machines: src is here and dst is there. We are in src, `../there COMMAND` runs
# it in dst, and there `$BACK COMMAND` runs it here. By ssh, which is slow, unless
# $PLAIN.
machines() {
	mkdir src dst
	connect
	if [ -e /usr/sbin/sshd ] && [ -z "${PLAIN-}" ]; then
		THERE=$MACHINE serve_ssh
		serve_back
	else
		serve_plainly
	fi
	cd src || exit
}
MACHINE='unshare --pid --fork --kill-child --mount-proc'

BACK=''
serve_back() {
	echo "$HERE $(cat host.pub)" >>known
	printf '%s\n' 'Host here' "HostName $HERE" "$(tail -n +3 ssh.conf)" >>ssh.conf
	"$(command -v sshd)" -D -e -f sshd.conf &
	VICTIMS+=($!)
	wait_for 60 listens 22
	BACK="ssh -F $T/ssh.conf here"
}

# Without ssh and zstd. (In /proc/PID/task/PID/children is the one that unshare waits for.)
# shellcheck disable=SC2086 # words
serve_plainly() {
	local holder
	PACK='cat' UNPACK='cat'
	nsenter --net=/run/netns/there $MACHINE sleep infinity &
	holder=/proc/$!/task/$!/children
	VICTIMS+=($!)
	wait_for 10 grep -q . "$holder"
	printf '%s\n' '#!/bin/bash' \
		"exec nsenter -t $(tr -d ' ' <"$holder") -n -p -m bash -c \"cd $T/dst && \$*\"" >there
	chmod +x there
	wait_for 10 eval '[ "$(./there cat /proc/1/comm)" = sleep ]'
}

# lazily_there DIR OPTION...: there, lazyserve with these options serves the
# restore of dst/DIR. We are then in dst, as are its summary, and what it said.
# shellcheck disable=SC2016 # $0 is there
lazily_there() {
	cd ../dst || exit
	../there "exec lazyserve --json ${*:2} $1" >summary 2>served &
	FETCHER=$!
	VICTIMS+=("$FETCHER")
	wait_for 60 served_or_over
	grep -q ' ready: ' served || fail "lazyserve: $(tail -n 1 served)"
	PLACE=../there start "$1" restore --lazy-pages
	RESTORER=$STARTED
	says "$1" restore 'Restore finished successfully'
	../there "[ /proc/$VICTIM/ns/net -ef /proc/\$\$/ns/net ]" || fail 'the victim is not there'
}
served_or_over() { grep -q ' ready: ' served || ! kill -0 "$FETCHER"; }

served_went_well() { wait "$FETCHER" || fail "lazyserve ended with $?: $(tail -n 1 served)"; }

# number NAME: of the summary.
number() { sed "s/.*\"$1\":\([0-9]*\).*/\1/" summary; }

# flagged DIR FLAGS: how many pages have just these in DIR's pagemaps. (PE_PARENT
# is 1, PE_LAZY 2, PE_PRESENT 4.)
flagged() {
	local file
	for file in "$1"/pagemap-[0-9]*.img; do
		crit decode -i "$file"
	done | grep -o "\"nr_pages\": [0-9]*, \"flags\": $2\b" >flagged || :
	echo $((0$(sed 's/[^0-9]*\([0-9]*\).*/+\1/' flagged | tr -d '\n')))
}

# came_later DIR MOST: each page that was left behind, and no other, has come
# once; there are not more than MOST.
came_later() {
	local left pages
	left=$(flagged "$1" 2)
	pages=$(($(number fetched) + $(number pushed) + $(number there) + $(number refused)))
	note "$left pages were left behind, $pages came, $(number fetched) of them on faults;" \
		"$(flagged "$1" 1) were in parents"
	[ "$pages" = "$left" ] || fail "$pages pages came, of $left: $(cat summary)"
	[ "$pages" -le "$2" ] || fail "$pages pages came"
}

# sent_bytes: what has gone there over the wire; wire_had DIR SINCE: that is what
# was left behind, and little else.
sent_bytes() { cat /sys/class/net/here/statistics/tx_bytes; }
wire_had() {
	local left sent=$((($(sent_bytes) - $2) / 4096))
	left=$(flagged "$1" 2)
	note "they were $sent pages on the wire"
	[[ $sent -ge $left && $sent -lt $((left * 11 / 10 + 200)) ]] ||
		fail "there were $sent pages on the wire, for $left"
}

# Two rounds of ours go there while the victim runs. Criu dumps on top of them,
# and keeps what has changed since, which the restored victim gets from it.
chain_prepost() {
	local before
	machines
	victim anon=16M sparse=1M heap blocked=4 children=1
	track ''
	send 1
	change
	send 2
	changes
	ADDRESS=$HERE dump_lazily 3
	tar c 3 | ../there tar x
	at_most 3 100
	"$PLANT"
	before=$(sent_bytes)
	lazily_there 3 --source "$HERE:$PORT"
	look
	changes
	served_went_well
	ends "$SERVER" ../src/3 dump
	came_later 3 1500
	wire_had 3 "$before"
	check
	[ "$(flagged 3 1)" -gt 3000 ] || fail 'little had been copied before'
}

changes() {
	local page
	for page in 5 9 17 33 65 129 257 600 701 702 703; do
		order "d anon $page"
	done
	change
}

twin_prepost_parent() { PLAIN=1 finds 'says: error 1 first' plant_byte_there chain_prepost; }

# In the stopped victim, whose pages criu sends as they are when it is asked.
plant_poke() {
	local start
	start=$(range anon | cut -d' ' -f1)
	printf X | dd of="/proc/$VICTIM/mem" bs=1 seek=$((0x${start#0x} + 701 * 4096 + 100)) \
		conv=notrunc status=none
}
twin_prepost_source() { PLAIN=1 finds 'says: error 1 first' plant_poke chain_prepost; }

# A small directory goes there, and a pageserve on this side of a pipe has the
# whole one.
chain_made_lazy_there() {
	local before
	machines
	victim anon=8M sparse=1M heap thp blocked=4 children=1
	run_criu full dump -t "$VICTIM"
	stages 'imgread --all full' makelazy "../there 'imgwrite small'"
	[ "$STATUS" = '0 0 0' ] || fail "the pipeline ended with $STATUS: $(head -n 1 errors)"
	"$PLANT"
	before=$(sent_bytes)
	lazily_there small --source-command "'$BACK pageserve --stdio $T/src/full'"
	look
	served_went_well
	at_most small 200
	came_later small 5000
	[ -z "$BACK" ] || wire_had small "$before"
	check
}
twin_made_lazy_there() { PLAIN=1 finds 'says: error 1 first' plant_byte_full chain_made_lazy_there; }
