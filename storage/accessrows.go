package storage

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"sotto/pbx"
	"sotto/storage/archive"
	"sotto/storage/keyring"
	"sotto/storage/policy"
)

// errStop ends a walk whose reader has enough.
var errStop = errors.New("stop")

// pushed makes a sequence of a walk that calls a function with each element.
func pushed[T any](walk func(f func(T) error) error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		err := walk(func(v T) error {
			if !yield(v, nil) {
				return errStop
			}
			return nil
		})
		if err != nil && err != errStop {
			var none T
			yield(none, err)
		}
	}
}

// calls gives the call records that name the person, newest first.
func (a *access) calls(yield func(archive.Call, error) bool) {
	pushed(func(f func(archive.Call) error) error {
		bad := 0
		defer func() { a.damaged["calls"] = bad }()
		for i, subject := range a.subjects {
			if err := a.callsOf(subject, a.subjects[:i], f, &bad); err != nil {
				return err
			}
		}
		return nil
	})(yield)
}

// callsOf gives those that name one subject of the person and none of some others, which were
// given already.
func (a *access) callsOf(subject keyring.Subject, given []keyring.Subject, f func(archive.Call) error, bad *int) error {
	s := a.s
	path := []path{{bucketBySubject, subject[:]}}
	for before, lo := a.newest+1, s.oldestID(); before > lo; {
		if err := a.ctx.Err(); err != nil {
			return err
		}
		rows, next, err := s.rowsBefore(path, before, lo, chunk)
		if err != nil {
			return err
		}
		before = next
		for _, row := range rows {
			call, given, err := a.call(row, subject, given)
			switch {
			case errors.Is(err, errAged), given:
				continue
			case errors.Is(err, errErased):
				return ErrUnknownPerson
			case err != nil:
				s.unreadable.Add(1)
				*bad++
				continue
			}
			if err := f(call); err != nil {
				return err
			}
		}
	}
	return nil
}

// call opens one record. The error is errErased if the person is erased in this moment.
func (a *access) call(row row, subject keyring.Subject, others []keyring.Subject) (call archive.Call, given bool, err error) {
	s := a.s
	parts, err := s.splitRecord(row)
	if err != nil || !parts.names(subject) {
		return call, false, errRow
	}
	if slices.ContainsFunc(others, parts.names) {
		return call, true, nil
	}
	var c callJSON
	if err := s.openJSON(&parts, 0, &c); err != nil {
		return call, false, err
	}
	call = callOf(&c)
	from, to := a.side(&parts, c.From, c.FromLine), a.side(&parts, c.To, c.ToLine)
	call.Came = !from.own
	mine, other := from, to
	if call.Came {
		mine, other = to, from
	}
	if mine.err != nil {
		return call, false, mine.err
	}
	call.Own = mine.end
	call.Other = a.mask(&other, c.Private != 0)
	return call, false, nil
}

// callOf gives what a record says of the call, without its ends and without its accounting code,
// which names a client or a matter of the office.
func callOf(c *callJSON) archive.Call {
	return archive.Call{
		Began: c.began(), Direction: c.direction().String(), RangMS: c.Rang, TalkedMS: c.Talked,
		Outcome: c.Outcome.String(), Held: c.Held != 0, Emergency: c.Emergency != 0,
	}
}

// callSide is one end of a record, in full.
type callSide struct {
	own   bool // it is the person
	known bool // it is anybody
	end   archive.End
	party pbx.Party
	last  []byte // the sealed last digits, if these have aged
	err   error  // why there is no more: of openPart
}

// side opens the party of part i; 0 is nobody.
func (a *access) side(parts *parts, i int, line string) (e callSide) {
	e.end.Line = line
	if i < 1 || i >= len(parts.list) {
		return e
	}
	e.known, e.own = true, slices.Contains(a.subjects, parts.list[i].subject)
	var cut bool
	if e.party, cut, e.err = a.s.party(parts, i, line); e.err != nil {
		return e
	}
	e.end = archive.End{Name: a.at.nameOf(e.party.User), Ext: string(e.party.Ext), Number: e.party.Number.Reveal(), Line: line, Place: e.party.Place}
	if e.own {
		e.end.Name = "" // it is at the top
	}
	if cut {
		e.last = parts.list[i+1].data
		e.end.Number += ellipsis
		e.end.Note = noteCut
	}
	return e
}

// What is told in place of what is not there.
const (
	noteCut     = "The last digits are kept no longer."
	noteMasked  = "The last digits are not shown: this is another person's number."
	noteErased  = "somebody who was erased"
	noteAged    = "kept no longer"
	noteDamaged = "damaged, cannot be read"
	noteNotKept = "not kept, as set or as the caller asked"
	noteUnknown = "not known"
	noteOffice  = "this office"
	noteOutside = "another outside number"
)

// mask gives the other end of a call as the person may have it.
func (a *access) mask(e *callSide, private bool) archive.End {
	end := archive.End{Line: e.end.Line}
	switch {
	case e.own:
		return e.end // who called the own number
	case errors.Is(e.err, errErased):
		end.Note = noteErased
	case errors.Is(e.err, errAged):
		end.Note = noteAged
	case e.err != nil:
		end.Note = noteDamaged
	case a.kind == keyring.Outside && (e.party.User != "" || !e.known):
		end.Note = noteOffice
	case a.kind == keyring.Outside:
		end.Note = noteOutside
	case !e.known && private:
		end.Note = noteNotKept
	case !e.known:
		end.Note = noteUnknown
	default:
		see := sight{users: true, numbers: policy.Masked, cut: a.s.policy().Cut}
		v := see.mask(&e.party, a.at)
		end.Name, end.Ext, end.Number = v.Name, string(v.Ext), v.Number
		switch {
		case e.last != nil:
			end.Number, end.Note = cutNumber(e.party.Number.Reveal(), e.last, see), noteCut
		case v.Number != "":
			end.Note = noteMasked
		}
	}
	return end
}

// journal gives the entries of the person's own journal, newest first.
func (a *access) journal(yield func(archive.Call, error) bool) {
	a.entries(func(f func(*RecordView) error) error { return a.s.eachJournal(a.ctx, a.p.User, f) }, func(v *RecordView) (call archive.Call) {
		call = callOfView(v)
		mine, other := &v.From, &v.To
		if call.Came = v.To.User == a.p.User && v.From.User != a.p.User; call.Came {
			mine, other = other, mine
		}
		call.Own = archive.End{Ext: string(mine.Ext), Line: mine.Line}
		call.Other = a.endOf(other)
		return call
	})(yield)
}

// others gives the entries about the person in journals of others, without whose they are.
func (a *access) others(yield func(archive.Call, error) bool) {
	a.entries(func(f func(*RecordView) error) error { return a.s.eachFar(a.ctx, a.subjects, f) }, func(v *RecordView) (call archive.Call) {
		call = callOfView(v)
		mine := &v.From
		if call.Came = v.From.State == Hidden; call.Came {
			mine = &v.To
		}
		call.Own = archive.End{Ext: string(mine.Ext), Number: mine.Number, Line: mine.Line, Note: noteOf[mine.State]}
		call.Other = archive.End{Note: noteOffice}
		return call
	})(yield)
}

// entries gives entries of journals, those left out that came while the archive is made.
func (a *access) entries(walk func(func(*RecordView) error) error, as func(*RecordView) archive.Call) iter.Seq2[archive.Call, error] {
	return pushed(func(f func(archive.Call) error) error {
		return walk(func(v *RecordView) error {
			if v.ID > a.newestEntry || v.Began.Add(v.Rang+v.Talked).After(a.made.Add(time.Second)) && v.ID == 0 {
				return nil
			}
			return f(as(v))
		})
	})
}

func callOfView(v *RecordView) archive.Call {
	return archive.Call{
		Began: v.Began, Direction: v.Direction.String(), RangMS: v.Rang.Milliseconds(), TalkedMS: v.Talked.Milliseconds(),
		Outcome: v.Outcome.String(), Held: v.Held, Emergency: v.Emergency,
	}
}

// noteOf says in words why there is no more of a party.
var noteOf = map[State]string{Nobody: noteUnknown, Masked: noteMasked, Erased: noteErased, Unsealed: noteDamaged, Aged: noteAged, Cut: noteCut, NotKept: noteNotKept}

// endOf gives the other end of an entry of the person's own journal: whole, or masked if who
// takes the archive sees numbers so.
func (a *access) endOf(p *PartyView) archive.End {
	end := archive.End{Name: p.Name, Ext: string(p.Ext), Number: p.Number, Line: p.Line, Note: noteOf[p.State]}
	if p.User == "" && !a.whole && p.State == Shown {
		end.Ext, end.Number, end.Note = "", maskNumber(p.Number, a.s.policy().Cut), noteMasked
	}
	return end
}

// looks gives the lines of the audit trail by and about the person, oldest first.
func (a *access) looks(yield func(archive.Look, error) bool) {
	mine := map[string]bool{}
	for _, subject := range a.subjects {
		mine[subject.String()] = true
	}
	pushed(func(f func(archive.Look) error) error {
		bad := 0
		defer func() { a.damaged["looks"] = bad }()
		return a.s.eachAudit(a.ctx, a.subjects, func(v AuditView) error {
			switch {
			case v.Number > a.newestLine || v.Aged:
				return nil
			case v.Damaged:
				bad++
				return nil
			}
			l := archive.Look{At: v.At, Own: mine[v.Pseudonym], What: v.What, Rows: v.Rows, Before: v.Before, After: v.After}
			switch {
			case l.Own:
			case v.By == ByBox:
				l.By = "the box itself"
			case v.By == ByStranger:
				l.By = "somebody who was not logged in"
			case v.By == ByTerminal:
				l.By = v.Role.String() + ", at the terminal"
			default:
				l.By = v.Role.String()
			}
			if v.More > 0 {
				l.What += fmt.Sprintf(", %d times more", v.More)
			}
			return f(l)
		})
	})(yield)
}

// allDamaged tells how many rows did not open.
func (a *access) allDamaged() (n int) {
	for _, bad := range a.damaged {
		n += bad
	}
	return n
}
