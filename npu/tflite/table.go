package tflite

import (
	"encoding/binary"
	"fmt"
	"math"
)

// FormatError reports bytes that are not a TFLite file or break its rules.
type FormatError struct {
	Offset int // in the file, -1 when the fault has no place
	Reason string
}

// Error returns where and why.
func (e *FormatError) Error() string {
	if e.Offset < 0 {
		return "tflite: " + e.Reason
	}
	return fmt.Sprintf("tflite: offset %d: %s", e.Offset, e.Reason)
}

// reader reads FlatBuffers tables with every offset checked. The first fault
// sticks; after it all reads return zeros. budget bounds what a file that
// refers to the same bytes many times makes the reader allocate.
type reader struct {
	b      []byte
	err    error
	budget int
}

func (r *reader) fail(at int, format string, args ...any) {
	if r.err == nil {
		r.err = &FormatError{at, fmt.Sprintf(format, args...)}
	}
}

// spend takes n bytes from the budget and reports whether they were there.
func (r *reader) spend(n int) bool {
	if r.err == nil && (n < 0 || n > r.budget) {
		r.fail(-1, "the file refers to more data than it holds")
	}
	if r.err != nil {
		return false
	}
	r.budget -= n
	return true
}

// has reports whether n bytes lie at an offset.
func (r *reader) has(at, n int) bool {
	if r.err == nil && (at < 0 || n < 0 || at > len(r.b) || n > len(r.b)-at) {
		r.fail(at, "%d bytes reach beyond the end of the file", n)
	}
	return r.err == nil
}

func (r *reader) u16(at int) int {
	if !r.has(at, 2) {
		return 0
	}
	return int(binary.LittleEndian.Uint16(r.b[at:]))
}

func (r *reader) u32(at int) uint32 {
	if !r.has(at, 4) {
		return 0
	}
	return binary.LittleEndian.Uint32(r.b[at:])
}

// target returns where the unsigned offset at a place points to.
func (r *reader) target(at int) int {
	o := r.u32(at)
	if r.err == nil && int64(o) > int64(len(r.b)-at) {
		r.fail(at, "offset %d points beyond the end of the file", o)
		return 0
	}
	return at + int(o)
}

// table is a FlatBuffers table; its zero value has no fields.
type table struct {
	r               *reader
	at, size        int
	vtable, entries int
}

// table returns the table at an offset.
func (r *reader) table(at int) table {
	back := int64(int32(r.u32(at)))
	v := int64(at) - back
	if r.err == nil && (v < 0 || v > int64(len(r.b))) {
		r.fail(at, "the table's vtable is outside of the file")
	}
	if r.err != nil {
		return table{}
	}
	vtable := int(v)
	bytes, size := r.u16(vtable), r.u16(vtable+2)
	if r.err == nil && (bytes < 4 || bytes%2 != 0 || size < 4) {
		r.fail(vtable, "a vtable of %d bytes for a table of %d", bytes, size)
	}
	if !r.has(vtable, bytes) || !r.has(at, size) {
		return table{}
	}
	return table{r, at, size, vtable, bytes/2 - 2}
}

// field returns where the n bytes of a field are, 0 when it is not there.
func (t table) field(slot, n int) int {
	if t.r == nil || slot >= t.entries {
		return 0
	}
	o := t.r.u16(t.vtable + 4 + 2*slot)
	if o == 0 {
		return 0
	}
	if o < 4 || o+n > t.size {
		t.r.fail(t.vtable+4+2*slot, "field %d lies outside of its table", slot)
		return 0
	}
	return t.at + o
}

func (t table) i8(slot, def int) int {
	if at := t.field(slot, 1); at != 0 {
		return int(int8(t.r.b[at]))
	}
	return def
}

func (t table) i32(slot, def int) int {
	if at := t.field(slot, 4); at != 0 {
		return int(int32(t.r.u32(at)))
	}
	return def
}

func (t table) f32(slot int) float32 {
	if at := t.field(slot, 4); at != 0 {
		return math.Float32frombits(t.r.u32(at))
	}
	return 0
}

func (t table) table(slot int) table {
	if at := t.field(slot, 4); at != 0 {
		return t.r.table(t.r.target(at))
	}
	return table{}
}

// vector is a FlatBuffers vector; its zero value is empty.
type vector struct {
	r       *reader
	at, len int
	present bool
}

// vector returns the vector of elements of a size in a field.
func (t table) vector(slot, size int) vector {
	at := t.field(slot, 4)
	if at == 0 {
		return vector{}
	}
	at = t.r.target(at)
	n := int64(t.r.u32(at))
	if t.r.err == nil && n*int64(size) > int64(len(t.r.b)-at-4) {
		t.r.fail(at, "a vector of %d elements reaches beyond the end of the file", n)
	}
	if t.r.err != nil {
		return vector{}
	}
	return vector{t.r, at + 4, int(n), true}
}

func (v vector) table(i int) table { return v.r.table(v.r.target(v.at + 4*i)) }

// bytes returns a vector of bytes without copying.
func (v vector) bytes() []byte {
	if !v.present {
		return nil
	}
	return v.r.b[v.at : v.at+v.len : v.at+v.len]
}

// ints returns a vector of int32.
func (v vector) ints() []int {
	if v.len == 0 || !v.r.spend(8*v.len) {
		return nil
	}
	out := make([]int, v.len)
	for i := range out {
		out[i] = int(int32(v.r.u32(v.at + 4*i)))
	}
	return out
}

// longs returns a vector of int64.
func (v vector) longs() []int64 {
	if v.len == 0 || !v.r.spend(8*v.len) {
		return nil
	}
	out := make([]int64, v.len)
	for i := range out {
		out[i] = int64(binary.LittleEndian.Uint64(v.r.b[v.at+8*i:]))
	}
	return out
}

// floats returns a vector of float32.
func (v vector) floats() []float32 {
	if v.len == 0 || !v.r.spend(4*v.len) {
		return nil
	}
	out := make([]float32, v.len)
	for i := range out {
		out[i] = math.Float32frombits(v.r.u32(v.at + 4*i))
	}
	return out
}

// text returns a string.
func (v vector) text() string {
	if v.len == 0 || !v.r.spend(v.len) {
		return ""
	}
	return string(v.r.b[v.at : v.at+v.len])
}
