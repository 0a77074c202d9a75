package backendtest

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	Register(Conformance{Op: backend.ObserveHistogram{}, Cases: histogramCases, Ref: func(_ backend.Op, in, out []*tensor.Tensor) {
		refHistogram(in, out)
	}})
}

// refHistogram tries one width after the other, from the smallest on, and
// counts by division.
func refHistogram(in, out []*tensor.Tensor) {
	x, old, ends, bins := realsOf(in[0]), in[1].I64(), in[2].F32(), in[1].Numel()
	if len(x) == 0 {
		return
	}
	width, oldWidth := math.Ldexp(1, -126), 0.0
	lo, hi := 0.0, 0.0
	if ends[0] < ends[1] {
		oldWidth = (float64(ends[1]) - float64(ends[0])) / float64(bins)
		width, lo = oldWidth, float64(ends[0])
		for i, c := range old {
			if c > 0 {
				hi = math.Max(hi, lo+float64(i)*oldWidth)
			}
		}
	}
	for _, v := range x {
		lo, hi = math.Min(lo, float64(v)), math.Max(hi, float64(v))
	}
	for math.Floor(hi/width)-math.Floor(lo/width) >= float64(bins) {
		width *= 2
	}
	first := math.Floor(lo / width)
	counts := out[0].I64()
	clear(counts)
	if oldWidth > 0 {
		for i, c := range old {
			edge := float64(ends[0]) + float64(i)*oldWidth
			if c > 0 {
				counts[int(math.Floor(edge/width)-first)] += c
			}
		}
	}
	for _, v := range x {
		counts[int(math.Floor(float64(v)/width)-first)]++
	}
	Set(out[1], 0, first*width)
	Set(out[1], 1, (first+float64(bins))*width)
}

func histogramCases(r *rand.Rand) []Case {
	unseen := func(bins int) []*tensor.Tensor {
		return []*tensor.Tensor{tensor.New(tensor.Of(tensor.I64, bins)), tensor.FromF32([]float32{float32(math.Inf(1)), float32(math.Inf(-1))}, 2)}
	}
	var cs []Case
	add := func(name string, x *tensor.Tensor, state []*tensor.Tensor) []*tensor.Tensor {
		op := backend.ObserveHistogram{Bins: state[0].Numel()}
		in := []*tensor.Tensor{x, state[0], state[1]}
		cs = append(cs, Case{Name: name, Op: op, In: in, Exact: true})
		after := []*tensor.Tensor{state[0].Clone(), state[1].Clone()}
		refHistogram(in, after)
		return after
	}
	for _, bins := range []int{2, 100, 2048} {
		for _, n := range []int{0, 1, 7, 200003} {
			s := add(fmt.Sprintf("bins=%d_n=%d", bins, n), Normal(r, 1, n), unseen(bins))
			s = add(fmt.Sprintf("bins=%d_n=%d_same", bins, n), Normal(r, 1, n), s)
			s = add(fmt.Sprintf("bins=%d_n=%d_wider", bins, n), Normal(r, 37, n), s)
			add(fmt.Sprintf("bins=%d_n=%d_narrower", bins, n), Normal(r, 0.01, n), s)
		}
	}
	positive := Normal(r, 1, 3001)
	for i, v := range positive.F32() {
		positive.F32()[i] = max(v, 0)
	}
	s := add("relu", positive, unseen(256))
	negative := positive.Clone()
	for i, v := range negative.F32() {
		negative.F32()[i] = -3 * v
	}
	add("relu_then_negative", negative, s)
	add("tiny", tensor.FromF32([]float32{1e-40, -1e-42, 0}, 3), unseen(64))
	s = add("zeros", tensor.FromF32([]float32{0, 0}, 2), unseen(64))
	add("zeros_then_powers", tensor.FromF32([]float32{1, 2, -4, 0.5}, 4), s)
	bad := func(v float64) []*tensor.Tensor {
		return append([]*tensor.Tensor{tensor.FromF32([]float32{1, float32(v), 2}, 3)}, unseen(64)...)
	}
	op := backend.ObserveHistogram{Bins: 64}
	return withHalves(append(cs,
		Case{Name: "nan", Op: op, In: bad(math.NaN()), Err: backend.ErrNaN},
		Case{Name: "infinity", Op: op, In: bad(math.Inf(1)), Err: quant.ErrRange},
		Case{Name: "too_wide", Op: op, In: bad(math.MaxFloat32), Err: quant.ErrRange}), 0)
}
