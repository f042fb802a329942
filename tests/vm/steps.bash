# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The steps of which the chains are made: each does one thing to the victim, or
# to images, and fails with the reason.

fail() { echo "why: $*" >&2; exit 1; }

# What a chain has measured, for who reads the results.
note() { echo "note: $*"; }

# A session of its own, as criu wants it: dumped with its leader.
victim_command() { exec setsid victim "$@"; }

# A shell whose child is a victim, and is made anew under the same pid when it
# ends: $LEADER and $CHILD. Orders go to the child.
family() {
	# shellcheck disable=SC2317 # victim calls it
	victim_command() {
		# shellcheck disable=SC2016 # the inner shell's
		exec setsid bash -c 'exec 5<&0
		while :; do
			victim anon=4M <&5 &
			child=$!
			wait $child
			echo $((child - 1)) >/proc/sys/kernel/ns_last_pid
		done'
	}
	victim
	LEADER=$VICTIM
	CHILD=$(sed -n 's/^ready //p' "$SAID")
}

order() { [ "$(tell "$1")" = ok ] || fail "the victim does not obey: $1"; }

# Some of everything that a target does between two rounds.
change() {
	order 'd anon 3'
	order 'd anon 700'
	order 'u anon 20 5'
}

# track OPTIONS: from now on somebody keeps the record of which pages the
# victim writes; the options are memtrack's.
TRACK=soft-dirty # as criu does, where it is to go on
# shellcheck disable=SC2086 # options
track() { memtrack --daemon --track=$TRACK $1 "$VICTIM" || fail 'memtrack does not start'; }

# Somebody else looks which pages are written.
clear() { echo 4 >"/proc/$VICTIM/clear_refs"; }

# copy N [OPTION...]: our pipeline, into N, on top of N - 1 where there is a
# record; the options are freeze's, $LIST and $WRITE those of other stages.
LIST='' WRITE=''
copy() {
	local number=$1 parent=''
	shift
	[ ! -e $((number - 1)) ] || parent="--parent ../$((number - 1))"
	stages "freeze --timeout 50s --max-stop 0 $* $VICTIM" "vmalist $LIST" memread \
		"imgwrite $parent $WRITE $number"
	[ "$STATUS" = '0 0 0 0' ] || fail "the pipeline ended with $STATUS: $(head -n 1 errors)"
}

# run_criu N ACTION OPTION...: with the images in N.
run_criu() {
	local number=$1 action=$2
	shift 2
	mkdir -p "$number"
	criu "$action" -v4 -D "$number" -o "$action.log" "$@" || criu_fails "$number" "$action"
}

criu_fails() { fail "criu $2: $(grep -m 1 '^([0-9. ]*) *[0-9]*:* Error' "$1/$2.log")"; }

# dump N [ACTION [OPTION...]]: criu's dump, or pre-dump, on top of N - 1.
dump() {
	local number=$1 action=${2:-dump}
	shift $(($# < 2 ? $# : 2))
	run_criu "$number" "$action" -t "$VICTIM" --track-mem \
		--prev-images-dir "../$((number - 1))" "$@"
}

# equals N: the images in N, with their parents, say what the victim holds, who
# stands still. (criu writes to a page of code of its own.)
equals() {
	imgread --flatten "$1" | imgwrite --force flat
	imgcmp "$VICTIM" flat >said || grep ' 0 wrong, [01] missing' said ||
		fail "$1 is not what the process holds: $(cat said)"
}

# own_pages N: how many pages the dump in N holds; the others are its parent's.
own_pages() { echo $(($(cat "$1"/pages-*.img | wc -c) / 4096)); }

# pages_of PID N: those of one process.
pages_of() {
	local id
	id=$(crit decode -i "$2/pagemap-$1.img" | sed -n 's/.*"pages_id": \([0-9]*\).*/\1/p' | head -n 1)
	echo $(($(stat -c %s "$2/pages-$id.img") / 4096))
}

# no_parents N: everything is there itself. (PE_PARENT is 1.)
no_parents() {
	! crit decode -i "$1/pagemap-$VICTIM.img" | grep -q '"flags": [13579]'
}

at_most() { [ "$(own_pages "$1")" -le "$2" ] || fail "criu took $(own_pages "$1") pages"; }

# criu stays, since it is now the parent, with which a victim dies.
restore() {
	run_criu "$1" restore &
	RESTORER=$!
	wait_for "${RESTORE_WAIT:-60}" grep -q 'Restore finished successfully' "$1/restore.log"
}

# The victim looks at every page it has written.
look() {
	local said
	said=$(tell c) || :
	[[ $said == ok* ]] || fail "the restored victim says: ${said:-nothing}"
}

# It looks, and ends; criu then ends too.
check() {
	look
	tell q >/dev/null
	wait "$RESTORER"
}

# finds WHAT PLANT [CHAIN]: the chain fails for that reason with that fault.
finds() {
	! PLANT=$2 "$0" --alone "${3:-chain_parent}" >log 2>&1 || fail 'the fault was not found'
	why log | grep -q "$1" || fail "another fault was found: $(why log)"
}

# In the middle, in a page of the victim's that does not change.
plant_byte() {
	local pages=$(($(stat -c %s 1/pages-1.img) / 4096))
	printf X | dd of=1/pages-1.img bs=4096 seek=$((pages / 2)) conv=notrunc status=none
}
