#!/bin/sh
# Fetches the accessibility checks that the browser tests run on every page: axe-core from
# the npm registry, a fixed version whose checksum stands here. Needs curl; what is there
# already is kept.
#
#   scripts/axe.sh tmp/axe
set -eu

[ $# -eq 1 ] || { echo "usage: $0 folder" >&2; exit 2; }
version=4.10.3
sum=0f2b4d7dcdf7d1219df8d1959ad68e565f51d14c3f0d88bb71cd59abeb956292
out=$1
[ ! -s "$out/axe.min.js" ] || exit 0
mkdir -p "$out"
echo "fetching axe-core $version"
curl -fsSL --retry 3 -o "$out/axe.tgz" "https://registry.npmjs.org/axe-core/-/axe-core-$version.tgz"
echo "$sum  $out/axe.tgz" | sha256sum -c --quiet -
tar -xzf "$out/axe.tgz" -C "$out" --strip-components=1 package/axe.min.js package/LICENSE
rm "$out/axe.tgz"
