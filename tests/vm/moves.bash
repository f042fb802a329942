# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Chains that move a victim: its last pages follow it when they are touched, or
# it goes to another machine; and how long it stands still while it is copied.

# start N ACTION OPTION...: criu, in the background; $STARTED is its pid. $PLACE
# is the command that takes it to where it is to run.
PLACE=''
# shellcheck disable=SC2086 # words
start() {
	local number=$1 action=$2
	shift 2
	mkdir -p "$number"
	$PLACE criu "$action" -v4 -D "$number" -o "$action.log" "$@" &
	STARTED=$!
	VICTIMS+=("$STARTED")	# to be ended, whatever comes
}

# says N ACTION TEXT: who was started last says it in its log, before it ends.
says() {
	wait_for 60 said_or_over "$@"
	grep -q "$3" "$1/$2.log" || criu_fails "$1" "$2"
}
said_or_over() { grep -q "$3" "$1/$2.log" || ! kill -0 "$STARTED"; }

# ends PID N ACTION: what was started, as it should.
ends() { wait "$1" || criu_fails "$2" "$3"; }

# --- Lazily

ADDRESS=127.0.0.1 PORT=2727
listens() { [ -n "$(ss -Hltn "sport = :$1")" ]; }

# dump_lazily N: like dump, but the pages stay, to be sent when they are asked
# for. Until then the victim is there, stopped, and has its pid.
dump_lazily() {
	start "$1" dump -t "$VICTIM" --track-mem --prev-images-dir "../$(($1 - 1))" \
		--lazy-pages --address "$ADDRESS" --port $PORT
	SERVER=$STARTED
	wait_for 60 listens $PORT
}

# restore_lazily N OPTION...: with whom to ask for the pages: by the options, a
# server; without, N itself.
restore_lazily() {
	start "$1" lazy-pages "${@:2}"
	FETCHER=$STARTED
	says "$1" lazy-pages 'Waiting for incoming connections'
	start "$1" restore --lazy-pages
	RESTORER=$STARTED
	says "$1" restore 'Restore finished successfully'
}

# travelled N MOST: how many pages were asked for.
travelled() {
	local pages
	pages=$(sed -n 's/.*UFFD transferred pages: (\([0-9]*\).*/\1/p' "$1/lazy-pages.log")
	[ "${pages:-0}" -gt 0 ] || fail 'no pages were fetched'
	[ "$pages" -le "$2" ] || fail "$pages pages were fetched"
	note "$pages of $(own_pages 1) pages came later"
}

two_rounds() {
	track ''
	copy 1
	change
	copy 2
	"$PLANT"
	change
}

# The dump sends what it is asked for, to a victim restored elsewhere.
chain_lazy() {
	victim anon=16M sparse=1M
	two_rounds
	dump_lazily 3
	PLACE='unshare --pid --fork --kill-child --mount-proc' \
		restore_lazily 3 --page-server --address 127.0.0.1 --port $PORT
	check
	ends "$FETCHER" 3 lazy-pages
	ends "$SERVER" 3 dump
	at_most 3 20
	travelled 3 1300
}

# The dump has it all. The victim's threads run and write while it comes.
chain_lazy_local() {
	victim anon=4M thp=8M sparse=1M mutate=2 blocked=4
	two_rounds
	dump 3
	restore_lazily 3
	check
	ends "$FETCHER" 3 lazy-pages
	travelled 3 1200
}

# Our entries are PRESENT or PARENT. CRIU's own are PRESENT | LAZY, in a pre-dump
# as well, for a page that may come later. In a parent it makes no difference.
with_lazy_flags() {
	local file
	for file in [12]/"pagemap-$VICTIM.img"; do
		crit decode -i "$file" -o json
		sed -i 's/"flags": 4\b/"flags": 6/g' json
		grep -q '"flags": 6' json
		crit encode -i json -o "$file"
	done
}
chain_flags() {
	victim anon=16M
	PLANT=with_lazy_flags two_rounds
	hand_over 3 1300
}
chain_lazy_flags() { PLANT=with_lazy_flags chain_lazy; }
chain_lazy_local_flags() { PLANT=with_lazy_flags chain_lazy_local; }

# restore_small [FROM OPTION...]: small has some of the pages of full, from which
# the others come, or from whom the options name to criu lazy-pages in FROM.
restore_small() {
	at_most small 200
	note "$(own_pages small) of $(own_pages full) pages in $(du -sk small | cut -f1) KiB"
	mkdir work
	PLACE=limited start "${1:-full}" lazy-pages -W work "${@:2}"
	FETCHER=$STARTED
	says work lazy-pages 'Waiting for incoming connections'
	start small restore --lazy-pages -W work
	RESTORER=$STARTED
	says work restore 'Restore finished successfully'
	ends "$FETCHER" work lazy-pages
	check
}

# Criu's dump without what it can fetch.
chain_made_lazy() {
	victim anon=8M sparse=1M heap thp mutate=2 blocked=4
	run_criu full dump -t "$VICTIM"
	imgread --all full | makelazy | imgwrite small
	"$PLANT"
	restore_small
}

# The same of a dump on top of ours: what a parent holds is to be marked first.
chain_made_lazy_parent() {
	victim anon=8M sparse=1M heap mutate=2 blocked=4
	track ''
	copy 1
	change
	dump 2
	imgread --all --flatten 2 | makelazy --mark | imgwrite full
	imgread --all full | makelazy | imgwrite small
	rm -r 1 2
	restore_small
}

# By criu's page server, which has full, while criu lazy-pages has small alone.
chain_made_lazy_served() {
	victim anon=8M sparse=1M heap blocked=4
	run_criu full dump -t "$VICTIM"
	imgread --all full | makelazy | imgwrite small
	start full page-server --lazy-pages --address 127.0.0.1 --port $PORT
	SERVER=$STARTED
	wait_for 60 listens $PORT
	restore_small small --page-server --address 127.0.0.1 --port $PORT
	ends "$SERVER" full page-server
}

# (if it never ended, its log would not either)
limited() { ulimit -f 20000 && exec "$@"; }

plant_byte_full() {
	mkdir 1
	mv full/pages-1.img 1/
	plant_byte
	mv 1/pages-1.img full/
}
twin_made_lazy() { finds 'says: error 1 first' plant_byte_full chain_made_lazy; }

# More is written than was said.
plant_writes() {
	local page
	for page in 1200 1800 2400 3000; do order "d anon $page"; done
}
twin_lazy_writes() { finds 'pages were fetched' plant_writes chain_lazy; }
twin_lazy() { finds 'says: error 1 first' plant_byte chain_lazy; }

# --- To another machine

# connect: two networks; $VICTIM is in this one, and sshd in the one "there".
# They are not taken apart: the next chain finds them.
connect() {
	[ ! -e /run/netns/there ] || return 0
	ip netns add there
	ip link add here type veth peer name there netns there
	ip address add 10.0.0.1/24 dev here
	ip link set here up
	ip -n there address add 10.0.0.2/24 dev there
	ip -n there link set there up
	ip -n there link set lo up
}

# serve_ssh: with keys made for this; `there COMMAND` runs it there, in dst.
# $THERE is the command that takes sshd there, beside the network.
THERE=''
# shellcheck disable=SC2086 # words
serve_ssh() {
	printf '%s\n' 'root:*:0:0::/root:/bin/bash' 'sshd:*:100:100::/run/sshd:/bin/false' >/etc/passwd
	mkdir -p /run/sshd
	ssh-keygen -q -t ed25519 -N '' -f host
	ssh-keygen -q -t ed25519 -N '' -f user
	echo "10.0.0.2 $(cat host.pub)" >known
	printf '%s\n' "HostKey $T/host" "AuthorizedKeysFile $T/user.pub" 'StrictModes no' \
		'PidFile none' 'UsePAM no' "SetEnv PATH=$PATH" >sshd.conf
	printf '%s\n' 'Host there' 'HostName 10.0.0.2' "IdentityFile $T/user" \
		"UserKnownHostsFile $T/known" 'StrictHostKeyChecking yes' 'BatchMode yes' >ssh.conf
	nsenter --net=/run/netns/there $THERE "$(command -v sshd)" -D -e -f sshd.conf &
	VICTIMS+=($!)
	printf '%s\n' '#!/bin/bash' "ssh -F $T/ssh.conf there \"cd $T/dst && \$*\"" >there
	chmod +x there
	wait_for 60 ./there true
}

# send N: our pipeline to over there; here stays what the next one builds on.
PACK='zstd' UNPACK='zstd -d'
send() {
	local parent=''
	[ "$1" = 1 ] || parent="--parent ../$(($1 - 1))"
	stages "freeze --timeout 50s --max-stop 0 $VICTIM" vmalist memread \
		"tee >(imgwrite $parent --index $1) && wait \$!" "$PACK" \
		"../there '$UNPACK | imgwrite $parent $1'"
	[ "$STATUS" = '0 0 0 0 0 0' ] || fail "the pipeline ended with $STATUS: $(head -n 1 errors)"
}

# Three rounds and a dump on top of what stays of them here, which is not the
# bytes; what the dump adds goes after them, and the victim goes on there.
chain_migrate() {
	mkdir src dst
	connect
	serve_ssh
	cd src || exit
	victim anon=16M sparse=1M
	track ''
	send 1
	change
	send 2
	change
	send 3
	change
	dump 4
	at_most 4 1300
	[ "$(stat -c %b ./[123]/pages-1.img | tr -d '\n')" = 000 ]
	tar c 4 | ../there tar x
	note "pages of the rounds, and of the dump: $(own_pages 1) $(own_pages 2) $(own_pages 3) $(own_pages 4)"
	"$PLANT"
	cd ../dst || exit
	PLACE=../there start 4 restore
	RESTORER=$STARTED
	says 4 restore 'Restore finished successfully'
	[ "/proc/$VICTIM/ns/net" -ef /run/netns/there ]
	look
	change
	check
}

plant_byte_there() (cd ../dst && plant_byte)
twin_migrate() { finds 'says: error 1 first' plant_byte_there chain_migrate; }

# What stays here is not for restoring: it has zeros, of which a victim dies.
plant_index() {
	rm -r ../dst/1
	cp -r 1 ../dst/
}
twin_migrate_index() { finds 'says: error\|says: nothing' plant_index chain_migrate; }

# Where there is no sshd, there are no such chains.
[ -e /usr/sbin/sshd ] || unset -f chain_migrate twin_migrate twin_migrate_index
