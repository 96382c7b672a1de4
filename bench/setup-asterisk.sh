#!/bin/bash
# Installs Asterisk into a folder of its own (a debootstrap tree) and writes two
# configurations beside its own one. Nothing outside the folder changes, except that
# debootstrap is installed if it is missing. Needs root. What is there already is kept.
#
#   setup-asterisk.sh [ROOT]      ROOT defaults to $BENCH_DIR/peer
#
# Whatever is mounted for it is mounted in a name space of mounts that ends with this
# script: rm -rf of the folder can reach nothing else.
#
# Profiles, chosen at start with -C /etc/asterisk-PROFILE/asterisk.conf:
#   office   what a small office needs: calls, voicemail, queues, conferences, IVR,
#            parking, pickup, recording, BLF, AMI, ARI
#   minimal  only what the bench itself touches
set -eu
if [ "${PEER_OWN_MOUNTS:-}" != 1 ]; then
	[ "$(id -u)" = 0 ] || { echo "this is not root" >&2; exit 1; }
	unshare -m --propagation private true 2>/dev/null || { echo "no name space of mounts can be made here" >&2; exit 1; }
	exec env PEER_OWN_MOUNTS=1 unshare -m --propagation private bash "$0" "$@"
fi
BENCH_DIR=${BENCH_DIR:-tmp/bench}
mkdir -p "$BENCH_DIR"
ROOT=${1:-$(cd "$BENCH_DIR" && pwd)/peer}
PORT=${PEER_PORT:-5070}
USERS=${BENCH_USERS:-100}
PASS=${BENCH_PASS:-bench-pw-7}

mirror() { # the mirror this machine is set up with
	sed -n 's/^URIs:[[:space:]]*\([^[:space:]]*\).*/\1/p' /etc/apt/sources.list.d/debian.sources 2>/dev/null | grep -v security | head -1 |
		grep . || awk '$1=="deb"{for(i=2;i<=NF;i++)if($i~/^https?:/){print $i;exit}}' /etc/apt/sources.list 2>/dev/null
}

install_peer() {
	command -v debootstrap >/dev/null || {
		apt-get -qq update >/dev/null 2>&1
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq debootstrap >/dev/null 2>&1
	} || { echo "debootstrap is not there and cannot be installed" >&2; return 1; }
	m=$(mirror)
	[ -n "$m" ] || { echo "no Debian mirror is set up here" >&2; return 1; }
	for suite in ${PEER_SUITES:-sid bullseye}; do # which of them have the package changes
		rm -rf --one-file-system "$ROOT"
		debootstrap --variant=minbase "$suite" "$ROOT" "$m" >"$ROOT.log" 2>&1 || continue
		# No package may start a service in there.
		printf '#!/bin/sh\nexit 101\n' >"$ROOT/usr/sbin/policy-rc.d"
		chmod +x "$ROOT/usr/sbin/policy-rc.d"
		mountpoint -q "$ROOT/proc" || mount -t proc proc "$ROOT/proc"
		if DEBIAN_FRONTEND=noninteractive chroot "$ROOT" apt-get install -y --no-install-recommends asterisk >>"$ROOT.log" 2>&1; then
			chroot "$ROOT" apt-get clean
			rm -rf "$ROOT"/var/lib/apt/lists/*
			touch "$ROOT/installed"
			return 0
		fi
		umount "$ROOT/proc"
	done
	echo "the Debian mirror gave no asterisk, see $ROOT.log" >&2
	return 1
}

[ -e "$ROOT/installed" ] || install_peer # one that was broken off is begun anew
MODULES=$(cd "$ROOT" && ls -d usr/lib/*/asterisk/modules | head -1)

# ---- configuration ----

modules_office="
pbx_config pbx_spool
res_timing_timerfd res_sorcery_config res_sorcery_memory res_sorcery_astdb res_pjproject
res_rtp_asterisk res_srtp res_crypto res_musiconhold res_parking res_speech res_agi res_security_log
res_pjsip res_pjsip_session res_pjsip_acl res_pjsip_authenticator_digest res_pjsip_outbound_authenticator_digest
res_pjsip_caller_id res_pjsip_config_wizard res_pjsip_diversion res_pjsip_dlg_options res_pjsip_dtmf_info res_pjsip_empty_info
res_pjsip_endpoint_identifier_ip res_pjsip_endpoint_identifier_user res_pjsip_exten_state res_pjsip_header_funcs
res_pjsip_logger res_pjsip_messaging res_pjsip_mwi res_pjsip_mwi_body_generator res_pjsip_nat res_pjsip_notify
res_pjsip_one_touch_record_info res_pjsip_outbound_registration res_pjsip_outbound_publish res_pjsip_path
res_pjsip_dialog_info_body_generator res_pjsip_pidf_body_generator res_pjsip_xpidf_body_generator
res_pjsip_pidf_digium_body_supplement res_pjsip_pidf_eyebeam_body_supplement
res_pjsip_pubsub res_pjsip_refer res_pjsip_registrar res_pjsip_rfc3326 res_pjsip_sdp_rtp res_pjsip_send_to_voicemail res_pjsip_t38
res_fax res_curl res_mwi_devstate res_limit res_clioriginate res_convert
res_stasis res_stasis_answer res_stasis_playback res_stasis_recording res_stasis_snoop res_stasis_device_state
res_http_websocket res_websocket_client res_ari res_ari_model res_ari_applications res_ari_asterisk res_ari_bridges res_ari_channels
res_ari_device_states res_ari_endpoints res_ari_events res_ari_playbacks res_ari_recordings res_ari_sounds
res_manager_devicestate res_manager_presencestate res_format_attr_opus res_format_attr_h264
chan_pjsip chan_bridge_media
bridge_builtin_features bridge_builtin_interval_features bridge_holding bridge_native_rtp bridge_simple bridge_softmix
app_dial app_echo app_playback app_voicemail app_queue app_confbridge app_directory app_read app_readexten app_record
app_mixmonitor app_chanspy app_directed_pickup app_page app_followme app_authenticate app_softhangup app_stack app_exec
app_originate app_transfer app_blind_transfer app_attended_transfer app_senddtmf app_sayunixtime app_system app_userevent app_verbose app_while app_cdr
app_bridgewait app_chanisavail app_db app_disa app_waitforsilence app_waituntil app_controlplayback app_playtones app_milliwatt app_stasis
codec_ulaw codec_alaw codec_a_mu codec_g722 codec_gsm codec_g726 codec_resample codec_adpcm codec_opus_open_source
format_pcm format_wav format_wav_gsm format_gsm format_sln
func_callerid func_cdr func_channel func_cut func_db func_devstate func_dialplan func_env func_global func_groupcount
func_hangupcause func_logic func_math func_module func_pjsip_aor func_pjsip_contact func_pjsip_endpoint func_periodic_hook
func_presencestate func_shell func_sorcery func_strings func_timeout func_uri func_version func_volume func_vmcount
func_jitterbuffer func_talkdetect func_extstate func_curl func_config func_base64 func_blacklist
cdr_csv cdr_custom res_cdrel_custom cel_custom
"
modules_minimal="
pbx_config
res_timing_timerfd res_sorcery_config res_sorcery_memory res_sorcery_astdb res_pjproject
res_rtp_asterisk res_crypto
res_pjsip res_pjsip_session res_pjsip_pubsub res_pjsip_authenticator_digest res_pjsip_caller_id res_pjsip_nat
res_pjsip_endpoint_identifier_user res_pjsip_registrar res_pjsip_sdp_rtp res_pjsip_rfc3326 res_pjsip_dlg_options
chan_pjsip bridge_native_rtp bridge_simple
app_dial
codec_ulaw codec_alaw format_pcm format_wav
func_logic func_strings func_callerid func_channel
cdr_csv
"

users() { # a section of pjsip.conf for each
	for base in 1000 1100; do
		i=0
		while [ $i -lt "$USERS" ]; do
			u=$((base + i))
			printf '[%s](office)\nauth=%s\naors=%s\n[%s]\ntype=auth\nauth_type=userpass\nusername=%s\npassword=%s\n[%s]\ntype=aor\nmax_contacts=1\nremove_existing=yes\n' \
				$u $u $u $u $u "$PASS" $u
			i=$((i + 1))
		done
	done
}

profile() { # NAME MODULES
	name=$1
	d=$ROOT/etc/asterisk-$name
	rm -rf "$d"
	mkdir -p "$d"
	{
		echo "[modules]"
		echo "autoload=no"
		for x in $2; do
			[ ! -f "$ROOT/$MODULES/$x.so" ] || echo "load=$x.so" # not every version has each
		done
	} >"$d/modules.conf"
	cp "$ROOT"/etc/asterisk/{acl,ari,ccss,pjproject,pjsip_wizard,pjsip_notify,websocket_client,cdr_custom,cel,cel_custom,cli,cli_aliases,codecs,confbridge,features,followme,indications,musiconhold,queues,res_fax,res_parking,say,stasis,udptl}.conf "$d"/ 2>/dev/null || true
	printf '[general]\nenabled=no\n' >"$d/http.conf"
	printf '[general]\nenabled=no\n' >"$d/manager.conf"
	mkdir -p "$ROOT/var/spool/asterisk-$name"/{voicemail,outgoing,monitor,tmp} "$ROOT/run/asterisk-$name" \
		"$ROOT/var/log/asterisk-$name"/{cdr-csv,cdr-custom} "$ROOT/var/lib/asterisk-$name/keys"
	cp -a "$ROOT/var/lib/asterisk/." "$ROOT/var/lib/asterisk-$name/" 2>/dev/null || true
	chroot "$ROOT" chown -R asterisk:asterisk "/var/spool/asterisk-$name" "/run/asterisk-$name" "/var/log/asterisk-$name" "/var/lib/asterisk-$name"

	cat >"$d/asterisk.conf" <<-CONF
		[directories]
		astcachedir => /var/lib/asterisk-$name
		astetcdir => /etc/asterisk-$name
		astmoddir => /$MODULES
		astvarlibdir => /var/lib/asterisk-$name
		astdbdir => /var/lib/asterisk-$name
		astkeydir => /var/lib/asterisk-$name
		astdatadir => /usr/share/asterisk
		astagidir => /usr/share/asterisk/agi-bin
		astspooldir => /var/spool/asterisk-$name
		astrundir => /run/asterisk-$name
		astlogdir => /var/log/asterisk-$name
		astsbindir => /usr/sbin
		[options]
		documentation_language = en_US
		systemname = bench
	CONF
	cat >"$d/logger.conf" <<-CONF
		[general]
		[logfiles]
		messages => notice,warning,error
	CONF
	cat >"$d/cdr.conf" <<-CONF
		[general]
		enable=yes
		[csv]
		usegmtime=no
		loguniqueid=yes
		loguserfield=yes
		accountlogs=no
	CONF
	cat >"$d/rtp.conf" <<-CONF
		[general]
		rtpstart=10000
		rtpend=18000
	CONF
	cat >"$d/voicemail.conf" <<-CONF
		[general]
		format=wav
		[default]
	CONF
	cat >"$d/extensions.conf" <<-CONF
		[general]
		static=yes
		writeprotect=yes
		[office]
		exten => _1XXX,1,Dial(PJSIP/\${EXTEN},30)
		 same => n,Hangup()
	CONF
	{
		cat <<-CONF
			[global]
			type=global
			user_agent=peer
			endpoint_identifier_order=username,ip
			[udp]
			type=transport
			protocol=udp
			bind=127.0.0.1:$PORT

			[office](!)
			type=endpoint
			context=office
			disallow=all
			allow=ulaw,alaw
			direct_media=no
			rtp_symmetric=yes
			force_rport=yes
			rewrite_contact=yes
			media_address=127.0.0.1
			bind_rtp_to_media_address=yes

		CONF
		users
	} >"$d/pjsip.conf"
	chroot "$ROOT" chown -R root:asterisk "/etc/asterisk-$name"
	chmod -R g+rX,o+rX "$d"
}

profile office "$modules_office"
profile minimal "$modules_minimal"
echo "ready: $(chroot "$ROOT" asterisk -V) in $ROOT"
