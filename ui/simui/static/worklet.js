// The two ends of a telephone in the audio graph: sotto-ear plays what an earpiece
// hears, sotto-mouth takes what a microphone hears. The box speaks linear PCM at 8 kHz;
// the browser has a rate of its own.

const LINE = 8000

// kernel is a windowed sinc of 8 samples of the line to either side, cut at 3.6 kHz,
// with FINE points a sample. It serves both directions.
const HALF = 8, FINE = 64
const kernel = new Float32Array(2 * HALF * FINE + 2)
for (let i = 0; i <= 2 * HALF * FINE; i++) {
	const t = i / FINE - HALF, x = Math.PI * 0.9 * t
	kernel[i] = 0.9 * (x === 0 ? 1 : Math.sin(x) / x) * (0.5 + 0.5 * Math.cos(Math.PI * t / HALF))
}
function weight(t) {
	const at = (t + HALF) * FINE, i = Math.floor(at)
	return i < 0 || i >= 2 * HALF * FINE ? 0 : kernel[i] + (at - i) * (kernel[i + 1] - kernel[i])
}

// The ring between network and loudspeaker, in samples of the line.
const RING = 8192, LEAST = 480, MOST = 1600 // 60 ms to 200 ms

class Ear extends AudioWorkletProcessor {
	constructor() {
		super()
		this.ring = new Float32Array(RING)
		this.wrote = 0 // samples ever
		this.at = 0 // place of the loudspeaker, between samples
		this.target = 800
		this.fill = 0 // smoothed
		this.playing = false
		this.calm = 0 // frames since it last ran dry
		this.port.onmessage = (e) => this.take(e.data)
	}
	take(pcm) {
		for (let i = 0; i < pcm.length; i++) this.ring[this.wrote++ % RING] = pcm[i] / 32768
		if (this.wrote - this.at > 2 * MOST + this.target) { // far behind: what is oldest goes
			this.at = this.wrote - this.target
			this.fill = this.target
		}
	}
	process(_, outputs) {
		const out = outputs[0][0]
		let have = this.wrote - HALF - this.at
		if (!this.playing) {
			if (have < this.target) return true
			this.playing = true
			this.fill = have
		}
		// Two clocks never agree: the loudspeaker goes up to half a percent faster or slower.
		this.fill += (have - this.fill) * 0.002
		const drift = Math.max(-0.005, Math.min(0.005, (this.fill - this.target) / this.target * 0.01))
		const step = LINE / sampleRate * (1 + drift)
		for (let i = 0; i < out.length; i++) {
			if (this.at + HALF >= this.wrote) { // dry
				this.playing = false
				this.calm = 0
				this.target = Math.min(MOST, this.target + 160)
				return true
			}
			const n = Math.floor(this.at), part = this.at - n
			let v = 0
			for (let k = 1 - HALF; k <= HALF; k++) {
				if (n + k >= 0) v += this.ring[(n + k) % RING] * weight(part - k)
			}
			out[i] = v
			this.at += step
		}
		if (++this.calm * out.length > 30 * sampleRate) {
			this.calm = 0
			this.target = Math.max(LEAST, this.target - 80)
		}
		return true
	}
}

// BLOCK is the length of a message: 20 ms.
const BLOCK = 160

class Mouth extends AudioWorkletProcessor {
	constructor() {
		super()
		this.ratio = sampleRate / LINE
		this.span = Math.ceil(HALF * this.ratio)
		this.ring = new Float32Array(16384)
		this.wrote = 0
		this.at = this.span
		this.block = new Int16Array(BLOCK)
		this.n = 0
	}
	process(inputs) {
		const x = inputs[0][0]
		if (!x) return true
		const R = this.ring.length
		for (let i = 0; i < x.length; i++) this.ring[this.wrote++ % R] = x[i]
		while (this.at + this.span < this.wrote) {
			const n = Math.floor(this.at), part = this.at - n
			let v = 0
			for (let k = -this.span; k <= this.span; k++) {
				if (n + k >= 0) v += this.ring[(n + k) % R] * weight((part - k) / this.ratio)
			}
			v = Math.max(-32768, Math.min(32767, Math.round(v / this.ratio * 32767)))
			this.block[this.n++] = v
			if (this.n === BLOCK) {
				this.port.postMessage(this.block.slice())
				this.n = 0
			}
			this.at += this.ratio
		}
		return true
	}
}

registerProcessor("sotto-ear", Ear)
registerProcessor("sotto-mouth", Mouth)
