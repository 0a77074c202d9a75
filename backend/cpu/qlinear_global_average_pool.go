package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/codes"
	"github.com/goqat/goqat/backend/cpu/internal/gemm"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.QLinearGlobalAveragePool{}, kernel{supports: codesAt(0), bind: func(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if len(in) > 2 {
			return bindRescaledMean(b, op.(backend.QLinearGlobalAveragePool), out, in)
		}
		if out[0] == nil {
			return idle, nil
		}
		o := op.(backend.QLinearGlobalAveragePool)
		x := in[0].Shape()
		area := x[1 : len(x)-1].Numel()
		all := []span{{size: area, count: area}}
		one := []span{{size: 1, count: 1}}
		c := x.Last()
		p := &codePool{n: x[0], h: 1, w: area, c: c, oh: 1, ow: 1, strideX: c, rows: one, cols: all, kernel: [2]int{1, area}, rule: o.Rule, zero: in[1].I32()}
		p.lo, p.hi = o.Scheme.Range()
		if in[0].DType() == tensor.U8 {
			return bindCodePool(b, p, out[0].U8(), in[0].U8()), nil
		}
		return bindCodePool(b, p, out[0].I8(), in[0].I8()), nil
	}})
}

// bindRescaledMean is the mean with an output grid of its own.
func bindRescaledMean(b *Backend, op backend.QLinearGlobalAveragePool, out, in []*tensor.Tensor) (func() error, error) {
	if out[0] == nil && out[1] == nil {
		return idle, nil
	}
	if out[0] == nil { // The mask comes from the same pass.
		out = []*tensor.Tensor{tensor.New(tensor.Spec{DType: op.Scheme.DType(), Shape: out[1].Shape()}), out[1]}
	}
	if in[0].DType() == tensor.U8 {
		return bindMeanOf(b, op, in[0].U8(), out, in), nil
	}
	return bindMeanOf(b, op, in[0].I8(), out, in), nil
}

func bindMeanOf[X quant.Code](b *Backend, op backend.QLinearGlobalAveragePool, x []X, out, in []*tensor.Tensor) func() error {
	if op.Scheme.DType() == tensor.U8 {
		return meanOf(b, op, x, out[0].U8(), out, in)
	}
	return meanOf(b, op, x, out[0].I8(), out, in)
}

// meanOf sums the codes of each channel in parallel over images and rounds
// all sums together, in whole bytes of the mask.
func meanOf[X, Y quant.Code](b *Backend, op backend.QLinearGlobalAveragePool, x []X, y []Y, out, in []*tensor.Tensor) func() error {
	s := in[0].Shape()
	n, c := s[0], s.Last()
	area := s[1 : len(s)-1].Numel()
	lo, hi := op.Scheme.Range()
	zx, sx, sy, zy := in[1].I32(), in[2].F32(), in[3].F32(), in[4].I32()
	var mask []byte
	if out[1] != nil {
		mask = out[1].U8()
	}
	m := make([]quant.Multiplier, 1)
	if c > 0 && n > 0 && area > 0 && area <= maxSummed && (mask == nil || c%8 == 0) {
		q, add := codes.NewRequantizer(op.Rule, c), make([]int32, c)
		sums := newCodeSums(b, x, n, 1, area, c, 1, 1, [2]int{1, area}, backend.Window{}, func(b gemm.IntBlock) {
			codes.RequantizeBlock(q, y, mask, b)
		})
		return func() error {
			m[0] = op.Rule.NewMultiplier(sx[0], 1/float32(area), sy[0])
			fill(add, -int32(area)*zx[0]-sums.excess())
			q.Set(add, m, zy[0], lo, hi)
			sums.run()
			return nil
		}
	}
	sums := make([]int32, n*c)
	sum := func(from, to int) {
		for i := from; i < to; i++ {
			acc := sums[i*c : (i+1)*c]
			for j := range acc {
				acc[j] = -int32(area) * zx[0]
			}
			for a := range area {
				row := x[(i*area+a)*c : (i*area+a+1)*c]
				for j, v := range row {
					acc[j] += int32(v)
				}
			}
		}
	}
	return func() error {
		parallel(n, 1, sum)
		m[0] = op.Rule.NewMultiplier(sx[0], 1/float32(area), sy[0])
		quant.RequantizeCodes(op.Rule, y, mask, sums, m, zy[0], lo, hi, max(c, 1), 0, n*c)
		return nil
	}
}
