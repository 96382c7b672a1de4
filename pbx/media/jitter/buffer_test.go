package jitter

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"sotto/board"
	"sotto/pbx/media/g711"
)

const ms = time.Millisecond

// stream is a sender whose packets a test puts in by hand.
type stream struct {
	b   *Buffer
	at  time.Duration
	seq uint16
	ts  uint32
	out board.Frame
}

// packet is n samples of the level that its number has.
func packet(level int16, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = g711.ALaw.Encode(level)
	}
	return p
}

// put sends a packet of n samples of a level.
func (s *stream) put(level int16, n int) {
	s.b.Put(s.at, s.seq, s.ts, false, g711.ALaw, packet(level, n))
	s.seq++
	s.ts += uint32(n)
}

// get takes n frames and gives the last.
func (s *stream) get(n int) *board.Frame {
	for range n {
		s.b.Get(&s.out)
		s.at += board.FrameTime
	}
	return &s.out
}

// talk sends packets of 20 ms on time for d.
func (s *stream) talk(level int16, d time.Duration) {
	for range d / (20 * ms) {
		s.put(level, 160)
		s.get(2)
	}
}

func code(level int16) int16 { return g711.ALaw.Decode(g711.ALaw.Encode(level)) }

// TestAsItCame: between moves of the delay the samples go out as they came, over the wrap of
// sequence number and timestamp, with packets of other lengths and another law in between.
func TestAsItCame(t *testing.T) {
	b := New()
	seq, ts := uint16(65530), uint32(math.MaxUint32-7000)
	var sent, heard []int16
	var out board.Frame
	lengths := []int{160, 40, 80, 240, 160, 480, 160, 200, 120, 1600, 160}
	rnd := rand.New(rand.NewPCG(1, 2))
	due := 0
	for f := range 4000 {
		for due <= f*80 {
			n := lengths[seq%11]
			law := g711.Law(seq / 64 % 2)
			p := make([]byte, n)
			for i := range p { // loud noise, in which a splice would have to be forced
				p[i] = byte(rnd.Uint32())
				sent = append(sent, law.Decode(p[i]))
			}
			b.Put(time.Duration(f)*10*ms, seq, ts, false, law, p)
			seq, ts = seq+1, ts+uint32(n)
			due += n
		}
		b.Get(&out)
		heard = append(heard, out[:]...)
	}
	s := b.Stats()
	if s.Concealed != 0 || s.Lost != 0 || s.Spliced != 0 || s.Discarded != 0 || s.Late != 0 {
		t.Fatalf("%+v", s)
	}
	// In the last second the delay stands still.
	end := heard[len(heard)-8000:]
	for d := range 4000 {
		at := len(heard) - 8000 - d
		if at+8000 <= len(sent) && slices.Equal(end, sent[at:at+8000]) {
			t.Logf("delay %v, %+v", time.Duration(d)*sample, s)
			return
		}
	}
	t.Error("the last second is not what was sent")
}

// TestDelay measures from the arrival of a packet to the frame that begins with it.
func TestDelay(t *testing.T) {
	s := stream{b: New()}
	s.talk(0, time.Minute)
	s.put(8000, 160)
	n := 0
	for s.get(1)[79] < 4000 {
		n++
	}
	if got := time.Duration(n) * 10 * ms; got > 30*ms || got < 20*ms {
		t.Errorf("heard after %v, Stats say %v", got, s.b.Stats().Delay)
	}
}

// TestDuplicatesAndOrder counts what the numbers tell.
func TestDuplicatesAndOrder(t *testing.T) {
	s := stream{b: New()}
	s.talk(1000, time.Second)
	base := s.b.Stats().Received
	p := packet(1000, 160)
	put := func(i uint16) { s.b.Put(s.at, s.seq+i, s.ts+uint32(i)*160, false, g711.ALaw, p) }
	put(1)
	put(0)
	put(0)
	put(1)
	put(4)
	st := s.b.Stats()
	if st.Duplicate != 2 || st.Reordered != 1 || st.Lost != 2 || st.Received != base+5 {
		t.Errorf("%+v", st)
	}
	s.get(20)
	put(2) // its time is over
	if st = s.b.Stats(); st.Late != 1 || st.Lost != 1 || st.Reordered != 2 {
		t.Errorf("%+v", st)
	}
	for _, n := range []int{0, MaxPayload + 1} {
		s.b.Put(s.at, s.seq+5, s.ts+800, false, g711.ALaw, make([]byte, n))
	}
	if st = s.b.Stats(); st.Discarded != 2 {
		t.Errorf("%+v", st)
	}
}

// TestStray: a packet of nowhere changes nothing; a stream that jumps is followed after a
// few packets, with a marker or Restart at once.
func TestStray(t *testing.T) {
	for _, c := range []struct {
		name string
		jump func(s *stream)
		lost int // packets not heard
	}{
		{"unannounced", func(s *stream) { s.seq += 20000; s.ts += 1 << 30 }, strayRun - 1},
		{"back", func(s *stream) { s.seq -= 20000; s.ts -= 1 << 30 }, strayRun - 1},
		{"clock stood still", func(s *stream) { s.get(500) }, strayRun - 1},
		{"restart", func(s *stream) { s.seq += 20000; s.ts += 1 << 30; s.b.Restart() }, 0},
		{"marker", func(s *stream) {
			s.ts += 1 << 30
			s.b.Put(s.at, s.seq, s.ts, true, g711.ALaw, packet(1000, 160))
			s.seq, s.ts = s.seq+1, s.ts+160
			s.get(2)
		}, 0},
	} {
		s := stream{b: New()}
		s.talk(1000, time.Second)
		s.b.Put(s.at, 30000, 1<<31, false, g711.ALaw, packet(-9000, 160))
		s.talk(1000, time.Second)
		if st := s.b.Stats(); st.Discarded != 1 || st.Gaps != 0 {
			t.Fatalf("%s: after a stray %+v", c.name, st)
		}
		c.jump(&s)
		gone := 0
		for range 50 {
			was := s.b.Stats().Discarded
			s.talk(2000, 20*ms)
			gone += int(s.b.Stats().Discarded - was)
		}
		if gone != c.lost {
			t.Errorf("%s: %d packets not taken, want %d", c.name, gone, c.lost)
		}
		if d := s.b.Stats().Delay; s.out[79] != code(2000) || d > 50*ms {
			t.Errorf("%s: heard %d, delay %v", c.name, s.out[79], d)
		}
	}
}

// TestPause: a pause of the sender is filled with noise, and ends with the next talkspurt
// whole and at the target, whatever the delay was before.
func TestPause(t *testing.T) {
	s := stream{b: New()}
	s.talk(8, time.Second) // what is learnt of the background
	s.talk(3000, time.Second)
	s.ts += 8000
	s.get(100)
	s.talk(3000, time.Second)
	st := s.b.Stats()
	if st.Gaps != 0 || st.Concealed != 0 || st.Lost != 0 || st.Comforted < 950*ms || st.Comforted > 1050*ms {
		t.Errorf("%+v", st)
	}
	// It was at 40 ms, and nothing else moves it so fast.
	if d := st.Delay - st.Target; d < 0 || d > 2*ms {
		t.Errorf("delay %v, target %v", st.Delay, st.Target)
	}
}

// TestFade: sound that comes back anywhere in a frame is faded in.
func TestFade(t *testing.T) {
	for _, ts := range []uint32{8000, 8007, 8040, 8070, 8079} {
		s := stream{b: New()}
		s.talk(8, time.Second)
		s.talk(3000, time.Second)
		s.ts += ts
		s.get(int(ts/80) + 1)
		last := int16(0)
		for range 20 {
			s.put(3000, 160)
			for range 2 {
				for _, v := range s.get(1) {
					if v-last > 300 {
						t.Fatalf("%d samples of pause: a step of %d", ts, v-last)
					}
					last = v
				}
			}
		}
		if last != code(3000) {
			t.Errorf("%d samples of pause: heard %d", ts, last)
		}
	}
}

// TestPlayedLate: a packet that is late with nothing behind it is heard, but for the period
// that the burst after it costs.
func TestPlayedLate(t *testing.T) {
	s := stream{b: New()}
	s.talk(1000, 20*time.Second)
	s.get(5)
	s.put(5000, 160)
	n := 0
	for range 5 {
		s.put(1000, 160)
	}
	for range 10 {
		for _, v := range s.get(1) {
			if v > 3000 {
				n++
			}
		}
	}
	if st := s.b.Stats(); n < 70 || st.Late != 0 || st.Gaps != 1 || st.Concealed > 30*ms {
		t.Errorf("heard %d samples of it; %+v", n, st)
	}
}

// TestComfort measures the noise of a comfort-noise packet.
func TestComfort(t *testing.T) {
	for _, c := range []struct {
		level byte
		want  float64 // -dBov
	}{{50, 50}, {35, 35}, {0, 30}, {70, 70}} {
		s := stream{b: New()}
		s.talk(3000, time.Second)
		s.b.Comfort(s.at, s.seq, s.ts, c.level)
		s.seq++
		s.get(10)
		sum, n := 0.0, 0.0
		for range 100 {
			for _, v := range s.get(1) {
				sum += float64(v) * float64(v)
				n++
			}
		}
		if got := -10 * math.Log10(sum/n/32768/32768); math.Abs(got-c.want) > 1 {
			t.Errorf("level %d: noise of -%.1f dBov", c.level, got)
		}
		s.ts += 110 * 80
		s.talk(3000, time.Second)
		if st := s.b.Stats(); st.Gaps != 0 || st.Lost != 0 || st.Comforted < time.Second || s.out[0] != code(3000) {
			t.Errorf("level %d: %+v", c.level, st)
		}
	}
}

// TestEvent: the packets of a telephone-event in place of sound are neither lost nor concealed.
func TestEvent(t *testing.T) {
	s := stream{b: New()}
	s.talk(3000, time.Second)
	for i := range 50 {
		s.b.Event(s.at, s.seq, s.ts)
		s.seq++
		if s.get(2); i == 3 && power(s.out[:]) > loudestFloor*2 {
			t.Errorf("power %.0f, 80 ms after the end of the sound came", power(s.out[:]))
		}
	}
	s.ts += 8000
	s.talk(3000, time.Second)
	if st := s.b.Stats(); st.Lost != 0 || st.Gaps != 0 || st.Discarded != 0 || st.Comforted < 950*ms || s.out[0] != code(3000) {
		t.Errorf("%+v", st)
	}
}

// TestSkip: after a minute that nobody heard, with Skip or without, sound is there at once and
// no older than before.
func TestSkip(t *testing.T) {
	for _, skip := range []bool{true, false} {
		s := stream{b: New()}
		s.talk(3000, time.Second)
		for range 3000 {
			s.put(3000, 160)
			if skip {
				s.b.Skip(2)
			}
			s.at += 20 * ms
		}
		limit := 3
		if !skip {
			limit = 60
		}
		n := 0
		for ; s.get(1)[79] < 2900 || n%2 == 1; n++ {
			if n%2 == 0 {
				s.put(3000, 160)
			}
			if n > 200 {
				break
			}
		}
		s.talk(3000, 200*ms)
		st := s.b.Stats()
		t.Logf("skip %v: sound after %d frames, %+v", skip, n, st)
		if n > limit || st.Delay > 100*ms && skip || st.Delay > MaxDelay+100*ms || skip && st.Gaps != 0 {
			t.Errorf("skip %v: sound after %d frames, %+v", skip, n, st)
		}
	}
}

func TestReset(t *testing.T) {
	b := New()
	s := stream{b: b, seq: 7}
	s.talk(3000, time.Second)
	b.Reset()
	if *b != *New() {
		t.Error("not as new")
	}
	if b.Get(&s.out); s.out != (board.Frame{}) {
		t.Error("not silent")
	}
}

func TestAllocs(t *testing.T) {
	s := stream{b: New()}
	p := packet(3000, 160)
	if n := testing.AllocsPerRun(2000, func() {
		s.seq++
		s.ts += 160
		if s.seq%7 != 0 {
			s.b.Put(s.at, s.seq, s.ts, false, g711.ALaw, p)
		}
		if s.seq%50 == 0 {
			s.b.Comfort(s.at, s.seq, s.ts, 50)
		}
		s.get(2)
		s.b.Stats()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkPut(b *testing.B) {
	s := stream{b: New()}
	p := packet(3000, 160)
	for b.Loop() {
		s.b.Put(s.at, s.seq, s.ts, false, g711.ALaw, p)
		s.seq, s.ts, s.at = s.seq+1, s.ts+160, s.at+20*ms
		s.b.now, s.b.play = s.b.now+160, s.b.play+160
	}
}

// BenchmarkGet takes a frame as it came, and one while the delay moves.
func BenchmarkGet(b *testing.B) {
	for _, moves := range []bool{false, true} {
		name := map[bool]string{false: "asItCame", true: "moving"}[moves]
		b.Run(name, func(b *testing.B) {
			s := stream{b: New()}
			s.talk(3000, 20*time.Second)
			p := packet(3000, 160)
			for i := 0; b.Loop(); i++ {
				if i%2 == 0 {
					s.b.Put(s.at, s.seq, s.ts, false, g711.ALaw, p)
					s.seq, s.ts = s.seq+1, s.ts+160
				}
				if moves {
					s.b.line.frac, s.b.line.next = 3, 4
				}
				s.get(1)
			}
		})
	}
}
