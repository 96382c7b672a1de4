package ui

import "fmt"

// T gives the words of a page: all that pages say stands in [words] under a key, so that
// a second language is a second table. args fill in its verbs. A key without words gives
// itself, which the tests look for.
func T(key string, args ...any) string {
	text, ok := words[key]
	if !ok {
		return key
	}
	if len(args) == 0 {
		return text
	}
	return fmt.Sprintf(text, args...)
}

// words are the words of the pages, in English. The interface page says how they sound.
var words = map[string]string{
	"lang": "en-GB", "brand": "Sotto", "mark": "sotto", "skip": "Skip to content", "menu": "Menu", "rail": "Main", "rail.sim": "Simulator",
	"logout": "Log out", "foot": "Nothing on this page came from the Internet.", "foot.look": "Light, dark, lamps still",
	"time.foot": "Mon 2 January 2006, 15:04", "time.clock": "15:04", "time.day": "2 Jan 15:04", "time.long": "2 January 2006, 15:04",

	"role.owner": "Owner", "role.admin": "Admin", "role.privacy": "Privacy officer", "role.installer": "Installer", "role.staff": "Staff",

	"login.title": "Log in", "login.key": "Log in", "login.banner": "For people of this office only. Failed tries are counted.",
	"login.cannot": "Cannot log in?", "login.help": "The person who looks after the box can give you a new password.",
	"login.over":  "Your log-in has ended. It does after 30 minutes without use, after 12 hours, with a new password, and when the box starts again.",
	"login.wrong": "Name and password do not go together.",
	"login.more":  "%d more tries, then there is a wait of %s.", "login.one": "One more try, then there is a wait of %s.",
	"login.now": "The next try can be made in %s.", "login.wait": "There were too many failed tries. The next one can be made in %s.",
	"wait.second": "1 second", "wait.seconds": "%d seconds", "wait.minutes": "%d minutes",
	"account.label": "Name", "account.name": "A name has 1 to 64 characters and no space at either end. Choose another.",
	"password.label": "Password", "password.again": "The same password again", "password.current": "Password so far", "password.new": "New password",
	"password.hint":   "At least %d characters. Several words are easier to remember than signs.",
	"password.length": "A password has 10 to 256 characters. Choose another.", "password.name": "The password is the name. Choose another.",
	"password.differs": "The two passwords are not the same. Type both again.", "password.notcurrent": "This is not the password so far. Nothing was changed.",

	"setup.title": "Set-up", "setup.intro": "This box has no owner yet. Whoever sends this form becomes its owner and can see and change everything.",
	"setup.name": "Your name", "setup.name.hint": "You log in with it.", "setup.key": "Become the owner",
	"setup.where": "This box has no owner yet. The link to the set-up is printed where the box was started, on its console.",
	"setup.why":   "The link is new at each start and works once. Only somebody at the box can read it.",
	"setup.wrong": "This set-up link is not the one of this start. Copy the newest one from the console.",
	"setup.wait":  "There were too many wrong set-up links. The next one can be tried in %s.",

	"me.title": "You and this page", "me.password": "Change the password", "me.changed": "The password is changed. You are logged in here and nowhere else.",
	"me.password.hint": "All other log-ins with this name end.",
	"look.title":       "Light, dark, lamps still", "look.hint": "Kept until you log out.", "look.theme": "Light or dark", "look.device": "As the device",
	"look.light": "Light", "look.dark": "Dark", "look.still": "Hold lamps still",

	"panel.title": "Front panel", "box.title": "The box", "box.front": "The box, seen from the front", "box.name": "The box", "box.up": "up %s",
	"box.phones": "Phones", "box.lines": "Exchange lines", "box.net": "Network", "box.network": "Network socket: cable in",
	"box.usb": "USB", "box.usb.long": "USB socket", "box.status": "Status", "box.status.long": "Status lamp: %s", "box.button": "Push button",
	"up.days": "%d days", "up.hours": "%d hours", "up.minutes": "%d minutes", "up.minute": "less than 2 minutes",
	"status.ready": "Works", "status.warn": "Works, needs attention", "status.fault": "Something does not work",
	"headline.one": "One call is up.", "headline.calls": "%d calls are up.",
	"port.phone": "Phone %d", "port.line": "Line %d", "port.ext": "ext. %s", "port.noext": "no ext.",
	"port.long.phone": "%s %d: phone, %s", "port.long.line": "%s %d: line, %s", "port.facts": "What is known of it",

	"state.on hook": "Ready", "state.lifting": "Ready", "state.ringing": "Ringing", "state.ring pause": "Ringing", "state.announcing": "Ringing",
	"state.sending caller ID": "Ringing", "state.off hook": "Off the hook", "state.break": "Off the hook", "state.pulsing": "Dialling",
	"state.clearing": "Ending a call", "state.out of service": "Out of service",
	"state.dialling": "Dialling", "state.waiting": "Calling", "state.alerting": "Ringing", "state.talking": "In a call", "state.holding": "Holding a call",
	"state.held": "On hold", "state.listening": "Hears a tone", "state.warned": "Off the hook too long", "state.silent": "Off the hook too long",
	"state.free": "Ready", "state.resting": "Ready", "state.waiting for rest": "Calling", "state.seizing": "Calling",
	"state.waiting for dial tone": "Calling", "state.sending a digit": "In a call", "state.no line": "No voltage", "state.other set": "Used by another set",

	"live.title": "Calls now", "live.none": "No call is up.", "live.live": "Live", "live.asof": "As of %s",
	"call.from": "From", "call.to": "To", "call.state": "State", "call.over": "Over", "call.for": "For", "call.time": "Time", "call.how": "How it went", "call.talked": "Talked",
	"call.l.from": "from", "call.l.to": "to", "call.l.over": "over", "call.inside": "inside",
	"call.ringing": "Ringing", "call.talking": "Talking", "call.held": "On hold", "call.emergency": "%s, emergency call",
	"party.masked": "first digits masked", "party.hidden": "hidden", "party.erased": "erased caller", "party.damaged": "cannot be read", "party.nobody": "not known",

	"wrongs.title": "What is wrong now", "wrongs.none": "Nothing is wrong.", "wrongs.one": "One thing needs attention", "wrongs.many": "%d things need attention", "wrongs.look": "Look at it",
	"wrong.down.what": "The box cannot write its records any more.", "wrong.down.do": "Calls go on and are not recorded. Start the box anew; if it stays so, its storage is broken.",
	"wrong.lost.what": "%s call records were lost.", "wrong.lost.do": "The storage was too slow or failed for a time. The log says when.",
	"wrong.lifeline.what": "The plan for emergencies is out of date.", "wrong.lifeline.do": "If the records cannot be opened, telephones would work by an older plan. Look at the free space of the storage.",
	"wrong.phone.fault.what": "%s is out of service.", "wrong.phone.fault.do": "Its chip does not answer. The box tries again by itself; if it stays so, the port is broken.",
	"wrong.phone.warn.what": "%s has been off the hook for long.", "wrong.phone.warn.do": "Put the handset down. If it is down, the cable may be wet or crushed.",
	"wrong.line.fault.what": "%s is out of service.", "wrong.line.fault.do": "Its chip does not answer. Calls go out on other lines.",
	"wrong.line.warn.what": "%s was held for too long.", "wrong.line.warn.do": "The box or another set on the line did not let go of it. Look at what else is plugged into the line.",
	"wrong.line.none.what": "%s has no voltage.", "wrong.line.none.do": "The cable is out, or the exchange has a fault. Calls go out on other lines.",

	"recent.title": "Recent calls", "recent.all": "All calls", "kept.title": "What the box remembers", "kept.records": "Call records", "kept.size": "Size of the storage", "kept.sealed": "all sealed",
	"lifeline.what": "The records of the box cannot be opened.", "lifeline.do": "Telephones work by the plan for emergencies. Nothing is recorded and nobody can log in. The log of the box says why; put back a backup or its key.",
	"lifeline.head": "The box works without its records.", "lifeline.lamp": "Works without its records",

	"calls.title": "Calls", "calls.records": "Records", "calls.masked": "Outside numbers are shown by their last digits.", "calls.shown": "Outside numbers are shown in full.",
	"calls.none": "No call is recorded that fits. Choose other days or another kind.", "calls.further": "No call fits among the ones looked at so far. Go on to earlier ones.",
	"calls.down": "The records cannot be read: the storage is down.", "calls.pages": "Pages of records", "calls.earlier": "Earlier calls", "calls.latest": "Latest calls",
	"chart.title": "Calls by hour", "chart.table": "The figures as a table", "chart.hour": "Hour", "chart.in": "In", "chart.out": "Out", "chart.missed": "Missed",
	"chart.l.in": "in", "chart.l.out": "out", "chart.l.missed": "missed", "chart.finding": "The busiest hour was from %d to %d, with %d in, %d out and %d missed.",
	"chart.cut": "the last %d calls of the day", "time.date": "2 January 2006",
	"filter.from": "From day", "filter.to": "To day", "filter.kind": "Kind", "filter.show": "Show",
	"filter.hint": "You cannot search by outside number here.",
	"kind.all":    "All kinds", "kind.in": "Incoming", "kind.out": "Outgoing", "kind.inside": "Inside", "kind.missed": "Missed",
	"outcome.answered": "Answered", "outcome.notknown": "Answer not known", "outcome.busy": "Busy", "outcome.noanswer": "No answer", "outcome.abandoned": "Given up",
	"outcome.missed": "Missed", "outcome.unobtainable": "Nobody has this number", "outcome.failed": "Not reached", "outcome.unknown": "Not known",

	"meter.title": "Meters", "meter.when": "read as this page was opened", "meter.v": "%.1f V", "meter.label": "%s: %.1f volts. Good is %.0f to %.0f volts.",
	"meter.station": "Voltage on the hook", "meter.feed": "Feed of the box", "meter.line": "Voltage on the hook", "meter.polarity": "Polarity", "meter.normal": "Normal", "meter.turned": "Reversed",
	"meter.busy": "The line is in use. Load this page again when it is idle.", "meter.failed": "The port does not work, so nothing can be read.",
	"meter.offhook": "The telephone is off the hook.", "meter.apart": "The part of the chip at the line does not answer.",
	"lines.title": "Lines", "lines.intro": "The exchange lines, and how the box uses them.", "lines.none": "There is no exchange line.",
	"fact.ext": "Extension", "fact.socket": "Socket", "fact.chip": "Chip", "fact.nochip": "none answered", "fact.start": "At start", "fact.dead": "Did not work",
	"fact.rings": "A call rings", "fact.dials": "Dials by", "fact.pulse": "pulses", "fact.dtmf": "tones", "fact.answer": "An answer", "fact.reversal": "is known by the turn of polarity",
	"fact.noreversal": "is not told by the exchange", "fact.hangup": "Hang-up is known by", "fact.break": "a loop break of %d ms, or tones", "fact.country": "a loop break as in the country, or tones",
	"fact.everybody": "everybody", "fact.plan": "Plan", "fact.unused": "names no line at this socket",

	"rules.title": "Rules", "rules.prefix": "Dial %s first for an outside call.", "rules.noprefix": "Outside numbers are dialled without a digit in front.",
	"rules.out": "Outside numbers", "rules.which": "Of several rules that fit, the one with the longest beginning counts.", "rules.none": "There is no rule: every outside number goes out on any line.",
	"rules.in": "Who is rung by a call on", "rules.emergency": "Emergency numbers", "rules.emergency.text": "They are looked at before everything else, on any line. No rule can change or forbid them.",
	"rule.name": "Rule", "rule.begins": "Begins with", "rule.complete": "Complete", "rule.sent": "Sent to the exchange", "rule.lines": "Lines", "rule.l.begins": "begins with",
	"rule.any": "anything", "rule.pause": "when the caller pauses", "rule.digits": "with %d digits", "rule.whole": "as dialled", "rule.strip": "without the first %d", "rule.prepend": "with %s in front",
	"rule.both": "without the first %d, with %s in front", "rule.all": "all, in order", "rule.forbid": "Not called",
	"try.title": "What happens if", "try.intro": "Nothing is dialled. The answer is what the box would do.", "try.who": "Who", "try.anybody": "Somebody at a telephone", "try.dials": "Dials",
	"try.key": "Look", "try.hint": "As on the telephone, with the digit for outside calls. It is kept nowhere.", "try.result": "What happens", "try.sent": "The exchange is sent",
	"try.user": "%s rings.", "try.emergency": "An emergency call.", "try.outside": "The call goes out.", "try.forbidden": "The call is not made: a rule forbids it.",
	"try.incomplete": "More digits are needed.", "try.unobtainable": "Nobody has this number.",

	"health.title": "Health",
	"store.title":  "Storage", "store.state": "State", "store.ok": "writes", "store.down": "does not write any more", "store.records": "Call records", "store.written": "Written since start",
	"store.queued": "Waiting to be written", "store.lost": "Lost", "store.failed": "Tries that failed", "store.unreadable": "Cannot be read", "store.bindings": "Registrations not kept", "store.size": "Size",
	"switch.title": "Switch", "switch.steps": "Events", "switch.refused": "Not expected", "switch.baddigits": "Pulses of no digit", "switch.latedigits": "Digits too late", "switch.latephones": "Network events too late",
	"switch.lost": "Board events lost", "switch.dropped": "Dropped", "switch.unused": "Not used", "switch.nodial": "Lines without dial tone", "switch.dead": "Lines without current",
	"switch.glare": "Ring and seizure at once", "switch.stuck": "Stuck lines released", "switch.preempted": "Ended for an emergency call", "switch.latetones": "Tones too late", "switch.badkeys": "Digits not passed on",
	"page.title": "This page", "page.sessions": "Logged in now", "page.logins": "Failed log-ins", "page.busy": "Log-ins turned away, too many at once", "page.conns": "Connections refused",
	"page.hosts": "Wrong host names", "page.origin": "Forms from other pages", "page.faults": "Own faults", "page.up": "Up",
	"sip.title": "Telephones on the network", "sip.none": "None is registered.", "sip.agent": "Telephone", "sip.addr": "Address", "sip.proto": "Over", "sip.since": "Since", "sip.l.addr": "at", "sip.l.since": "since",
	"sip.unnamed": "does not say what it is", "sip.counters": "SIP", "sip.in": "Messages", "sip.refused": "Refused", "sip.dropped": "Dropped", "sip.limited": "Over the rate", "sip.challenged": "Asked for a password",
	"sip.late": "Too late", "sip.wrong": "Wrong passwords", "sip.banned": "From sources shut out", "sip.open": "Connections open", "sip.connrefused": "Connections refused",
	"ban.title": "Sources shut out", "ban.none": "None.", "ban.source": "Address", "ban.why": "Why", "ban.wrong": "Wrong passwords", "ban.until": "Until", "ban.l.wrong": "wrong", "ban.l.until": "until", "ban.key": "Listen to all again",
	"faults.title": "Faults of this page", "faults.hint": "The log has more under the same code.",
	"size.kib": "%d KiB", "size.mib": "%s MiB",
	"about.title": "About this box", "about.what": "Sotto is a telephone box for a small office. All it knows stays in it.", "about.version": "Version", "about.since": "Running since",
	"about.country": "Country", "about.now": "Its clock", "sim.title": "Handsets",

	"wrong.title": "That did not work", "wrong.back": "Front panel",
	"wrong.origin": "This form came from another page than the box's own. Nothing was changed.", "wrong.role": "Your role does not open this page.",
	"wrong.address": "There is no such page.", "wrong.size": "That is more than the box takes.", "wrong.form": "The form could not be read. Nothing was changed.",
	"wrong.busy":  "The box is busy with others at this moment. Try again in a few seconds.",
	"wrong.fault": "That did not work, and it is the box's fault. It is noted on the health page as %s.", "wrong.draw": "The page cannot be drawn. The log of the box says why.",
}
