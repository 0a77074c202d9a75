package backendtest

import (
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	Register(Conformance{
		Op: backend.QLinearAveragePool{},
		Cases: func(r *rand.Rand) []Case {
			win := func(stride int, pad [4]int) backend.Window {
				return backend.Window{Stride: [2]int{stride, stride}, Pad: pad}
			}
			var cs []Case
			for i, c := range [...]struct {
				name string
				pool backend.AveragePool
				x    []int
			}{
				{"2x2", backend.AveragePool{Window: win(2, [4]int{}), Kernel: [2]int{2, 2}}, []int{2, 6, 8, 5}},
				{"padding left out", backend.AveragePool{Window: win(2, [4]int{1, 1, 1, 1}), Kernel: [2]int{3, 3}}, []int{2, 7, 6, 67}},
				{"padding counted", backend.AveragePool{Window: win(1, [4]int{1, 0, 2, 1}), Kernel: [2]int{3, 2}, CountPad: true}, []int{1, 5, 6, 130}},
				{"rounded up", backend.AveragePool{Window: win(2, [4]int{1, 1, 1, 1}), Kernel: [2]int{3, 3}, Ceil: true, CountPad: true}, []int{1, 6, 6, 3}},
				{"dilated", backend.AveragePool{Window: backend.Window{Dilation: [2]int{2, 3}, Pad: [4]int{1, 2, 1, 2}}, Kernel: [2]int{2, 2}}, []int{1, 6, 9, 4}},
				{"sequence", backend.AveragePool{Window: backend.Window{Stride: [2]int{7, 2}, Pad: [4]int{5, 1, 5, 0}}, Kernel: [2]int{9, 3}}, []int{3, 11, 6}},
				{"empty", backend.AveragePool{Kernel: [2]int{2, 2}}, []int{0, 4, 4, 3}},
			} {
				for _, rule := range []quant.Rule{quant.ONNX, quant.TFLite} {
					s, x := quant.Int8(), Codes(r, tensor.I8, -128, 127, c.x...)
					if i%2 == 1 {
						s, x = quant.UInt8(), Codes(r, tensor.U8, 0, 255, c.x...)
					}
					op := backend.QLinearAveragePool{AveragePool: c.pool, Rule: rule, Scheme: s}
					cs = append(cs, Case{Name: c.name + " " + rule.Name, Op: op, In: []*tensor.Tensor{x, Zeros(r, x.DType(), 1)}})
				}
			}
			return cs
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			o := op.(backend.QLinearAveragePool)
			p := o.AveragePool
			if len(in[0].Shape()) == 3 {
				p.Window, p.Kernel[0] = p.Length(), 1
			}
			win := p.Normal()
			xs, ys := image(in[0].Shape()), image(out[0].Shape())
			zero := in[1].I32()[0]
			lo, hi := o.Scheme.Range()
			for i := range ys.Numel() {
				c, ox, oy, n := i%ys[3], i/ys[3]%ys[2], i/ys[3]/ys[2]%ys[1], i/ys[3]/ys[2]/ys[1]
				var sum int32
				count := 0
				for a := range p.Kernel[0] {
					for b := range p.Kernel[1] {
						y, x := oy*win.Stride[0]-win.Pad[0]+a*win.Dilation[0], ox*win.Stride[1]-win.Pad[1]+b*win.Dilation[1]
						if y >= 0 && y < xs[1] && x >= 0 && x < xs[2] {
							sum += int32(in[0].At(((n*xs[1]+y)*xs[2]+x)*xs[3] + c))
							count++
						} else if p.CountPad && y < xs[1]+win.Pad[2] && x < xs[2]+win.Pad[3] {
							sum += zero
							count++
						}
					}
				}
				v, _ := o.Rule.AvgPoolCode(sum, count, zero, lo, hi)
				Set(out[0], i, float64(v))
			}
		},
	})
}
