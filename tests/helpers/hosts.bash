# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Other hosts: network namespaces with a wire each to this one, and a real sshd
# in each, with keys made for the test.  They share our processes and files; a
# host's own folder is $T/NAME, where its shells begin.

HOSTS=()

# What the next sshd is told besides, and where its shells look for programs.
SSHD_MORE='' SSHD_PATH=''

# host NAME: 10.R.N.2 is there, and 10.R.N.1 here; `./NAME COMMAND` runs it there.
host() {
	local name=$1 net
	ip netns add pp$BASHPID.${#HOSTS[@]} 2>/dev/null || skip 'needs root, for network namespaces'
	net=10.$((100 + BASHPID % 100)).${#HOSTS[@]}
	NETNS=pp$BASHPID.${#HOSTS[@]}
	HOSTS+=("$NETNS")
	ADDRESS=$net.2
	HERE=$net.1
	WIRE=ppw$((BASHPID % 100000)).${#HOSTS[@]}
	ip link add "$WIRE" type veth peer name there netns "$NETNS"
	ip address add "$HERE/24" dev "$WIRE"
	ip link set "$WIRE" up
	ip -n "$NETNS" address add "$ADDRESS/24" dev there
	ip -n "$NETNS" link set there up
	ip -n "$NETNS" link set lo up
	mkdir -p "$name.home"
	serve_ssh "$name"
}

# on COMMAND...: in the namespace of the host that was made last.
on() { ip netns exec "$NETNS" "$@"; }

serve_ssh() {
	mkdir -p /run/sshd
	[ -e user ] || ssh-keygen -q -t ed25519 -N '' -f user
	ssh-keygen -q -t ed25519 -N '' -f "$1.key"
	echo "$1 $(cat "$1.key.pub")" >>known
	cat >"$1.sshd" <<-END
		HostKey $T/$1.key
		AuthorizedKeysFile $T/user.pub
		StrictModes no
		PidFile none
		UsePAM no
		SetEnv HOME=$T/$1.home PATH=${SSHD_PATH:-$PATH} ${ASAN_OPTIONS:+ASAN_OPTIONS=$ASAN_OPTIONS UBSAN_OPTIONS=$UBSAN_OPTIONS}
		$SSHD_MORE
		ListenAddress $ADDRESS
	END
	cat >>config <<-END
		Host $1
		HostName $ADDRESS
		HostKeyAlias $1
		IdentityFile $T/user
		IdentitiesOnly yes
		UserKnownHostsFile $T/known
		StrictHostKeyChecking yes
	END
	on "$(command -v sshd || echo /usr/sbin/sshd)" -D -e -f "$1.sshd" 2>"$1.log" 3>&- &
	SSHD=$!
	VICTIMS+=("$SSHD")
	printf '%s\n' '#!/bin/bash' "exec /usr/bin/ssh -F $T/config $1 \"cd $T/$1.home && \$*\"" >"$1"
	chmod +x "$1"
	wait_for 10 "./$1" true
}

# The processes of a host that a test has cut off are ended, too.
hosts_teardown() {
	local name pid
	for name in "${HOSTS[@]}"; do
		for pid in $(ip netns pids "$name"); do
			kill -KILL "$pid" || :
		done
		ip netns delete "$name"
	done
}
