package keyring

import "sotto/storage/seal"

// book is what the keyring knows, in memory.
type book struct {
	people map[Subject]*person // the box too, as the zero Subject
	names  map[name]*person
	items  map[Item]*item
	mark   uint64           // transactions that the database had when it was last written
	stale  bool             // the medium holds keys that a later entry has put away
	gone   map[Subject]bool // of whom a tail says so; see settle
	room   room
}

// room is what load has set aside: some large pieces of memory in place of a hundred
// thousand small ones, which cost a small processor most of the time of a start. No names:
// of those nothing must stay behind.
type room struct {
	people []person
	chains []chain
	items  []item
	about  []Subject
}

type name struct {
	kind Kind
	text string
}

type person struct {
	id     Subject
	name   name
	key    seal.Key
	chains []chain
	dirty  bool // in pending
}

type item struct {
	key   seal.Key
	about []Subject
	dirty bool // in pending
}

func newBook() book {
	return book{people: map[Subject]*person{}, names: map[name]*person{}, items: map[Item]*item{}, gone: map[Subject]bool{}}
}

func (p *person) chain(c Class) *chain {
	for i := range p.chains {
		if p.chains[i].class == c {
			return &p.chains[i]
		}
	}
	return nil
}

// addChain leaves no copy of the other chains behind in memory, as a plain append would.
func (p *person) addChain(c chain) {
	old := p.chains
	p.chains = make([]chain, len(old)+1)
	copy(p.chains, old)
	p.chains[len(old)] = c
	wipeChains(old)
}

// wipe leaves nothing of a person in memory: what load has set aside stays.
func (p *person) wipe() {
	wipeChains(p.chains)
	*p = person{}
}

func wipeChains(cs []chain) {
	for i := range cs {
		cs[i].wipe()
	}
}

// load takes all entries of a keyring file into an empty book; false if they do not come
// out even.
func (b *book) load(plain []byte) bool {
	var people, chains, items, about int
	ok := eachEntry(plain, func(e entry) {
		switch e.kind {
		case message:
			items++
			about += len(e.about) / idLen
		case box, User, Outside, Admin:
			people++
			chains += len(e.chains) / chainLen
		}
	})
	if !ok {
		return false
	}
	b.people, b.names = make(map[Subject]*person, people), make(map[name]*person, people)
	b.items = make(map[Item]*item, items)
	b.room = room{make([]person, people), make([]chain, chains), make([]item, items), make([]Subject, about)}
	eachEntry(plain, b.take)
	b.room = room{}
	return true
}

// carve takes n from the front of what was set aside, or makes them.
func carve[T any](from *[]T, n int) []T {
	if n > len(*from) {
		return make([]T, n)
	}
	s := (*from)[:n:n]
	*from = (*from)[n:]
	return s
}

// take puts an entry of a file into the book; a later one takes the place of an earlier.
func (b *book) take(e entry) {
	switch e.kind {
	case mark:
		b.mark = e.count
	case dropped:
		b.stale = true
		if p := b.people[Subject(e.id)]; p != nil {
			b.gone[p.id] = true
			b.removePerson(p)
		}
		b.removeItem(Item(e.id))
	case message:
		b.removeItem(Item(e.id))
		it := &carve(&b.room.items, 1)[0]
		it.key, it.about = seal.Key(e.key), carve(&b.room.about, len(e.about)/idLen)
		for i := range it.about {
			it.about[i] = Subject(e.about[i*idLen:])
		}
		b.items[Item(e.id)] = it
	default:
		b.takePerson(e)
	}
}

func (b *book) takePerson(e entry) {
	p := &carve(&b.room.people, 1)[0]
	p.id, p.name, p.key = e.id, name{e.kind, string(e.name)}, seal.Key(e.key)
	p.chains = carve(&b.room.chains, len(e.chains)/chainLen)
	for i := range p.chains {
		p.chains[i] = readChain(e.chains[i*chainLen:])
	}
	if old := b.people[p.id]; old != nil {
		b.stale = b.stale || old.loses(p)
		b.dropName(old)
		old.wipe()
	}
	b.put(p)
}

// loses tells whether p has a key or a name that its later self has not.
func (p *person) loses(later *person) bool {
	for i := range p.chains {
		if c := later.chain(p.chains[i].class); c == nil || *c != p.chains[i] {
			return true
		}
	}
	return p.key != later.key || p.name != later.name
}

func (b *book) put(p *person) {
	b.people[p.id] = p
	if p.name.kind != box {
		b.names[p.name] = p
	}
}

func (b *book) dropName(p *person) {
	if b.names[p.name] == p {
		delete(b.names, p.name)
	}
}

// remove takes subjects and the items about them out, and wipes their keys.
func (b *book) remove(goes map[Subject]bool) {
	b.removeItemsOf(goes)
	for s := range goes {
		if p := b.people[s]; p != nil {
			b.removePerson(p)
		}
	}
}

func (b *book) removePerson(p *person) {
	delete(b.people, p.id)
	b.dropName(p)
	p.wipe()
}

// removeItemsOf goes through all items once, however many subjects go.
func (b *book) removeItemsOf(goes map[Subject]bool) {
	if len(goes) == 0 {
		return
	}
	for i, it := range b.items {
		if it.aboutAny(goes) {
			b.removeItem(i)
		}
	}
}

// settle comes after all entries were taken: the items about those who are gone go, too.
func (b *book) settle() {
	b.removeItemsOf(b.gone)
	clear(b.gone)
}

func (b *book) removeItem(i Item) {
	if it := b.items[i]; it != nil {
		delete(b.items, i)
		clear(it.about)
		clear(it.key[:])
	}
}

func (b *book) wipe() {
	for _, p := range b.people {
		p.wipe()
	}
	for _, it := range b.items {
		clear(it.key[:])
	}
	clear(b.people)
	clear(b.names)
	clear(b.items)
}
