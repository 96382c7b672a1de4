// Command rtpload drives a telephone exchange with SIP calls, registrations and G.711
// media over UDP, and measures from the outside what it takes and gives: calls and
// registrations a second, delay and loss of its media, processor time and memory of its
// process. It is run by bench/run.sh, or by hand; README.md beside that script says what
// each step does.
//
// Its SIP is its own and small: it shares no code with what it measures, so that a
// mistake there cannot cancel out here. It sends to loopback addresses alone, unless told
// that the target stands in a network namespace of one's own, and it is never part of the
// product.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"time"
)

const usageLine = "rtpload media|direct|setup|maxrate|register|options|launch|usage|table|summary [FLAGS]"

// opts are the flags; each step uses those that it needs.
type opts struct {
	target, domain, local string
	anyAddress            bool
	from, dial            string
	login                 logins
	users                 int
	uas                   string
	uasPort, uacPort      int
	pid                   int
	idle                  float64
	label, out            string
	pt                    int
	n                     string
	dur, settle, hold     time.Duration
	ramp, rate, stepUp    float64
	conc                  int
	timeout, answer       time.Duration
	rtpBase               int
	seed                  int64
	maxSteps              int
	failPct               float64
	maxPDD                time.Duration
}

func flags(fs *flag.FlagSet) *opts {
	o := &opts{}
	fs.StringVar(&o.target, "target", "127.0.0.1:5070", "SIP `address` of the exchange, ip:port")
	fs.StringVar(&o.domain, "domain", "", "`host` part of the addresses of record (default: the target)")
	fs.StringVar(&o.local, "local", "127.0.0.1", "own `address`")
	fs.BoolVar(&o.anyAddress, "any-address", false, "allow a target that is not loopback: in a network namespace of one's own")
	fs.StringVar(&o.from, "from", "1000", "first caller's user `name`; a number counts up, a word stays")
	fs.StringVar(&o.dial, "dial", "1100", "first `number` called; counts up while -uas is register")
	fs.StringVar(&o.login.all, "pass", "", "`password` of every user, %u is the user name; empty, and no -secrets: no authentication")
	fs.Func("secrets", "`file` with a line \"name password\" for each user; goes before -pass", o.login.read)
	fs.IntVar(&o.users, "users", 100, "how many callers, and how many callees")
	fs.StringVar(&o.uas, "uas", "register", "far end: register (callees register as -dial, -dial+1, ...), static (the exchange sends to -uas-port), none (the exchange answers itself)")
	fs.IntVar(&o.uasPort, "uas-port", 5090, "SIP `port` of the far end")
	fs.IntVar(&o.uacPort, "uac-port", 5080, "SIP `port` of the callers")
	fs.IntVar(&o.pid, "pid", 0, "`process` of the exchange on this machine: CPU and memory of it and its children")
	fs.Float64Var(&o.idle, "idle", 0, "`percent` of a core that the exchange takes when idle; figures named _net leave it out")
	fs.StringVar(&o.label, "label", "run", "first part of the metrics' names")
	fs.StringVar(&o.out, "out", "", "append a JSON line of metrics to this `file`")
	fs.IntVar(&o.pt, "pt", 0, "payload `type`: 0 PCMU, 8 PCMA")
	fs.StringVar(&o.n, "n", "30", "media: concurrent `calls`; a rising list such as 30,100 is stepped through")
	fs.DurationVar(&o.dur, "dur", 20*time.Second, "length of a measuring window")
	fs.DurationVar(&o.settle, "settle", 3*time.Second, "media: wait between the last call's answer and the window")
	fs.DurationVar(&o.hold, "hold", time.Second, "setup, maxrate: how long a call stays up")
	fs.Float64Var(&o.ramp, "ramp", 15, "media: calls started per second")
	fs.Float64Var(&o.rate, "rate", 20, "setup: calls per second; maxrate: first rate tried")
	fs.Float64Var(&o.stepUp, "step-up", 1.5, "maxrate: factor until the first failure")
	fs.IntVar(&o.conc, "c", 8, "register, options: requests under way at once")
	fs.DurationVar(&o.timeout, "timeout", 4*time.Second, "give up on one call or request after this")
	fs.DurationVar(&o.answer, "answer-delay", 0, "far end: time between 180 and 200")
	fs.IntVar(&o.rtpBase, "rtp-base", 30000, "first RTP `port`")
	fs.Int64Var(&o.seed, "seed", 1, "seed of the streams' phases")
	fs.IntVar(&o.maxSteps, "max-steps", 14, "maxrate: at most so many steps")
	fs.Float64Var(&o.failPct, "fail-pct", 1, "maxrate: a step fails at this share of failed calls")
	fs.DurationVar(&o.maxPDD, "max-pdd", time.Second, "maxrate: a step also fails where the p99 post-dial delay is over this")
	return o
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "rtpload:", err)
	os.Exit(1)
}

func main() {
	debug.SetGCPercent(400)
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, usageLine)
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fatal(err)
	}
}

func run(step string, args []string) error {
	fs := flag.NewFlagSet(step, flag.ExitOnError)
	switch step {
	case "table":
		return runTable(os.Stdout, args)
	case "summary":
		return runSummary(os.Stdout, args)
	case "launch":
		return runLaunch(fs, args)
	}
	o := flags(fs)
	fs.Parse(args)
	if fs.NArg() > 0 {
		return errors.New("there are words behind the flags")
	}
	switch step {
	case "media":
		return runMedia(o)
	case "direct":
		return runDirect(o)
	case "setup":
		return runSetup(o)
	case "maxrate":
		return runMaxRate(o)
	case "register":
		return runRegister(o)
	case "options":
		return runOptions(o)
	case "usage":
		return runUsage(o)
	}
	return errors.New("unknown step; " + usageLine)
}
