package backendtest

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

// poolCase is a pooling of an input of a shape.
type poolCase struct {
	name   string
	win    backend.Window
	kernel [2]int
	ceil   bool
	x      tensor.Shape
}

func poolCases() []poolCase {
	win := func(sh, sw, dh, dw, t, l, b, r int) backend.Window {
		return backend.Window{Stride: [2]int{sh, sw}, Dilation: [2]int{dh, dw}, Pad: [4]int{t, l, b, r}}
	}
	return []poolCase{
		{"2x2", win(2, 2, 1, 1, 0, 0, 0, 0), [2]int{2, 2}, false, tensor.Shape{3, 8, 6, 5}},
		{"zero attributes", backend.Window{}, [2]int{2, 3}, false, tensor.Shape{2, 5, 6, 3}},
		{"overlapping, padded", win(2, 2, 1, 1, 1, 1, 1, 1), [2]int{3, 3}, false, tensor.Shape{9, 14, 13, 16}},
		{"rest", win(2, 3, 1, 1, 0, 1, 0, 0), [2]int{2, 2}, false, tensor.Shape{2, 7, 8, 4}},
		{"ceil", win(2, 2, 1, 1, 0, 0, 0, 0), [2]int{3, 3}, true, tensor.Shape{2, 8, 6, 3}},
		{"ceil drops a window", win(3, 2, 1, 1, 1, 1, 1, 1), [2]int{2, 2}, true, tensor.Shape{2, 6, 5, 2}},
		{"dilated", win(1, 2, 2, 3, 1, 2, 2, 0), [2]int{3, 2}, false, tensor.Shape{2, 9, 10, 3}},
		{"whole", win(1, 1, 1, 1, 0, 0, 0, 0), [2]int{7, 7}, false, tensor.Shape{5, 7, 7, 11}},
		{"nothing under the window", win(1, 1, 3, 3, 2, 2, 3, 3), [2]int{2, 2}, false, tensor.Shape{1, 1, 1, 2}},
		{"sequence", win(5, 2, 7, 1, 9, 1, 9, 1), [2]int{8, 3}, false, tensor.Shape{4, 15, 6}},
		{"sequence ceil", win(1, 3, 1, 1, 0, 0, 0, 0), [2]int{0, 2}, true, tensor.Shape{4, 15, 6}},
		{"no images", win(2, 2, 1, 1, 0, 0, 0, 0), [2]int{2, 2}, false, tensor.Shape{0, 4, 4, 3}},
		{"no channels", win(2, 2, 1, 1, 0, 0, 0, 0), [2]int{2, 2}, false, tensor.Shape{2, 4, 4, 0}},
	}
}

// output returns the shape of the result.
func (c poolCase) output() tensor.Shape {
	p := backend.MaxPool{Window: c.win, Kernel: c.kernel, Ceil: c.ceil}
	in := [2]int{1, c.x[1]}
	if len(c.x) == 3 {
		p.Window, p.Kernel[0] = c.win.Length(), 1
	} else {
		in = [2]int{c.x[1], c.x[2]}
	}
	o, err := p.Size(in)
	if err != nil {
		panic(err) // A wrong case of this package.
	}
	if len(c.x) == 3 {
		return tensor.Shape{c.x[0], o[1], c.x[2]}
	}
	return tensor.Shape{c.x[0], o[0], o[1], c.x[3]}
}

// poolWindows calls f for each element of a pooling's result, in order, with
// the flat indices of the inputs under the window, their positions in the
// plane, and the number of taps inside the padded input.
func poolWindows(win backend.Window, kernel [2]int, x, y tensor.Shape, f func(iy int, ix, position []int, padded int)) {
	win = win.Normal()
	if len(x) == 3 {
		win, kernel[0] = win.Length(), 1
		x, y = tensor.Shape{x[0], 1, x[1], x[2]}, tensor.Shape{y[0], 1, y[1], y[2]}
	}
	for iy := range y.Numel() {
		c := iy % y[3]
		j := iy / y[3] % y[2]
		i := iy / y[3] / y[2] % y[1]
		n := iy / y[3] / y[2] / y[1]
		var ix, position []int
		padded := 0
		for a := range kernel[0] {
			for b := range kernel[1] {
				h := i*win.Stride[0] + a*win.Dilation[0] - win.Pad[0]
				w := j*win.Stride[1] + b*win.Dilation[1] - win.Pad[1]
				if h < x[1]+win.Pad[2] && w < x[2]+win.Pad[3] {
					padded++
				}
				if h >= 0 && h < x[1] && w >= 0 && w < x[2] {
					ix = append(ix, ((n*x[1]+h)*x[2]+w)*x[3]+c)
					position = append(position, h*x[2]+w)
				}
			}
		}
		f(iy, ix, position, padded)
	}
}

func init() {
	Register(Conformance{
		Op: backend.MaxPool{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, c := range poolCases() {
				op := backend.MaxPool{Window: c.win, Kernel: c.kernel, Ceil: c.ceil}
				odd := Normal(r, 1, c.x...)
				for i := range odd.F32() {
					switch r.IntN(12) {
					case 0:
						odd.F32()[i] = float32(math.NaN())
					case 1:
						odd.F32()[i] = float32(math.Inf(-1))
					case 2, 3, 4:
						odd.F32()[i] = 2 // Equal elements: the first wins.
					}
				}
				for _, x := range []*tensor.Tensor{Normal(r, 1, c.x...), odd, Codes(r, tensor.I8, -128, -120, c.x...), Codes(r, tensor.U8, 0, 9, c.x...)} {
					name := x.DType().String()
					if x == odd {
						name = "odd"
					}
					cs = append(cs, Case{Name: c.name + " " + name, Op: op, In: []*tensor.Tensor{x}, Exact: true})
				}
			}
			return cs
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			p := op.(backend.MaxPool)
			poolWindows(p.Window, p.Kernel, in[0].Shape(), out[0].Shape(), func(iy int, ix, position []int, _ int) {
				best, at := math.Inf(-1), -1
				switch in[0].DType() {
				case tensor.I8:
					best = -128
				case tensor.U8:
					best = 0
				}
				for i, k := range ix {
					v := in[0].At(k)
					if at < 0 || v > best || math.IsNaN(v) {
						best, at = v, position[i]
					}
				}
				Set(out[0], iy, best)
				Set(out[1], iy, float64(at))
			})
		},
	})
	Register(Conformance{
		Op: backend.MaxPoolGrad{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, c := range poolCases() {
				y := c.output()
				index := tensor.New(tensor.Of(tensor.I32, y...))
				poolWindows(c.win, c.kernel, c.x, y, func(iy int, _, position []int, _ int) {
					index.I32()[iy] = -1
					if len(position) > 0 {
						index.I32()[iy] = int32(position[r.IntN(len(position))])
					}
				})
				cs = append(cs, Case{Name: c.name, Op: backend.MaxPoolGrad{Input: tensor.NewDims(c.x...)}, In: []*tensor.Tensor{Normal(r, 1, y...), index}})
			}
			return cs
		},
		Ref: func(_ backend.Op, in, out []*tensor.Tensor) {
			x, y := out[0].Shape(), in[0].Shape()
			dx := make([]float64, x.Numel())
			for i := range y.Numel() {
				c := y.Last()
				image := i / y[1:].Numel()
				if p := int(in[1].At(i)); p >= 0 {
					dx[image*x[1:].Numel()+p*c+i%c] += in[0].At(i)
				}
			}
			setAll(out[0], dx)
		},
	})
}

// poolName is the name of a case of a pooling with a flag.
func poolName(c poolCase, flag bool) string { return fmt.Sprintf("%s %v", c.name, flag) }
