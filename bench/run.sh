#!/bin/bash
# Measures one target, or two side by side in one run, and prints the figures with their
# ratios. Everything stays on the loopback interface.
#
#   run.sh TARGET_A [TARGET_B]        TARGET is a file as in targets/
#
# The targets take turns (A B A B ...), so that a slow drift of the machine hits both.
# Settings, from the environment:
#   RUNS=1        how often each
#   STEPS=...     which of: media setup register options maxrate
#   BENCH_DIR     results and working files
#   PIN=1         target on the last core, generator on the first; 0: no pinning
#   SCHED=boost   target and generator each as a scheduling group that goes before other
#                 work on the machine (nothing changes inside the group); other: as usual.
#                 Not the real-time class: there the kernel's own packet threads starve
#                 behind the tasks that wait for packets.
#   FOREIGN=25    a step counts as disturbed where other processes took more than this
#                 share of one core meanwhile
#   TRIES=1       how often a disturbed step is tried; the last try counts
#   QUIET_WAIT=20 seconds to wait before a step for others to be done
set -u
HERE=$(cd "$(dirname "$0")" && pwd)
BENCH_DIR=${BENCH_DIR:-$HERE/../tmp/bench}
mkdir -p "$BENCH_DIR"
BENCH_DIR=$(cd "$BENCH_DIR" && pwd)
export BENCH_DIR
RUNS=${RUNS:-1}
STEPS=${STEPS:-media setup register maxrate}
PIN=${PIN:-1}
SCHED=${SCHED:-boost}
FOREIGN=${FOREIGN:-25}
TRIES=${TRIES:-1}
QUIET_WAIT=${QUIET_WAIT:-20}
MEDIA_N=${MEDIA_N:-30,100}
MEDIA_DUR=${MEDIA_DUR:-20s}
REGISTER_DUR=${REGISTER_DUR:-30s}
OUT=${OUT:-$BENCH_DIR/results/$(date +%Y%m%d-%H%M%S)}
mkdir -p "$OUT"
RL=$BENCH_DIR/rtpload
(cd "$HERE" && go build -buildvcs=false -o "$RL" ./rtpload) || exit 1

last=$(($(nproc) - 1))
on_target=(env)
on_gen=(env)
group=0
if [ "$SCHED" = boost ] && [ "$(id -u)" = 0 ] && [ -w /proc/self/autogroup ]; then
	group=-15
	on_gen=(setsid -w sh -c 'echo -15 >/proc/self/autogroup; exec "$@"' sh)
fi
if [ "$PIN" = 1 ] && [ "$last" -gt 0 ]; then
	on_target+=(taskset -c "$last")
	on_gen+=(taskset -c "0-$((last - 1))")
fi
PID=
stop_target() {
	[ -n "$PID" ] || return 0
	kill "$PID" 2>/dev/null
	for _ in $(seq 100); do kill -0 "$PID" 2>/dev/null || break; sleep 0.1; done
	kill -9 "$PID" 2>/dev/null
	PID=
}
trap 'stop_target; exit 1' INT TERM
trap stop_target EXIT

busy_pct() { # of one core, over two seconds
	local a b
	a=$(awk '/^cpu /{print $2+$3+$4+$7+$8}' /proc/stat); sleep 2
	b=$(awk '/^cpu /{print $2+$3+$4+$7+$8}' /proc/stat)
	echo $(((b - a) / 2))
}
wait_quiet() {
	local until=$((SECONDS + QUIET_WAIT))
	while [ "$SECONDS" -lt "$until" ]; do
		[ "$(busy_pct)" -le "$FOREIGN" ] && return 0
		sleep 3
	done
	echo "   (the machine did not get quiet)"
}
has() { case " $STEPS " in *" $1 "*) return 0 ;; esac; return 1; }

start_target() { # LABEL FILE: start it and wait until it serves
	t_reset
	rm -f "$OUT/pid"
	wait_quiet
	"${on_target[@]}" "$RL" launch -target "$t_addr" "${t_login[@]}" -dur 60s -autogroup "$group" \
		-pidfile "$OUT/pid" -log "$OUT/$t_name.out" -label "$1" -out "$2" -- "${t_cmd[@]}"
	local rc=$?
	PID=$(cat "$OUT/pid" 2>/dev/null)
	[ $rc -eq 0 ] || { tail -n 3 "$OUT/$t_name.out"; return 1; }
	sleep 5
}

# measure LABEL COMMAND ARGS...: one step, repeated when the machine was not ours, on a
# fresh target, whose memory has not grown yet
measure() {
	local label=$1 what=$2 n f rc
	shift 2
	for ((n = 1; n <= TRIES; n++)); do
		if [ "$n" -gt 1 ]; then
			stop_target
			start_target restart /dev/null >/dev/null || return 1
		fi
		wait_quiet
		rm -f "$OUT/step.jsonl"
		"${on_gen[@]}" "$RL" "$what" -target "$t_addr" "${t_login[@]}" -pid "$PID" -idle "$IDLE" \
			-label "$label" -out "$OUT/step.jsonl" "$@" >"$OUT/step.txt" 2>&1
		rc=$?
		f=$(awk '$2=="foreign_cpu_pct"&&$3>m{m=$3}END{print int(m)}' "$OUT/step.txt")
		cat "$OUT/step.txt" >>"$OUT/$t_name.log"
		[ $rc -eq 0 ] || { echo "   $label failed:"; tail -3 "$OUT/step.txt"; }
		[ "$f" -gt "$FOREIGN" ] || break
		echo "   $label: other work took $f% of a core"
		kill -0 "$PID" 2>/dev/null || break
	done
	[ $rc -eq 0 ] || broken=1
	cat "$OUT/step.jsonl" >>"$OUT/$t_name.jsonl" 2>/dev/null
	kill -0 "$PID" 2>/dev/null || { echo "   $t_name is gone after $label"; return 1; }
}

one() ( # one run of one target, in a subshell so that the files do not mix
	trap stop_target EXIT
	trap "exit 1" INT TERM
	. "$1"
	IDLE=0
	broken=0
	echo "== $t_name, run $2"
	start_target start "$OUT/$t_name.jsonl" || exit 1
	"$RL" usage -pid "$PID" -dur 10s -label idle -out "$OUT/$t_name.jsonl" | tee "$OUT/idle.txt"
	IDLE=$(awk '$2=="cpu_pct"{print $3}' "$OUT/idle.txt")
	# A step that grows the memory spoils the figures of memory after it: calls first.
	if has media; then measure media media -n "$MEDIA_N" -dur "$MEDIA_DUR" || exit 1; fi
	if has setup; then measure setup setup -rate 20 -dur 15s || exit 1; fi
	if has register; then measure register register -c 8 -dur "$REGISTER_DUR" || exit 1; fi
	if has options; then measure options options -c 8 -dur 5s || exit 1; fi
	if has maxrate; then measure maxrate maxrate -rate 40 -dur 8s || exit 1; fi
	sleep 5
	"$RL" usage -pid "$PID" -dur 2s -label end -out "$OUT/$t_name.jsonl" >/dev/null
	exit $broken
)

results=()
failed=0
{
	uname -srm
	grep -m1 'model name' /proc/cpuinfo
	echo "cores: $(nproc)"
	echo "PIN=$PIN SCHED=$SCHED RUNS=$RUNS"
} >"$OUT/machine.txt"
for f in "$@"; do
	n=$(. "$f"; t_prepare >&2 && { echo "$t_name: $(t_version)" >>"$OUT/machine.txt"; echo "$t_name"; }) || exit 1
	results+=("$n=$OUT/$n.jsonl")
done
# The floor: what generator and kernel take with nothing between.
"${on_gen[@]}" "$RL" direct -n 30 -dur 5s -label floor -out "$OUT/floor.jsonl" >"$OUT/floor.txt"
for ((r = 1; r <= RUNS; r++)); do
	for f in "$@"; do one "$f" "$r" || failed=1; done
done
"$RL" table "${results[@]}" >"$OUT/table.md"
echo
cat "$OUT/machine.txt"
awk '$2=="transit_p50_us"{a=$3}$2=="transit_p99_us"{b=$3}END{print "transit with no exchange between, 30 calls: p50 " a " µs, p99 " b " µs"}' "$OUT/floor.txt"
echo
"$RL" summary "${results[@]}" | tee "$OUT/summary.txt"
echo
echo "every figure: $OUT/table.md"
exit $failed
