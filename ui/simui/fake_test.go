package simui

import (
	"sync"
)

// fake is a world of two telephones and a line, without a board behind them.
type fake struct {
	mu      sync.Mutex
	changed chan struct{}
	phones  []Telephone
	lines   []Line
	did     []string
	taps    map[string]Tap
}

func newFake() *fake {
	return &fake{changed: make(chan struct{}), taps: map[string]Tap{},
		phones: []Telephone{{Name: "101", Label: "FXS 1"}, {Name: "102", Label: "FXS 2"}},
		lines:  []Line{{Name: "line 1", Label: "FXO 1"}}}
}

func (f *fake) change(how func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	how()
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fake) Changed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

func (f *fake) Telephones() []Telephone {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Telephone(nil), f.phones...)
}

func (f *fake) Lines() []Line {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Line(nil), f.lines...)
}

func (f *fake) Set(i int) Set { return fakeSet{fakeEnd{f, id('p', i)}} }
func (f *fake) Far(i int) Far { return fakeFar{fakeEnd{f, id('l', i)}} }

// done gives what was done so far, and forgets it.
func (f *fake) done() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.did
	f.did = nil
	return l
}

// tap gives what is attached, or nil.
func (f *fake) tap(id string) Tap {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.taps[id]
}

type fakeEnd struct {
	f  *fake
	id string
}

func (e fakeEnd) note(what string) {
	e.f.change(func() { e.f.did = append(e.f.did, e.id+" "+what) })
}
func (e fakeEnd) VoiceHz() float64 { return 2700 }
func (e fakeEnd) Attach(t Tap) func() {
	e.f.mu.Lock()
	defer e.f.mu.Unlock()
	e.f.taps[e.id] = t
	return func() {
		e.f.mu.Lock()
		defer e.f.mu.Unlock()
		delete(e.f.taps, e.id)
	}
}

type fakeSet struct{ fakeEnd }

func (s fakeSet) Lift()             { s.note("lift") }
func (s fakeSet) HangUp()           { s.note("hang up") }
func (s fakeSet) KeyDown(sign byte) { s.note("down " + string(sign)) }
func (s fakeSet) KeyUp()            { s.note("up") }
func (s fakeSet) Flash()            { s.note("flash") }
func (s fakeSet) Pulse(digit byte)  { s.note("pulse " + string(digit)) }

type fakeFar struct{ fakeEnd }

func (s fakeFar) Call() bool         { s.note("call"); return false }
func (s fakeFar) Abandon()           { s.note("abandon") }
func (s fakeFar) Answer()            { s.note("answer") }
func (s fakeFar) Answers(Answering)  { s.note("answers") }
func (s fakeFar) HangUp(e Ending)    { s.note("end " + string('0'+rune(e))) }
func (s fakeFar) Cut(on bool)        { s.flag("cut", on) }
func (s fakeFar) OtherSet(on bool)   { s.flag("other", on) }
func (s fakeFar) NoDialTone(on bool) { s.flag("no dial tone", on) }
func (s fakeFar) flag(what string, on bool) {
	if !on {
		what = "not " + what
	}
	s.note(what)
}
