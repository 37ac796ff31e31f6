#!/bin/sh
# Runs `go test` with the arguments given, and says at the end once more what failed: the programs under test log much, and
# what matters would be far up.
set -u

folder=bin/test
mkdir -p "$folder"
{
	"${GO:-go}" test "$@" 2>&1
	echo $? >"$folder/status"
} | tee "$folder/log"
status=$(cat "$folder/status")
if [ "$status" -ne 0 ]; then
	printf '\ntest: what failed, without the logs of the programs under test:\n\n' >&2
	grep -Ev '^(\{"|ok |\? |=== |[IWEF][0-9]{4} )' "$folder/log" | tail -n 200 | cut -c 1-2000 >&2
fi
exit "$status"
