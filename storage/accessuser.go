package storage

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"sotto/pbx"
	"sotto/pbx/plan"
	"sotto/storage/archive"
	"sotto/storage/keyring"
	"sotto/storage/policy"
)

const noCodes = "Accounting codes, which are names of the office's clients and matters, are not given."

// rulesFor says in an archive how others are masked in it.
var rulesFor = map[keyring.Kind][]string{
	keyring.User: {
		"Other users of this office stand here with name and extension, as on every telephone of the office.",
		"Outside numbers are without their last digits in call records. In the person's own journal they are as the person sees them there, if the person or somebody who sees whole numbers has taken this archive, and else without their last digits.",
		noCodes,
		"Whoever looked at the data is told by role and not by name.",
	},
	keyring.Outside: {
		"Users of this office are not named. The exchange line and the time tell which call it was.",
		"Other outside numbers are not given.",
		noCodes,
		"Whoever looked at the data is told by role and not by name.",
	},
	keyring.Admin: {"Whom a line of the audit trail is about is not told."},
}

// The kinds of what is kept, and of what left, in words.
var (
	termWords = map[policy.Kind]string{
		policy.Digits: "Last digits of outside numbers", policy.Records: "Call records", policy.Journal: "Entries of journals",
		policy.Counts: "How many calls there were on a day, without persons", policy.Messages: "Messages", policy.Recordings: "Recorded calls",
		policy.Removed: "What is kept of a user who has left", policy.Traces: "Traces for finding faults", policy.Audit: "Audit trail",
	}
	ledgerWords = map[LedgerKind]string{
		LeftExport: "Export of calls", LeftAccess: "Archive of a person, as this one", LeftBackup: "Backup", LeftMail: "Mail",
		LeftFeed: "Call accounting", LeftSyslog: "System log",
	}
)

// terms gives how long each kind is kept.
func (s *Store) terms() (list []archive.Term) {
	p := s.policy()
	for _, k := range policy.Kinds() {
		list = append(list, archive.Term{Kind: termWords[k], Days: p.Keep[k]})
	}
	return list
}

// user fills in what the plan has of a user, now and in its older revisions, and what else is
// the user's own.
func (a *access) user(c *archive.Content) error {
	s := a.s
	versions, err := a.versions()
	if err != nil {
		return err
	}
	u := a.at.users[a.p.User]
	if u != nil {
		c.Facts = append(userFacts(u), a.moreFacts(u)...)
	} else if len(versions) > 0 {
		c.Facts = []archive.Fact{{Name: "In the plan", Value: "no longer"}}
		if _, goes, ok := s.removedOn(a.p.User); ok {
			c.Facts = append(c.Facts, archive.Fact{Name: "Erased by itself on", Value: goes.Format("2 January 2006")})
		}
	}
	if u != nil && len(versions) > 0 && slices.Equal(userFacts(&versions[0].user), userFacts(u)) {
		versions = versions[1:]
	}
	for i := range versions {
		c.Former = append(c.Former, archive.Past{Revision: uint64(versions[i].rev), Facts: userFacts(&versions[i].user)})
	}
	if u == nil && len(versions) > 0 {
		u = &versions[0].user
	}
	if u != nil {
		c.Who = u.Name + ", extension " + string(u.Ext)
	}
	bindings, err := a.bindings()
	if err != nil {
		return err
	}
	for _, b := range bindings {
		c.Telephones = append(c.Telephones, archive.Telephone{Model: b.Agent, Address: b.Remote, Contact: b.Contact, Until: b.Expires.UTC()})
	}
	return nil
}

// userFacts gives all that a plan says of a user but the id, which is nothing to a person.
func userFacts(u *plan.User) (list []archive.Fact) {
	add := func(name, value string) {
		if value != "" {
			list = append(list, archive.Fact{Name: name, Value: value})
		}
	}
	yes := func(name string, is bool) {
		if is {
			add(name, "yes")
		}
	}
	add("Name", u.Name)
	add("Extension", string(u.Ext))
	add("Telephones at", strings.Join(u.Ports, ", "))
	yes("Telephones on the network", u.SIP)
	add("Place", u.Place)
	add("Department", u.Department)
	add("E-mail", u.Email)
	add("Mobile", u.Mobile)
	yes("Whom the person calls or is called by is never kept", u.Protected)
	yes("Numbers of outside callers are shown and not kept", u.ShowOnly)
	yes("The line reverses when the called party answers", u.ReverseOnAnswer)
	return list
}

// moreFacts gives what follows from the rest of the plan and the person's own choice.
func (a *access) moreFacts(u *plan.User) (list []archive.Fact) {
	var lines []string
	for _, l := range a.at.plan.Lines {
		if slices.Contains(l.Rings, u.Ext) {
			lines = append(lines, l.Name)
		}
	}
	if len(lines) > 0 {
		list = append(list, archive.Fact{Name: "Rung by calls on", Value: strings.Join(lines, ", ")})
	}
	if _, ok := a.at.secrets[u.ID]; ok {
		list = append(list, archive.Fact{Name: "Password of the telephone", Value: "known to the box as a value to check it with"})
	}
	journal := "switched off"
	if a.s.JournalOn(u.ID) {
		journal = "kept"
	}
	return append(list, archive.Fact{Name: "Journal", Value: journal})
}

// userVersion is a user as a revision of the plan has it.
type userVersion struct {
	rev  Rev
	user plan.User
}

// versions gives the user as the kept revisions of the plan have it, newest first, each form
// once with the newest revision of it.
func (a *access) versions() (list []userVersion, err error) {
	s := a.s
	var rows []row
	if err := guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			b := tx.Bucket(bucketPlans)
			if b == nil {
				return ErrDamaged
			}
			for c, k, v := newest(b); k != nil && len(rows) < keepPlans; k, v = c.Prev() {
				rows = append(rows, row{bytes.Clone(k), bytes.Clone(v)})
			}
			return nil
		})
	}); err != nil {
		return nil, err
	}
	bad := 0
	for _, r := range rows {
		p, err := s.openPlan(r.key, r.value)
		if err != nil {
			s.unreadable.Add(1)
			bad++
			continue
		}
		i := slices.IndexFunc(p.Users, func(u plan.User) bool { return u.ID == a.p.User })
		if i < 0 || len(list) > 0 && slices.Equal(userFacts(&list[len(list)-1].user), userFacts(&p.Users[i])) {
			continue
		}
		list = append(list, userVersion{Rev(idOf(r.key)), p.Users[i]})
	}
	a.damaged["plans"] = bad
	return list, nil
}

// bindings gives the telephones of the user that are registered.
func (a *access) bindings() (list []pbx.Binding, err error) {
	s := a.s
	err = guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			b := tx.Bucket(bucketBindings)
			if b == nil {
				return ErrDamaged
			}
			if _, err := s.openOwn(b, bucketBindings, a.p.User, &list); err != nil {
				s.unreadable.Add(1)
				a.damaged["telephones"] = 1
			}
			return nil
		})
	})
	list = slices.DeleteFunc(list, func(b pbx.Binding) bool { return !b.Expires.After(time.Now()) })
	slices.SortFunc(list, func(x, y pbx.Binding) int {
		return cmp.Or(strings.Compare(x.Contact, y.Contact), strings.Compare(x.Remote, y.Remote))
	})
	return list, err
}
