# shellcheck shell=bash
# Image directories that our code has not made, and a server of pages.

# make DIR LINE...: a directory by helpers/images.py.
make() {
	local dir=$1
	shift
	rm -rf "$dir"
	printf '%s\n' "$@" | images.py make "$dir"
}

# listens DIR [OPTION...]: a server in the background; $PORT and $SERVER.
listens() {
	: >ready
	pageserve "${@:2}" "$1" >ready 2>served 3>&- &
	SERVER=$!
	VICTIMS+=("$SERVER")
	wait_for 10 grep -q '^pageserve: ready: ' ready
	PORT=$(sed 's/.* port //' ready)
}
