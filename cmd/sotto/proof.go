package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"sotto/storage"
	"sotto/storage/keyring"
)

// printProofs prints the proofs of all erasures.
func printProofs(w io.Writer, list []storage.Proof, asJSON bool) error {
	if asJSON {
		all := make([]any, len(list))
		for i, p := range list {
			all[i] = proofJSON(p)
		}
		return printJSON(w, all)
	}
	var b strings.Builder
	for i, p := range list {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(tellProof(p))
	}
	if len(list) == 0 {
		b.WriteString("Nobody was erased yet.\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// tellProof tells what an erasure did, for a person who keeps it.
func tellProof(p storage.Proof) string {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-22s %s\n", name, fmt.Sprintf(format, args...))
	}
	row("asked for", "%s", p.At.Format(time.RFC3339))
	row("was known as", "%s", kindOf(p.Kind))
	for _, s := range p.Subjects {
		row("pseudonym", "%s", s)
	}
	row("call records", "%d", p.Records)
	row("entries of journals", "%d", p.Entries)
	row("revisions of the plan", "%d", p.Plans)
	row("messages, recordings", "%d", p.Items)
	if p.NewEpoch != [8]byte{} {
		row("keys", "sealed under %x before and %x after, in keyring number %d", p.OldEpoch, p.NewEpoch, p.Rewrite)
	}
	verified, swept := "not yet: the box goes on by itself, at its next start at the latest", "still in the records, where no key opens them; cleared while the box runs"
	if p.Verified {
		verified = "the old key is gone, and the keyring as read again knows nothing of the person"
	}
	if p.Swept {
		swept = "out of the records"
	}
	row("verified", "%s", verified)
	row("sealed remains", "%s", swept)
	return b.String()
}

func kindOf(k keyring.Kind) string {
	switch k {
	case keyring.User:
		return "user"
	case keyring.Outside:
		return "number"
	}
	return "account"
}

// proofJSON gives a proof in the shape that -json prints.
func proofJSON(p storage.Proof) any {
	ids := make([]string, len(p.Subjects))
	for i, s := range p.Subjects {
		ids[i] = s.String()
	}
	return struct {
		Subjects []string  `json:"subjects"`
		Kind     string    `json:"kind"`
		At       time.Time `json:"at"`
		Records  int       `json:"records"`
		Entries  int       `json:"entries"`
		Plans    int       `json:"plans"`
		Items    int       `json:"items"`
		OldEpoch string    `json:"old_epoch"`
		NewEpoch string    `json:"new_epoch"`
		Rewrite  uint64    `json:"rewrite"`
		Verified bool      `json:"verified"`
		Swept    bool      `json:"swept"`
	}{ids, kindOf(p.Kind), p.At, p.Records, p.Entries, p.Plans, p.Items, hex.EncodeToString(p.OldEpoch[:]), hex.EncodeToString(p.NewEpoch[:]), p.Rewrite, p.Verified, p.Swept}
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
