package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// runLaunch starts an exchange and times it from exec to its first answer to OPTIONS and
// its first registration. The exchange goes on in a session of its own.
func runLaunch(fs *flag.FlagSet, args []string) error {
	o := flags(fs)
	pidfile := fs.String("pidfile", "", "write the process id to this `file`")
	log := fs.String("log", "/dev/null", "append the output of the exchange to this `file`")
	group := fs.Int("autogroup", 0, "`niceness` of the exchange's scheduling group, where the kernel has these")
	fs.Parse(args)
	if fs.NArg() == 0 {
		return errors.New("launch: no command")
	}
	o.timeout = time.Second
	probe, err := o.newAgent(0) // refuses what is not loopback
	if err != nil {
		return err
	}
	conn, err := net.Dial("udp4", o.target)
	if err != nil {
		return err
	}
	defer conn.Close()
	out, err := os.OpenFile(*log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command(fs.Arg(0), fs.Args()[1:]...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	o.pid = cmd.Process.Pid
	if *group != 0 {
		os.WriteFile(fmt.Sprintf("/proc/%d/autogroup", o.pid), []byte(strconv.Itoa(*group)), 0o644) // without it the run is as usual
	}
	if *pidfile != "" {
		if err := os.WriteFile(*pidfile, []byte(strconv.Itoa(o.pid)+"\n"), 0o644); err != nil {
			return err
		}
	}
	died := make(chan error, 1)
	go func() { died <- cmd.Wait() }()
	for !o.answers(conn) {
		select {
		case err := <-died:
			return fmt.Errorf("launch: it ended at once: %v", err)
		case <-time.After(2 * time.Millisecond):
		}
		if time.Since(start) > o.dur {
			return fmt.Errorf("launch: no answer within %v", o.dur)
		}
	}
	m := metrics{"to_first_answer_ms": float64(time.Since(start)) / 1e6}
	if o.login.used() {
		// Answering is not yet serving.
		for o.registerUser(probe, o.from) != nil {
			if time.Since(start) > o.dur {
				return errors.New("launch: no registration")
			}
			time.Sleep(5 * time.Millisecond)
		}
		m["to_first_register_ms"] = float64(time.Since(start)) / 1e6
	}
	m["cpu_s_to_ready"] = cpuOnly(o.pid)
	return o.emit(o.label, m)
}

// answers asks the target with one OPTIONS and waits 5 ms. A connected socket also hears
// that nobody listens yet, so this is not done over an agent.
func (o *opts) answers(conn net.Conn) bool {
	host, own := o.domain, conn.LocalAddr()
	if host == "" {
		host = o.target
	}
	fmt.Fprintf(conn, "OPTIONS sip:%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;rport;branch=%s\r\nMax-Forwards: 70\r\n"+
		"From: <sip:probe@%s>;tag=%s\r\nTo: <sip:%s>\r\nCall-ID: %s\r\nCSeq: 1 OPTIONS\r\nContact: <sip:probe@%s>\r\nContent-Length: 0\r\n\r\n",
		host, own, newBranch(), host, token(4), host, token(8), own)
	conn.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
	var buf [4096]byte
	n, err := conn.Read(buf[:])
	return err == nil && strings.HasPrefix(string(buf[:n]), "SIP/2.0 ")
}

// runUsage measures what the target takes over -dur, doing nothing or whatever it does.
func runUsage(o *opts) error {
	if o.pid <= 0 {
		return errors.New("usage: no -pid")
	}
	u := usageOf(o.pid)
	got := metrics{"rss_kb": u.rss, "pss_kb": u.pss, "private_kb": u.private, "threads": float64(u.threads), "fds": float64(u.fds)}
	w := startWatch(o.pid)
	time.Sleep(o.dur)
	wall, cpu := w.stop(got)
	got["cpu_pct"] = 100 * cpu / wall
	return o.emit(o.label, got)
}
