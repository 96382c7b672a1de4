#!/bin/bash
# Sotto beside Asterisk, measured from the outside: see bench/README.md. Without root, or
# where the peer cannot be installed, Sotto alone. The peer's tree, all programs and all
# results are kept below tmp/bench.
set -u
cd "$(dirname "$0")/.." || exit 1
export BENCH_DIR=${BENCH_DIR:-$PWD/tmp/bench}
mkdir -p "$BENCH_DIR"
# A module of its own: ./... of the go command does not walk the peer's tree.
printf 'module bench.invalid\n' >"$BENCH_DIR/go.mod"
CGO_ENABLED=0 go build -buildvcs=auto -trimpath -ldflags '-s -w' -o "$BENCH_DIR/sotto" ./cmd/sotto || exit 1
targets=(bench/targets/sotto.sh)
echo "setting up the peer (minutes, the first time) ..."
if said=$(bash bench/setup-asterisk.sh 2>&1); then
	targets+=(bench/targets/asterisk.sh)
else
	echo "Sotto alone, without a peer to compare: $(tail -n 1 <<<"$said")."
fi
exec bash bench/run.sh "${targets[@]}"
