// The live page of handsets: what forms do goes over a WebSocket instead, states come
// back with every change, and sound goes both ways. Without it the page is complete.
import * as audio from "./audio.js"

const sim = document.getElementById("sim"), path = sim.dataset.path
const nodes = [...document.querySelectorAll("section.phone")] // by channel: telephones, then lines
const find = (el, what) => el.querySelector(`[data-is=${what}]`)
const live = document.querySelector("[data-is=live]"), refused = document.querySelector("[data-is=refused]")

let socket, speaking = -1, sequence = 0, wait = 500
const listening = new Set()

const send = (to, what) => {
	if (socket?.readyState !== WebSocket.OPEN) return false
	socket.send(JSON.stringify({ to, do: what }))
	return true
}
const tell = (why) => {
	refused.textContent = why
	refused.hidden = why === ""
}

function connect() {
	let over = false
	socket = new WebSocket(path + "live")
	socket.binaryType = "arraybuffer"
	socket.onopen = () => {
		wait = 500
		live.textContent = "Live"
		document.documentElement.dataset.sim = "live"
		for (const c of listening) send(nodes[c].id, "listen on")
	}
	socket.onmessage = (e) => {
		if (typeof e.data !== "string") {
			const channel = new DataView(e.data).getUint8(0)
			audio.play(channel, new Int16Array(e.data, 4))
			return
		}
		const m = JSON.parse(e.data)
		if (m.state) show(m.state)
		if (m.refused) tell(m.refused)
		if (m.ended) {
			over = true
			tell(m.ended)
		}
	}
	socket.onclose = () => {
		delete document.documentElement.dataset.sim
		live.textContent = over ? "Not live" : "Not live: the box does not answer. Trying again."
		for (const n of nodes) audio.bell(n.id, false)
		stopSpeaking()
		if (!over) setTimeout(connect, wait = Math.min(2 * wait, 8000))
	}
}

// show draws how everything stands.
function show(state) {
	for (const p of state.phones) {
		const n = draw(p), up = p.up && !p.fault
		const hook = find(n, "hook")
		hook.textContent = p.hook
		hook.value = p.do
		hook.disabled = p.fault
		for (const b of n.querySelectorAll(".pad button, [data-is=flash]")) b.disabled = !up
		audio.bell(p.id, p.bell)
		n.dataset.bell = p.bell ? "on" : "off"
	}
	for (const l of state.lines ?? []) {
		const n = draw(l), can = l.keys.split(" ")
		for (const b of n.querySelectorAll("[data-act]")) b.hidden = !can.includes(b.dataset.act)
		for (const b of n.querySelectorAll("[data-way]")) b.setAttribute("aria-pressed", b.dataset.way === l.way)
		turn(n, "cut", l.cut, ["Cut the wire", "cut"], ["Mend the wire", "mend"])
		turn(n, "other", l.other, ["Lift another set", "other"], ["Hang up the other set", "alone"])
		turn(n, "quiet", l.quiet, ["No dial tone", "quiet"], ["Give dial tone", "tone"])
	}
}

function draw(s) {
	const n = document.getElementById(s.id)
	n.classList.toggle("up", s.up)
	const lamp = find(n, "lamp")
	lamp.className = "lamp " + s.lamp
	lamp.querySelector("use").setAttribute("href", "#s-" + s.lamp)
	put(find(n, "word"), s.word)
	put(find(n, "said"), s.said)
	return n
}

// put writes words only if they are others: a screen reader says each change.
function put(el, words) {
	if (el.textContent !== words) el.textContent = words
}

function turn(n, what, on, no, yes) {
	const b = find(n, what), [words, act] = on ? yes : no
	put(b, words)
	b.value = act
}

// listen opens or closes the earpiece of a channel on this page.
async function listen(c, on) {
	if (on === listening.has(c)) return
	const n = nodes[c]
	n.querySelector("[data-sound=listen]").setAttribute("aria-pressed", on)
	if (on) {
		listening.add(c)
		send(n.id, "listen on")
		await audio.open(c, path)
		return
	}
	if (speaking === c) stopSpeaking()
	listening.delete(c)
	send(n.id, "listen off")
	audio.close(c)
	heard(n, null)
}

function stopSpeaking() {
	audio.hush()
	if (speaking < 0) return
	const n = nodes[speaking]
	n.querySelector("[data-sound=speak]").setAttribute("aria-pressed", false)
	send(n.id, "speak off")
	speaking = -1
}

async function speak(c) {
	const was = speaking
	stopSpeaking()
	if (was === c) return
	await listen(c, true)
	try {
		await audio.speak(path, (pcm) => {
			if (speaking !== c || socket.readyState !== WebSocket.OPEN || socket.bufferedAmount > 16384) return
			const b = new ArrayBuffer(4 + pcm.byteLength), v = new DataView(b)
			v.setUint8(0, c)
			v.setUint16(2, sequence++ & 0xffff, true)
			new Int16Array(b, 4).set(pcm)
			socket.send(b)
		})
	} catch {
		tell("This browser gives no microphone. The test voice works without one.")
		return
	}
	speaking = c
	nodes[c].querySelector("[data-sound=speak]").setAttribute("aria-pressed", true)
	send(nodes[c].id, "speak on")
}

// heard writes what comes out of the loudspeaker onto the telephone.
function heard(n, m) {
	put(find(n, "heard"), m ? `hears: ${m.tones.join(" + ")} Hz, ${m.level.toFixed(0).replace("-", "−")} dBm0` : "")
	n.dataset.level = m ? m.level.toFixed(1) : ""
	n.dataset.tone = m ? m.tones.join(" ") : ""
}

setInterval(() => {
	for (const c of listening) heard(nodes[c], audio.measure(c))
}, 200)

// Keys of the keypad sound as long as they are held, by pointer or keyboard.
const least = 80 // ms
function hold(n, b) {
	if (b.disabled || b.classList.contains("held")) return
	const sign = b.value.slice(4)
	if (n.querySelector("[name=rotary]").checked) {
		send(n.id, "pulse " + sign)
		return
	}
	send(n.id, "press " + sign)
	b.classList.add("held")
	b.since = performance.now()
}
function letGo(n, b) {
	if (!b.classList.contains("held")) return
	b.classList.remove("held")
	setTimeout(() => send(n.id, "let"), Math.max(0, least - (performance.now() - b.since)))
}

nodes.forEach((n, c) => {
	find(n, "sound").hidden = false
	n.addEventListener("submit", (e) => {
		const what = e.submitter?.value ?? ""
		if (socket?.readyState !== WebSocket.OPEN) return // the form goes its own way
		e.preventDefault()
		tell("")
		audio.start(path)
		if (what.startsWith("key ")) return // pointer and keyboard below do it
		if (what === "lift") listen(c, true)
		if (what === "down") listen(c, false)
		send(n.id, what)
	})
	for (const b of n.querySelectorAll(".pad button")) {
		b.addEventListener("pointerdown", () => hold(n, b))
		for (const end of ["pointerup", "pointerleave", "pointercancel"]) b.addEventListener(end, () => letGo(n, b))
		b.addEventListener("click", (e) => { // by keyboard, or by what clicks without a pointer
			if (e.detail !== 0) return
			hold(n, b)
			letGo(n, b)
		})
	}
	n.addEventListener("keydown", (e) => {
		const b = "0123456789*#".includes(e.key) && e.key.length === 1 && [...n.querySelectorAll(".pad button")].find((x) => x.value === "key " + e.key)
		if (!b || e.repeat || e.ctrlKey || e.metaKey || e.altKey) return
		hold(n, b)
		const up = (u) => {
			if (u.type === "keyup" && u.key !== e.key) return
			letGo(n, b)
			removeEventListener("keyup", up)
			removeEventListener("blur", up)
		}
		addEventListener("keyup", up)
		addEventListener("blur", up)
	})
	for (const b of n.querySelectorAll("[data-sound]")) {
		b.addEventListener("click", async () => {
			tell("")
			if (b.dataset.sound === "listen") listen(c, !listening.has(c))
			if (b.dataset.sound === "speak") speak(c)
			if (b.dataset.sound === "voice") {
				await listen(c, true)
				send(n.id, "voice")
			}
		})
	}
})

// Any key on the page lets the bells be heard.
for (const g of ["pointerdown", "keydown"]) addEventListener(g, () => audio.start(path), { once: true })
connect()
