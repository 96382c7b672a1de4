package storage

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"sotto/storage/archive"
	"sotto/storage/keyring"
	"sotto/storage/policy"
)

// Whoever asks what a box keeps of a person gets all of it, and as little as may be of others
// (GDPR Article 15(1), (3) and (4)):
//
//   - The person stands in it in full, as far as it is kept.
//   - To a user, other users are name and extension, as on every telephone of the office, and
//     outside numbers are masked as on the pages. In the user's own journal they are whole, if
//     the user takes the archive, or somebody whose role sees numbers whole: an archive shows
//     nobody more than the pages would.
//   - To an outside number, users are "this office" and the exchange line. Other outside numbers
//     are not given.
//   - Accounting codes, which name clients and matters of the office, are given to nobody.
//   - Who looked is told by role. Those who work for the office are no recipients of its data,
//     and their names are not to be given but where nothing else would do (Court of Justice of
//     the European Union, C-579/21, 22 June 2023).
//   - Audio is whole: the person spoke in it, or it was left for the person.

// Archive tells what [Reader.Access] has written.
type Archive struct {
	Known   bool // false: the archive says that nothing is kept
	Records int  // call records
	Journal int  // entries of the person's own journal
	Others  int  // entries about the person in journals of others
	Items   int  // messages and recordings
	Lines   int  // of the audit trail, by or about the person
	Damaged int  // rows and files that do not open; the archive says so. Of journals they are in [Health] alone
	Bytes   int64
}

// Access writes one person's data to w as one ZIP archive: a page to read, the same as JSON,
// and the audio; see package archive. Of somebody unknown it is an archive that says that
// nothing is kept, and no error. progress, if it is not nil, is told from time to time how
// much of how much is done, in rows and seconds of audio.
//
// A user's is given to whoever has the right [policy.EraseUser] and to the user; an outside
// number's, in any form, to [policy.EraseNumber]; an account's to [policy.EraseAccount] and to
// who logs in with it; others get [ErrNotAllowed]. A line of the audit trail and one of the
// ledger are durable before the first byte. What is queued is not in it. However much there is,
// some rows and a second of audio are in memory, and no transaction is open while w is written
// to.
//
// Other errors are [ErrPerson], [ErrHelp], [ErrUnknownPerson] if the person is erased in the
// meantime, that of ctx or w, or wrap [ErrDown] or [ErrDamaged]. What was written is no whole
// archive then.
func (r *Reader) Access(ctx context.Context, p Person, w io.Writer, progress func(done, total int)) (Archive, error) {
	k, own, err := r.s.mayAccess(r.v, &p)
	if err != nil {
		return Archive{}, err
	}
	if err := ctx.Err(); err != nil {
		return Archive{}, err
	}
	if r.s.isHelp(p.Number) {
		return Archive{}, ErrHelp
	}
	if r.s.isDown() {
		return Archive{}, fmt.Errorf("archive of a person: %w", ErrDown)
	}
	a := access{s: r.s, ctx: ctx, p: p, kind: k, whole: own || r.s.sees(r.v).numbers == policy.Whole}
	if err := a.begin(); err != nil {
		return Archive{}, fmt.Errorf("archive of a person: %w", err)
	}
	line, err := r.s.letOut(ctx, look{viewer: r.v, what: "archive of a person", rows: a.records, about: a.subjects},
		leaving{kind: LeftAccess, what: "archive of " + kindWords[k]})
	if err != nil {
		return Archive{}, err
	}
	a.newest, _ = r.s.Follow()
	a.newestLine = line.audited
	out, err := a.write(w, progress)
	if err == nil {
		err = line.done(out.Records+out.Journal+out.Others+out.Lines, out.Bytes, true)
	} else if lerr := line.done(out.Records+out.Journal+out.Others+out.Lines, out.Bytes, false); lerr != nil {
		r.s.log.Error("the ledger lacks the end of a line", "err", lerr)
	}
	if err != nil {
		return out, fmt.Errorf("archive of a person: %w", err)
	}
	return out, nil
}

var kindWords = map[keyring.Kind]string{keyring.User: "a user", keyring.Outside: "an outside number", keyring.Admin: "an account"}

// mayAccess gives the kind of a person if the viewer may have what is kept, and whether it is
// the viewer.
func (s *Store) mayAccess(v Viewer, p *Person) (k keyring.Kind, own bool, err error) {
	k, err = p.kind()
	own = err == nil && v.Role >= Owner && v.Role <= Staff &&
		(k == keyring.User && v.Role == Staff && v.User == p.User || k == keyring.Admin && v.Account == p.Account)
	if !own {
		k, err = s.erasable(v, p)
	}
	return k, own, err
}

// access is one archive being made.
type access struct {
	s     *Store
	ctx   context.Context
	p     Person
	kind  keyring.Kind
	whole bool // outside numbers in the person's journal are given whole

	made     time.Time
	at       *planAt
	subjects []keyring.Subject // the person's
	records  int               // by the index
	total    int               // steps

	newest, newestEntry RecordID // nothing newer is given
	newestLine          uint64
	damaged             map[string]int // rows that did not open, in the last run of each sequence
}

// begin finds out who it is and how much there is.
func (a *access) begin() error {
	s := a.s
	a.made, a.at, a.damaged = s.clock().UTC().Truncate(time.Second), s.plan.Load(), map[string]int{}
	a.subjects = s.subjectsOfPerson(&a.p, a.kind)
	a.newestEntry = RecordID(s.newestEntry.Load())
	return guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			rows := 0
			for _, subject := range a.subjects {
				a.records += countOf(tx, subject)
				for _, name := range [][]byte{bucketJournal, bucketByFar} {
					n, err := countPrefix(tx.Bucket(name), subject[:])
					if err != nil {
						return err
					}
					rows += n
				}
			}
			a.total = 2 * (a.records + rows) // each is given twice
			return nil
		})
	})
}

// write makes the archive.
func (a *access) write(w io.Writer, progress func(done, total int)) (Archive, error) {
	c, err := a.content()
	if err != nil {
		return Archive{}, err
	}
	for i := range c.Audio {
		a.total += int((c.Audio[i].Size + audioSecond - 1) / audioSecond)
	}
	done, told := 0, 0
	sum, err := archive.Write(a.ctx, w, c, func(n int) {
		if done += n; progress != nil && done-told >= 100 {
			told = done
			progress(min(done, a.total), a.total)
		}
	})
	out := Archive{Known: c.Known, Records: sum.Calls, Journal: sum.Journal, Others: sum.Others, Items: len(sum.Audio), Lines: sum.Looks,
		Damaged: sum.Damaged, Bytes: sum.Bytes}
	for i := range sum.Audio {
		if sum.Audio[i].Broken {
			out.Damaged++
		}
	}
	if err == nil && progress != nil {
		progress(a.total, a.total)
	}
	return out, err
}

// content puts together what is short, and the sequences of what may be long.
func (a *access) content() (*archive.Content, error) {
	s := a.s
	c := &archive.Content{Made: a.made, Office: a.at.plan.Office, Known: len(a.subjects) > 0, Rules: rulesFor[a.kind], Terms: s.terms(),
		Damaged: a.allDamaged, Valid: a.stillKnown}
	switch a.kind {
	case keyring.User:
		c.Kind, c.Who = archive.User, "a user of this office"
	case keyring.Outside:
		c.Kind, c.Who = archive.Number, s.normal(a.p.Number.Reveal())
	case keyring.Admin:
		c.Kind, c.Who = archive.Account, "an account of this box"
	}
	if !c.Known {
		return c, nil
	}
	for _, acc := range s.accounts.Load().list {
		if a.kind == keyring.Admin && acc.ID == a.p.Account || a.kind == keyring.User && acc.User == a.p.User {
			c.Accounts = append(c.Accounts, archive.Login{Name: acc.Name, Role: acc.Role.String()})
			if a.kind == keyring.Admin {
				c.Who = acc.Name
			}
		}
	}
	var err error
	if a.kind == keyring.User {
		if err = a.user(c); err != nil {
			return nil, err
		}
		c.Journal = a.journal
	}
	if a.kind != keyring.Admin {
		c.Calls, c.Others = a.calls, a.others
	}
	c.Looks = a.looks
	if c.Audio, err = a.audio(); err != nil {
		return nil, err
	}
	if c.Notices, err = a.notices(); err != nil {
		return nil, err
	}
	if c.Recipients, err = a.recipients(); err != nil {
		return nil, err
	}
	return c, nil
}

// stillKnown makes sure that the person was not erased while the archive was made.
func (a *access) stillKnown() error {
	for _, subject := range a.subjects {
		if _, _, known := a.s.ring.Name(subject); !known {
			return ErrUnknownPerson
		}
	}
	return nil
}

// audio lists the messages and recordings about the person, in the order of their ids, which
// says nothing.
func (a *access) audio() (list []archive.Audio, err error) {
	items := a.s.itemsOf(a.subjects)
	slices.SortFunc(items, func(x, y keyring.Item) int { return cmp.Compare(x.String(), y.String()) })
	for _, item := range items {
		if err := a.ctx.Err(); err != nil {
			return nil, err
		}
		one := archive.Audio{Open: func() (archive.AudioFile, error) { return a.s.OpenAudio(item) }}
		if f, err := a.s.OpenAudio(item); err == nil {
			one.Size, one.Cut = f.Size(), f.Cut()
			f.Close()
		}
		list = append(list, one)
	}
	return list, nil
}

// grantWords says what became of a request.
var grantWords = map[GrantState]string{Waiting: "waits for an answer", Lasting: "is shown", Over: "was shown", Refused: "refused", Unanswered: "not answered"}

// notices gives the requests to see the person's number, or one of the person's calls, whole,
// newest first.
func (a *access) notices() (list []archive.Notice, err error) {
	for _, g := range slices.Backward(a.s.grants.load().list) {
		if !slices.Contains(a.subjects, g.user) && !slices.Contains(a.subjects, g.about) {
			continue
		}
		n := archive.Notice{At: time.UnixMilli(g.Asked).UTC(), By: g.Role.String(), Outcome: grantWords[g.state(a.s.clock())]}
		if g.AgreedRole != 0 {
			n.Agreed = g.AgreedRole.String()
		}
		switch n.Reason, err = a.s.reasonOf(g.id); {
		case errors.Is(err, errRow):
			a.s.unreadable.Add(1)
			a.damaged["notices"]++
		case err != nil && !errors.Is(err, errAged):
			return nil, err
		}
		list = append(list, n)
	}
	return list, nil
}

// recipients tells where data of the box went.
func (a *access) recipients() ([]archive.Recipient, error) {
	all, err := a.s.recipients(a.ctx)
	if err != nil {
		return nil, err
	}
	list := make([]archive.Recipient, len(all))
	for i, r := range all {
		to := cmp.Or(r.To, r.Role.String()+" of this office")
		if r.To == "" && r.Role == 0 {
			to = "the box itself"
		}
		list[i] = archive.Recipient{What: ledgerWords[r.Kind], To: to, Times: r.Times, Last: r.Last}
	}
	return list, nil
}

// countPrefix tells how many keys of a bucket begin with prefix.
func countPrefix(b *bbolt.Bucket, prefix []byte) (n int, err error) {
	if b == nil {
		return 0, ErrDamaged
	}
	c := b.Cursor()
	for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		n++
	}
	return n, nil
}
