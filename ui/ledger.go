package ui

import (
	"strconv"
	"time"

	"sotto/storage"
)

// ledgerView is a page of what left the box, newest first.
type ledgerView struct {
	Recipients      []recipientRow // of the first page alone
	Rows            []ledgerRow
	Empty           string
	Earlier, Latest string
}

type ledgerRow struct {
	At, Kind, What, To, Size string
	Lamp                     lampView
}

type recipientRow struct{ To, Kind, Times, Last string }

// ledgerPage is how many lines a page shows.
const ledgerPage = 50

// ledger shows what left the box.
func (s *Server) ledger(q *request) error {
	v := ledgerView{Empty: T("ledger.none")}
	query := storage.LedgerQuery{Limit: ledgerPage + 1}
	if before, err := strconv.ParseUint(q.r.URL.Query().Get("before"), 10, 63); err == nil && before > 0 {
		query.Before, v.Latest = before, "/privacy/ledger"
	}
	list, err := s.as(q).Ledger(q.r.Context(), query)
	if err != nil {
		if !storeDown(err) {
			return err
		}
		v.Empty = T("ledger.down")
	}
	if len(list) > ledgerPage {
		list = list[:ledgerPage]
		v.Earlier = "/privacy/ledger?before=" + strconv.FormatUint(list[ledgerPage-1].Number, 10)
	}
	v.Rows = ledgerRows(list, q.now)
	if v.Latest == "" && len(list) > 0 {
		sums, err := s.as(q).Recipients(q.r.Context())
		if err != nil && !storeDown(err) {
			return err
		}
		for _, r := range sums {
			to := r.To
			if to == "" {
				to = T("ledger.self", actor(pickActor(r.Role), r.Role, "", ""))
			}
			v.Recipients = append(v.Recipients, recipientRow{to, ledgerKind(r.Kind), count("ledger.once", "ledger.times", r.Times), dated(r.Last, q.now)})
		}
	}
	s.show(q, 200, "ledger", "ledger.title", v)
	return nil
}

// ledgerRows gives lines in words.
func ledgerRows(list []storage.LedgerView, now time.Time) (rows []ledgerRow) {
	for _, l := range list {
		by := actor(pickActor(l.Role), l.Role, l.Account, l.By)
		r := ledgerRow{At: dated(l.At, now), Kind: ledgerKind(l.Kind), What: l.What, To: T("ledger.to", l.To, by), Lamp: lamp("done", T("ledger.whole"))}
		if l.To == "" {
			r.To = T("ledger.self", by)
		}
		switch {
		case !l.Ended:
			r.Lamp = lamp("none", T("ledger.notended"))
		case !l.Whole:
			r.Lamp = lamp("warn", T("ledger.broken"))
		}
		if l.Ended {
			r.Size = T("ledger.size", count("ledger.row", "ledger.rows", l.Rows), bytesWord(l.Bytes))
		}
		rows = append(rows, r)
	}
	return rows
}

// dated gives a time of the day, with the day.
func dated(at, now time.Time) string {
	at = at.Local()
	if at.Year() == now.Local().Year() {
		return at.Format(T("time.day"))
	}
	return at.Format(T("time.dated"))
}

// pickActor tells who has a role: nobody but the box has none.
func pickActor(r storage.Role) storage.Actor {
	if r == 0 {
		return storage.ByBox
	}
	return storage.ByAccount
}

func ledgerKind(k storage.LedgerKind) string {
	if text, ok := words["left."+string(k)]; ok {
		return text
	}
	return string(k)
}

func bytesWord(n int64) string {
	switch {
	case n < 1000:
		return T("size.bytes", n)
	case n < 1_000_000:
		return T("size.kb", (n+500)/1000)
	}
	return T("size.mb", float64(n)/1e6)
}
