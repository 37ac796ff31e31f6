#!/bin/sh
# Sees to it that there is a Chromium for the browser tests: installs Debian's package where that is possible, and says what is
# missing where it is not. With ENROL_CHROMIUM set, that program is used and nothing is installed.
set -eu

if [ -n "${ENROL_CHROMIUM:-}" ]; then
	[ -x "$ENROL_CHROMIUM" ] && exit
	echo "$0: ENROL_CHROMIUM is $ENROL_CHROMIUM, which is not a program" >&2
	exit 1
fi
for name in chromium chromium-browser google-chrome; do
	command -v "$name" >/dev/null && exit
done
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "$0: the browser tests need Chromium: install it, or say where it is in ENROL_CHROMIUM" >&2
	exit 1
fi
echo "installing chromium (half a minute) ..."
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# With fonts: without any, pages are boxes.
apt-get install -qq -y --no-install-recommends chromium fonts-dejavu-core >/dev/null
