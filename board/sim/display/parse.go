package display

// parse reads a message with its checksum: SDMF and MDMF, calls and waiting messages.
func parse(b []byte) Message {
	var sum byte
	for _, c := range b {
		sum += c
	}
	if sum != 0 {
		return Message{Bad: "checksum"}
	}
	m := Message{Type: b[0]}
	body := b[2 : len(b)-1]
	switch b[0] {
	case 0x04:
		m.single(body)
	case 0x06:
		m.lampWord(body)
	case 0x80, 0x82:
		m.multiple(body)
	default:
		m.Bad = "type"
	}
	if m.Bad != "" {
		return Message{Bad: m.Bad, Type: b[0]}
	}
	return m
}

// single reads the body of a call in SDMF: the time, then a number or a reason.
func (m *Message) single(body []byte) {
	if len(body) < 9 {
		m.Bad = "length"
		return
	}
	m.time(body[:8])
	if rest := body[8:]; len(rest) == 1 && (rest[0] == 'O' || rest[0] == 'P') {
		m.Reason = m.reason(rest)
	} else {
		m.number(rest)
	}
}

// lampWord reads the body of a waiting message in SDMF: three times B or o.
func (m *Message) lampWord(body []byte) {
	switch string(body) {
	case "BBB":
		m.lamp(0xFF)
	case "ooo":
		m.lamp(0)
	default:
		m.Bad = "lamp"
	}
}

// multiple reads the parameters of MDMF. One that is not known is passed over.
func (m *Message) multiple(body []byte) {
	for len(body) > 0 {
		if len(body) < 2 || len(body) < 2+int(body[1]) {
			m.Bad = "length"
			return
		}
		v := body[2 : 2+int(body[1])]
		switch body[0] {
		case 0x01:
			m.time(v)
		case 0x02:
			m.number(v)
		case 0x04:
			m.Reason = m.reason(v)
		case 0x07:
			m.Name = m.text(v)
		case 0x08:
			m.NoName = m.reason(v)
		case 0x0B:
			if len(v) != 1 || v[0] != 0 && v[0] != 0xFF {
				m.Bad = "lamp"
				return
			}
			m.lamp(v[0])
		}
		body = body[2+len(v):]
	}
}

func (m *Message) lamp(v byte) {
	on := v != 0
	m.Waiting = &on
}

// time takes eight digits that are a month, a day, an hour and a minute.
func (m *Message) time(v []byte) {
	if len(v) != 8 {
		m.Bad = "time"
		return
	}
	var n [4]int
	for i, c := range v {
		if c < '0' || c > '9' {
			m.Bad = "time"
			return
		}
		n[i/2] = 10*n[i/2] + int(c-'0')
	}
	if n[0] < 1 || n[0] > 12 || n[1] < 1 || n[1] > 31 || n[2] > 23 || n[3] > 59 {
		m.Bad = "time"
		return
	}
	m.Time = string(v)
}

func (m *Message) number(v []byte) {
	for _, c := range v {
		if (c < '0' || c > '9') && (c < 'A' || c > 'D') && c != '*' && c != '#' {
			m.Bad = "number"
			return
		}
	}
	if len(v) == 0 {
		m.Bad = "number"
		return
	}
	m.Number = string(v)
}

func (m *Message) reason(v []byte) string {
	switch string(v) {
	case "O":
		return Unavailable
	case "P":
		return Withheld
	}
	m.Bad = "reason"
	return ""
}

func (m *Message) text(v []byte) string {
	for _, c := range v {
		if c < ' ' || c > '~' {
			m.Bad = "text"
			return ""
		}
	}
	return string(v)
}
