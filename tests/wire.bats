#!/usr/bin/env bats
# Over the wire: a real sshd on other hosts (helpers/hosts.bash), and what people
# have in its place; wires that are slow, late, cut.  The copies are compared
# with the memory of the process, byte for byte; a byte that is changed is found.

load helpers/lib
load helpers/hosts
export BATS_TEST_TIMEOUT=120

setup() { lib_setup; }
teardown() {
	[ -z "$VICTIM" ] || memtrack --stop "$VICTIM" 2>/dev/null || :
	umount "$T/far.home/small" 2>/dev/null || :
	hosts_teardown
	lib_teardown
}

track() {
	memtrack --daemon "$VICTIM" 2>errors && return
	grep -q 'this kernel' errors || { cat errors; return 1; }
	skip 'this kernel tracks no writes'
}

change() { [ "$(tell 'd anon 3')" = ok ] && [ "$(tell 'd anon 700')" = ok ]; }

# is_memory HOST DIR: what is there is the victim, who stands still.
is_memory() {
	rm -rf flat
	imgread --flatten "$1.home/$2" | imgwrite flat
	imgcmp "$VICTIM" flat
	change_is_found "$VICTIM" flat 1
}

# send N FREEZE-OPTION...: over ssh, on top of N - 1; here stays its index.
send() {
	local number=$1 parent=''
	shift
	[ "$number" = 1 ] || parent="--parent ../$((number - 1))"
	(
		cd here || exit
		stages "freeze $* $VICTIM" vmalist thaw memread \
			"tee >(imgwrite $parent --index $number) && wait \$!" 'zstd -q -T0' \
			"../far 'zstd -dq | imgwrite $parent $number'"
		[ "$STATUS" = '0 0 0 0 0 0 0' ] || { cat errors; return 1; }
	)
}

# stopped FILE: how long, in ms, as the copy itself says.
stopped() {
	local ns
	ns=$({ framedump <"$1/pagepipe.head" || :; } 2>/dev/null | sed -n 's/^THAWED .*stopped_ns=\([0-9]*\).*/\1/p')
	echo $((ns / 1000000))
}

# through HERE THERE: a whole copy of the victim, who stands still, over ssh into
# far.home/copy, through a filter on each side.
through() {
	rm -rf far.home/copy
	stages "freeze $VICTIM" vmalist thaw memread "$1" "./far '$2 | imgwrite copy'"
	[ "$STATUS" = '0 0 0 0 0 0' ] || { cat errors; return 1; }
	is_memory far copy
}

# listened PORT SENDER RECEIVER: the same by two that know nothing of ssh.
listened() {
	rm -rf far.home/copy
	on timeout 60 bash -c "$3 | imgwrite far.home/copy" 2>receiver.errors 3>&- &
	local receiver=$!
	VICTIMS+=("$receiver")
	wait_for 10 eval "on ss -Hltn | grep -q ':$1 '"
	stages "freeze $VICTIM" vmalist thaw memread "$2"
	[ "$STATUS" = '0 0 0 0 0' ] || { cat errors; return 1; }
	wait "$receiver"
	is_memory far copy
}

@test "wire: three rounds and a final one over ssh end with the memory of the process" {
	victim anon=4M sparse=1M
	track
	host far
	mkdir here
	send 1
	change
	send 2
	change
	send 3
	change
	stand_still "$VICTIM"
	send 4
	is_memory far 4
	[ "$(du -k far.home/3 | tail -n 1 | cut -f 1)" -lt 1000 ]
	# what stayed here says where a page is, and holds none
	run imgread here/4
	[ "$status" = 2 ]
	[[ $output == *'it holds no page bytes, it is an index'* ]]
}

@test "wire: nc and socat with TLS carry a copy, also in small packets" {
	host far
	ip link set "$WIRE" mtu 1280
	on ip link set there mtu 1280
	victim anon=4M
	stand_still "$VICTIM"
	listened 7000 "nc -N $ADDRESS 7000" 'nc -l 7000'
	openssl req -x509 -newkey rsa:2048 -nodes -keyout tls.key -out tls.crt -days 2 \
		-subj /CN=far 2>openssl.errors
	listened 7001 "socat -u - OPENSSL:$ADDRESS:7001,cafile=tls.crt,commonname=far" \
		'socat -u OPENSSL-LISTEN:7001,cert=tls.crt,key=tls.key,verify=0 -'
}

@test "wire: gpg and age encrypt a copy on its way" {
	local gpg='gpg --batch -q --pinentry-mode loopback --passphrase-file'
	host far
	victim anon=4M
	stand_still "$VICTIM"
	mkdir -m 700 gnupg
	echo secret >pass
	through "GNUPGHOME=$T/gnupg $gpg pass -c" "GNUPGHOME=$T/gnupg $gpg ../pass -d"
	age-keygen -o key 2>errors
	through "age -r $(sed -n 's/^Public key: //p' errors)" 'age -d -i ../key'
	# (twin) with another key nothing comes of it
	age-keygen -o other 2>errors
	not through "age -r $(sed -n 's/^Public key: //p' errors)" 'age -d -i ../key'
	[ ! -e far.home/copy ]
}

@test "wire: tee sends a copy to two hosts, and pv shows how far it is" {
	host near
	host far
	victim anon=4M
	stand_still "$VICTIM"
	stages "freeze $VICTIM" vmalist thaw memread 'pv -f 2>progress' \
		"tee >(./near 'imgwrite copy' >/dev/null) | ./far 'imgwrite copy'"
	[ "$STATUS" = "0 0 0 0 0 0" ] || { echo "$STATUS"; cat errors; false; }
	is_memory far copy
	wait_for 10 [ -e near.home/copy ]
	is_memory near copy
	grep -q 'MiB' progress
}

@test "wire: split and cat take a copy there in pieces" {
	host far
	victim anon=4M
	stand_still "$VICTIM"
	through "split -b 1M - piece. && tar c piece.*" 'tar x && cat piece.*'
	[ "$(compgen -G 'far.home/piece.*' | wc -l)" -ge 4 ]
	# (twin) one of them is missing
	rm far.home/copy -r far.home/piece.ac
	run ./far 'cat piece.* | imgwrite copy'
	[ "$status" = 2 ]
	[ ! -e far.home/copy ]
}

@test "wire: a slow wire does not lengthen the stop" {
	host far
	tc qdisc add dev "$WIRE" root tbf rate 20mbit burst 64k latency 400ms || skip 'no tbf in this kernel'
	victim anon=8M
	local began=$EPOCHREALTIME
	stages "freeze $VICTIM" vmalist thaw memread "./far 'imgwrite copy'"
	[ "$STATUS" = '0 0 0 0 0' ]
	[ "$((${EPOCHREALTIME/./} - ${began/./}))" -gt 2000000 ]
	[ "$(stopped far.home/copy)" -lt 1000 ]
	# (twin) a copy for which it is held all the time
	stages "freeze --consistent --max-stop 0 --stall 0 $VICTIM" vmalist memread "./far 'imgwrite held'"
	[ "$STATUS" = '0 0 0 0' ]
	[ "$(stopped far.home/held)" -gt 2000 ]
}

# late MS: what goes to the host that was made last is that late.
late() {
	sed -i "s|^\(Host .*\)|\1|; /^HostName $ADDRESS\$/a ProxyCommand python3 $ROOT/tests/helpers/relay.py $ADDRESS 22 $1" config
}

@test "wire: nor does a wire that is late" {
	host far
	late 150
	victim anon=4M
	stand_still "$VICTIM"
	through cat cat
	[ "$(stopped far.home/copy)" -lt 1000 ]
}

@test "wire: it is cut in round 2: round 1 is whole, and the next one builds on that" {
	victim anon=8M mutate=1
	track
	host far
	late 0
	mkdir here
	send 1
	sleep 0.5
	stages "freeze $VICTIM" vmalist thaw memread 'pv -q -L 2M' \
		"{ ./far 'imgwrite --parent ../1 2' <&3 &
			until compgen -G 'far.home/.2.*' >/dev/null; do sleep 0.05; done
			pkill -KILL -f '[r]elay.py $ADDRESS '; wait \$!; } 3<&0"
	[[ $STATUS == *' 255' ]] || { echo "$STATUS"; cat errors; false; }
	[ ! -e far.home/2 ]
	cat errors
	stand_still "$VICTIM"
	# nobody is left to say that it did not arrive: what builds on it is refused
	stages "freeze $VICTIM" vmalist thaw memread "./far 'imgwrite --parent ../1 3'"
	[[ $STATUS == *' 2' ]]
	[ ! -e far.home/3 ]
	grep -q 'imgwrite: .*round' errors
	stages "freeze $VICTIM" 'vmalist --base 1' thaw memread "./far 'imgwrite --parent ../1 3'"
	[ "$STATUS" = '0 0 0 0 0' ]
	is_memory far 3
}

@test "wire: a remote shell that greets is named" {
	SSHD_MORE="ForceCommand echo 'Welcome to far'; eval \"\$SSH_ORIGINAL_COMMAND\""
	host far
	victim anon=1M
	stand_still "$VICTIM"
	stages "./far 'freeze $VICTIM | vmalist | thaw | memread'" 'imgwrite copy'
	[[ $STATUS == *' 2' ]]
	cat errors
	grep -q "it begins with \"Welcome \" (a remote shell's greeting" errors
	[ ! -e copy ]
	# what goes there is not touched by that
	through cat cat
}

@test "wire: a host without imgwrite: 127, in one line" {
	SSHD_PATH=/usr/bin:/bin
	host far
	victim anon=4M
	stages "freeze $VICTIM" vmalist thaw memread "./far 'imgwrite copy'"
	[[ $STATUS == *' 127' ]]
	[ "$(grep -c imgwrite errors)" = 1 ]
	grep -q 'imgwrite: command not found' errors
	runs "$VICTIM"
}

# ask_password SECONDS: the key has one now, which somebody types after a while.
ask_password() {
	ssh-keygen -q -p -N secret -f user
	cat >askpass <<-END
		#!/bin/sh
		echo asked >>$T/asked
		sleep $1
		echo secret
	END
	chmod +x askpass
	export SSH_ASKPASS=$T/askpass SSH_ASKPASS_REQUIRE=force
}

@test "wire: who types a password does not keep the target waiting" {
	host far
	ask_password 2
	victim anon=1M
	stages "freeze $VICTIM" vmalist thaw memread "./far 'imgwrite copy'"
	[ "$STATUS" = '0 0 0 0 0' ]
	[ "$(cat asked)" = asked ]
	[ "$(stopped far.home/copy)" -lt 1500 ]
	# (twin) held until the copy is made
	stages "freeze --consistent --max-stop 0 --stall 0 $VICTIM" vmalist memread "./far 'imgwrite held'"
	[ "$STATUS" = '0 0 0 0' ]
	[ "$(stopped far.home/held)" -gt 1900 ]
}

# --- predump --to

# to DIR OPTION...: predump to far; $CODE, $T/out and $T/errors.
to() {
	local dir=$1
	shift
	CODE=0
	timeout -k 1 60 predump -t "$VICTIM" --to "far:$T/far.home/$dir" --ssh "ssh -F $T/config" "$@" \
		>out 2>errors 3>&- || CODE=$?
}

# nothing_left: of a predump that has ended.
nothing_left() {
	local pid
	not compgen -G "$T/tmp/predump.*"
	for pid in $(pgrep -x 'ssh|memtrack|freeze|imgwrite'); do
		[ "$(readlink "/proc/$pid/cwd")" != "$T" ] || { ps "$pid"; return 1; }
	done
}

@test "predump: --to makes rounds on another host, with one login" {
	export TMPDIR=$T/tmp
	mkdir tmp
	victim anon=4M sparse=1M
	track
	memtrack --stop "$VICTIM"
	host far
	ask_password 0
	: >asked
	to chain --rounds 3 --final --leave-stopped --compress zstd
	[ "$CODE" = 0 ] || { cat errors; false; }
	[ "$(cat asked)" = asked ]
	is_memory far chain/4
	[ "$(grep -c "^far:$T/far.home/chain/[1-4]: " out)" = 4 ]
	[ ! -s errors ]
	nothing_left
	# what it prints for the shell does the same; the victim stands still from
	# before, as a stop that moves it to another CPU writes that into its rseq
	to again --rounds 2 --compress zstd --dry-run
	SSH_AUTH_SOCK='' sh -c "$(cat out)"
	is_memory far again/2
}

@test "predump: --to by a command that is not ssh, and by one that a greeting comes before" {
	SSHD_MORE="ForceCommand echo 'Welcome to far'; eval \"\$SSH_ORIGINAL_COMMAND\""
	host far
	victim anon=1M
	printf '%s\n' '#!/bin/sh' "exec ssh -F $T/config \"\$@\"" >carrier
	chmod +x carrier
	stand_still "$VICTIM"
	predump -t "$VICTIM" --to far:"$T/far.home/the copy" --ssh "'$T/carrier'" --json >out
	is_memory far 'the copy'
	[ "$(/usr/bin/python3 -c 'import json; print(json.load(open("out"))["copies"][0]["directory"])')" = "far:$T/far.home/the copy" ]
}

# slow: copies to far take seconds.
slow() { tc qdisc add dev "$WIRE" root tbf rate 10mbit burst 64k latency 400ms || skip 'no tbf in this kernel'; }

# process NAME PATTERN: of this test, here or on far, of that name, with that in
# its command line.
process() {
	local pid
	for pid in $(pgrep -x "$1"); do
		[ "$(readlink "/proc/$pid/cwd")" = "$T" ] || ip netns pids "$NETNS" | grep -qx "$pid" || continue
		! tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q "$2" || FOUND=$pid
	done
	[ -n "$FOUND" ]
}

# killed NAME PATTERN: while a copy is on its way to far.home/NAME.
killed() {
	FOUND=''
	# shellcheck disable=SC2086 # words
	predump -t "$VICTIM" --to "far:$T/far.home/$1" --ssh "ssh -F $T/config" --json $COMPRESS \
		>out 2>errors 3>&- &
	local driver=$!
	VICTIMS+=("$driver")
	wait_for 10 eval "compgen -G 'far.home/.$1.*'"
	process "$@"
	kill -KILL "$FOUND"
	CODE=0
	wait "$driver" || CODE=$?
	[ ! -e "far.home/$1" ]
	nothing_left
	runs "$VICTIM"
}

@test "predump: --to names the stage and the host that failed" {
	export TMPDIR=$T/tmp
	mkdir -p tmp far.home/small
	mount -t tmpfs -o size=1m none far.home/small # before the host is there, to be there too
	host far
	slow
	victim anon=8M
	COMPRESS='--compress zstd'
	killed imgwrite "^imgwrite $T"
	[ "$CODE" = 111 ]
	[ "$(tail -n 1 errors)" = "predump: far:$T/far.home/imgwrite: imgwrite on far was killed by signal 9 (Killed)" ]
	grep -q '"failed":{"stage":"imgwrite","host":"far","code":111,"signal":9}' out
	killed zstd '^zstd -dqc '
	[ "$CODE" = 111 ]
	[ "$(tail -n 1 errors)" = "predump: far:$T/far.home/zstd: zstd on far was killed by signal 9 (Killed)" ]
	killed ssh "imgwrite $T/far.home/ssh"
	[ "$CODE" = 111 ]
	[ "$(tail -n 1 errors)" = "predump: far:$T/far.home/ssh: ssh was killed by signal 9 (Killed)" ]
	COMPRESS=''
	killed memread '^memread'
	[ "$(tail -n 1 errors)" = "predump: far:$T/far.home/memread: memread was killed by signal 9 (Killed)" ]
	to small/copy
	umount far.home/small
	[ "$CODE" = 111 ]
	grep -q 'imgwrite: .*No space left on device' errors
	[ "$(tail -n 1 errors)" = "predump: far:$T/far.home/small/copy: imgwrite on far ended with 111" ]
}

# ends_before USER@HOST WHY: one line of that form, and nothing was stopped.
ends_before() {
	local line
	CODE=0
	predump -t "$VICTIM" --to "$1:copy" --ssh "ssh -o BatchMode=yes -F $T/config" >out 2>errors || CODE=$?
	[ "$CODE" = 111 ]
	line=$(tail -n 1 errors)
	# shellcheck disable=SC2053 # a pattern
	[[ $line == $2 ]] || { echo "$line"; return 1; }
	[ ! -s out ]
}

@test "predump: --to ends before it stops anything where the host is not as it should be" {
	SSHD_PATH=/usr/bin:/bin
	host far
	victim anon=1M
	ends_before far 'predump: far has no imgwrite where its shell looks for programs: /*:/bin'
	ends_before nobody@far 'predump: nobody@far: ssh ended with 255; the target was not touched'
	ends_before gone.invalid 'predump: gone.invalid: ssh ended with 255; the target was not touched'
	printf '#!/bin/sh\n' >ssh
	chmod +x ssh
	run predump -t "$VICTIM" --to "far:copy" --ssh ./ssh
	[ "$status" = 111 ]
	[ "$output" = 'predump: far answers, but runs no command for us' ]
}

@test "predump: --to says when the other host has another version" {
	mkdir other
	printf '%s\n' '#!/bin/sh' '[ "$1" != --version ] || { echo "imgwrite (pagepipe) 9.9"; exit; }' \
		"exec $BIN/imgwrite \"\$@\"" >other/imgwrite
	chmod +x other/imgwrite
	SSHD_PATH=$T/other:/usr/bin:/bin
	host far
	victim anon=1M
	to copy
	[ "$CODE" = 0 ]
	[ "$(cat errors)" = "predump: far has another version: imgwrite (pagepipe) 9.9, here it is $(predump --version | sed 's/.* //')" ]
	to chain/1 --rounds 2 --track none
	[ "$CODE" = 111 ]
	[ "$(tail -n 1 errors)" = 'predump: far: cannot make the directory' ]
}

@test "predump: --to is called off with Control-C, and nothing is left anywhere" {
	export TMPDIR=$T/tmp
	mkdir tmp
	host far
	slow
	victim anon=8M
	predump -t "$VICTIM" --to "far:$T/far.home/copy" --ssh "ssh -F $T/config" >out 2>errors 3>&- &
	local driver=$!
	VICTIMS+=("$driver")
	wait_for 10 eval 'compgen -G "far.home/.copy.*"'
	kill -TERM "$driver"
	CODE=0
	wait "$driver" || CODE=$?
	[ "$CODE" = 143 ]
	nothing_left
	wait_for 10 eval 'not compgen -G "far.home/.copy.*"'
	[ -z "$(ls far.home)" ]
	runs "$VICTIM"
}

# --- stores and fleets

# readme LINE: runs it, which the README has; PID there is the victim's.
readme() {
	local line=${1//PID/$VICTIM}
	grep -qF "    $1" "$ROOT/README.md"
	timeout 60 bash -o pipefail -c "${line//DIR/copy}" 2>errors || { cat errors; return 1; }
}

@test "wire: rclone takes a copy into a store, and gives it back" {
	host far
	victim anon=4M
	stand_still "$VICTIM"
	on rclone serve webdav --addr "$ADDRESS:8080" far.home >dav.log 2>&1 3>&- &
	VICTIMS+=($!)
	wait_for 10 eval 'on ss -Hltn | grep -q ":8080 "'
	export RCLONE_CONFIG_STORE_TYPE=webdav RCLONE_CONFIG_STORE_URL=http://$ADDRESS:8080 RCLONE_CONFIG=/dev/null
	readme 'freeze PID | vmalist | thaw | memread | zstd | rclone rcat store:copy.zst'
	[ -s far.home/copy.zst ]
	readme 'rclone cat store:copy.zst | zstd -d | imgwrite DIR'
	imgcmp "$VICTIM" copy
	change_is_found "$VICTIM" copy 1
}

@test "wire: a fleet is copied by GNU parallel, and its summaries are gathered" {
	local name
	mkdir bin
	printf '%s\n' '#!/bin/sh' 'host=$1; shift' "exec /usr/bin/ssh -F $T/config \"\$host\" \"cd $T/\$host.home && \$*\"" >bin/ssh
	chmod +x bin/ssh
	PATH=$T/bin:$PATH
	for name in web1 web2 web3; do
		host "$name"
		victim anon=1M
		stand_still "$VICTIM"
		echo "$name $VICTIM" >>fleet
	done
	readme "parallel --colsep ' ' \"ssh {1} predump -t {2} -D copy --json\" :::: fleet >summaries"
	/usr/bin/python3 - <<-'END'
		import json
		copies = [json.loads(line) for line in open("summaries")]
		assert sorted(copy["pid"] for copy in copies) == sorted(int(line.split()[1]) for line in open("fleet"))
		assert all(copy["failed"] is None and copy["in_all"]["sent"] > 250 for copy in copies)
	END
	while read -r name VICTIM; do
		imgcmp "$VICTIM" "$name.home/copy"
		change_is_found "$VICTIM" "$name.home/copy" 1
	done <fleet
	# (twin) a host on which it fails is in the exit status
	sed -i '2s/ .*/ 999999999/' fleet
	rm -r web?.home/copy
	not readme "parallel --colsep ' ' \"ssh {1} predump -t {2} -D copy --json\" :::: fleet >summaries"
	[ "$(grep -c '"failed":null' summaries)" = 2 ]
}
