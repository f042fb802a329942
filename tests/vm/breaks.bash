# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Chains that are broken on purpose: what cannot be right is refused, and heals
# in the next round; never is it silently wrong.

# try N [FILTER]: a round whose image is not made, since FILTER loses bytes.
try() {
	stages "freeze --timeout 50s --max-stop 0 $VICTIM" "vmalist $LIST" memread \
		"${2:-cat}" "imgwrite --parent ../$(($1 - 1)) $1"
}

# refused WHY: the last stages were refused for that reason.
refused() {
	[[ $STATUS != *' 0' ]] || fail 'it was not refused'
	grep -q -- "$1" errors || fail "it was refused, but: $(head -n 1 errors)"
}

# heals N: from round N on the chain is right, and criu can go on.
heals() {
	change
	hand_over $(($1 + 1)) 1800
}

# The receiver loses a round; the next one is made on the older base.
chain_lost_image() {
	victim anon=16M sparse=1M
	track ''
	copy 1
	change
	order 'd sparse 16'
	try 2 'head -c 70000'
	refused 'cut short'
	[ ! -e 2 ]
	order 'd anon 2500'
	# by itself a round builds on the last one, which nobody has
	try 2
	refused 'builds on round 2, but ../1 is round 1 (vmalist --base 1'
	order 'd anon 3000'
	LIST='--base 1'
	"$PLANT"
	copy 2
	LIST=
	at_most 2 3000
	heals 2
}
# A directory that only claims to be the round that nobody has.
plant_claim() {
	{ framedump <1/pagepipe.head 2>/dev/null || :; } |
		sed 's/ generation=1 / generation=3 /' | frames pack >claim
	mv claim 1/pagepipe.head
	LIST=''
	order 'd sparse 32' # what was lost does not go back with its page
}

# vmalist dies between clearing the bits and telling memtrack.
chain_lost_round() {
	victim anon=16M sparse=1M
	track ''
	copy 1
	change
	stages "freeze --timeout 50s --max-stop 0 $VICTIM" \
		"strace -qq -o /dev/null -e trace=pwrite64 -e inject=pwrite64:signal=KILL:when=1 vmalist" \
		memread "imgwrite --parent ../1 2"
	refused 'cut short'
	runs "$VICTIM"
	copy 2
	grep -q 'this round is full: a round since its base was lost' errors
	[ "$(own_pages 2)" -gt 4000 ]
	change
	copy 3
	heals 3
}

# One that dies before it has cleared anything costs nothing.
chain_unbegun_round() {
	victim anon=16M
	track ''
	copy 1
	change
	stages "freeze --timeout 50s $VICTIM" 'vmalist' 'head -c 10' 'memread' 'imgwrite 2'
	refused 'cut short'
	copy 2
	at_most 2 1300
	heals 2
}

chain_swapped() {
	victim anon=16M
	track ''
	copy 1
	change
	copy 2
	mv 1 x
	mv 2 1
	mv x 2
	try 3
	refused 'builds on round 2, but ../2 is round 1'
	mv 1 x
	mv 2 1
	mv x 2
	LIST='--base 2'
	copy 3
	LIST=
	heals 3
}

# Somebody else clears the bits.
chain_cleared() {
	victim anon=16M sparse=1M
	track ''
	copy 1
	order 'd sparse 16'
	clear
	"$PLANT"
	copy 2
	if [ "$PLANT" != : ]; then
		hand_over 3 3000
		return
	fi
	grep -q "somebody else has cleared the marks of what it has written" errors
	[ "$(own_pages 2)" -gt 4000 ]
	no_parents 2
	change
	copy 3
	at_most 3 3000
	change
	copy 4
	at_most 4 1800
	heals 4
}
# The canary is made to sing: nobody finds out, but the victim.
plant_song() {
	python3 - "$VICTIM" <<-'END'
		import os, re, sys
		pid = sys.argv[1]
		line = [l for l in open(f'/proc/{pid}/maps') if '[stack]' in l][0]
		end = int(re.match('[0-9a-f]+-([0-9a-f]+)', line)[1], 16)
		fd = os.open(f'/proc/{pid}/mem', os.O_RDWR)
		os.pwrite(fd, os.pread(fd, 8, end - 8), end - 8)
	END
	order 'd sparse 32'
}

# A listing is recorded, and read when a later round was made.
chain_replayed() {
	victim anon=16M
	track ''
	copy 1
	change
	stages "freeze $VICTIM" vmalist 'thaw >listing'
	[ "$STATUS" = '0 0 0' ]
	memread <listing >pages # while it is the last one, it may be read
	order 'd anon 2000'
	stages "freeze $VICTIM" vmalist memread 'imgwrite x'
	stages 'memread <listing' 'imgwrite --parent ../1 2'
	refused 'a later round of this target was begun'
	[ ! -e 2 ]
	# 2 can still be made of what was read in time, and 3 is on top of 2
	imgwrite --parent ../1 2 <pages
	LIST='--base 2'
	copy 3
	LIST=
	heals 3
}

# A tracker that has ended took its record along.
chain_tracker_gone() {
	victim anon=16M
	track ''
	copy 1
	stages "freeze $VICTIM" vmalist 'thaw >listing'
	memtrack --stop "$VICTIM"
	stages 'memread <listing' 'imgwrite --parent ../1 2'
	refused 'the memtrack of this round has ended'
	track ''
	stages 'memread <listing' 'imgwrite --parent ../1 2'
	refused 'a later round of this target was begun\|the memtrack of this round has ended'
	stages "freeze $VICTIM" 'vmalist --base 1/' memread 'imgwrite --parent ../1 2'
	[ "$STATUS" = '0 0 0 0' ]
	grep -q 'this round is full: its base is not of this memtrack' errors
	no_parents 2
	heals 2
}

# Two receivers, each with its own base, do not eat each other's bits.
chain_two_receivers() {
	victim anon=16M sparse=1M
	track ''
	mkdir a b
	(cd a && copy 1)
	(cd b && LIST=--full copy 1) # round 2
	order 'd sparse 16'
	(cd a && LIST='--base 1' copy 2) # round 3
	order 'd sparse 32'
	(cd b && LIST='--base 2' copy 2) # round 4
	order 'd anon 99'
	(cd b && LIST='--base 4' copy 3) # round 5
	(cd a && LIST='--base 3' copy 3) # round 6
	cd a || return
	at_most 3 2000
	hand_over 4 1800
}

# A second memtrack is refused, and named; a second vmalist waits.
chain_crowd() {
	local n makers=()
	victim anon=16M
	track ''
	if memtrack "$VICTIM" 2>errors; then fail 'a second memtrack'; fi
	grep -q 'is tracked already, by process' errors
	memtrack --status "$VICTIM" | grep -q 'last round 0'
	for n in 1 2 3 4; do
		timeout 60 bash -c "freeze --wait 50s --timeout 50s $VICTIM | vmalist | memread >pages.$n" &
		makers+=($!)
	done 2>/dev/null
	wait "${makers[@]}" || : # all but the last one: too old
	memtrack --status "$VICTIM" | grep -q 'last round 4'
	LIST=--full
	copy 1
	LIST=
	change
	copy 2
	heals 2
}
