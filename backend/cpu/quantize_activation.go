package cpu

import (
	"math"
	"sync/atomic"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/codes"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.QuantizeActivation{}, kernel{types: []tensor.DType{tensor.F32}, bind: func(_ *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if op.(backend.QuantizeActivation).Scheme.Signed {
			return bindQuantizeActivation[int8](op, out, in)
		}
		return bindQuantizeActivation[uint8](op, out, in)
	}})
	register(backend.QuantizeActivationGrad{}, kernel{types: []tensor.DType{tensor.F32}, bind: bindQuantizeActivationGrad})
}

// activation reads the factors of an activation, which may change from run to
// run.
type activation struct {
	codes.Activation
	affine []float32 // nil without
}

func newActivation(affine *tensor.Tensor, lo, hi float32) *activation {
	if affine == nil {
		return &activation{Activation: codes.Identity(lo, hi)}
	}
	c := affine.Shape().Last()
	return &activation{affine: affine.F32(), Activation: codes.Activation{
		Channels: c, Scale: make([]float32, c+codes.Wrap), Shift: make([]float32, c+codes.Wrap), Low: lo, High: hi}}
}

func (a *activation) read() {
	if a.affine == nil {
		return
	}
	c := a.Channels
	copy(a.Scale, a.affine[:c])
	copy(a.Shift, a.affine[c:2*c])
	codes.Repeat(a.Scale, c)
	codes.Repeat(a.Shift, c)
}

// maskRows returns a number of rows of c elements whose masks are whole bytes,
// of about n elements.
func maskRows(n, c int) int { return max(n/max(c, 1)&^7, 8) }

func given(in []*tensor.Tensor, i int) *tensor.Tensor {
	if i < len(in) {
		return in[i]
	}
	return nil
}

func bindQuantizeActivation[T quant.Code](op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
	o := op.(backend.QuantizeActivation)
	x, scale, zero := in[0].F32(), in[1].F32(), in[2].I32()
	y, mask := codesOf[T](out[0], len(x)), maskOf(out[1])
	a := newActivation(given(in, 3), o.Lo, o.Hi)
	low, high := o.Scheme.Range()
	if len(x) == 0 {
		return func() error {
			if want := reals(out, 2); want != nil {
				want[0], want[1] = float32(math.Inf(1)), float32(math.Inf(-1))
			}
			return nil
		}, nil
	}
	c := a.Channels
	grain := maskRows(16384, c)
	ends := newClampedEnds(len(x), grain, o.Lo, o.Hi)
	want := reals(out, 2)
	var nans atomic.Int64
	body := func(lo, hi int) {
		lo, hi = lo*c, hi*c
		if want != nil {
			ends.add(x, lo, hi)
		}
		var m []byte
		if mask != nil {
			m = mask[lo>>3 : (hi+7)>>3]
		}
		if nan := codes.QuantizeActivation(o.Rule, &a.Activation, y[lo:hi], m, x[lo:hi], scale[0], zero[0], low, high); nan > 0 {
			nans.Add(int64(nan))
		}
	}
	return func() error {
		a.read()
		nans.Store(0)
		parallel(len(x)/c, grain, body)
		if want != nil {
			want[0], want[1] = ends.all()
		}
		return nanError(nans.Load(), len(x))
	}, nil
}

// activationGrad is a gradient of quantizer, clamp and normalization.
type activationGrad struct {
	b           *Backend
	op          backend.QuantizeActivationGrad
	dy, x, dx   []float32
	mask        []byte
	scale       []float32
	zero        []int32
	lo, hi      int32
	a           *activation
	gamma       []float32
	c, rows     int
	size, count int // chunks of rows
	step        int // rows of a block

	dscale, dgamma, dbeta     []float32
	ofDy, ofX, plus, center   []float32 // columns
	sumBody, dxBody, maskBody func(lo, hi int)

	// Of the run in progress, a part a chunk.
	sums []float64 // [count, 2c+1]: of d, of d * (x - mean), of the scale
	temp []float32 // [count, 2c + 2 blocks]
	nans atomic.Int64
}

func bindQuantizeActivationGrad(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
	o := op.(backend.QuantizeActivationGrad)
	g := &activationGrad{b: b, op: o, dy: in[0].F32(), mask: in[1].Bytes(), x: in[2].F32(), scale: in[3].F32(), zero: in[4].I32(),
		a: newActivation(given(in, 5), o.Lo, o.Hi), c: 1, gamma: reals(in, 6)}
	g.lo, g.hi = o.Scheme.Range()
	g.c = g.a.Channels
	if out[0] != nil {
		g.dx = out[0].F32()
	}
	g.dscale, g.dgamma, g.dbeta = reals(out, 1), reals(out, 2), reals(out, 3)
	if len(g.x) == 0 {
		return func() error {
			clear(g.dscale)
			clear(g.dgamma)
			clear(g.dbeta)
			return nil
		}, nil
	}
	n := g.c + codes.Wrap
	g.ofDy, g.ofX, g.plus, g.center = make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
	g.rows = len(g.x) / g.c
	g.step = maskRows(2048, g.c)
	g.size, _ = rowChunks(g.rows, g.c)
	g.size = (g.size + g.step - 1) / g.step * g.step
	g.count = (g.rows + g.size - 1) / g.size
	g.sumBody, g.dxBody, g.maskBody = g.sumChunk, g.dxChunk, g.maskChunk
	if g.a.affine != nil || o.Learn {
		b.scratch.need(g.workspace())
	}
	return g.run, nil
}

func (g *activationGrad) workspace() int { return g.count * (8*(2*g.c+1) + 4*(2*g.c+2*g.step*g.c)) }

func (g *activationGrad) run() error {
	normal := g.a.affine != nil
	clear(g.dscale)
	g.nans.Store(0)
	if normal || g.op.Learn {
		g.a.read()
		if normal {
			copy(g.center, g.a.affine[2*g.c:3*g.c])
		}
		s := g.b.scratch.take(g.workspace())
		k := g.count * (2*g.c + 1)
		g.sums = scratchOf[float64](s, 0, k)
		g.temp = scratchOf[float32](s, 8*k, g.count*(2*g.c+2*g.step*g.c))
		parallel(g.rows, g.size, g.sumBody)
		g.finish(addChunks(g.sums, 2*g.c+1, g.count))
		g.b.scratch.give(s)
	}
	switch {
	case g.dx == nil:
	case normal:
		parallel(g.rows, g.size, g.dxBody)
	default:
		parallel(g.rows, g.size, g.maskBody)
	}
	return nanError(g.nans.Load(), len(g.x))
}

// sumChunk adds up rows [lo, hi).
func (g *activationGrad) sumChunk(lo, hi int) {
	c, p := g.c, lo/g.size
	sums := g.sums[p*(2*c+1) : (p+1)*(2*c+1)]
	t := g.temp[p*(2*c+2*g.step*c) : (p+1)*(2*c+2*g.step*c)]
	sum, product, d, v := t[:c], t[c:2*c], t[2*c:2*c+g.step*c], t[2*c+g.step*c:]
	clear(sums)
	one := quant.Layout{Outer: 1, Channels: 1, Inner: g.step * c}
	for r := lo; r < hi; r += g.step {
		from, to := r*c, min(r+g.step, hi)*c
		x, dy, n := g.x[from:to], g.dy[from:to], to-from
		if g.op.Learn {
			g.a.Values(v[:n], x)
			nan := codes.LSQGrad(g.op.Rule, d[:n], dy, v[:n], g.scale, g.zero, g.lo, g.hi, sums[2*c:], one, 0, n)
			if nan > 0 {
				g.nans.Add(int64(nan))
			}
		}
		if g.a.affine == nil {
			continue
		}
		codes.STEGrad(d[:n], dy, g.mask[from>>3:], 0, n)
		codes.Products(d[:n], x, c, g.center, sum, product)
		for j := range c {
			sums[j] += float64(sum[j])
			sums[c+j] += float64(product[j])
		}
	}
}

// finish makes the gradients of the parameters of the sums, and the factors of
// dx = d * ofDy + (x - center) * ofX + plus.
func (g *activationGrad) finish(sums []float64) {
	c, n := g.c, float64(g.rows)
	if g.op.Learn && g.dscale != nil {
		g.dscale[0] = float32(sums[2*c] * quant.LSQFactor(len(g.x), g.hi))
	}
	if g.a.affine == nil {
		return
	}
	for j := range c {
		inv := float64(g.a.affine[3*c+j])
		a := float64(g.gamma[j]) * inv
		if g.dbeta != nil {
			g.dbeta[j] = float32(sums[j])
		}
		if g.dgamma != nil {
			g.dgamma[j] = float32(sums[c+j] * inv)
		}
		g.ofDy[j] = float32(a)
		g.ofX[j] = float32(-a * inv * inv * sums[c+j] / n)
		g.plus[j] = float32(-a * sums[j] / n)
	}
	codes.Repeat(g.ofDy, c)
	codes.Repeat(g.ofX, c)
	codes.Repeat(g.plus, c)
	codes.Repeat(g.center, c)
}

// dxChunk writes rows [lo, hi) of dx a block at a time: what the first loop
// wrote is still near when the second reads it.
func (g *activationGrad) dxChunk(lo, hi int) {
	c := g.c
	for r := lo; r < hi; r += g.step {
		from, to := r*c, min(r+g.step, hi)*c
		d := g.dx[from:to]
		codes.STEGrad(d, g.dy[from:to], g.mask[from>>3:], 0, to-from)
		codes.NormGrad(d, d, g.x[from:to], g.ofDy, g.center, g.ofX, g.plus, c)
	}
}

func (g *activationGrad) maskChunk(lo, hi int) {
	codes.STEGrad(g.dx, g.dy, g.mask, lo*g.c, hi*g.c)
}
