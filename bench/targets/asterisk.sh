# Target: Asterisk as set up by setup-asterisk.sh.
# PEER_PROFILE is office (default) or minimal; PEER_ROOT is its folder.
PEER_PROFILE=${PEER_PROFILE:-office}
PEER_ROOT=${PEER_ROOT:-${BENCH_DIR:?}/peer}
t_name=asterisk-$PEER_PROFILE
t_addr=127.0.0.1:${PEER_PORT:-5070}
t_login=(-pass "${BENCH_PASS:-bench-pw-7}")
# Its /proc lives in a name space of its own, and ends with it.
t_cmd=(unshare -m --propagation private sh -c 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"' "$PEER_ROOT"
	/usr/sbin/asterisk -f -U asterisk -G asterisk -C "/etc/asterisk-$PEER_PROFILE/asterisk.conf")

t_prepare() { :; }
t_reset() {
	rm -f "$PEER_ROOT/var/lib/asterisk-$PEER_PROFILE/astdb.sqlite3" "$PEER_ROOT/var/log/asterisk-$PEER_PROFILE/messages" \
		"$PEER_ROOT/var/log/asterisk-$PEER_PROFILE/cdr-csv/"*.csv
}
t_version() { chroot "$PEER_ROOT" asterisk -V; }
