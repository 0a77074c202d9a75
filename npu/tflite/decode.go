package tflite

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of a file, far above those of real models, that keep the tables of a
// hostile one small.
const (
	maxTensors   = 1 << 16
	maxOperators = 1 << 16
	maxOperands  = 256
	maxName      = 1 << 10
)

// UnsupportedError reports a part of the format that this package cannot
// turn into a graph.
type UnsupportedError struct {
	Operator int // index, -1 when the fault is not an operator's
	Name     string
	Reason   string
}

// Error names the operator and the reason.
func (e *UnsupportedError) Error() string {
	s := "tflite: "
	if e.Operator >= 0 {
		s += "operator " + strconv.Itoa(e.Operator) + " "
	}
	s += e.Name
	if e.Reason != "" {
		s += ": " + e.Reason
	}
	return s + ": not supported"
}

// decode reads the tables of a file. Data of tensors is not copied.
func decode(b []byte) (*model, error) {
	if len(b) < 8 || string(b[4:8]) != identifier {
		return nil, &FormatError{4, "no TFLite file: the identifier " + identifier + " is missing"}
	}
	if int64(len(b)) > math.MaxInt32 {
		return nil, &FormatError{-1, "files of 2 GiB and more are not FlatBuffers"}
	}
	r := &reader{b: b, budget: 4*len(b) + 1<<20}
	root := r.table(r.target(0))
	if v := root.i32(0, 0); r.err == nil && v != schemaModel {
		r.fail(-1, "schema version %d, want %d", v, schemaModel)
	}
	codes := r.operatorCodes(root.vector(1, 4))
	buffers := root.vector(4, 4)
	subgraphs := root.vector(2, 4)
	if r.err == nil && subgraphs.len != 1 {
		if subgraphs.len == 0 {
			return nil, &FormatError{-1, "the file has no subgraph"}
		}
		return nil, &UnsupportedError{-1, strconv.Itoa(subgraphs.len) + " subgraphs", "control flow"}
	}
	if r.err != nil {
		return nil, r.err
	}
	g := subgraphs.table(0)
	m := &model{inputs: g.vector(1, 4).ints(), outputs: g.vector(2, 4).ints()}
	r.tensors(m, g.vector(0, 4), buffers)
	r.operators(m, g.vector(3, 4), codes)
	if r.err != nil {
		return nil, r.err
	}
	return m, m.validate()
}

// operatorCode is a pair of operator and version, with the name of a custom
// operator.
type operatorCode struct {
	code, version int
	custom        string
}

func (r *reader) operatorCodes(v vector) []operatorCode {
	if v.len > maxOperators {
		r.fail(-1, "%d operator codes", v.len)
	}
	var codes []operatorCode
	for i := range v.len {
		if r.err != nil || !r.spend(32) {
			return nil
		}
		t := v.table(i)
		c := operatorCode{code: max(t.i32(3, 0), t.i8(0, 0)), version: t.i32(2, 1)}
		if name := t.vector(1, 1); name.len > 0 && name.len <= maxName {
			c.custom = name.text()
		}
		codes = append(codes, c)
	}
	return codes
}

func (r *reader) tensors(m *model, v, buffers vector) {
	if v.len > maxTensors {
		r.fail(-1, "%d tensors", v.len)
	}
	for i := range buffers.len {
		buffers.table(i)
	}
	for i := range v.len {
		if r.err != nil || !r.spend(256) {
			return
		}
		t := v.table(i)
		name := t.vector(3, 1)
		if name.len > maxName {
			r.fail(name.at, "a name of %d bytes", name.len)
			return
		}
		info := tensorInfo{name: name.text(), dtype: t.i8(1, 0), shape: t.vector(0, 4).ints(), buffer: t.i32(2, 0)}
		if !utf8.ValidString(info.name) {
			info.name = strings.ToValidUTF8(info.name, "?")
		}
		q := t.table(4)
		info.scale, info.zero, info.axis = q.vector(2, 4).floats(), q.vector(3, 8).longs(), q.i32(6, 0)
		if r.err == nil && (info.buffer < 0 || info.buffer >= max(buffers.len, 1)) {
			r.fail(t.at, "tensor %d has buffer %d of %d", i, info.buffer, buffers.len)
			return
		}
		if info.buffer > 0 && r.err == nil {
			d := buffers.table(info.buffer)
			if d.field(1, 8) != 0 {
				r.fail(d.at, "buffer %d lies outside of the FlatBuffer", info.buffer)
			}
			// TensorFlow gives computed tensors empty buffers of their own.
			if data := d.vector(0, 1); data.len > 0 {
				info.data = data.bytes()
			}
		}
		m.tensors = append(m.tensors, info)
	}
}

func (r *reader) operators(m *model, v vector, codes []operatorCode) {
	if v.len > maxOperators {
		r.fail(-1, "%d operators", v.len)
	}
	for i := range v.len {
		if r.err != nil || !r.spend(512) {
			return
		}
		t := v.table(i)
		index := t.i32(0, 0)
		if r.err == nil && (index < 0 || index >= len(codes)) {
			r.fail(t.at, "operator %d has code %d of %d", i, index, len(codes))
		}
		in, out := t.vector(1, 4), t.vector(2, 4)
		if in.len > maxOperands || out.len > maxOperands {
			r.fail(t.at, "operator %d has %d inputs and %d outputs", i, in.len, out.len)
		}
		if r.err != nil {
			return
		}
		c := codes[index]
		o := operator{code: c.code, version: c.version, in: in.ints(), out: out.ints()}
		d, ok := operatorDefs[c.code]
		if !ok {
			name := opName(c.code)
			if c.custom != "" {
				name += " " + c.custom
			}
			r.err = &UnsupportedError{Operator: i, Name: name}
			return
		}
		kind := 0
		if at := t.field(3, 1); at != 0 {
			kind = int(r.b[at])
		}
		if kind != 0 && d.union != 0 && kind != d.union {
			r.fail(t.at, "operator %d, %s, has options of kind %d", i, opName(c.code), kind)
			return
		}
		var options table
		if kind != 0 {
			options = t.table(4)
		}
		r.options(&o, d, options)
		m.operators = append(m.operators, o)
	}
}

func (r *reader) options(o *operator, d operatorDef, t table) {
	for _, s := range d.slots {
		switch {
		case s.vector != nil:
			*s.vector(&o.attributes) = t.vector(s.id, 4).ints()
		case s.float != nil:
			*s.float(&o.attributes) = t.f32(s.id)
		case s.bytes == 1:
			*s.number(&o.attributes) = t.i8(s.id, s.def)
		default:
			*s.number(&o.attributes) = t.i32(s.id, s.def)
		}
	}
}

// validate checks the references between tables and that tensors are computed
// once, before they are used.
func (m *model) validate() error {
	known := make([]bool, len(m.tensors))
	fault := func(what string, i int) error {
		return &FormatError{-1, what + " refers to tensor " + strconv.Itoa(i) + " of " + strconv.Itoa(len(m.tensors))}
	}
	for i, t := range m.tensors {
		known[i] = t.data != nil
	}
	for _, i := range m.inputs {
		if i < 0 || i >= len(m.tensors) {
			return fault("an input", i)
		}
		if known[i] {
			return &FormatError{-1, "input " + strconv.Itoa(i) + " is given twice or is a constant"}
		}
		known[i] = true
	}
	for n, o := range m.operators {
		what := "operator " + strconv.Itoa(n) + ", " + opName(o.code) + ","
		for _, i := range o.in {
			if i < -1 || i >= len(m.tensors) {
				return fault(what, i)
			}
			if i >= 0 && !known[i] {
				return &FormatError{-1, what + " uses tensor " + strconv.Itoa(i) + " before it is computed"}
			}
		}
		for _, i := range o.out {
			if i < 0 || i >= len(m.tensors) {
				return fault(what, i)
			}
			if known[i] {
				return &FormatError{-1, what + " computes tensor " + strconv.Itoa(i) + " again"}
			}
			known[i] = true
		}
	}
	for _, i := range m.outputs {
		if i < 0 || i >= len(m.tensors) {
			return fault("an output", i)
		}
		if !known[i] {
			return &FormatError{-1, "output " + strconv.Itoa(i) + " is never computed"}
		}
	}
	if len(m.inputs) == 0 || len(m.outputs) == 0 {
		return &FormatError{-1, "the model has no input or no output"}
	}
	return nil
}
