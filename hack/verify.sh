#!/bin/sh
# Runs the commands that bring the tree into shape and fails when they changed anything, showing what. It compares
# the files before and after, so that work not committed yet is no fault, and a committed tree must be as generated.
set -eu

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# An index and an object store of its own: nothing in .git is touched.
objects=$(git rev-parse --git-path objects)
mkdir "$scratch/objects"
snapshot() {
	GIT_INDEX_FILE="$scratch/index" in_scratch git add --all .
	GIT_INDEX_FILE="$scratch/index" in_scratch git write-tree
}
in_scratch() {
	GIT_OBJECT_DIRECTORY="$scratch/objects" GIT_ALTERNATE_OBJECT_DIRECTORIES="$objects" "$@"
}

before=$(snapshot)
"${MAKE:-make}" --no-print-directory tidy generate fmt
after=$(snapshot)

if [ "$before" != "$after" ]; then
	in_scratch git --no-pager diff --stat --patch "$before" "$after"
	echo "verify: 'make tidy generate fmt' changed the files above: commit what it made" >&2
	exit 1
fi
