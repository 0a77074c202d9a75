package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/gemm"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.QLinearAveragePool{}, kernel{supports: codesAt(0), bind: func(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if out[0] == nil {
			return idle, nil
		}
		o := op.(backend.QLinearAveragePool)
		p := newCodePool(o.AveragePool, in[0].Shape(), out[0].Shape())
		p.rule, p.zero = o.Rule, in[1].I32()
		p.lo, p.hi = o.Scheme.Range()
		if in[0].DType() == tensor.U8 {
			return bindCodePool(b, p, out[0].U8(), in[0].U8()), nil
		}
		return bindCodePool(b, p, out[0].I8(), in[0].I8()), nil
	}})
}

// codePool is a mean over windows of codes.
type codePool struct {
	n, h, w, c, oh, ow int
	strideY, strideX   int // elements from tap to tap
	rows, cols         []span
	kernel             [2]int
	win                backend.Window
	rule               quant.Rule
	zero               []int32
	lo, hi             int32
}

// span says which elements an output averages along one axis: size of them
// from at on, one every dilation, and count with the padding.
type span struct{ at, size, count int }

func newCodePool(op backend.AveragePool, x, y tensor.Shape) *codePool {
	p := &codePool{n: x[0], h: 1, w: x[1], c: x.Last(), oh: 1, ow: y[1]}
	if len(x) == 3 {
		op.Window, op.Kernel[0] = op.Length(), 1
	} else {
		p.h, p.w, p.oh, p.ow = x[1], x[2], y[1], y[2]
	}
	win := op.Normal()
	p.kernel, p.win = op.Kernel, win
	p.strideY, p.strideX = win.Dilation[0]*p.w*p.c, win.Dilation[1]*p.c
	p.rows, p.cols = spans(op, 0, p.oh, p.h), spans(op, 1, p.ow, p.w)
	return p
}

func spans(op backend.AveragePool, axis, out, in int) []span {
	win := op.Normal()
	s := make([]span, out)
	for i := range s {
		count, first, last := op.Count(axis, i, in)
		s[i] = span{i*win.Stride[axis] - win.Pad[axis] + first*win.Dilation[axis], last - first, count}
	}
	return s
}

// poolBlock is how many channels are added up at a time.
const poolBlock = 64

func bindCodePool[T quant.Code](b *Backend, p *codePool, y, x []T) func() error {
	var zero int32
	if p.kernel[0]*p.kernel[1] <= maxSummed && len(y) > 0 {
		var excess int32
		sums := newCodeSums(b, x, p.n, p.h, p.w, p.c, p.oh, p.ow, p.kernel, p.win, func(b gemm.IntBlock) {
			for r := b.Lo; r < b.Hi; r++ {
				roundMeans(p, y[r*p.c+b.From:r*p.c+b.To], b.Row(r), r, excess, zero)
			}
		})
		excess = sums.excess()
		return func() error {
			zero = first(p.zero)
			sums.run()
			return nil
		}
	}
	body := func(lo, hi int) {
		for r := lo; r < hi; r++ {
			rows, cols := p.rows[r/p.ow%p.oh], p.cols[r%p.ow]
			at := ((r/p.ow/p.oh*p.h+rows.at)*p.w + cols.at) * p.c
			for c := 0; c < p.c; c += poolBlock {
				n := min(p.c-c, poolBlock)
				var sums [poolBlock]int32
				for a := range rows.size {
					for b := range cols.size {
						addCodes(sums[:n], x[at+a*p.strideY+b*p.strideX+c:])
					}
				}
				roundMeans(p, y[r*p.c+c:][:n], sums[:n], r, 0, zero)
			}
		}
	}
	grain := 1
	if len(y) > 0 {
		grain = max(1<<14/max(p.c*p.rows[0].size*p.cols[0].size, 1), 1)
	}
	return func() error {
		zero = first(p.zero)
		parallel(p.n*p.oh*p.ow, grain, body)
		return nil
	}
}

// roundMeans writes the codes of the means of output r, whose sums are too
// large by excess, to dst.
func roundMeans[T quant.Code](p *codePool, dst []T, sums []int32, r int, excess, zero int32) {
	rows, cols := p.rows[r/p.ow%p.oh], p.cols[r%p.ow]
	count := rows.count * cols.count
	add := int32(count-rows.size*cols.size)*zero - excess
	for i := range dst {
		v, _ := p.rule.AvgPoolCode(sums[i]+add, count, zero, p.lo, p.hi)
		dst[i] = T(v)
	}
}

func addCodes[T quant.Code](sums []int32, x []T) {
	x = x[:len(sums)]
	for i, v := range x {
		sums[i] += int32(v)
	}
}
