package txn

import "time"

// list is a list of transactions, each of which is in one at most.
type list struct{ head, tail *transaction }

func (c *list) push(t *transaction) {
	t.list, t.prev, t.next = c, c.tail, nil
	if c.tail == nil {
		c.head = t
	} else {
		c.tail.next = t
	}
	c.tail = t
}

func (c *list) drop(t *transaction) {
	if t.prev == nil {
		c.head = t.next
	} else {
		t.prev.next = t.next
	}
	if t.next == nil {
		c.tail = t.prev
	} else {
		t.next.prev = t.prev
	}
	t.list, t.prev, t.next = nil, nil, nil
}

// queue orders transactions by what is due first: a binary heap, of which each
// transaction knows its place.
type queue []entry

type entry struct {
	at time.Duration // beside the transaction, so that ordering needs no look at it
	t  *transaction
}

// schedule puts t where its deadlines want it.
func (q *queue) schedule(t *transaction) {
	at := min(t.end, t.retry)
	switch {
	case at == never:
		q.remove(t)
	case t.pos < 0:
		*q = append(*q, entry{at, t})
		q.up(len(*q) - 1)
	case (*q)[t.pos].at != at:
		q.fix(int(t.pos), entry{at, t})
	}
}

func (q *queue) remove(t *transaction) {
	i := int(t.pos)
	if i < 0 {
		return
	}
	t.pos = -1
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = entry{}
	*q = (*q)[:last]
	if i < last {
		q.fix(i, e)
	}
}

// fix puts e at i, and then where it belongs.
func (q queue) fix(i int, e entry) {
	q[i] = e
	if i > 0 && e.at < q[(i-1)/2].at {
		q.up(i)
	} else {
		q.down(i)
	}
}

func (q queue) up(i int) {
	e := q[i]
	for i > 0 {
		p := (i - 1) / 2
		if q[p].at <= e.at {
			break
		}
		q.put(i, q[p])
		i = p
	}
	q.put(i, e)
}

func (q queue) down(i int) {
	e := q[i]
	for {
		c := 2*i + 1
		if c >= len(q) {
			break
		}
		if c+1 < len(q) && q[c+1].at < q[c].at {
			c++
		}
		if e.at <= q[c].at {
			break
		}
		q.put(i, q[c])
		i = c
	}
	q.put(i, e)
}

func (q queue) put(i int, e entry) {
	q[i] = e
	e.t.pos = int32(i)
}
