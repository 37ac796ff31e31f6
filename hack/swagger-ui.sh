#!/bin/sh
# Fetches the parts of Swagger UI that the docs page embeds, from npm's package swagger-ui-dist. To take another version, set
# it and the package's sum (of the file that `npm pack swagger-ui-dist@VERSION` makes).
set -eu

version=5.35.0
sum=534eaba4cb56f55dd73c638179a993512af4674f63317e0826e00da44fc465b021c341bc0a0c2bcd4e18997927fe1d3008336c5dd19aad334d1c2dec53cc9551

assets=$(cd "$(dirname "$0")/../internal/facade/docs/assets" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"

npm pack --silent "swagger-ui-dist@$version" >/dev/null
echo "$sum  swagger-ui-dist-$version.tgz" | sha512sum --check --quiet
tar -xzf "swagger-ui-dist-$version.tgz"

rm -f "$assets"/*
cd package
cp LICENSE NOTICE favicon-32x32.png "$assets"
cp swagger-ui-bundle.js.LICENSE.txt swagger-ui-standalone-preset.js.LICENSE.txt "$assets"
for file in swagger-ui-bundle.js swagger-ui-standalone-preset.js swagger-ui.css; do
	# Without name and time, so that the same package gives the same bytes.
	gzip -9 --no-name --stdout "$file" >"$assets/$file.gz"
done
