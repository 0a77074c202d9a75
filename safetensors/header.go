package safetensors

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// entry is one tensor of the header, as it is written there.
type entry struct {
	name       string
	dtype      string
	shape      []uint64
	begin, end uint64 // in the data
}

// parser reads the header's JSON. It knows the one shape that a header may
// have and nothing else, so it needs no recursion and no general values.
// The first fault stays in err and every later call is a no-op.
type parser struct {
	s   string
	pos int
	err error
}

// headerBase is the offset in the file of the header's first byte.
const headerBase = 8

func (p *parser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = &FormatError{Offset: headerBase + int64(p.pos), Reason: "header: " + fmt.Sprintf(format, args...)}
	}
}

func (p *parser) space() {
	for p.pos < len(p.s) {
		switch p.s[p.pos] {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return
		}
	}
}

// next skips white space and takes c if it comes next.
func (p *parser) next(c byte) bool {
	p.space()
	if p.err == nil && p.pos < len(p.s) && p.s[p.pos] == c {
		p.pos++
		return true
	}
	return false
}

func (p *parser) want(c byte) {
	if !p.next(c) {
		p.fail("want %q", string(c))
	}
}

// object calls member after each key and its colon.
func (p *parser) object(member func(key string)) {
	p.list('{', '}', func() {
		key := p.text()
		p.want(':')
		if p.err == nil {
			member(key)
		}
	})
}

// list reads items separated by commas between two brackets.
func (p *parser) list(open, end byte, item func()) {
	p.want(open)
	if p.next(end) {
		return
	}
	for p.err == nil {
		item()
		if p.next(end) {
			return
		}
		p.want(',')
	}
}

// text reads a string.
func (p *parser) text() string {
	p.want('"')
	if p.err != nil {
		return ""
	}
	start := p.pos
	var b strings.Builder // used once there is an escape
	for p.pos < len(p.s) {
		switch c := p.s[p.pos]; {
		case c == '"':
			b.WriteString(p.s[start:p.pos])
			p.pos++
			s := b.String()
			if !utf8.ValidString(s) {
				p.fail("string is not UTF-8")
			}
			return s
		case c == '\\':
			b.WriteString(p.s[start:p.pos])
			b.WriteRune(p.escape())
			if p.err != nil {
				return ""
			}
			start = p.pos
		case c < 0x20:
			p.fail("control character in a string")
			return ""
		default:
			p.pos++
		}
	}
	p.fail("string without end")
	return ""
}

func (p *parser) escape() rune {
	if p.pos+1 >= len(p.s) {
		p.fail("string without end")
		return 0
	}
	c := p.s[p.pos+1]
	if c != 'u' {
		i := strings.IndexByte(`"\/bfnrt`, c)
		if i < 0 {
			p.fail("unknown escape in a string")
			return 0
		}
		p.pos += 2
		return rune("\"\\/\b\f\n\r\t"[i])
	}
	r := p.unit()
	if utf16.IsSurrogate(r) {
		if r = utf16.DecodeRune(r, p.unit()); r == utf8.RuneError {
			p.fail("half of a surrogate pair in a string")
		}
	}
	return r
}

// unit reads one \uXXXX.
func (p *parser) unit() rune {
	if len(p.s)-p.pos < 6 || p.s[p.pos] != '\\' || p.s[p.pos+1] != 'u' {
		p.fail(`want \uXXXX`)
		return 0
	}
	v, err := strconv.ParseUint(p.s[p.pos+2:p.pos+6], 16, 16)
	if err != nil {
		p.fail(`want \uXXXX`)
		return 0
	}
	p.pos += 6
	return rune(v)
}

// number reads a whole number that fits 64 bits.
func (p *parser) number() uint64 {
	p.space()
	start := p.pos
	for p.err == nil && p.pos < len(p.s) && p.s[p.pos] >= '0' && p.s[p.pos] <= '9' {
		p.pos++
	}
	digits := p.s[start:p.pos]
	if len(digits) > 1 && digits[0] == '0' {
		p.fail("number with a leading zero")
	}
	v, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		p.fail("want a whole number of at most 64 bits")
	}
	return v
}

// metadata reads the object of strings.
func (p *parser) metadata() map[string]string {
	m := map[string]string{}
	p.object(func(key string) {
		if _, ok := m[key]; ok {
			p.fail("metadata key %q twice", key)
		}
		if len(m) == MaxTensors {
			p.fail("more than %d metadata entries", MaxTensors)
		}
		m[key] = p.text()
	})
	return m
}

// tensor reads {"dtype", "shape", "data_offsets"} in any order.
func (p *parser) tensor(e *entry) {
	var dtype, shape, offsets bool
	once := func(seen *bool, key string) {
		if *seen {
			p.fail("%s twice in tensor %q", key, e.name)
		}
		*seen = true
	}
	p.object(func(key string) {
		switch key {
		case "dtype":
			once(&dtype, key)
			e.dtype = p.text()
		case "shape":
			once(&shape, key)
			p.list('[', ']', func() {
				if len(e.shape) == maxDims {
					p.fail("more than %d dimensions in tensor %q", maxDims, e.name)
				}
				e.shape = append(e.shape, p.number())
			})
		case "data_offsets":
			once(&offsets, key)
			p.want('[')
			e.begin = p.number()
			p.want(',')
			e.end = p.number()
			p.want(']')
		default:
			p.fail("unknown key %q in tensor %q", key, e.name)
		}
	})
	if !dtype || !shape || !offsets {
		p.fail("tensor %q lacks dtype, shape or data_offsets", e.name)
	}
}

// maxDims bounds the dimensions that are read before the rank is refused.
const maxDims = 32

// parseHeader returns the tensors in the order of the header.
func parseHeader(s string) (map[string]string, []entry, error) {
	p := &parser{s: s}
	var meta map[string]string
	var entries []entry
	seen := map[string]bool{}
	if !strings.HasPrefix(s, "{") {
		p.fail("does not begin with {")
	}
	p.object(func(key string) {
		if seen[key] {
			p.fail("name %q twice", key)
			return
		}
		seen[key] = true
		if key == metadataKey {
			meta = p.metadata()
			return
		}
		if len(entries) == MaxTensors {
			p.fail("more than %d tensors", MaxTensors)
			return
		}
		e := entry{name: key}
		p.tensor(&e)
		entries = append(entries, e)
	})
	p.space()
	if p.pos < len(s) {
		p.fail("text after the end of the object")
	}
	if p.err != nil {
		return nil, nil, p.err
	}
	return meta, entries, nil
}

// appendText appends s as a JSON string, escaped as serde_json does.
func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0 // of what is not yet appended
	for i := range len(s) {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		start = i + 1
		if j := strings.IndexByte("\"\\\b\f\n\r\t", c); j >= 0 {
			b = append(b, '\\', `"\bfnrt`[j])
		} else {
			b = fmt.Appendf(b, `\u%04x`, c)
		}
	}
	return append(append(b, s[start:]...), '"')
}
