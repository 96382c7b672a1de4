// The sound of the page: earpieces to the loudspeaker, the microphone to a mouthpiece,
// and bells. It starts with the first key that a person presses.

let ctx, ready
const ears = new Map() // by channel

// start opens the sound; it must be called from within a key press the first time.
export function start(path) {
	if (!ctx) {
		ctx = new AudioContext({ latencyHint: "interactive" })
		ready = ctx.audioWorklet.addModule(path + "worklet.js")
	}
	if (ctx.state === "suspended") ctx.resume()
	return ready
}

// open makes the earpiece of a channel audible.
export async function open(channel, path) {
	await start(path)
	if (ears.has(channel)) return
	const node = new AudioWorkletNode(ctx, "sotto-ear", { numberOfInputs: 0, outputChannelCount: [1] })
	const meter = new AnalyserNode(ctx, { fftSize: 8192, smoothingTimeConstant: 0 })
	node.connect(meter).connect(ctx.destination)
	ears.set(channel, { node, meter, wave: new Float32Array(8192), bins: new Float32Array(4096) })
}

export function close(channel) {
	const e = ears.get(channel)
	if (!e) return
	ears.delete(channel)
	e.node.disconnect()
	e.meter.disconnect()
}

// play hands 20 ms of a channel to its earpiece.
export function play(channel, pcm) {
	const e = ears.get(channel)
	if (e) e.node.port.postMessage(pcm)
}

// FULL is the level of a full-scale sine in dBm0, as in the box.
const FULL = 3.14

// measure tells what comes out of an earpiece: its level in dBm0, and up to two
// frequencies in Hz, the lower first. Silence is null.
export function measure(channel) {
	const e = ears.get(channel)
	if (!e) return null
	e.meter.getFloatTimeDomainData(e.wave)
	let sum = 0
	for (const v of e.wave) sum += v * v
	const level = FULL + 10 * Math.log10(2 * sum / e.wave.length)
	if (!(level > -55)) return null
	e.meter.getFloatFrequencyData(e.bins)
	const hz = ctx.sampleRate / e.meter.fftSize, b = e.bins, peaks = []
	for (let i = Math.ceil(150 / hz); i * hz < 3800; i++) {
		if (b[i] < b[i - 1] || b[i] <= b[i + 1]) continue
		const off = (b[i - 1] - b[i + 1]) / (2 * (b[i - 1] - 2 * b[i] + b[i + 1])) // of the parabola through three bins
		peaks.push([b[i], (i + off) * hz])
	}
	peaks.sort((x, y) => y[0] - x[0])
	const near = peaks.filter(([db, f], i) => i === 0 || db > peaks[0][0] - 12 && Math.abs(f - peaks[0][1]) > 30)
	return { level, tones: near.slice(0, 2).map(([, f]) => Math.round(f)).sort((x, y) => x - y) }
}

let microphone // { stream, source, node }

// speak opens the microphone; take gets 20 ms a time, 16 bit, 8 kHz.
export async function speak(path, take) {
	await start(path)
	hush()
	const stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, echoCancellation: true } })
	const source = new MediaStreamAudioSourceNode(ctx, { mediaStream: stream })
	const node = new AudioWorkletNode(ctx, "sotto-mouth", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" })
	node.port.onmessage = (e) => take(e.data)
	source.connect(node)
	microphone = { stream, source, node }
}

// hush closes the microphone.
export function hush() {
	if (!microphone) return
	microphone.node.port.onmessage = null
	microphone.source.disconnect()
	for (const t of microphone.stream.getTracks()) t.stop()
	microphone = null
}

const bells = new Map()

// bell lets the bell of a telephone sound, or not: two gongs that a clapper strikes
// twenty-five times a second.
export function bell(id, on) {
	const b = bells.get(id)
	if (!ctx || ctx.state !== "running" || on === !!b) return
	if (!on) {
		bells.delete(id)
		b.gain.gain.setTargetAtTime(0, ctx.currentTime, 0.05)
		for (const o of b.sources) o.stop(ctx.currentTime + 0.4)
		return
	}
	const gain = new GainNode(ctx, { gain: 0 }), strikes = new GainNode(ctx, { gain: 0.5 })
	const sources = [1180, 1490].map((frequency) => new OscillatorNode(ctx, { frequency }))
	for (const o of sources) o.connect(strikes)
	const clapper = new OscillatorNode(ctx, { frequency: 25 })
	clapper.connect(new GainNode(ctx, { gain: 0.5 })).connect(strikes.gain)
	strikes.connect(gain).connect(ctx.destination)
	sources.push(clapper)
	for (const o of sources) o.start()
	gain.gain.setTargetAtTime(0.08, ctx.currentTime, 0.02)
	bells.set(id, { gain, sources })
}
