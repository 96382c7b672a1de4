package auth

import (
	"iter"
	"net/netip"
)

// key is a source, or a source with an account. It holds no name: a table that anyone on
// the network can write to keeps hashes with a seed of its own.
type key struct {
	addr    [16]byte
	account uint64 // 0: the source itself
}

func (k key) prefix() netip.Prefix {
	a := netip.AddrFrom16(k.addr)
	if a.Is4In6() {
		return netip.PrefixFrom(a.Unmap(), 32)
	}
	return netip.PrefixFrom(a, 64)
}

// table holds up to maxEntries records; the one used longest ago makes room. It holds no
// pointers, so that the garbage collector passes over it. The zero value is ready.
type table struct {
	at           map[key]int32
	nodes        []node
	first, after int32 // most and least recently used
}

type node struct {
	key        key
	rec        record
	prev, next int32
}

func (t *table) len() int { return len(t.nodes) }

// peek gives a record, or nil.
func (t *table) peek(k key) *record {
	i, ok := t.at[k]
	if !ok {
		return nil
	}
	return &t.nodes[i].rec
}

// get is peek, and counts as use. What it gives is valid until the next add.
func (t *table) get(k key) *record {
	i, ok := t.at[k]
	if !ok {
		return nil
	}
	if i != t.first {
		t.unlink(i)
		t.push(i)
	}
	return &t.nodes[i].rec
}

// add makes an empty record for a key that has none.
func (t *table) add(k key) (r *record, evicted bool) {
	if t.at == nil {
		t.at = make(map[key]int32)
		t.first, t.after = -1, -1
	}
	i := int32(len(t.nodes))
	if i == maxEntries {
		i, evicted = t.after, true
		t.unlink(i)
		delete(t.at, t.nodes[i].key)
		t.nodes[i] = node{key: k}
	} else {
		t.nodes = append(t.nodes, node{key: k})
	}
	t.push(i)
	t.at[k] = i
	return &t.nodes[i].rec, evicted
}

func (t *table) unlink(i int32) {
	n := &t.nodes[i]
	if n.prev >= 0 {
		t.nodes[n.prev].next = n.next
	} else {
		t.first = n.next
	}
	if n.next >= 0 {
		t.nodes[n.next].prev = n.prev
	} else {
		t.after = n.prev
	}
}

func (t *table) push(i int32) {
	t.nodes[i].prev, t.nodes[i].next = -1, t.first
	if t.first >= 0 {
		t.nodes[t.first].prev = i
	} else {
		t.after = i
	}
	t.first = i
}

// all gives the records, last used first.
func (t *table) all() iter.Seq2[key, *record] {
	return func(yield func(key, *record) bool) {
		if len(t.nodes) == 0 {
			return
		}
		for i := t.first; i >= 0; i = t.nodes[i].next {
			if !yield(t.nodes[i].key, &t.nodes[i].rec) {
				return
			}
		}
	}
}
