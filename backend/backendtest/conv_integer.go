package backendtest

import (
	"fmt"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	Register(Conformance{
		Op: backend.ConvInteger{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for i, g := range convGeometries {
				x, w := convCodes(r, g, i%2 == 1, i%3 == 1)
				in := []*tensor.Tensor{x, w}
				switch i % 4 {
				case 1:
					in = append(in, Zeros(r, x.DType(), 1))
				case 2:
					in = append(in, nil, Zeros(r, w.DType(), w.Shape()[0]))
				case 3:
					in = append(in, Zeros(r, x.DType(), 1), Zeros(r, w.DType(), 1))
				}
				cs = append(cs, Case{Name: g.name, Op: backend.ConvInteger{Conv: g.conv}, In: in})
			}
			return append(cs, append(extremeConvs(), foreignZero(cs[1], 2, 0))...)
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			sums := convSums(op.(backend.ConvInteger).Conv, in[0], in[1], input(in, 2), input(in, 3), out[0].Shape())
			for i, s := range sums {
				out[0].I32()[i] = int32(s)
			}
		},
	})
}

// convGeometry is a convolution to test.
type convGeometry struct {
	name string
	conv backend.Conv
	x, w []int
}

// convGeometries reach every path of a kernel: products of matrices with and
// without patches, tails, groups, depthwise with a multiplier, sequences,
// strides, dilation, uneven padding, empty tensors.
var convGeometries = []convGeometry{
	{"1x1", backend.Conv{}, []int{2, 5, 3, 7}, []int{8, 1, 1, 7}},
	{"1x1 stride", backend.Conv{Window: backend.Window{Stride: [2]int{2, 3}}}, []int{2, 5, 7, 12}, []int{5, 1, 1, 12}},
	{"3x3 same", backend.Conv{Window: backend.Window{Pad: [4]int{1, 1, 1, 1}}}, []int{2, 6, 5, 3}, []int{16, 3, 3, 3}},
	{"3x3 odd", backend.Conv{Window: backend.Window{Stride: [2]int{2, 2}, Pad: [4]int{1, 0, 2, 1}}}, []int{3, 9, 8, 5}, []int{9, 3, 3, 5}},
	{"5x2 dilated", backend.Conv{Window: backend.Window{Dilation: [2]int{2, 3}, Pad: [4]int{4, 2, 0, 3}}}, []int{1, 9, 7, 4}, []int{6, 5, 2, 4}},
	{"wide padding", backend.Conv{Window: backend.Window{Pad: [4]int{4, 5, 4, 5}}}, []int{1, 2, 2, 3}, []int{3, 3, 3, 3}},
	{"groups", backend.Conv{Window: backend.Window{Pad: [4]int{1, 1, 1, 1}}, Groups: 3}, []int{2, 4, 5, 12}, []int{15, 3, 3, 4}},
	{"groups 1x1", backend.Conv{Groups: 2}, []int{2, 4, 5, 6}, []int{4, 1, 1, 3}},
	{"depthwise", backend.Conv{Window: backend.Window{Pad: [4]int{1, 1, 1, 1}}, Groups: 19}, []int{2, 6, 7, 19}, []int{19, 3, 3, 1}},
	{"depthwise zero point", backend.Conv{Window: backend.Window{Stride: [2]int{2, 2}, Pad: [4]int{2, 2, 2, 2}}, Groups: 8}, []int{2, 7, 7, 8}, []int{8, 5, 5, 1}},
	{"depthwise twice", backend.Conv{Window: backend.Window{Pad: [4]int{0, 1, 0, 1}, Dilation: [2]int{1, 2}}, Groups: 5}, []int{1, 6, 7, 5}, []int{10, 2, 2, 1}},
	{"one channel", backend.Conv{Window: backend.Window{Pad: [4]int{2, 2, 2, 2}}}, []int{2, 9, 9, 1}, []int{8, 5, 5, 1}},
	{"sequence", backend.Conv{Window: backend.Window{Stride: [2]int{9, 2}, Pad: [4]int{7, 2, 7, 1}, Dilation: [2]int{5, 1}}}, []int{2, 13, 6}, []int{7, 4, 6}},
	{"sequence depthwise", backend.Conv{Window: backend.Window{Pad: [4]int{0, 1, 0, 1}}, Groups: 6}, []int{3, 11, 6}, []int{6, 3, 1}},
	{"empty batch", backend.Conv{}, []int{0, 3, 3, 4}, []int{8, 1, 1, 4}},
	{"no channels in", backend.Conv{}, []int{1, 3, 3, 0}, []int{8, 1, 1, 0}},
	{"no channels out", backend.Conv{}, []int{1, 3, 3, 4}, []int{0, 1, 1, 4}},
	{"many rows", backend.Conv{Window: backend.Window{Pad: [4]int{1, 1, 1, 1}}}, []int{3, 23, 19, 8}, []int{24, 3, 3, 8}},
	{"many rows odd", backend.Conv{Window: backend.Window{Pad: [4]int{1, 1, 1, 1}}}, []int{3, 23, 19, 4}, []int{21, 3, 3, 4}},
}

// convCodes returns random operands.
func convCodes(r *rand.Rand, g convGeometry, unsignedX, unsignedW bool) (x, w *tensor.Tensor) {
	codes := func(unsigned bool, dims []int) *tensor.Tensor {
		if unsigned {
			return Codes(r, tensor.U8, 0, 255, dims...)
		}
		return Codes(r, tensor.I8, -128, 127, dims...)
	}
	return codes(unsignedX, g.x), codes(unsignedW, g.w)
}

// Zeros returns n random zero points of codes of type d.
func Zeros(r *rand.Rand, d tensor.DType, n int) *tensor.Tensor {
	t := tensor.New(tensor.Of(tensor.I32, n))
	for i := range t.I32() {
		t.I32()[i] = int32(r.IntN(256))
		if d == tensor.I8 {
			t.I32()[i] -= 128
		}
	}
	return t
}

// extremeConvs are sums of the largest products there are.
func extremeConvs() []Case {
	fill := func(d tensor.DType, v int, dims ...int) *tensor.Tensor {
		t := tensor.New(tensor.Of(d, dims...))
		for i := range t.Numel() {
			t.Bytes()[i] = byte(v)
		}
		return t
	}
	zero := func(v int32) *tensor.Tensor {
		t := tensor.New(tensor.Of(tensor.I32, 1))
		t.I32()[0] = v
		return t
	}
	var cs []Case
	for _, x := range [...]struct {
		d          tensor.DType
		code, zero int
	}{{tensor.I8, -128, 127}, {tensor.I8, 127, -128}, {tensor.U8, 255, 0}, {tensor.U8, 0, 255}} {
		for _, w := range []int{-128, 127} {
			cs = append(cs, Case{
				Name: fmt.Sprintf("extreme %v %d %d %d", x.d, x.code, x.zero, w),
				Op:   backend.ConvInteger{Conv: backend.Conv{Window: backend.Window{Pad: [4]int{1, 1, 1, 1}}}},
				In:   []*tensor.Tensor{fill(x.d, x.code, 1, 4, 4, 515), fill(tensor.I8, w, 18, 3, 3, 515), zero(int32(x.zero))},
			})
		}
	}
	return cs
}

// input returns in[i], nil beyond the end.
func input(in []*tensor.Tensor, i int) *tensor.Tensor {
	if i < len(in) {
		return in[i]
	}
	return nil
}

// code returns element i of t less the zero point of channel c.
func code(t *tensor.Tensor, i int, zero *tensor.Tensor, c int) int64 {
	v := int64(t.At(i))
	if zero != nil {
		v -= int64(zero.I32()[min(c, zero.Numel()-1)])
	}
	return v
}

// image returns a shape [n, c] or [n, l, c] as [n, h, w, c].
func image(s tensor.Shape) tensor.Shape {
	switch len(s) {
	case 3:
		return tensor.Shape{s[0], 1, s[1], s[2]}
	case 4:
		return s
	}
	return tensor.Shape{s[:len(s)-1].Numel(), 1, 1, s.Last()}
}

// convSums returns the sums of a convolution of codes by its definition.
func convSums(conv backend.Conv, x, w, zx, zw *tensor.Tensor, y tensor.Shape) []int64 {
	win := conv.Normal()
	if len(y) == 3 {
		win = win.Length()
	}
	xs, ws, ys := image(x.Shape()), image(w.Shape()), image(y)
	groups := max(conv.Groups, 1)
	cg, og := xs[3]/groups, max(ys[3]/groups, 1)
	sums := make([]int64, ys.Numel())
	for i := range sums {
		o, ox, oy, n := i%ys[3], i/ys[3]%ys[2], i/ys[3]/ys[2]%ys[1], i/ys[3]/ys[2]/ys[1]
		for a := range ws[1] {
			for b := range ws[2] {
				iy := oy*win.Stride[0] - win.Pad[0] + a*win.Dilation[0]
				ix := ox*win.Stride[1] - win.Pad[1] + b*win.Dilation[1]
				if iy < 0 || iy >= xs[1] || ix < 0 || ix >= xs[2] {
					continue
				}
				for c := range cg {
					xi := ((n*xs[1]+iy)*xs[2]+ix)*xs[3] + o/og*cg + c
					wi := ((o*ws[1]+a)*ws[2]+b)*cg + c
					sums[i] += code(x, xi, zx, 0) * code(w, wi, zw, o)
				}
			}
		}
	}
	return sums
}
