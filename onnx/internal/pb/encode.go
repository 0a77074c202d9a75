package pb

import (
	"io"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// Message is a message under construction. It keeps references to large
// fields instead of copying them.
type Message struct {
	parts [][]byte
	done  int    // bytes in parts
	tail  []byte // what comes after them
}

// large is the length from which a field is referred to, not copied.
const large = 512

// Size returns the number of bytes.
func (m *Message) Size() int { return m.done + len(m.tail) }

// WriteTo writes the message.
func (m *Message) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for _, p := range append(m.parts[:len(m.parts):len(m.parts)], m.tail) {
		n, err := w.Write(p)
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// Int appends an int64, int32 or enum.
func (m *Message) Int(num protowire.Number, v int64) {
	m.tail = protowire.AppendTag(m.tail, num, protowire.VarintType)
	m.tail = protowire.AppendVarint(m.tail, uint64(v))
}

// Float appends a float.
func (m *Message) Float(num protowire.Number, v float32) {
	m.tail = protowire.AppendTag(m.tail, num, protowire.Fixed32Type)
	m.tail = protowire.AppendFixed32(m.tail, math.Float32bits(v))
}

// Text appends a string.
func (m *Message) Text(num protowire.Number, s string) {
	m.tail = protowire.AppendTag(m.tail, num, protowire.BytesType)
	m.tail = protowire.AppendString(m.tail, s)
}

// Bytes appends a bytes field, which m refers to when it is large.
func (m *Message) Bytes(num protowire.Number, b []byte) {
	m.tail = protowire.AppendTag(m.tail, num, protowire.BytesType)
	m.tail = protowire.AppendVarint(m.tail, uint64(len(b)))
	if len(b) < large {
		m.tail = append(m.tail, b...)
		return
	}
	m.flush()
	m.parts = append(m.parts, b)
	m.done += len(b)
}

// Ints appends a packed list of int64.
func (m *Message) Ints(num protowire.Number, v []int64) {
	var b []byte
	for _, x := range v {
		b = protowire.AppendVarint(b, uint64(x))
	}
	m.Bytes(num, b)
}

// Message appends a message, which must not change any more.
func (m *Message) Message(num protowire.Number, x *Message) {
	m.tail = protowire.AppendTag(m.tail, num, protowire.BytesType)
	m.tail = protowire.AppendVarint(m.tail, uint64(x.Size()))
	if len(x.parts) > 0 {
		m.flush()
		m.parts = append(m.parts, x.parts...)
		m.done += x.done
	}
	m.tail = append(m.tail, x.tail...)
}

func (m *Message) flush() {
	if len(m.tail) > 0 {
		m.parts = append(m.parts, m.tail)
		m.done += len(m.tail)
		m.tail = nil
	}
}
