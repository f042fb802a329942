#!/usr/bin/env bats
# pagepipe-security(7): its examples, as they are printed there.

load helpers/lib

setup() {
	lib_setup
	PAGE=$ROOT/src/stage/pagepipe-security.7
	victim anon=1M
	stand_still "$VICTIM"
	PID=$VICTIM DIR=copy HOST=127.0.0.1
	export PID DIR HOST
}

teardown() {
	[ ! -d "$T/gnupg" ] || GNUPGHOME=$T/gnupg gpgconf --kill all
	lib_teardown
}

# lines_of NAME: the page's example behind that mark.
lines_of() {
	sed -n "/^\.\\\\\" TRY $1\$/,/^\.Ed/p" "$PAGE" | sed '/^\./d; s/\\&//g; s/\\e/\\/g; s/\\-/-/g'
}

# try NAME [ANOTHER...]: the lines of all these, as one script.
try() {
	local name
	for name; do lines_of "$name"; done >lines
	[ -s lines ] || { echo "the page has no $1"; return 1; }
	timeout 50 bash -o pipefail lines >out 2>errors
}

# reads NAME: the last line of that example alone, which makes the copy.
reads() {
	lines_of "$1" | grep 'imgwrite' >lines
	timeout 50 bash -o pipefail lines >out 2>errors
}

is_memory() {
	imgcmp "$VICTIM" copy
	rm -rf copy
}

# flip FILE AT: one bit of it.
flip() {
	python3 - "$1" "$2" <<-'PYTHON'
		import sys
		data = bytearray(open(sys.argv[1], "rb").read())
		data[int(sys.argv[2])] ^= 1
		open(sys.argv[1], "wb").write(data)
	PYTHON
}

@test "security: age, as the page says" {
	try age
	is_memory
	[ "$(stat -c %a stream.age)" = 600 ]
	# (twin) a flipped bit is refused
	cp stream.age kept
	flip stream.age 500000
	not reads age
	[ ! -e copy ]
	# (twin) and so are another key, and a stream that is cut short
	cp kept stream.age
	mv key ours
	age-keygen -o key 2>errors
	not reads age
	mv ours key
	truncate -s -100 stream.age
	not reads age
	[ ! -e copy ]
	cp kept stream.age
	reads age
	is_memory
}

@test "security: gpg, as the page says" {
	export GNUPGHOME=$T/gnupg NAME=somebody
	mkdir -m 700 gnupg
	gpg --batch -q --passphrase '' --quick-gen-key "$NAME" default default never 2>errors
	try gpg
	is_memory
	# (twin) a flipped bit, and another's key
	rm stream
	cp stream.gpg kept
	flip stream.gpg 500000
	not reads gpg
	[ ! -e copy ]
	cp kept stream.gpg
	rm -rf gnupg
	mkdir -m 700 gnupg
	not reads gpg
	[ ! -e copy ]
}

@test "security: a signature, as the page says" {
	export KEY=$T/id NAME=somebody
	ssh-keygen -q -t ed25519 -N '' -f id
	echo "$NAME namespaces=\"pagepipe\" $(cut -d ' ' -f 1,2 id.pub)" >signers
	try signature
	try verified
	is_memory
	# (twin) a flipped bit, and somebody else's key
	cp stream kept
	flip stream 500000
	not try verified
	[ ! -e copy ]
	cp kept stream
	ssh-keygen -q -t ed25519 -N '' -f other
	echo "$NAME namespaces=\"pagepipe\" $(cut -d ' ' -f 1,2 other.pub)" >signers
	not try verified
	[ ! -e copy ]
}

# certificate NAME...: NAME.pem with its key, and NAME.crt without.
certificate() {
	local name
	for name; do
		openssl req -x509 -newkey rsa:2048 -nodes -keyout "$name.key" -out "$name.crt" \
			-days 2 -subj "/CN=$HOST" -addext "subjectAltName=IP:$HOST" 2>openssl.errors
		cat "$name.key" "$name.crt" >"$name.pem"
	done
}

# over_tls: as the page says, there and here.
over_tls() {
	lines_of there >there.lines
	lines_of here >here.lines
	timeout 30 bash -o pipefail there.lines >out 2>there.errors 3>&- &
	local there=$! code=0
	VICTIMS+=("$there")
	wait_for 10 eval "ss -Hltn | grep -q ':$PORT '" || return 1
	timeout 30 bash -o pipefail here.lines >out 2>errors || code=$?
	wait "$there" || code=$?
	return $code
}

@test "security: TLS by socat, as the page says" {
	export PORT=$((20000 + BASHPID % 10000))
	certificate here there other
	over_tls
	is_memory
	# (twin) who has another certificate is not let in, nor listened to
	cp here.pem kept
	cp other.pem here.pem
	not over_tls
	[ ! -e copy ]
	mv kept here.pem
	cp other.pem there.pem
	not over_tls
	[ ! -e copy ]
}
