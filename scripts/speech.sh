#!/bin/sh
# Makes the speech that the DTMF receiver must stay silent over: about an hour of
# telephone-band WAV files (8 kHz, mono, 16 bit) in the folder given, from free voices
# reading pbx/media/dtmf/testdata/speech.txt. The same tools give the same files; a file
# that is there is kept. Needs espeak-ng, flite, festival, festvox-kallpc16k and sox;
# installs nothing.
#
#   scripts/speech.sh tmp/speech
set -eu

[ $# -eq 1 ] || { echo "usage: $0 folder" >&2; exit 2; }
text=$(dirname "$0")/../pbx/media/dtmf/testdata/speech.txt
out=$1
for tool in espeak-ng flite text2wave sox; do
	command -v "$tool" >/dev/null || { echo "$0: no $tool: apt-get install espeak-ng flite festival festvox-kallpc16k sox" >&2; exit 1; }
done
mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

awk -v dir="$work" '/^#/ {next} /^\[/ {gsub(/[][]/, ""); f = dir "/" $0 ".txt"; next} {print > f}' "$text"

# one NAME COMMAND...: the command writes $raw; what comes out is NAME.wav.
# Peaks are set to -1 dB of full scale: tests choose the level.
cat >"$work/one" <<'EOF'
name=$1; shift
[ -s "$out/$name.wav" ] && exit 0
raw=$work/$name.raw.wav
export raw
sh -c "$*"
sox -R -D "$raw" -r 8000 -c 1 -b 16 "$work/$name.wav" gain -h highpass 120 norm -1
mv "$work/$name.wav" "$out/$name.wav"
rm "$raw"
EOF
export out work

jobs() {
	# espeak-ng: voice variant, pitch, words a minute, language
	for v in "m1 30 140 en-us" "m2 45 170 en-gb" "m3 20 120 en-us" "m5 55 200 en-gb-x-rp" "m7 40 160 en-029" "m8 35 150 en-gb-scotland" \
		"f1 50 150 en-us" "f2 65 170 en-gb" "f3 80 180 en-us" "f4 60 130 en-gb-x-gbclan" "f5 95 190 en-us" \
		"klatt2 40 150 en-us" "klatt4 60 160 en-gb" "croak 30 140 en-us" "whisper 50 140 en-gb" "whisperf 50 140 en-us" \
		"m4 35 140 de" "f2 70 165 de" "m6 50 180 de" "m1 40 150 fr-fr" "f3 75 170 fr-fr" "f4 55 140 fr-be" \
		"m3 45 150 es" "f1 70 175 es-419" "m2 30 130 it" "f5 85 165 it" "m7 50 145 sv" "f3 60 160 sv" \
		"m5 40 150 nl" "f2 75 170 nl" "m1 50 140 pt" "f4 65 150 pt-br" "m8 40 140 pl" "f1 80 160 pl" \
		"m2 45 150 fi" "f3 70 140 fi" "m3 50 150 cs" "f2 60 150 tr"; do
		set -- $v
		echo "espeak-$4-$1-$2 espeak-ng -v $4+$1 -p $2 -s $3 -w \\\$raw -f \\\$work/${4%%-*}.txt"
	done
	for v in "kal16 1.0 95" "kal16 0.8 130" "awb 1.0 120" "rms 1.1 100" "slt 1.0 180" "slt 0.85 240"; do
		set -- $v
		echo "flite-$1-$3 flite -voice $1 --setf duration_stretch=$2 --setf int_f0_target_mean=$3 -f \\\$work/en.txt -o \\\$raw"
	done
	for v in "105 1.0" "160 1.2" "80 0.9"; do
		set -- $v
		echo "festival-kal-$1 text2wave -eval \\\"\\(set! int_lr_params \\'\\(\\(target_f0_mean $1\\) \\(target_f0_std 14\\) \\(model_f0_mean 170\\) \\(model_f0_std 34\\)\\)\\)\\\" -eval \\\"\\(Parameter.set \\'Duration_Stretch $2\\)\\\" -o \\\$raw \\\$work/en.txt"
	done
}
jobs >"$work/jobs"
sed 's/"/\\"/g; s/^/"/; s/$/"/' "$work/jobs" >/dev/null
xargs -P 2 -L 1 sh -e "$work/one" <"$work/jobs"

total=$(soxi -T -D "$out"/*.wav)
echo "$out: $(ls "$out"/*.wav | wc -l) files, ${total%.*} seconds"
