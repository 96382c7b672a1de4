#!/bin/sh
# The long runs: each fuzz target for SOAK_SECONDS (300), then the long scenarios.
set -eu
t=${SOAK_SECONDS:-300}
bad=
out=$(mktemp)
trap 'rm -f "$out"' EXIT
for p in $(go list ./...); do
	for f in $(go test -list '^Fuzz' "$p" 2>/dev/null | grep '^Fuzz' || true); do
		echo "== $p $f for ${t}s"
		go test -run xxx -fuzz "^$f\$" -fuzztime "${t}s" "$p" >"$out" 2>&1 || bad="$bad $p.$f"
		tail -2 "$out"
	done
done
echo "== hours of calls"
go test ./pbx/pbxtest -run 'Soak|Hour' -soak -v -timeout 3h | grep -v '^=== '
echo "== tones in hours of speech and music"
go test ./pbx/media/progress -run 'EndsNoCall|EndNoCall|WithinTolerance' -soak -v -timeout 1h | grep -v '^=== '
echo "== drift"
go test ./pbx/media/jitter -run Drift -soak -v -timeout 1h | grep -v '^=== '
echo "== power cuts, thousands"
go test ./storage/cuttest -run 'Cut|Disk|Failed|Folder|Seen|Flip|Torn' -v -timeout 2h -args -lives 400 -rounds 300 -flips 50000 | grep -v '^=== '
[ -z "$bad" ] || { echo "failed:$bad; the input is in testdata/fuzz of the package" >&2; exit 1; }
