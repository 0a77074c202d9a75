package cpu

import (
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/codes"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.Requantize{}, kernel{types: []tensor.DType{tensor.I8, tensor.U8},
		bind: func(_ *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
			o := op.(backend.Requantize)
			lo, hi := o.Scheme.Range()
			return bindCodeTable(out, in, func(x, zx int32, sx, sy float32, zy int32) (int32, bool) {
				if o.Rule.Requant == quant.RequantFloat {
					return o.Rule.Quantize(quant.Dequantize(x, zx, sx), sy, zy, lo, hi)
				}
				return o.Rule.Requantize(x-zx, o.Rule.NewMultiplier(sx, 1, sy), zy, lo, hi)
			}), nil
		}})
}

// codeTable has the result of an operation on codes for every code, and
// whether it is inside the range. It is filled anew when scales change.
type codeTable struct {
	codes  [256]byte
	inside [256]byte
	key    tableKey
	valid  bool
}

type tableKey struct{ sx, zx, sy, zy uint32 }

// bindCodeTable runs f, a function of one code, scale and zero point of x and
// those of the result, on in[0] through a table.
func bindCodeTable(out, in []*tensor.Tensor, f func(x, zx int32, sx, sy float32, zy int32) (int32, bool)) func() error {
	x := in[0].Bytes()
	n := len(x)
	y, mask := make([]byte, 0), maskOf(out[1])
	if out[0] != nil {
		y = out[0].Bytes()
	}
	sx, zx, sy, zy := in[1].F32(), in[2].I32(), in[3].F32(), in[4].I32()
	signed := in[0].DType() == tensor.I8
	t := &codeTable{}
	body := func(lo, hi int) {
		if len(y) > 0 {
			codes.Lookup(y[lo:hi], x[lo:hi], &t.codes)
		}
		if mask != nil {
			t.masks(mask[lo/8:], x[lo:hi])
		}
	}
	grain := grainFor(n, 1)
	return func() error {
		key := tableKey{math.Float32bits(sx[0]), uint32(zx[0]), math.Float32bits(sy[0]), uint32(zy[0])}
		if !t.valid || t.key != key {
			for i := range t.codes {
				c := int32(i)
				if signed {
					c = int32(int8(i))
				}
				q, ok := f(c, zx[0], sx[0], sy[0], zy[0])
				t.codes[i], t.inside[i] = byte(q), 0
				if ok {
					t.inside[i] = 1
				}
			}
			t.key, t.valid = key, true
		}
		parallel(n, grain, body)
		return nil
	}
}

// masks writes the mask bits of the codes x from the first byte on.
func (t *codeTable) masks(mask, x []byte) {
	k := 0
	for ; k+8 <= len(x); k += 8 {
		v := x[k : k+8 : k+8]
		mask[k/8] = t.inside[v[0]] | t.inside[v[1]]<<1 | t.inside[v[2]]<<2 | t.inside[v[3]]<<3 |
			t.inside[v[4]]<<4 | t.inside[v[5]]<<5 | t.inside[v[6]]<<6 | t.inside[v[7]]<<7
	}
	if k < len(x) {
		var b byte
		for i, v := range x[k:] {
			b |= t.inside[v] << i
		}
		mask[k/8] = b
	}
}
