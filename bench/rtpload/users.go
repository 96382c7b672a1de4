package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
)

// logins are the passwords of the users.
type logins struct {
	all string            // of every user that has no own; %u stands for the name
	own map[string]string // by user name
}

// read takes the passwords of a file: a line for each user, name and password parted by
// blanks. It may be called more than once.
func (l *logins) read(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if l.own == nil {
		l.own = map[string]string{}
	}
	sc := bufio.NewScanner(f)
	for line := 1; sc.Scan(); line++ {
		p := strings.Fields(sc.Text())
		if len(p) == 0 {
			continue
		}
		if len(p) != 2 {
			return fmt.Errorf("%s:%d: want a name and a password", name, line)
		}
		l.own[p[0]] = p[1]
	}
	if len(l.own) == 0 && sc.Err() == nil {
		return errors.New("nobody's password is in " + name)
	}
	return sc.Err()
}

// used tells whether users log in at all.
func (l *logins) used() bool { return l.all != "" || len(l.own) > 0 }

// of gives the password of a user, empty if it has none.
func (l *logins) of(user string) string {
	if p, ok := l.own[user]; ok {
		return p
	}
	return strings.ReplaceAll(l.all, "%u", user)
}

// nth counts up from s where s is a number, and is s otherwise.
func nth(s string, i int) string {
	n, err := strconv.Atoi(s)
	if err != nil {
		return s
	}
	return strconv.Itoa(n + i)
}

func (o *opts) caller(i int) string { return nth(o.from, i%o.users) }

func (o *opts) callee(i int) string {
	if o.uas != "register" {
		return o.dial
	}
	return nth(o.dial, i%o.users)
}

// agents opens the sockets of callers and far end and registers the users. newEnd makes
// the far end's media; where it is nil the far end sends none and drops what comes.
func (o *opts) agents(newEnd func() *rtpEnd) (uac, uas *agent, err error) {
	if uac, err = o.newAgent(o.uacPort); err != nil {
		return nil, nil, err
	}
	sink, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(o.local)}) // open to the end: nobody shall answer that the port is closed
	if err != nil {
		return nil, nil, err
	}
	uac.sinkPort = sink.LocalAddr().(*net.UDPAddr).Port
	if o.uas != "none" {
		if uas, err = o.newAgent(o.uasPort); err != nil {
			return nil, nil, err
		}
		uas.sinkPort, uas.answerDelay, uas.newMedia = uac.sinkPort, o.answer, newEnd
	}
	if o.uas == "register" {
		for i := range o.users {
			if err := o.registerUser(uas, o.callee(i)); err != nil {
				return nil, nil, err
			}
		}
	}
	if o.login.used() {
		seen := map[string]bool{}
		for i := range o.users {
			u := o.caller(i)
			if seen[u] {
				continue
			}
			seen[u] = true
			if err := o.registerUser(uac, u); err != nil {
				return nil, nil, err
			}
		}
	}
	return uac, uas, nil
}

func (o *opts) newAgent(port int) (*agent, error) {
	a, err := newAgent(o.target, o.domain, o.local, port, o.anyAddress)
	if err != nil {
		return nil, err
	}
	a.pt = o.pt
	return a, nil
}

func (o *opts) registerUser(a *agent, user string) error {
	st, err := a.register(user, o.login.of(user), 3600, o.timeout)
	if err == nil && st != 200 {
		err = fmt.Errorf("status %d", st)
	}
	if err != nil {
		return fmt.Errorf("register %s: %w", user, err)
	}
	return nil
}
