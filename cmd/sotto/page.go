package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"time"

	"sotto/board/sim"
	"sotto/pbx"
	"sotto/storage"
	"sotto/storage/keyring"
	"sotto/storage/root"
	"sotto/ui"
	"sotto/ui/simui"
)

// pageFlag reads -page: an address with a port, 0 for any that is free; zero for off.
func pageFlag(s string) (netip.AddrPort, error) {
	if s == "off" {
		return netip.AddrPort{}, nil
	}
	a, err := netip.ParseAddrPort(s)
	if err != nil || a.Addr().IsMulticast() {
		return a, errors.New("-page: say an address of this machine with a port, such as 192.0.2.1:8443, or off")
	}
	return a, nil
}

// page is the admin page while it is served. It may be nil: there is none.
type page struct {
	stop func()
}

// openPage serves the admin page. Calls do not depend on it: what is wrong is told in the
// log, and the box goes on without. Where to find it is printed to out.
func openPage(o options, brd *sim.Board, off *office, n *network, sw *pbx.Switch, out io.Writer, log *slog.Logger) *page {
	if !o.page.IsValid() {
		return nil
	}
	p, err := servePage(o.page, rootWords(o.root), brd, off, n, sw, out, log)
	if err != nil {
		log.Error("there is no admin page", "why", err)
		return nil
	}
	return p
}

func servePage(addr netip.AddrPort, words ui.Root, brd *sim.Board, off *office, n *network, sw *pbx.Switch, out io.Writer, log *slog.Logger) (*page, error) {
	hosts := pageHosts(addr)
	blob, err := pageIdentity(off.store, append(hosts, addr.Addr().String()))
	if err != nil {
		return nil, err
	}
	cfg := ui.Config{Store: off.store, Snapshot: sw.Snapshot, Ports: brd.Ports(), Measure: brd.Test, Hosts: hosts, Root: words, Version: version(), Log: log}
	if n != nil && n.sip != nil {
		cfg.Network = n.sip
	}
	handsets := simPages(brd, off, log)
	cfg.Sim = handsets
	p, err := runPage(addr, blob, ui.New(cfg), out, log)
	if err != nil {
		handsets.Close()
		return nil, err
	}
	stop := p.stop
	p.stop = func() { stop(); handsets.Close() }
	return p, nil
}

// openLocked serves a page on which the passphrase that opens the data is given, with a
// certificate that is forgotten with it: the box's own is in the store. Data that is not
// opened by typing has the admin page as it is without a store.
func openLocked(o options, brd *sim.Board, off *office, sw *pbx.Switch, out io.Writer, log *slog.Logger) *page {
	if !o.page.IsValid() || !off.locked.byPassphrase() {
		return openPage(o, brd, off, nil, sw, out, log)
	}
	hosts := pageHosts(o.page)
	blob, err := pageIdentity(nil, append(hosts, o.page.Addr().String()))
	var p *page
	if err == nil {
		p, err = runPage(o.page, blob, ui.NewLocked(ui.Lock{Unlock: off.locked.unlock, Hosts: hosts, Log: log}), out, log)
	}
	if err != nil {
		log.Error("there is no page to give the passphrase on", "why", err)
		return nil
	}
	fmt.Fprintln(out, "locked: telephones work; the page takes the passphrase")
	return p
}

// runPage serves s at addr with the identity blob, and prints where that is.
func runPage(addr netip.AddrPort, blob []byte, s *ui.Server, out io.Writer, log *slog.Logger) (*page, error) {
	id, err := ui.ReadIdentity(blob)
	if err != nil {
		return nil, err
	}
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(addr))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		if err := s.Run(ctx, l, id); err != nil {
			log.Error("the admin page is out of service", "why", err)
		}
	})
	where := "https://" + l.Addr().String()
	if addr.Addr().IsUnspecified() {
		where = fmt.Sprintf("https://(this box's address):%d", l.Addr().(*net.TCPAddr).Port)
	}
	fmt.Fprintln(out, "page: "+where+s.SetupPath())
	fmt.Fprintln(out, "page: certificate SHA-256 "+ui.Fingerprint(id))
	return &page{stop: func() {
		cancel()
		done.Wait()
	}}, nil
}

// rootWords tells of the root that -root names. It opens nothing.
func rootWords(spec string) ui.Root {
	f, err := parseRoot(spec, "")
	if err != nil {
		return ui.Root{}
	}
	var r keyring.Root
	switch f.kind {
	case "tpm":
		r = root.NewTPM(f.path)
	case "passphrase":
		r = root.NewPassphrase(f.path)
	default:
		r = keyring.NewFileRoot(f.path)
	}
	return ui.Root{Name: r.Kind(), Protects: root.Protects(r)}
}

// simPages gives the pages of the simulator, in the frame of the others.
func simPages(brd *sim.Board, off *office, log *slog.Logger) *simui.Server {
	return simui.New(simui.Config{World: simui.Of(brd), Session: ui.SessionOf, Personal: ui.MaySeePersons, Country: off.numbers.Plan.Country, Log: log,
		Frame: func(w http.ResponseWriter, r *http.Request, p simui.Page) {
			ui.WriteFrame(w, r, ui.Page{Title: p.Title, Status: p.Status, Body: p.Body, Styles: p.Styles, Scripts: p.Scripts})
		}})
}

// pageIdentity gives key and certificate, from the store as long as there is one.
func pageIdentity(store *storage.Store, hosts []string) ([]byte, error) {
	make := func() ([]byte, error) { return ui.MakeIdentity(hosts, time.Now()) }
	if store == nil {
		return make()
	}
	return store.PageIdentity(make)
}

// pageHosts gives the names that browsers on the network may know this machine by.
func pageHosts(addr netip.AddrPort) []string {
	name, err := os.Hostname()
	if err != nil || name == "" || addr.Addr().IsLoopback() {
		return nil
	}
	return []string{name, name + ".local"}
}

// close ends the page and what it serves.
func (p *page) close() {
	if p != nil {
		p.stop()
	}
}
