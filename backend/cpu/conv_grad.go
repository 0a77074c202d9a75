package cpu

import (
	"runtime"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/channels"
	"github.com/goqat/goqat/backend/cpu/internal/gemm"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.ConvGradInput{}, kernel{types: floats, bind: func(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if in[0].DType() == tensor.F64 {
			return bindConvGradInput[float64](b, op.(backend.ConvGradInput), out, in), nil
		}
		return bindConvGradInput[float32](b, op.(backend.ConvGradInput), out, in), nil
	}})
	register(backend.ConvGradWeight{}, kernel{types: floats, bind: func(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if in[0].DType() == tensor.F64 {
			return bindConvGradWeight[float64](b, op.(backend.ConvGradWeight), out, in), nil
		}
		return bindConvGradWeight[float32](b, op.(backend.ConvGradWeight), out, in), nil
	}})
}

func bindConvGradInput[T float](b *Backend, op backend.ConvGradInput, out, in []*tensor.Tensor) func() error {
	g := newConvGeometry(op.Conv, out[0].Shape(), in[1].Shape(), in[0].Shape())
	dx, dy, w := elements[T](out[0]), elements[T](in[0]), newOperand[T](in, 1)
	switch {
	case g.depthwise():
		return bindDepthwiseGradInput(b, g, dx, dy, w)
	case g.pointwise():
		return bindTimesWeight(b, dx, dy, w, g.rows(), g.o, g.c)
	}
	c := newInputGrad(g, dx, dy, w)
	b.scratch.need(c.workspace())
	return func() error { c.run(b); return nil }
}

// inputGrad computes dx from the gradient of the patch matrix, dy w, which
// it makes and adds up a tile at a time. Images are independent: a unit of
// whole images is one worker's, or, when there are very few, all workers
// share each tile.
type inputGrad[T float] struct {
	g      *convGeometry
	dx, dy []T
	w      *realWeight[T]
	add    func(dst, src []T)
	per    int // images of a unit
	units  int
	tile   int // output rows of a tile: whole lines
	slots  slots
	// plans of each slot for the numbers of rows that occur: a full tile,
	// the last tile of a full unit, that of the last unit.
	plans     []map[int]*gemm.Plan[T]
	planBytes int
	tileBytes int
	body      func(lo, hi int)
	ws        []byte
	weight    []T
}

const inputGradTile = 32 << 10 // elements of a tile of the patch matrix

func newInputGrad[T float](g *convGeometry, dx, dy []T, w *operand[T]) *inputGrad[T] {
	c := &inputGrad[T]{g: g, dx: dx, dy: dy, w: newRealWeight(w, g.o, g.k), add: channels.For[T]().Add}
	plane := max(g.oh*g.ow, 1)
	c.per = max(min(256/plane, g.n/16), 1)
	c.units = (g.n + c.per - 1) / c.per
	want := max(inputGradTile/max(g.k, 1), 128)
	c.tile = max(want/max(g.ow, 1), 1) * g.ow
	par, n := gemm.Parallel(serial), min(c.units, runtime.GOMAXPROCS(0))
	if c.units < 4 {
		// Too few images to go round: all workers take part in each product.
		par, n = parallel, min(n, 1)
	}
	c.slots = newSlots(n)
	sizes := []int{c.tile}
	for _, images := range []int{c.per, g.n - (c.units-1)*c.per} {
		rows := images * g.oh * g.ow
		if c.tile > 0 && rows%c.tile > 0 {
			sizes = append(sizes, rows%c.tile)
		}
	}
	for range n {
		m := map[int]*gemm.Plan[T]{}
		for _, rows := range sizes {
			m[rows] = gemm.New[T](par, false, false, rows, g.k, g.og)
			c.planBytes = max(c.planBytes, roundUp64(m[rows].Workspace()))
		}
		c.plans = append(c.plans, m)
	}
	c.tileBytes = roundUp64(c.tile * g.k * sizeOf[T]())
	c.body = func(lo, hi int) {
		slot := <-c.slots
		defer c.slots.give(slot)
		for u := lo; u < hi; u++ {
			c.unit(slot, u)
		}
	}
	return c
}

func (c *inputGrad[T]) workspace() int {
	return c.w.bytes() + len(c.plans)*(c.planBytes+c.tileBytes)
}

func (c *inputGrad[T]) run(b *Backend) {
	if len(c.dx) == 0 {
		return
	}
	if len(c.dy) == 0 {
		clear(c.dx)
		return
	}
	own := c.w.bytes()
	ws := b.scratch.take(c.workspace())
	c.weight, c.ws = c.w.values(ws.t.Bytes()), ws.t.Bytes()[own:]
	if len(c.plans) == 1 {
		// Tiles use all workers: nothing may wait for the slot.
		serial(c.units, 1, c.body)
	} else {
		parallel(c.units, 1, c.body)
	}
	c.weight, c.ws = nil, nil
	b.scratch.give(ws)
}

// unit computes the gradient of the images of unit u.
func (c *inputGrad[T]) unit(slot, u int) {
	g := c.g
	n0, n1 := u*c.per, min((u+1)*c.per, g.n)
	clear(c.dx[n0*g.h*g.line : n1*g.h*g.line])
	each := c.planBytes + c.tileBytes
	ws := c.ws[slot*each : (slot+1)*each]
	plane := g.oh * g.ow
	for lo := n0 * plane; lo < n1*plane; lo += c.tile {
		hi := min(lo+c.tile, n1*plane)
		p := c.plans[slot][hi-lo]
		patches := tensor.Cast[T](ws[c.planBytes:], (hi-lo)*g.k)
		for group := range g.groups {
			p.Run(c.dy[lo*g.o+group*g.og:], g.o, c.weight[group*g.og*g.k:(group+1)*g.og*g.k], g.k, false, patches, g.k, ws)
			scatter(g, c.add, c.dx, group, patches, lo, hi)
		}
	}
}

func bindConvGradWeight[T float](b *Backend, op backend.ConvGradWeight, out, in []*tensor.Tensor) func() error {
	g := newConvGeometry(op.Conv, in[1].Shape(), out[0].Shape(), in[0].Shape())
	dw, dy, x := elements[T](out[0]), elements[T](in[0]), newOperand[T](in, 1)
	if g.depthwise() {
		return bindDepthwiseGradWeight(b, g, dw, dy, x)
	}
	s := &rowSum[T]{rows: g.rows(), m: g.og, k: g.k, a: dy, lda: g.o, op: x}
	if g.pointwise() {
		s.direct = x.float
	}
	group := 0
	var src []lines[T]
	if s.direct == nil {
		ring := g.ringLines() * g.line
		if x.float == nil {
			s.startBytes = roundUp64(ring * sizeOf[T]())
		}
		s.start = func(slot int, ws []byte) {
			if x.float == nil {
				src[slot].ring = tensor.Cast[T](ws, ring)
				src[slot].forget()
			}
		}
		s.produce = func(slot int, dst []T, lo, hi int) { gather(g, &src[slot], group, dst, lo, hi) }
	}
	s.plan()
	b.scratch.need(s.workspace())
	src = make([]lines[T], s.nslots)
	for i := range src {
		src[i] = lines[T]{op: x, size: g.line}
		if x.float == nil {
			src[i].held = make([]int, g.ringLines())
		}
	}
	return func() error {
		for group = range g.groups {
			s.a = dy[min(group*g.og, len(dy)):]
			s.run(b, dw[group*g.og*g.k:(group+1)*g.og*g.k])
		}
		return nil
	}
}
