package cpu

import (
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/channels"
	"github.com/goqat/goqat/backend/cpu/internal/codes"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.MaxPool{}, kernel{types: []tensor.DType{tensor.F32, tensor.F64, tensor.I8, tensor.U8},
		bind: func(_ *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
			p := op.(backend.MaxPool)
			switch in[0].DType() {
			case tensor.F64:
				return bindMaxPool(p, out, in, math.Inf(-1), channels.For[float64]().Larger, nil), nil
			case tensor.I8:
				return bindMaxPool(p, out, in, int8(math.MinInt8), channels.LargerInt8, codes.Largest[int8]), nil
			case tensor.U8:
				return bindMaxPool(p, out, in, uint8(0), channels.LargerUint8, codes.Largest[uint8]), nil
			}
			return bindMaxPool(p, out, in, float32(math.Inf(-1)), channels.For[float32]().Larger, nil), nil
		}})
	register(backend.MaxPoolGrad{}, kernel{types: floats, bind: func(_ *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if in[0].DType() == tensor.F64 {
			return bindMaxPoolGrad[float64](out, in), nil
		}
		return bindMaxPoolGrad[float32](out, in), nil
	}})
}

// newPoolGeometry returns the geometry of a pooling as that of a depthwise
// convolution.
func newPoolGeometry(w backend.Window, kernel [2]int, x, y tensor.Shape) *convGeometry {
	k := tensor.Shape{x.Last(), kernel[0], kernel[1], 1}
	if len(x) == 3 {
		k = tensor.Shape{x.Last(), kernel[1], 1}
	}
	return newConvGeometry(backend.Conv{Window: w, Groups: max(x.Last(), 1)}, x, k, y)
}

// bindMaxPool keeps the larger of best and x by larger, tap by tap; run, when
// not nil, does the outputs of a line whose taps are all inside the image, if
// nobody wants their positions.
func bindMaxPool[T tensor.Element](p backend.MaxPool, out, in []*tensor.Tensor, lowest T, larger func(best []T, where []int32, x []T, position int32),
	run func(dst, x []T, pixels, channels, stride int, taps []int) bool) func() error {
	x := elements[T](in[0])
	y, index := elements[T](out[0]), elements[int32](out[1])
	shape := in[0].Shape()
	if out[0] == nil && out[1] == nil {
		return func() error { return nil }
	}
	g := newPoolGeometry(p.Window, p.Kernel, shape, outShape(out))
	var offsets []int
	for a := range g.kh {
		for b := range g.kw {
			offsets = append(offsets, (a*g.dh*g.w+b*g.dw)*g.c)
		}
	}
	// Outputs [j0, j1) of a line have all their taps between its ends.
	j0, j1 := (g.left+g.sw-1)/g.sw, 0
	if last := g.w - 1 - (g.kw-1)*g.dw + g.left; last >= 0 {
		j1 = min(last/g.sw+1, g.ow)
	}
	body := func(lo, hi int) {
		for l := lo; l < hi; l++ {
			n, i := l/g.oh, l%g.oh
			ih := i*g.sh - g.top
			a0, a1 := taps(ih, g.kh, g.dh, g.h)
			done := run != nil && index == nil && a0 < a1 && j0 < j1 &&
				run(y[(l*g.ow+j0)*g.c:], x[((n*g.h+ih+a0*g.dh)*g.w+j0*g.sw-g.left)*g.c:], j1-j0, g.c, g.sw*g.c, offsets[:(a1-a0)*g.kw])
			for j := range g.ow {
				if done && j >= j0 && j < j1 {
					continue
				}
				iw := j*g.sw - g.left
				b0, b1 := taps(iw, g.kw, g.dw, g.w)
				at := (l*g.ow + j) * g.c
				best := y[at : at+g.c]
				var where []int32
				if index != nil {
					where = index[at : at+g.c]
				}
				first := true
				for a := a0; a < a1; a++ {
					for b := b0; b < b1; b++ {
						row, col := ih+a*g.dh, iw+b*g.dw
						from := ((n*g.h+row)*g.w + col) * g.c
						position := int32(row*g.w + col)
						if first {
							copy(best, x[from:from+g.c])
							fill(where, position)
							first = false
							continue
						}
						larger(best, where, x[from:from+g.c], position)
					}
				}
				if first {
					fill(best, lowest)
					fill(where, -1)
				}
			}
		}
	}
	grain := depthwiseGrain(g.ow * g.c * g.kh * g.kw)
	if y == nil {
		y = make([]T, g.rows()*g.c) // Only the positions are wanted.
	}
	return func() error { parallel(g.n*g.oh, grain, body); return nil }
}

// outShape returns the shape of the first result that somebody uses.
func outShape(out []*tensor.Tensor) tensor.Shape {
	for _, o := range out {
		if o != nil {
			return o.Shape()
		}
	}
	return nil
}

func fill[T tensor.Element](dst []T, v T) {
	for i := range dst {
		dst[i] = v
	}
}

func bindMaxPoolGrad[T float](out, in []*tensor.Tensor) func() error {
	dx, dy, index := elements[T](out[0]), elements[T](in[0]), elements[int32](in[1])
	n, c := out[0].Shape()[0], out[0].Shape().Last()
	plane, from := len(dx)/max(n, 1), len(dy)/max(n, 1)
	body := func(lo, hi int) {
		clear(dx[lo*plane : hi*plane])
		for i := lo; i < hi; i++ {
			dx := dx[i*plane : (i+1)*plane]
			for o := i * from; o < (i+1)*from; o += c {
				d, where := dy[o:o+c], index[o:o+c]
				for j, p := range where {
					// Positions are data: one outside the plane is no winner.
					if at := int(p)*c + j; p >= 0 && at < len(dx) {
						dx[at] += d[j]
					}
				}
			}
		}
	}
	grain := max(32768/max(plane, 1), 1)
	return func() error {
		if len(dx) > 0 {
			parallel(n, grain, body)
		}
		return nil
	}
}
