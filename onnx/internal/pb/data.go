package pb

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// Ints returns the repeated int64 of an attribute.
func (a *Attribute) Ints() ([]int64, error) {
	var v []int64
	err := scan(a.msg, 8, protowire.VarintType, func(x uint64) { v = append(v, int64(x)) })
	return v, err
}

// Floats returns the repeated float of an attribute.
func (a *Attribute) Floats() ([]float32, error) {
	var v []float32
	err := scan(a.msg, 7, protowire.Fixed32Type, func(x uint64) { v = append(v, math.Float32frombits(uint32(x))) })
	return v, err
}

// Typed reports whether data is given in one of the typed fields.
func (t *Tensor) Typed() bool { return t.typed }

// The typed fields of a TensorProto.
const (
	FloatData  = 4
	Int32Data  = 5
	Int64Data  = 7
	DoubleData = 10
	Uint64Data = 11
)

var wires = map[protowire.Number]protowire.Type{
	FloatData: protowire.Fixed32Type, Int32Data: protowire.VarintType, Int64Data: protowire.VarintType,
	DoubleData: protowire.Fixed64Type, Uint64Data: protowire.VarintType,
}

// Count returns the number of entries of a typed field.
func (t *Tensor) Count(num protowire.Number) (int, error) {
	n := 0
	err := scan(t.msg, num, wires[num], func(uint64) { n++ })
	return n, err
}

// Each calls f with the bits of each entry of a typed field.
func (t *Tensor) Each(num protowire.Number, f func(bits uint64)) error {
	return scan(t.msg, num, wires[num], f)
}

// scan calls f for the entries of a repeated field of numbers, packed or not.
func scan(msg []byte, num protowire.Number, wire protowire.Type, f func(uint64)) error {
	d := decoder{total: cap(msg)}
	return d.each("repeated field", msg, func(x field) error {
		if x.num != num {
			return nil
		}
		if x.typ == wire {
			f(x.n)
			return nil
		}
		if x.typ != protowire.BytesType {
			return errWire
		}
		for b := x.b; len(b) > 0; {
			var v uint64
			var n int
			switch wire {
			case protowire.Fixed32Type:
				var w uint32
				w, n = protowire.ConsumeFixed32(b)
				v = uint64(w)
			case protowire.Fixed64Type:
				v, n = protowire.ConsumeFixed64(b)
			default:
				v, n = protowire.ConsumeVarint(b)
			}
			if n < 0 {
				return protowire.ParseError(n)
			}
			f(v)
			b = b[n:]
		}
		return nil
	})
}
