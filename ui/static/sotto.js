// The one script of the admin page. It swaps parts of the page for newer ones, which the
// box sends as server-sent events, and counts the seconds of calls. Without it every page
// is complete as it was served.
"use strict";
(() => {
	const from = document.body.dataset.live;
	if (!from) return;
	const svg = "http://www.w3.org/2000/svg";
	let ahead = 0; // seconds that the box's clock is ahead of this one
	let asOf = ""; // what to say when the stream has broken
	let stream = null;

	// make gives the element that a text of mark-up describes, in the language of old.
	const make = (text, old) => {
		if (old.namespaceURI === svg) {
			const root = document.createElementNS(svg, "svg");
			root.innerHTML = text;
			return root.firstElementChild;
		}
		const root = document.createElement("template");
		root.innerHTML = text;
		return root.content.firstElementChild;
	};

	const swap = (parts) => {
		for (const [id, text] of Object.entries(parts)) {
			const old = document.getElementById(id);
			if (!old) continue;
			const now = make(text, old);
			if (!now) continue;
			const focus = old === document.activeElement;
			const inside = !focus && old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
			old.replaceWith(now);
			if (focus) now.focus();
			else if (inside) [...now.querySelectorAll("[href]")].find((e) => e.getAttribute("href") === inside)?.focus();
		}
		count();
	};

	const count = () => {
		const now = Date.now() / 1000 + ahead;
		for (const e of document.querySelectorAll("time[data-since]")) {
			const s = Math.max(0, Math.floor(now - Number(e.dataset.since)));
			const two = (n) => String(n).padStart(2, "0");
			const text = s < 3600 ? Math.floor(s / 60) + ":" + two(s % 60) : Math.floor(s / 3600) + ":" + two(Math.floor(s / 60) % 60) + ":" + two(s % 60);
			if (e.textContent !== text) e.textContent = text;
		}
	};

	const close = () => {
		if (stream) stream.close();
		stream = null;
	};

	const open = () => {
		close();
		stream = new EventSource(from);
		stream.addEventListener("hello", (e) => {
			const hello = JSON.parse(e.data);
			ahead = hello.now - Date.now() / 1000;
			asOf = hello.asOf;
			swap({ live: hello.live });
		});
		stream.addEventListener("beat", (e) => { asOf = JSON.parse(e.data).asOf; });
		stream.addEventListener("swap", (e) => swap(JSON.parse(e.data)));
		stream.addEventListener("gone", () => { close(); location.reload(); });
		stream.onerror = () => { if (asOf) swap({ live: asOf }); };
	};

	setInterval(() => { if (stream) count(); }, 1000);
	// A page that nobody sees needs no stream.
	document.addEventListener("visibilitychange", () => document.hidden ? close() : open());
	if (!document.hidden) open();
})();
