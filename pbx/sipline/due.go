package sipline

import (
	"container/heap"
	"time"
)

// dueList orders the legs by when they want to be called.
type dueList struct{ l dueHeap }

// set notes when a leg is due; zero for never.
func (d *dueList) set(b *branch, at time.Time) {
	switch {
	case at.IsZero() && b.place > 0:
		heap.Remove(&d.l, b.place-1)
	case at.IsZero():
	case b.place > 0:
		if !b.due.Equal(at) {
			b.due = at
			heap.Fix(&d.l, b.place-1)
		}
	default:
		b.due = at
		heap.Push(&d.l, b)
	}
}

func (d *dueList) first() time.Time {
	if len(d.l) == 0 {
		return time.Time{}
	}
	return d.l[0].due
}

// next takes out a leg that is due, or gives nil.
func (d *dueList) next(now time.Time) *branch {
	if len(d.l) == 0 || d.l[0].due.After(now) {
		return nil
	}
	return heap.Pop(&d.l).(*branch)
}

// dueHeap is the heap; a branch knows its place in it, counted from 1.
type dueHeap []*branch

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i+1, j+1
}
func (h *dueHeap) Push(x any) {
	b := x.(*branch)
	*h = append(*h, b)
	b.place = len(*h)
}
func (h *dueHeap) Pop() any {
	old := *h
	b := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	b.place = 0
	return b
}
