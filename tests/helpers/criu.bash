# shellcheck shell=bash
# The real criu, on this machine's kernel.

# restores NAME: what tests/vm/restores does by that name, in tests/vm/native.
restores() {
	local code=0
	unchecked 'the real criu is given the tools of bin/'
	"$ROOT/tests/vm/native" "$T" /pagepipe/tests/vm/restores "$1" 2>errors || code=$?
	[ "$code" != 77 ] || skip "$(tail -n 1 errors)"
	[ "$code" = 0 ] || cat errors
	return "$code"
}
