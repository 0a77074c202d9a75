package pb

import (
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

const (
	// baseObjects is the number of messages and strings that any file may
	// have; longer files may have one more for each bytesAnObject bytes.
	baseObjects   = 1 << 15
	bytesAnObject = 64
	// MaxRank is the largest number of dimensions of a tensor in a file.
	MaxRank = 16
)

// FormatError says where the bytes are not a model.
type FormatError struct {
	// Message is the message that is malformed, such as "NodeProto".
	Message string
	// Offset is where in the file it is malformed.
	Offset int
	Reason string
}

// Error returns one line.
func (e *FormatError) Error() string {
	return fmt.Sprintf("%s at offset %d: %s", e.Message, e.Offset, e.Reason)
}

// decoder counts what it makes. Slices of the file keep its capacity, so that
// the offset of any of them is known.
type decoder struct {
	total   int // capacity of the file's slice
	objects int
}

type field struct {
	num protowire.Number
	typ protowire.Type
	n   uint64
	b   []byte
}

// DecodeModel decodes a file, whose bytes the result refers to.
func DecodeModel(b []byte) (*Model, error) {
	d := &decoder{total: cap(b), objects: baseObjects + len(b)/bytesAnObject}
	m := &Model{}
	err := d.each("ModelProto", b, func(f field) error {
		switch f.num {
		case 1:
			return f.int(&m.IRVersion)
		case 2:
			return d.text(f, &m.Producer)
		case 3:
			return d.text(f, &m.ProducerVersion)
		case 4:
			return d.text(f, &m.Domain)
		case 5:
			return f.int(&m.ModelVersion)
		case 6:
			return d.text(f, &m.Doc)
		case 7:
			if m.Graph != nil {
				return errTwice
			}
			m.Graph = &Graph{}
			return d.sub(f, func(b []byte) error { return d.graph(b, m.Graph) })
		case 8:
			return d.sub(f, func(b []byte) error { return d.opset(b, &m.Opsets) })
		case 14:
			return d.sub(f, func(b []byte) error { return d.entry(b, &m.Metadata) })
		case 25:
			m.Functions++
		}
		return nil
	})
	return m, err
}

// DecodeTensor decodes a TensorProto that is a file of its own.
func DecodeTensor(b []byte) (*Tensor, error) {
	d := &decoder{total: cap(b), objects: baseObjects + len(b)/bytesAnObject}
	t := &Tensor{}
	return t, d.tensor(b, t)
}

type fault string

func (f fault) Error() string { return string(f) }

const (
	errTwice   = fault("given twice")
	errWire    = fault("wrong wire type")
	errGroup   = fault("groups are not part of the format")
	errObjects = fault("too many messages for the length of the file")
	errUTF8    = fault("text is not UTF-8")
	errRank    = fault("too many dimensions")
)

// each calls f for each field of the message b.
func (d *decoder) each(message string, b []byte, f func(field) error) error {
	for len(b) > 0 {
		fail := func(err error) error {
			if inner := (*FormatError)(nil); errors.As(err, &inner) {
				return err
			}
			return &FormatError{message, d.total - cap(b), err.Error()}
		}
		var x field
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return fail(protowire.ParseError(n))
		}
		x.num, x.typ = num, typ
		rest := b[n:]
		switch typ {
		case protowire.VarintType:
			x.n, n = protowire.ConsumeVarint(rest)
		case protowire.Fixed32Type:
			var v uint32
			v, n = protowire.ConsumeFixed32(rest)
			x.n = uint64(v)
		case protowire.Fixed64Type:
			x.n, n = protowire.ConsumeFixed64(rest)
		case protowire.BytesType:
			x.b, n = protowire.ConsumeBytes(rest)
		default:
			return fail(errGroup)
		}
		if n < 0 {
			return fail(protowire.ParseError(n))
		}
		if err := f(x); err != nil {
			return fail(fmt.Errorf("field %d: %w", num, err))
		}
		b = rest[n:]
	}
	return nil
}

// sub decodes the message in f.
func (d *decoder) sub(f field, decode func([]byte) error) error {
	if f.typ != protowire.BytesType {
		return errWire
	}
	if d.objects--; d.objects < 0 {
		return errObjects
	}
	return decode(f.b)
}

func (f field) int(to *int64) error {
	if f.typ != protowire.VarintType {
		return errWire
	}
	*to = int64(f.n)
	return nil
}

func (d *decoder) text(f field, to *string) error {
	if f.typ != protowire.BytesType {
		return errWire
	}
	if !utf8.Valid(f.b) {
		return errUTF8
	}
	*to = string(f.b)
	return nil
}

// texts appends a string to a list.
func (d *decoder) texts(f field, to *[]string) error {
	if d.objects--; d.objects < 0 {
		return errObjects
	}
	var s string
	err := d.text(f, &s)
	*to = append(*to, s)
	return err
}

func (d *decoder) opset(b []byte, to *[]Opset) error {
	var o Opset
	err := d.each("OperatorSetIdProto", b, func(f field) error {
		switch f.num {
		case 1:
			return d.text(f, &o.Domain)
		case 2:
			return f.int(&o.Version)
		}
		return nil
	})
	*to = append(*to, o)
	return err
}

func (d *decoder) entry(b []byte, to *[]Entry) error {
	var e Entry
	err := d.each("StringStringEntryProto", b, func(f field) error {
		switch f.num {
		case 1:
			return d.text(f, &e.Key)
		case 2:
			return d.text(f, &e.Value)
		}
		return nil
	})
	*to = append(*to, e)
	return err
}

func (d *decoder) graph(b []byte, g *Graph) error {
	return d.each("GraphProto", b, func(f field) error {
		switch f.num {
		case 1:
			return d.sub(f, func(b []byte) error {
				g.Nodes = append(g.Nodes, Node{})
				return d.node(b, &g.Nodes[len(g.Nodes)-1])
			})
		case 2:
			return d.text(f, &g.Name)
		case 5:
			return d.sub(f, func(b []byte) error {
				g.Initializers = append(g.Initializers, Tensor{})
				return d.tensor(b, &g.Initializers[len(g.Initializers)-1])
			})
		case 10:
			return d.text(f, &g.Doc)
		case 11:
			return d.sub(f, func(b []byte) error { return d.valueInfo(b, &g.Inputs) })
		case 12:
			return d.sub(f, func(b []byte) error { return d.valueInfo(b, &g.Outputs) })
		case 15:
			g.Sparse++
		}
		return nil
	})
}

func (d *decoder) node(b []byte, n *Node) error {
	return d.each("NodeProto", b, func(f field) error {
		switch f.num {
		case 1:
			return d.texts(f, &n.Inputs)
		case 2:
			return d.texts(f, &n.Outputs)
		case 3:
			return d.text(f, &n.Name)
		case 4:
			return d.text(f, &n.OpType)
		case 5:
			return d.sub(f, func(b []byte) error {
				n.Attributes = append(n.Attributes, Attribute{})
				return d.attribute(b, &n.Attributes[len(n.Attributes)-1])
			})
		case 7:
			return d.text(f, &n.Domain)
		}
		return nil
	})
}

func (d *decoder) attribute(b []byte, a *Attribute) error {
	a.msg = b
	return d.each("AttributeProto", b, func(f field) error {
		switch f.num {
		case 1:
			return d.text(f, &a.Name)
		case 2:
			if f.typ != protowire.Fixed32Type {
				return errWire
			}
			a.F = math.Float32frombits(uint32(f.n))
		case 3:
			return f.int(&a.I)
		case 4:
			if f.typ != protowire.BytesType {
				return errWire
			}
			a.S = f.b
		case 5:
			if a.T != nil {
				return errTwice
			}
			a.T = &Tensor{}
			return d.sub(f, func(b []byte) error { return d.tensor(b, a.T) })
		case 20:
			var t int64
			err := f.int(&t)
			a.Type = AttributeType(t)
			return err
		case 21:
			return d.text(f, &a.Ref)
		}
		return nil
	})
}

func (d *decoder) tensor(b []byte, t *Tensor) error {
	t.msg = b
	return d.each("TensorProto", b, func(f field) error {
		switch f.num {
		case 1:
			return numbers(f, func(v uint64) error {
				if len(t.Dims) == MaxRank {
					return errRank
				}
				t.Dims = append(t.Dims, int64(v))
				return nil
			})
		case 2:
			var v int64
			err := f.int(&v)
			t.Type = DataType(min(max(v, -1), math.MaxInt32))
			return err
		case 3:
			t.Segmented = true
		case 4, 5, 6, 7, 10, 11:
			t.typed = true
		case 8:
			return d.text(f, &t.Name)
		case 9:
			if f.typ != protowire.BytesType {
				return errWire
			}
			t.Raw, t.HasRaw = f.b, true
		case 13:
			return d.sub(f, func(b []byte) error { return d.entry(b, &t.External) })
		case 14:
			return f.int(&t.Location)
		}
		return nil
	})
}

// numbers calls f for the varints of a repeated field, packed or not.
func numbers(f field, yield func(uint64) error) error {
	switch f.typ {
	case protowire.VarintType:
		return yield(f.n)
	case protowire.BytesType:
		for b := f.b; len(b) > 0; {
			v, n := protowire.ConsumeVarint(b)
			if n < 0 {
				return protowire.ParseError(n)
			}
			if err := yield(v); err != nil {
				return err
			}
			b = b[n:]
		}
		return nil
	}
	return errWire
}

func (d *decoder) valueInfo(b []byte, to *[]ValueInfo) error {
	var v ValueInfo
	err := d.each("ValueInfoProto", b, func(f field) error {
		switch f.num {
		case 1:
			return d.text(f, &v.Name)
		case 2:
			return d.sub(f, func(b []byte) error { return d.typeProto(b, &v) })
		}
		return nil
	})
	*to = append(*to, v)
	return err
}

func (d *decoder) typeProto(b []byte, v *ValueInfo) error {
	return d.each("TypeProto", b, func(f field) error {
		if f.num != 1 {
			return nil
		}
		v.Tensor = true
		return d.sub(f, func(b []byte) error {
			return d.each("TypeProto.Tensor", b, func(f field) error {
				switch f.num {
				case 1:
					var t int64
					err := f.int(&t)
					v.Type = DataType(min(max(t, -1), math.MaxInt32))
					return err
				case 2:
					v.Shaped = true
					return d.sub(f, func(b []byte) error { return d.shape(b, v) })
				}
				return nil
			})
		})
	})
}

func (d *decoder) shape(b []byte, v *ValueInfo) error {
	return d.each("TensorShapeProto", b, func(f field) error {
		if f.num != 1 {
			return nil
		}
		if len(v.Dims) == MaxRank {
			return errRank
		}
		return d.sub(f, func(b []byte) error {
			var x Dim
			err := d.each("TensorShapeProto.Dimension", b, func(f field) error {
				switch f.num {
				case 1:
					x.Known = true
					return f.int(&x.Value)
				case 2:
					return d.text(f, &x.Param)
				}
				return nil
			})
			v.Dims = append(v.Dims, x)
			return err
		})
	})
}
