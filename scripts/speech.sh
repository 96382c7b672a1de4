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

# A job is NAME:COMMAND; the command writes $raw, what comes of it is NAME.wav. Peaks are
# set near full scale: tests choose the level.
cat >"$work/job" <<'EOF'
name=${1%%:*}
[ -s "$out/$name.wav" ] && exit 0
raw=$work/$name.raw.wav
eval "${1#*:}"
sox -R -D "$raw" -r 8000 -c 1 -b 16 "$work/$name.wav" gain -6 highpass 120 norm -1
mv "$work/$name.wav" "$out/$name.wav"
rm "$raw"
EOF
export out work

{
	# espeak-ng: variant, pitch, words a minute, language
	while read -r variant pitch speed lang; do
		echo "espeak-$lang-$variant-$pitch:espeak-ng -v $lang+$variant -p $pitch -s $speed -w \$raw -f \$work/${lang%%-*}.txt"
	done <<'EOF'
m1 30 140 en-us
m2 45 170 en-gb
m3 20 120 en-us
m5 55 200 en-gb-x-rp
m7 40 160 en-029
m8 35 150 en-gb-scotland
f1 50 150 en-us
f2 65 170 en-gb
f3 80 180 en-us
f4 60 130 en-gb-x-gbclan
f5 95 190 en-us
klatt2 40 150 en-us
klatt4 60 160 en-gb
croak 30 140 en-us
whisper 50 140 en-gb
whisperf 50 140 en-us
m4 35 140 de
f2 70 165 de
m6 50 180 de
m1 40 150 fr-fr
f3 75 170 fr-fr
f4 55 140 fr-be
m3 45 150 es
f1 70 175 es-419
m2 30 130 it
f5 85 165 it
m7 50 145 sv
f3 60 160 sv
m5 40 150 nl
f2 75 170 nl
m1 50 140 pt
f4 65 150 pt-br
m8 40 140 pl
f1 80 160 pl
m2 45 150 fi
f3 70 140 fi
m3 50 150 cs
f2 60 150 tr
EOF
	# flite: voice, stretch, pitch in Hz
	while read -r voice stretch pitch; do
		echo "flite-$voice-$pitch:flite -voice $voice --setf duration_stretch=$stretch --setf int_f0_target_mean=$pitch -f \$work/en.txt -o \$raw"
	done <<'EOF'
kal16 1.0 95
kal16 0.8 130
awb 1.0 120
rms 1.1 100
slt 1.0 180
slt 0.85 240
EOF
	# festival: pitch in Hz, stretch
	while read -r pitch stretch; do
		echo "festival-kal-$pitch:text2wave -eval \"(set! int_lr_params '((target_f0_mean $pitch) (target_f0_std 14) (model_f0_mean 170) (model_f0_std 34)))\" -eval \"(Parameter.set 'Duration_Stretch $stretch)\" -o \$raw \$work/en.txt"
	done <<'EOF'
105 1.0
160 1.2
80 0.9
EOF
} | tr '\n' '\0' | xargs -0 -P 2 -n 1 sh -eu "$work/job"

total=$(soxi -T -D "$out"/*.wav)
echo "$out: $(ls "$out"/*.wav | wc -l) files, ${total%.*} seconds"
