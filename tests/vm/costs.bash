# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
# What it costs, beside criu's pre-dump and by each way of tracking. An emulated
# machine's times say nothing; their ratios do.

# --- Beside criu's pre-dump

# median FILE: of the numbers in it, one a line.
median() { sort -n "$1" | sed -n "$((($(wc -l <"$1") + 1) / 2))p"; }

# stopped DIR: stats-dump's frozen_time (field 2 of the message in its field 1,
# behind 14 bytes; all are varints). crit needs seconds for that here.
stopped() {
	local byte key='' value=0 shift=0
	for byte in $(od -An -v -tu1 -j 14 "$1/stats-dump"); do
		value=$((value | (byte & 127) << shift)) shift=$((shift + 7))
		[ "$byte" -lt 128 ] || continue
		if [ "$key" = 2 ]; then echo "$value"; fi
		if [ -z "$key" ]; then key=$((value >> 3)); else key=''; fi
		value=0 shift=0
	done
}

# ours METHOD: a full copy into new, that begins a record of what is written, or
# does neither that nor a digest, whose vectors an emulator makes slow.
ours() {
	local digest=''
	[ "$1" != none ] || digest=--no-digest
	count_costs "freeze --timeout 50s --max-stop 0 $CONSISTENT $VICTIM | vmalist --track=$1 |
		memread $digest | imgwrite new"
}

# Without -v4, which would count.
theirs() {
	mkdir new
	count_costs "criu pre-dump -t $VICTIM --pre-dump-mode $1 -D new -o pre-dump.log"
}

# count_costs PIPELINE: leaves what it took (us), what CPU time (us), and the
# memory of its largest stage (KiB). Pipes, where criu's splice mode keeps the
# pages, are nobody's memory.
count_costs() {
	local name code cpu peak
	TOOK=0 SPENT=0 HELD=0
	# shellcheck disable=SC2086 # words
	pipeline $1 >cost 2>errors
	while read -r name code cpu peak; do
		case $name.$code in
			wall.*) TOOK=$((code / 1000)) ;;
			*.0)
				SPENT=$((SPENT + cpu / 1000))
				HELD=$((peak / 1024 > HELD ? peak / 1024 : HELD)) ;;
			criu.*) criu_fails new pre-dump ;;
			*) fail "$name ended with $code: $(head -n 1 errors)" ;;
		esac
	done <cost
}

# measure COMMAND METHOD: a line each into METHOD.stopped, which who copies says
# (us), METHOD.lost, the longest time that the victim has missed (us), and what
# count_costs says. The machine has one CPU: what the copy itself needs of it is
# missed as well.
WHAT='stopped lost took spent held'
measure() {
	local lost
	tell g >/dev/null
	"$@"
	lost=$(tell g)
	stopped new >>"$2.stopped"
	echo $((${lost#ok } / 1000)) >>"$2.lost"
	echo "$TOOK" >>"$2.took"
	echo "$SPENT" >>"$2.spent"
	echo "$HELD" >>"$2.held"
	rm -r new
}

# compare THEIRS OURS: how many times as much theirs is.
compare() {
	local what hundredths line=''
	for what in $WHAT; do
		hundredths=$((100 * $(median "$1.$what") / ($(median "$2.$what") + 1)))
		printf -v line '%s %s %d.%02d' "$line" "$what" $((hundredths / 100)) $((hundredths % 100))
	done
	note "criu pre-dump, $1 : ours, $2:$line"
}

# beats THEIRS: ours stops the victim for a shorter time.
beats() {
	local ours theirs
	ours=$(median soft-dirty.stopped)
	theirs=$(median "$1.stopped")
	[ "$ours" -lt "$theirs" ] || fail "ours stops it $ours us, criu's $1 mode $theirs us"
}

# By turns, so that what else the machine does meets all alike. (criu begins a
# record of what is written too.)
ROUNDS=${ROUNDS:-3} CONSISTENT=''
chain_stall() {
	local i method what
	victim anon=64M spin=1
	"$PLANT"
	for ((i = 0; i < ROUNDS; i++)); do
		measure ours soft-dirty
		measure theirs read
		measure ours none
		measure theirs splice
	done
	for method in soft-dirty none read splice; do
		for what in $WHAT; do
			note "$method.$what: median $(median "$method.$what"), of" \
				"$(sort -n "$method.$what" | tr '\n' ' ')"
		done
	done
	for method in soft-dirty none; do
		compare read "$method"
		compare splice "$method"
	done
	beats read
	beats splice
}

plant_consistent() { CONSISTENT=--consistent; }
twin_stall() { ROUNDS=1 finds "ours stops it .* read mode" plant_consistent chain_stall; }

# --- What a round costs

# took COMMAND...: in microseconds.
took() {
	local began=$EPOCHREALTIME
	"$@" >/dev/null
	echo $((${EPOCHREALTIME/./} - ${began/./}))
}

# write_some TENTHS: of a percent of its pages; how long a page took, in ns.
write_some() {
	local answer pages ns
	answer=$(tell "$1")
	read -r _ pages ns <<<"$answer"
	[ "$pages" = 0 ] && echo 0 || echo $((ns / pages))
}

# cost METHOD: to begin, a full round, and rounds after so many pages were
# written; between two of them one that sends what the one before reported.
cost() {
	local number share written began=$EPOCHREALTIME
	TRACK=$1
	track ''
	note "$1: to begin $((${EPOCHREALTIME/./} - ${began/./})) us"
	note "$1: a full round $(took copy 1) us, stopped $(stopped 1) us"
	copy 2
	for number in 3 5 7 9; do
		share=${SHARES[number]}
		written=$(write_some "$share")
		note "$1: $share tenths of a percent, each written in $written ns:" \
			"$(took copy $number) us, stopped $(stopped $number) us"
		copy $((number + 1))
	done
	stopped 10 >>"../$1.stopped"
	memtrack --stop "$VICTIM"
}
SHARES=([3]=0 [5]=10 [7]=100 [9]=1000)

# userfaultfd beside soft-dirty bits, on a kernel that has both: the scan for
# what was written is a part of the stop, or not. (COSTS=3 times, for figures.)
chain_costs() {
	local i method
	# shellcheck disable=SC2317 # victim calls it
	victim_command() { exec writer 32; }
	victim
	note "a page is written in $(write_some 1000) ns"
	for ((i = 0; i < ${COSTS:-1}; i++)); do
		for method in uffd soft-dirty; do
			mkdir "$method.$i"
			(cd "$method.$i" && cost "$method")
			rm -r "$method.$i"
		done
	done
	[ "$(median uffd.stopped)" -lt "$(median soft-dirty.stopped)" ] ||
		fail "stopped $(tr '\n' ' ' <uffd.stopped) us, by soft-dirty bits" \
			"$(tr '\n' ' ' <soft-dirty.stopped)"
}
! grep -q '^6\.1\.' /proc/sys/kernel/osrelease || unset -f chain_costs
