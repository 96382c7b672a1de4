# Target: Sotto with the simulated board, 200 users with SIP telephones and no limits of
# rate. SOTTO is the program.
SOTTO=${SOTTO:-${BENCH_DIR:?}/sotto}
sotto_dir=$BENCH_DIR/sotto-office
t_name=sotto
t_addr=127.0.0.1:${SOTTO_PORT:-5060}
t_login=(-secrets "$sotto_dir/secrets")
t_cmd=("$SOTTO" -board sim -page 127.0.0.1:0 -sip "$t_addr" -rtp 20000-29999 -sip-unlimited -data "$sotto_dir/data")

# A first start makes the data folder and the users' secrets; each measured start begins
# with a copy of what it left, as a box does that was set up before.
t_prepare() {
	rm -rf "$sotto_dir"
	mkdir -p "$sotto_dir/new"
	sotto_plan >"$sotto_dir/plan.json"
	"$SOTTO" -board sim -page 127.0.0.1:0 -sip "$t_addr" -rtp 20000-29999 -data "$sotto_dir/new/data" -plan "$sotto_dir/plan.json" \
		-sip-secrets "$sotto_dir/secrets" </dev/null >"$sotto_dir/first.out" 2>&1 &
	local pid=$! n
	for ((n = 0; n < 200; n++)); do
		grep -q '^ready' "$sotto_dir/first.out" && [ -s "$sotto_dir/secrets" ] && break
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	kill "$pid" 2>/dev/null
	wait "$pid"
	[ -s "$sotto_dir/secrets" ] || { echo "the first start of sotto made no secrets:"; tail -3 "$sotto_dir/first.out"; return 1; } >&2
}
t_reset() {
	rm -rf "$sotto_dir/data" "$sotto_dir/data.key"
	cp -a "$sotto_dir/new/." "$sotto_dir/"
}
t_version() { "$SOTTO" -version; }

sotto_plan() { # callers 1000 to 1099, called 1100 to 1199; PCMU is what the country speaks
	echo '{"office": "Bench", "country": "US", "users": ['
	seq 1000 1199 | sed 's|.*|  {"name": "Telephone &", "ext": "&", "sip": true},|; $s|,$||'
	echo ']}'
}
