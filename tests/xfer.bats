#!/usr/bin/env bats
# xfer: the client of a page server; its server side is in pageserve.bats.

load helpers/lib
load helpers/images

setup() { lib_setup; }
teardown() { lib_teardown; }

@test "xfer: its client gets every page that it asks for, in the order of the asking" {
	local form
	make one 'pagemap 7 1' 'entry 0x10000 300 present' 'entry 0x800000 5 present both hole' \
		'entry 0x900000 2000 present both 4' 'entry 0x10d0000 1 lazy' 'pagemap 9 2' \
		'entry 0x10000 1 present both 3'
	listens one
	for n in {0..1999}; do
		printf '7 0x%x 1\n' $((0x900000 + 4096 * (n * 7 % 2000)))
	done >questions
	printf '%s\n' '9 0x10000 1' '7 0x10000 300' '7 0x800000 5' '7 0x8000 4' '7 0x10d0000 1' >>questions
	{
		head -n 2000 questions | sed 's/$/ 4/'
		printf '%s\n' '9 0x10000 1 3' '7 0x10000 300 1' '7 0x800000 5 zeros' '7 0x8000 0 -' '7 0x10d0000 0 -' closed
	} >want
	for form in 24 32; do
		timeout 60 asker $form "$PORT" <questions >got
		diff want got
	done
	# (twin) another page in a place is found
	printf x | dd of=one/pages-1.img bs=4096 seek=400 conv=notrunc status=none
	timeout 60 asker 24 "$PORT" <questions >got
	not diff want got
}

# pretends HEX WHAT: of a server that says that, its client says that.
pretends() {
	: >ready
	xfer.py pretend "$1" >ready 3>&- &
	VICTIMS+=($!)
	wait_for 10 grep -q '^port ' ready
	echo '7 0x10000 2' | timeout 20 asker 24 "$(sed 's/port //' ready)" >said
	grep -qxF "$2" said || { cat said; return 1; }
	wait $!
}

@test "xfer: its client takes nothing that is no answer" {
	local page good=0600040002000000000001000000000007000000000000 pages
	page=$(printf %08192d 0)
	pages=$page$page
	pretends "" ended
	pretends "$(echo $good | cut -c 1-20)" ended
	pretends "${good}00$page" ended
	pretends "${good}00$pages" '7 0x10000 2 zeros'
	pretends "060000000000000000000100000000000700000000000000" '7 0x10000 0 -'
	pretends "${good/06/05}00$pages" 'bad: its answer is not one to a question for pages (does it speak the other protocol?)'
	pretends "${good/04/05}00$pages" 'bad: its answer has flags that say nothing'
	pretends "${good/0600040002/0600040003}00$pages" 'bad: its answer has more pages than were asked for'
	pretends "${good/0600040002000000/06000400ffffffff}00$pages" 'bad: its answer has more pages than were asked for'
	pretends "${good/07/08}00$pages" 'bad: its answer is to another question'
	pretends "${good/0001/0002}00$pages" 'bad: its answer is to another question'
	pretends "${good}00${pages}01000000" 'bad: it says that the session has failed'
	pretends "${good}00${pages}00000000" closed
}
