package backendtest

import (
	"fmt"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	Register(Conformance{Op: backend.Conv{}, Cases: convCases([]int{0, 1}, func(r *rand.Rand, op backend.Conv, x, w tensor.Shape, _ tensor.Shape, i int) Case {
		c := Case{Op: op, In: []*tensor.Tensor{Normal(r, 1, x...), Normal(r, 1, w...)}}
		if i%2 == 1 {
			c.In = append(c.In, Normal(r, 1, w[0]))
		}
		return c
	}), Ref: func(op backend.Op, in, out []*tensor.Tensor) {
		p := newConvReference(op.(backend.Conv), in[0].Shape(), in[1].Shape(), out[0].Shape())
		x, w := values(in[0]), values(in[1])
		y := make([]float64, out[0].Numel())
		p.each(func(iy, ix, iw, n int) {
			for c, v := range w[iw : iw+n] {
				y[iy] += x[ix+c] * v
			}
		})
		for i := range y {
			if len(in) > 2 {
				y[i] += in[2].At(i % in[2].Numel())
			}
			Set(out[0], i, y[i])
		}
	}})
	Register(Conformance{Op: backend.ConvGradInput{}, Cases: convCases(gradIndices, func(r *rand.Rand, op backend.Conv, x, w, y tensor.Shape, i int) Case {
		p := gradPrecision(i)
		c := Case{Op: backend.ConvGradInput{Conv: op, Input: tensor.NewDims(x...), Precision: p}, NMSE: gradNMSE(p), Exact: exactGrad(i), In: []*tensor.Tensor{resultGrad(r, i, y...)}}
		switch i % 3 {
		case 0:
			c.In = append(c.In, Normal(r, 1, w...))
		case 1:
			c.In = append(c.In, Codes(r, tensor.I8, -127, 127, w...), gradScales(r, i, w[0]))
		case 2:
			c.In = append(c.In, Codes(r, tensor.I8, -127, 127, w...), gradScales(r, i, 1))
		}
		return c
	}), Ref: func(op backend.Op, in, out []*tensor.Tensor) {
		p := newConvReference(op.(backend.ConvGradInput).Conv, out[0].Shape(), in[1].Shape(), in[0].Shape())
		dy, w := values(in[0]), weightValues(in)
		dx := make([]float64, out[0].Numel())
		p.each(func(iy, ix, iw, n int) {
			for c, v := range w[iw : iw+n] {
				dx[ix+c] += dy[iy] * v
			}
		})
		setAll(out[0], dx)
	}})
	Register(Conformance{Op: backend.ConvGradWeight{}, Cases: convCases(gradIndices, func(r *rand.Rand, op backend.Conv, x, w, y tensor.Shape, i int) Case {
		p := gradPrecision(i)
		return Case{Op: backend.ConvGradWeight{Conv: op, Weight: tensor.NewDims(w...), Precision: p}, NMSE: gradNMSE(p), Exact: exactGrad(i), In: append([]*tensor.Tensor{resultGrad(r, i, y...)}, inputOperand(r, i, x)...)}
	}), Ref: func(op backend.Op, in, out []*tensor.Tensor) {
		p := newConvReference(op.(backend.ConvGradWeight).Conv, in[1].Shape(), out[0].Shape(), in[0].Shape())
		dy, x := values(in[0]), inputValues(in)
		dw := make([]float64, out[0].Numel())
		p.each(func(iy, ix, iw, n int) {
			for c, v := range x[ix : ix+n] {
				dw[iw+c] += dy[iy] * v
			}
		})
		setAll(out[0], dw)
	}})
}

// convCases returns convolutions of every kind: dense, pointwise, grouped,
// depthwise, strided, dilated, padded, of images and sequences, empty ones,
// each for every i.
func convCases(indices []int, make func(r *rand.Rand, op backend.Conv, x, w, y tensor.Shape, i int) Case) func(r *rand.Rand) []Case {
	return func(r *rand.Rand) []Case {
		win := func(sh, sw, dh, dw, t, l, b, rt int) backend.Window {
			return backend.Window{Stride: [2]int{sh, sw}, Dilation: [2]int{dh, dw}, Pad: [4]int{t, l, b, rt}}
		}
		var cs []Case
		for _, c := range []struct {
			name   string
			win    backend.Window
			groups int
			x, w   tensor.Shape
		}{
			{"3x3", win(1, 1, 1, 1, 1, 1, 1, 1), 0, tensor.Shape{2, 9, 7, 5}, tensor.Shape{6, 3, 3, 5}},
			{"zero attributes", backend.Window{}, 1, tensor.Shape{1, 6, 8, 3}, tensor.Shape{4, 3, 2, 3}},
			{"one channel", win(1, 1, 1, 1, 1, 1, 1, 1), 1, tensor.Shape{5, 28, 28, 1}, tensor.Shape{16, 3, 3, 1}},
			{"stride 2", win(2, 2, 1, 1, 1, 1, 1, 1), 1, tensor.Shape{9, 14, 14, 8}, tensor.Shape{12, 3, 3, 8}},
			{"stride leaves a rest", win(3, 2, 1, 1, 0, 1, 2, 0), 1, tensor.Shape{3, 11, 10, 2}, tensor.Shape{3, 2, 3, 2}},
			{"stride over kernel", win(4, 3, 1, 1, 0, 0, 0, 0), 1, tensor.Shape{2, 13, 11, 3}, tensor.Shape{4, 2, 1, 3}},
			{"dilated", win(1, 2, 2, 3, 2, 3, 1, 0), 1, tensor.Shape{2, 10, 12, 4}, tensor.Shape{5, 3, 3, 4}},
			{"padded far", win(1, 1, 1, 1, 4, 5, 3, 6), 1, tensor.Shape{1, 3, 2, 2}, tensor.Shape{2, 3, 3, 2}},
			{"pointwise", win(1, 1, 1, 1, 0, 0, 0, 0), 1, tensor.Shape{3, 5, 7, 19}, tensor.Shape{23, 1, 1, 19}},
			{"pointwise strided", win(2, 2, 1, 1, 0, 0, 0, 0), 1, tensor.Shape{2, 7, 6, 9}, tensor.Shape{4, 1, 1, 9}},
			{"pointwise padded", win(1, 1, 1, 1, 1, 0, 0, 1), 1, tensor.Shape{2, 4, 4, 3}, tensor.Shape{4, 1, 1, 3}},
			{"whole image", win(1, 1, 1, 1, 0, 0, 0, 0), 1, tensor.Shape{4, 6, 6, 7}, tensor.Shape{5, 6, 6, 7}},
			{"grouped", win(1, 2, 1, 1, 1, 1, 1, 1), 3, tensor.Shape{2, 8, 9, 6}, tensor.Shape{9, 3, 3, 2}},
			{"grouped dilated", win(2, 1, 2, 2, 2, 1, 2, 1), 2, tensor.Shape{6, 9, 8, 4}, tensor.Shape{4, 3, 2, 2}},
			{"depthwise", win(1, 1, 1, 1, 1, 1, 1, 1), 13, tensor.Shape{2, 9, 8, 13}, tensor.Shape{13, 3, 3, 1}},
			{"depthwise strided", win(2, 3, 1, 2, 1, 2, 0, 1), 6, tensor.Shape{3, 11, 12, 6}, tensor.Shape{6, 3, 3, 1}},
			{"depthwise multiplied", win(2, 1, 2, 1, 1, 0, 2, 1), 5, tensor.Shape{2, 7, 8, 5}, tensor.Shape{15, 2, 3, 1}},
			{"sequence", win(7, 2, 9, 1, 8, 1, 8, 1), 1, tensor.Shape{4, 17, 3}, tensor.Shape{6, 3, 3}},
			{"sequence dilated", win(0, 1, 0, 2, 0, 4, 0, 0), 1, tensor.Shape{2, 20, 4}, tensor.Shape{5, 3, 4}},
			{"sequence depthwise", win(1, 2, 1, 1, 0, 1, 0, 0), 7, tensor.Shape{3, 16, 7}, tensor.Shape{7, 4, 1}},
			{"sequence grouped", win(1, 1, 1, 1, 0, 1, 0, 1), 2, tensor.Shape{3, 9, 4}, tensor.Shape{6, 3, 2}},
			{"many rows", win(1, 1, 1, 1, 1, 1, 1, 1), 1, tensor.Shape{40, 16, 15, 4}, tensor.Shape{7, 3, 3, 4}},
			{"wide result", win(1, 1, 1, 1, 1, 1, 1, 1), 1, tensor.Shape{3, 4, 5, 70}, tensor.Shape{210, 3, 3, 70}},
			{"no images", win(1, 1, 1, 1, 1, 1, 1, 1), 1, tensor.Shape{0, 5, 5, 3}, tensor.Shape{4, 3, 3, 3}},
			{"no images depthwise", win(1, 1, 1, 1, 1, 1, 1, 1), 3, tensor.Shape{0, 5, 5, 3}, tensor.Shape{3, 3, 3, 1}},
			{"no input channels", win(1, 1, 1, 1, 1, 1, 1, 1), 1, tensor.Shape{2, 5, 5, 0}, tensor.Shape{4, 3, 3, 0}},
			{"no output channels", win(1, 1, 1, 1, 1, 1, 1, 1), 1, tensor.Shape{2, 5, 5, 3}, tensor.Shape{0, 3, 3, 3}},
		} {
			op := backend.Conv{Window: c.win, Groups: c.groups}
			// With and without the optional inputs, and by precision.
			for _, i := range indices {
				k := make(r, op, c.x, c.w, convOutput(op, c.x, c.w), i)
				k.Name = fmt.Sprintf("%s %d", c.name, i)
				cs = append(cs, k)
			}
		}
		return cs
	}
}

// convOutput returns the shape of a convolution's result.
func convOutput(op backend.Conv, x, w tensor.Shape) tensor.Shape {
	if len(x) == 3 {
		o, err := op.Length().Output([2]int{1, x[1]}, [2]int{1, w[1]})
		if err != nil {
			panic(err) // A wrong case of this package.
		}
		return tensor.Shape{x[0], o[1], w[0]}
	}
	o, err := op.Output([2]int{x[1], x[2]}, [2]int{w[1], w[2]})
	if err != nil {
		panic(err) // A wrong case of this package.
	}
	return tensor.Shape{x[0], o[0], o[1], w[0]}
}

// convReference walks over all products of a convolution.
type convReference struct {
	win     backend.Window
	groups  int
	x, w, y tensor.Shape
}

func newConvReference(op backend.Conv, x, w, y tensor.Shape) convReference {
	r := convReference{op.Normal(), max(op.Groups, 1), x, w, y}
	if len(x) == 3 {
		lift := func(s tensor.Shape) tensor.Shape { return tensor.Shape{s[0], 1, s[1], s[2]} }
		r.win, r.x, r.w, r.y = op.Length().Normal(), lift(x), lift(w), lift(y)
	}
	return r
}

// each calls f with the flat indices of y, x and w of every product: of y one,
// of x and w n that follow, the channels of a tap.
func (p convReference) each(f func(iy, ix, iw, n int)) {
	outs := p.w[0] / p.groups
	for n := range p.y[0] {
		for i := range p.y[1] {
			for j := range p.y[2] {
				for o := range p.y[3] {
					iy := ((n*p.y[1]+i)*p.y[2]+j)*p.y[3] + o
					for a := range p.w[1] {
						for b := range p.w[2] {
							h := i*p.win.Stride[0] + a*p.win.Dilation[0] - p.win.Pad[0]
							w := j*p.win.Stride[1] + b*p.win.Dilation[1] - p.win.Pad[1]
							if h < 0 || h >= p.x[1] || w < 0 || w >= p.x[2] {
								continue
							}
							f(iy, ((n*p.x[1]+h)*p.x[2]+w)*p.x[3]+o/outs*p.w[3], ((o*p.w[1]+a)*p.w[2]+b)*p.w[3], p.w[3])
						}
					}
				}
			}
		}
	}
}

// scales returns n positive scales.
func scales(r *rand.Rand, n int) *tensor.Tensor {
	t := tensor.New(tensor.Of(tensor.F32, n))
	for i := range n {
		t.F32()[i] = 0.001 + 0.05*r.Float32()
	}
	return t
}

// gradIndices numbers the cases of products of the backward pass: the kinds of
// their operands by i%3, the precision by i/3%3, and from 9 on gradients whose
// products have exact sums in float32, with which rounding to bfloat16 changes
// nothing either.
var gradIndices = []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 13, 14, 16}

func exactGrad(i int) bool { return i >= 9 }

// resultGrad returns the gradient of a result in case i.
func resultGrad(r *rand.Rand, i int, dims ...int) *tensor.Tensor {
	t := Normal(r, 1, dims...)
	if exactGrad(i) {
		for j := range t.F32() {
			t.F32()[j] = float32(r.IntN(129)-64) / 32
		}
	}
	return t
}

// gradScales returns n scales for case i.
func gradScales(r *rand.Rand, i, n int) *tensor.Tensor {
	t := scales(r, n)
	if exactGrad(i) {
		for j := range t.F32() {
			t.F32()[j] = 0x1p-6 * float32(int(1)<<r.IntN(3))
		}
	}
	return t
}

// gradPrecision returns a precision for each three cases.
func gradPrecision(i int) backend.GradPrecision {
	return []backend.GradPrecision{backend.GradF32, backend.GradBF16, backend.GradBF16x2}[i/3%3]
}

// gradNMSE bounds the error of a product with gradients of precision p.
// Rounding to bfloat16 is off by up to 2^-8, uniformly: 2.8e-6 in the mean.
// Few products have a mean of their own.
func gradNMSE(p backend.GradPrecision) float64 {
	if p == backend.GradBF16 {
		return 0x1p-16
	}
	return 0
}

// inputOperand returns, for i = 0, 1, 2, floats, unsigned codes with scale and
// zero point, or signed ones.
func inputOperand(r *rand.Rand, i int, dims tensor.Shape) []*tensor.Tensor {
	zero := func(v int32) *tensor.Tensor { return tensor.FromI32([]int32{v}, 1) }
	switch i % 3 {
	case 1:
		return []*tensor.Tensor{Codes(r, tensor.U8, 0, 255, dims...), gradScales(r, i, 1), zero(113)}
	case 2:
		return []*tensor.Tensor{Codes(r, tensor.I8, -128, 127, dims...), gradScales(r, i, 1), zero(-9)}
	}
	return []*tensor.Tensor{Normal(r, 1, dims...)}
}

// inputValues returns the real values of the operand in[1:].
func inputValues(in []*tensor.Tensor) []float64 {
	v := make([]float64, in[1].Numel())
	for i := range v {
		v[i] = in[1].At(i)
		if in[1].DType().Code() {
			v[i] = in[2].At(0) * (v[i] - in[3].At(0))
		}
	}
	return v
}

// weightValues returns the real values of the weight in[1:].
func weightValues(in []*tensor.Tensor) []float64 {
	v := make([]float64, in[1].Numel())
	for i := range v {
		v[i] = in[1].At(i)
		if in[1].DType().Code() {
			channel := i / max(in[1].Shape()[1:].Numel(), 1)
			v[i] *= in[2].At(channel % in[2].Numel())
		}
	}
	return v
}

// values returns the elements of a tensor.
func values(t *tensor.Tensor) []float64 {
	v := make([]float64, t.Numel())
	for i := range v {
		v[i] = t.At(i)
	}
	return v
}

func setAll(t *tensor.Tensor, v []float64) {
	for i, x := range v {
		Set(t, i, x)
	}
}
