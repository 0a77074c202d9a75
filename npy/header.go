package npy

import (
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/goqat/goqat/tensor"
)

const (
	magic = "\x93NUMPY"
	// maxHeader bounds the text of a header; the longest that describes a
	// tensor of rank 8 is under 300 bytes, and NumPy pads to 64.
	maxHeader = 1 << 16
)

// header is what the text of a .npy header says.
type header struct {
	dtype   tensor.DType
	isBool  bool
	fortran bool
	shape   tensor.Shape
	length  int // bytes from the magic to the first element
}

func (h header) spec() tensor.Spec { return tensor.Spec{DType: h.dtype, Shape: h.shape} }
func (h header) bytes() int        { return h.spec().Bytes() }

var descrs = map[string]tensor.DType{
	"<f4": tensor.F32, "<f8": tensor.F64, "|i1": tensor.I8, "|u1": tensor.U8,
	"<i4": tensor.I32, "<i8": tensor.I64, "|b1": tensor.U8,
	// NumPy writes one-byte types with "|", other writers with an order mark.
	"<i1": tensor.I8, "<u1": tensor.U8, "<b1": tensor.U8, "i1": tensor.I8, "u1": tensor.U8,
}

func descrOf(d tensor.DType) string {
	switch d {
	case tensor.F32:
		return "<f4"
	case tensor.F64:
		return "<f8"
	case tensor.I8:
		return "|i1"
	case tensor.U8:
		return "|u1"
	case tensor.I32:
		return "<i4"
	case tensor.I64:
		return "<i8"
	}
	return ""
}

// formatHeader returns magic, version 1.0, length and text, padded with spaces
// so that the elements start at a multiple of 64.
func formatHeader(s tensor.Spec) ([]byte, error) {
	d := descrOf(s.DType)
	if d == "" {
		return nil, fmt.Errorf("npy: %w: %v cannot be written", ErrDType, s.DType)
	}
	var sb strings.Builder
	sb.WriteString("{'descr': '" + d + "', 'fortran_order': False, 'shape': (")
	for i, n := range s.Shape {
		if i > 0 {
			sb.WriteByte(' ')
		}
		sb.WriteString(strconv.Itoa(n))
		if i < len(s.Shape)-1 || len(s.Shape) == 1 {
			sb.WriteByte(',')
		}
	}
	sb.WriteString("), }")
	const fixed = len(magic) + 4
	pad := 63 - (fixed+sb.Len())%64
	sb.WriteString(strings.Repeat(" ", pad) + "\n")
	b := append([]byte(magic), 1, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(sb.Len()))
	return append(b, sb.String()...), nil
}

func readHeader(r io.Reader) (header, error) {
	fail := func(format string, a ...any) (header, error) {
		return header{}, fmt.Errorf("npy: %w: "+format, append([]any{ErrFormat}, a...)...)
	}
	var pre [12]byte
	if _, err := io.ReadFull(r, pre[:10]); err != nil {
		return fail("shorter than its 10-byte preamble (%w)", err)
	}
	if string(pre[:6]) != magic {
		return fail("does not start with \\x93NUMPY")
	}
	n, length := int(binary.LittleEndian.Uint16(pre[8:])), 10
	switch {
	case pre[6] == 1:
	case pre[6] == 2 || pre[6] == 3:
		if _, err := io.ReadFull(r, pre[10:12]); err != nil {
			return fail("cut in its header length (%w)", err)
		}
		u := binary.LittleEndian.Uint32(pre[8:])
		if u > maxHeader {
			return fail("header of %d bytes is over %d", u, maxHeader)
		}
		n, length = int(u), 12
	default:
		return fail("format version %d.%d", pre[6], pre[7])
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return fail("cut in its header of %d bytes (%w)", n, err)
	}
	h, err := parseHeader(string(text))
	if err != nil {
		return header{}, err
	}
	h.length = length + n
	return h, nil
}

// parser reads the one Python literal that a header is. It knows dictionaries
// of strings, booleans and flat tuples of integers: no nesting, so no depth.
type parser struct {
	s   string
	pos int
}

// parseHeader parses a text such as
//
//	{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
//
// The three keys may come in any order, each once, and no other.
func parseHeader(s string) (header, error) {
	var h header
	p := &parser{s: s}
	if err := p.dict(&h); err != nil {
		return header{}, err
	}
	p.space()
	if p.pos != len(p.s) {
		return header{}, p.fail("text after the dictionary")
	}
	if err := h.shape.Check(); err != nil {
		return header{}, fmt.Errorf("npy: %w: %w", ErrFormat, err)
	}
	return h, nil
}

func (p *parser) fail(format string, a ...any) error {
	return fmt.Errorf("npy: %w: header byte %d: %s", ErrFormat, p.pos, fmt.Sprintf(format, a...))
}

func (p *parser) space() {
	for p.pos < len(p.s) && strings.IndexByte(" \t\r\n", p.s[p.pos]) >= 0 {
		p.pos++
	}
}

// accept skips white space and then c, if it is there.
func (p *parser) accept(c byte) bool {
	p.space()
	if p.pos < len(p.s) && p.s[p.pos] == c {
		p.pos++
		return true
	}
	return false
}

func (p *parser) dict(h *header) error {
	if !p.accept('{') {
		return p.fail("no dictionary")
	}
	seen := map[string]bool{}
	for !p.accept('}') {
		key, err := p.str()
		if err != nil {
			return err
		}
		if seen[key] {
			return p.fail("key %q twice", key)
		}
		seen[key] = true
		if !p.accept(':') {
			return p.fail("no colon after key %q", key)
		}
		if err := p.value(key, h); err != nil {
			return err
		}
		if !p.accept(',') {
			if !p.accept('}') {
				return p.fail("no comma after the value of %q", key)
			}
			break
		}
	}
	for _, key := range []string{"descr", "fortran_order", "shape"} {
		if !seen[key] {
			return p.fail("key %q is missing", key)
		}
	}
	return nil
}

func (p *parser) value(key string, h *header) (err error) {
	switch key {
	case "descr":
		p.space()
		if p.pos < len(p.s) && p.s[p.pos] == '[' {
			return fmt.Errorf("npy: %w: structured arrays are not read; save each field as an array of its own", ErrDType)
		}
		var d string
		if d, err = p.str(); err != nil {
			return err
		}
		return h.setDescr(d)
	case "fortran_order":
		h.fortran, err = p.boolean()
	case "shape":
		h.shape, err = p.tuple()
	default:
		err = p.fail("unknown key %q", key)
	}
	return err
}

func (h *header) setDescr(d string) error {
	t, ok := descrs[d]
	switch {
	case ok:
		h.dtype, h.isBool = t, strings.HasSuffix(d, "b1")
		return nil
	case strings.HasPrefix(d, ">"):
		return fmt.Errorf("npy: %w %q is big-endian; save a.astype(a.dtype.newbyteorder('<'))", ErrDType, d)
	default:
		return fmt.Errorf("npy: %w %q is not one of f4, f8, i1, u1, i4, i8, b1; save a.astype(...)", ErrDType, d)
	}
}

func (p *parser) str() (string, error) {
	p.space()
	if p.pos >= len(p.s) || (p.s[p.pos] != '\'' && p.s[p.pos] != '"') {
		return "", p.fail("no string")
	}
	quote := p.s[p.pos]
	end := strings.IndexByte(p.s[p.pos+1:], quote)
	if end < 0 {
		return "", p.fail("string without an end")
	}
	v := p.s[p.pos+1 : p.pos+1+end]
	if strings.IndexByte(v, '\\') >= 0 {
		return "", p.fail("escape in a string")
	}
	p.pos += end + 2
	return v, nil
}

func (p *parser) boolean() (bool, error) {
	p.space()
	for _, w := range []string{"True", "False"} {
		if strings.HasPrefix(p.s[p.pos:], w) {
			p.pos += len(w)
			return w == "True", nil
		}
	}
	return false, p.fail("neither True nor False")
}

func (p *parser) tuple() (tensor.Shape, error) {
	if !p.accept('(') {
		return nil, p.fail("shape is not a tuple")
	}
	var s tensor.Shape
	comma := true
	for !p.accept(')') {
		if !comma {
			return nil, p.fail("no comma in the shape")
		}
		if len(s) == tensor.MaxRank {
			return nil, p.fail("rank over %d", tensor.MaxRank)
		}
		p.space()
		start := p.pos
		for p.pos < len(p.s) && p.s[p.pos] >= '0' && p.s[p.pos] <= '9' {
			p.pos++
		}
		v, err := strconv.Atoi(p.s[start:p.pos])
		if err != nil {
			return nil, p.fail("%q is not a dimension", p.s[start:p.pos])
		}
		s = append(s, v)
		comma = p.accept(',')
	}
	if len(s) == 1 && !comma {
		return nil, p.fail("shape is not a tuple")
	}
	return s, nil
}
