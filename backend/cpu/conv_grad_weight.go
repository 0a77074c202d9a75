package cpu

import (
	"runtime"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/channels"
	"github.com/goqat/goqat/backend/cpu/internal/gemm"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.ConvGradWeight{}, kernel{types: floats, bind: func(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		o := op.(backend.ConvGradWeight)
		g := newConvGeometry(o.Conv, in[1].Shape(), out[0].Shape(), in[0].Shape())
		if in[0].DType() == tensor.F64 {
			return bindConvGradWeight[float64](b, g, out, in), nil
		}
		if terms := bf16Terms(o.Precision, in); terms > 0 && !g.depthwise() {
			dw, dy, x := elements[float32](out[0]), elements[float32](in[0]), newOperand[float32](in, 1)
			if g.pointwise() {
				return bindSumCodes(b, dw, dy, x, g.rows(), g.o, g.c, terms), nil
			}
			return newWeightGrad(g, dw, newPairLines(g, dy, x, terms)).bind(b), nil
		}
		return bindConvGradWeight[float32](b, g, out, in), nil
	}})
}

func bindConvGradWeight[T float](b *Backend, g *convGeometry, out, in []*tensor.Tensor) func() error {
	dw, dy, x := elements[T](out[0]), elements[T](in[0]), newOperand[T](in, 1)
	switch {
	case g.depthwise():
		return bindDepthwiseGradWeight(b, g, dw, dy, x)
	case g.pointwise():
		s := &rowSum[T]{rows: g.rows(), m: g.og, k: g.k, a: dy, lda: g.o, op: x, direct: x.float}
		if s.direct == nil {
			s.produce = func(_ int, dst []T, lo, hi int) { x.expand(dst[:(hi-lo)*g.k], lo*g.k) }
		}
		s.plan()
		return func() error { s.run(b, dw); return nil }
	}
	return newWeightGrad(g, dw, newFloatLines(g, dy, x)).bind(b)
}

// weightLines lays out the operands of the gradient of the weights, output
// gradients and inputs, a line of the image at a time. A cell of a line is
// one position or, in pairs, two that follow each other.
type weightLines[E gemm.Cell, T float] interface {
	kernel() *gemm.Kernel[E, T]
	// terms is how many parts of a gradient are summed; per the positions of
	// a cell.
	terms() int
	per() int
	// order returns the order of sums of a weight of size elements, and how
	// many of its blocks a unit of so many output lines has.
	order(size, lines int) (backend.SumOrder, int)
	// prepare reads what may change from run to run. It fails on what the
	// kernel cannot take.
	prepare() error
	// scratch is the cells that input needs to work in.
	scratch() int
	// whole returns the gradients of all lines when they lie in memory as
	// cells, nil otherwise, and the cells from one position to the next.
	whole() (dy []E, ld int)
	// gradient writes the cells of output line l of all images: one row of
	// og channels for each cell.
	gradient(dst []E, l, group, term int)
	// input writes the cells of input line l of all images, cg channels each,
	// from column -left on.
	input(dst []E, l, group int, scratch []E)
}

// weightGrad is the gradient of the weights as a product over all output
// positions without a matrix of patches: the inputs under a column of the
// kernel are every stride-th column of a line, and those under a row of the
// kernel lie side by side.
//
// The output positions are summed in the order of [backend.WeightGradOrder], a
// unit of blocks at a time. A part of it is a segment, which one worker sums; where
// there is one, all workers share the result instead.
type weightGrad[E gemm.Cell, T float] struct {
	weightLines[E, T]
	g  *convGeometry
	dw []T

	depth   int  // cells of an output line
	columns int  // of a line of the input in cells
	run     int  // inputs side by side: of a row of the kernel, or of a tap
	taps    int  // runs of a row of the kernel
	patches bool // runs are too short: they are put together
	lines   int  // output lines of a unit, at most
	held    int  // input lines of a unit, at most

	sums                              backend.SumOrder
	perUnit                           int // blocks of a unit, at most
	segments                          int
	gradStride                        int // cells from one cell of the output to the next
	gradCells, inputCells, patchCells int
	slotCells, partBytes              int
	slots                             slots          // of memory
	lists                             slots          // of blocks
	blocks                            [][]gemm.Block // of the lines of a unit, by slot
	ends                              [][]int        // of each block's lines among them
	tiles                             int            // of the product of a unit
	body, sumBody                     func(lo, hi int)
	gradBody, inputBody, tileBody     func(lo, hi int)
	mem, work                         []E
	parts                             []T
	shared                            weightUnit[E, T]
}

// weightUnit is a unit of a group while it is computed.
type weightUnit[E gemm.Cell, T float] struct {
	unit
	mem   []E
	part  []T
	group int
	add   bool
}

// unit is a range of blocks, and of the output lines and the input lines that
// they need, of all images.
type unit struct{ b0, b1, o0, o1, i0, i1 int }

const shortRun = 16

func newWeightGrad[E gemm.Cell, T float](g *convGeometry, dw []T, l weightLines[E, T]) *weightGrad[E, T] {
	c := &weightGrad[E, T]{weightLines: l, g: g, dw: dw}
	kr := l.kernel()
	c.depth = (g.ow + l.per() - 1) / l.per()
	c.columns = l.per()*max(c.depth-1, 0)*g.sw + (g.kw-1)*g.dw + 1
	c.run, c.taps = g.cg, g.kw
	if g.dw == 1 {
		c.run, c.taps = g.kw*g.cg, 1
	}
	c.patches = c.run < shortRun
	line := max(c.columns*g.cg, 1)
	if c.patches {
		line += c.depth * g.k
	}
	// Whole images while several fit, else bands of lines.
	lines := min(bandCells/max(g.h*line, 1), g.n) * g.oh
	if lines == 0 {
		lines = min(max((bandCells/line-(g.kh-1)*g.dh)/g.sh, 1), max(g.oh, 1))
	}
	size := g.o * g.k
	c.sums, c.perUnit = l.order(size, lines)
	c.segments = max(c.sums.Parts(), 1)
	perUnit := 0
	for s := range c.segments {
		for b, end := s*c.sums.Part, min((s+1)*c.sums.Part, c.sums.Blocks()); b < end; {
			u := c.unitAt(b, end)
			c.lines, c.held, perUnit = max(c.lines, u.o1-u.o0), max(c.held, u.i1-u.i0), max(perUnit, u.b1-u.b0)
			b = u.b1
		}
	}
	c.gradStride = g.og
	c.gradCells = c.lines * c.depth * g.og * l.terms()
	if dy, ld := l.whole(); dy != nil {
		c.gradStride, c.gradCells = ld, 0
	}
	c.inputCells = (c.held+1)*c.columns*g.cg + kr.Slack()
	if c.patches {
		c.patchCells = c.lines*c.depth*g.k + kr.Slack() + shortRun
	}
	c.slotCells = c.gradCells + c.inputCells + c.patchCells
	c.slots = newSlots(min(c.segments, runtime.GOMAXPROCS(0)))
	c.lists = newSlots(runtime.GOMAXPROCS(0))
	for range cap(c.lists) {
		c.blocks = append(c.blocks, make([]gemm.Block, 0, (c.lines+perUnit)*l.terms()))
		c.ends = append(c.ends, make([]int, 0, perUnit))
	}
	c.partBytes = roundUp64(c.segments * size * sizeOf[T]())
	c.body = func(lo, hi int) {
		slot := <-c.slots
		defer c.slots.give(slot)
		for s := lo; s < hi; s++ {
			c.segment(slot, s)
		}
	}
	c.gradBody = func(lo, hi int) { c.gradients(&c.shared, lo, hi) }
	c.inputBody = func(lo, hi int) { c.inputs(&c.shared, lo, hi) }
	c.tileBody = func(lo, hi int) { c.product(&c.shared, lo, hi) }
	c.tiles = g.kh * c.taps * ((c.run + kr.Wide() - 1) / kr.Wide())
	if c.patches {
		c.tiles = (g.k + kr.Wide() - 1) / kr.Wide()
	}
	add := channels.For[T]().Add
	c.sumBody = func(lo, hi int) {
		dw := c.dw[lo:hi]
		copy(dw, c.parts[lo:hi])
		for i := 1; i < c.segments; i++ {
			add(dw, c.parts[i*size+lo:i*size+hi])
		}
	}
	return c
}

func (c *weightGrad[E, T]) bind(b *Backend) func() error {
	size := gemm.CellBytes[E]()
	each := roundUp64(c.slotCells * size)
	work := c.partBytes + cap(c.slots)*each
	workspace := work + cap(c.lists)*c.scratch()*size
	b.scratch.need(workspace)
	return func() error {
		if c.g.rows() == 0 || len(c.dw) == 0 {
			clear(c.dw)
			return nil
		}
		if err := c.prepare(); err != nil {
			return err
		}
		ws := b.scratch.take(workspace)
		c.parts = tensor.Cast[T](ws.t.Bytes(), c.segments*len(c.dw))
		c.mem = gemm.Cells[E](ws.t.Bytes()[c.partBytes:], cap(c.slots)*each/size)
		c.work = gemm.Cells[E](ws.t.Bytes()[work:], cap(c.lists)*c.scratch())
		if c.segments > 1 {
			parallel(c.segments, 1, c.body)
		} else {
			c.body(0, 1) // Which calls all workers itself.
		}
		parallel(len(c.dw), 4096, c.sumBody)
		c.parts, c.mem, c.work, c.shared = nil, nil, nil, weightUnit[E, T]{}
		b.scratch.give(ws)
		return nil
	}
}

// unitAt returns the unit that starts with block b of a segment that ends at
// block end.
func (c *weightGrad[E, T]) unitAt(b, end int) unit {
	g, u := c.g, unit{b0: b, b1: min(b+c.perUnit, end)}
	u.o0, u.o1 = c.sums.Start(u.b0)/g.ow, (c.sums.Start(u.b1)-1)/g.ow+1
	first, last := u.o0/g.oh, (u.o1-1)/g.oh // Images.
	h0 := min(max(u.o0%g.oh*g.sh-g.top, 0), g.h)
	h1 := max(min((u.o1-1)%g.oh*g.sh-g.top+(g.kh-1)*g.dh+1, g.h), 0)
	u.i0 = first*g.h + h0
	u.i1 = max(last*g.h+h1, u.i0)
	return u
}

// segment computes the partial result of segment s.
func (c *weightGrad[E, T]) segment(slot, s int) {
	each := len(c.mem) / cap(c.slots)
	w := weightUnit[E, T]{mem: c.mem[slot*each : slot*each+c.slotCells], part: c.parts[s*len(c.dw) : (s+1)*len(c.dw)]}
	for b, end := s*c.sums.Part, min((s+1)*c.sums.Part, c.sums.Blocks()); b < end; b = w.b1 {
		w.unit, w.add = c.unitAt(b, end), b > s*c.sums.Part
		for w.group = range c.g.groups {
			c.step(&w)
		}
	}
}

// step adds a unit of a group to its partial result.
func (c *weightGrad[E, T]) step(w *weightUnit[E, T]) {
	if c.segments > 1 {
		c.gradients(w, 0, w.o1-w.o0)
		c.inputs(w, 0, w.i1-w.i0)
	} else {
		// All workers share a large result.
		c.shared = *w
		parallel(w.o1-w.o0, lineGrain(c.depth*c.g.og), c.gradBody)
		parallel(w.i1-w.i0, lineGrain(c.columns*c.g.cg), c.inputBody)
	}
	if c.patches {
		c.join(w)
	}
	if c.segments > 1 {
		c.product(w, 0, c.tiles)
	} else {
		parallel(c.tiles, 1, c.tileBody)
	}
}

// lineGrain is how many lines of so many cells a worker takes at once.
func lineGrain(cells int) int { return max(16384/max(cells, 1), 1) }

func (c *weightGrad[E, T]) scratchOf(list int) []E {
	n := c.scratch()
	return c.work[list*n : (list+1)*n]
}

// gradsOf returns the gradients of a unit and the cells of one line.
func (c *weightGrad[E, T]) gradsOf(w *weightUnit[E, T]) (grad []E, row int) {
	row = c.depth * c.gradStride
	if dy, _ := c.whole(); dy != nil {
		return dy[w.o0*row+w.group*c.g.og:], row
	}
	return w.mem[:c.gradCells], row
}

func (c *weightGrad[E, T]) inputsOf(w *weightUnit[E, T]) []E {
	return w.mem[c.gradCells : c.gradCells+c.inputCells]
}

// gradients lays out the gradients of output lines [lo,hi) of a unit.
func (c *weightGrad[E, T]) gradients(w *weightUnit[E, T], lo, hi int) {
	if c.gradCells == 0 {
		return
	}
	grad, row := c.gradsOf(w)
	for t := range c.terms() {
		for l := lo; l < hi; l++ {
			at := (t*c.lines + l) * row
			c.gradient(grad[at:at+row], w.o0+l, w.group, t)
		}
	}
}

// inputs lays out the input lines [lo,hi) of a unit.
func (c *weightGrad[E, T]) inputs(w *weightUnit[E, T], lo, hi int) {
	row, input := c.columns*c.g.cg, c.inputsOf(w)
	list := <-c.lists
	defer c.lists.give(list)
	scratch := c.scratchOf(list)
	for l := lo; l < hi; l++ {
		c.input(input[l*row:(l+1)*row], w.i0+l, w.group, scratch)
	}
}

// join writes the patches of a unit: for each cell of the output the k cells
// of the input under the kernel.
func (c *weightGrad[E, T]) join(w *weightUnit[E, T]) {
	g := c.g
	input, patch := c.inputsOf(w), w.mem[c.gradCells+c.inputCells:]
	row, step := c.columns*g.cg, c.per()*g.sw*g.cg
	clear(input[c.held*row : (c.held+1)*row])
	for l := w.o0; l < w.o1; l++ {
		n, i := l/g.oh, l%g.oh
		for a := range g.kh {
			at := c.held * row // Zeros.
			if ih := i*g.sh - g.top + a*g.dh; ih >= 0 && ih < g.h {
				at = (n*g.h + ih - w.i0) * row
			}
			for t := range c.taps {
				dst := patch[(l-w.o0)*c.depth*g.k+(a*c.taps+t)*c.run:]
				copyRuns(dst, g.k, input[at+t*g.dw*g.cg:], step, c.depth, c.run)
			}
		}
	}
}

// copyRuns copies short rows of n cells.
func copyRuns[E gemm.Cell](dst []E, ldDst int, src []E, ld, rows, n int) {
	switch n {
	case 1:
		for r := range rows {
			dst[r*ldDst] = src[r*ld]
		}
	case 2:
		for r := range rows {
			*(*[2]E)(dst[r*ldDst:]) = *(*[2]E)(src[r*ld:])
		}
	case 3:
		for r := range rows {
			*(*[3]E)(dst[r*ldDst:]) = *(*[3]E)(src[r*ld:])
		}
	default:
		copyRows(dst, ldDst, src, ld, rows, n)
	}
}

// product adds tiles [lo,hi) of the product of a unit to the partial result.
// A tile is a panel of the inputs under a run of taps.
func (c *weightGrad[E, T]) product(w *weightUnit[E, T], lo, hi int) {
	list := <-c.lists
	defer c.lists.give(list)
	g, kr := c.g, c.kernel()
	grad, row := c.gradsOf(w)
	dw := w.part[w.group*g.og*g.k:]
	if c.patches {
		blocks := c.blocks[list][:c.terms()]
		patch := w.mem[c.gradCells+c.inputCells:]
		for t := lo; t < hi; t++ {
			j := t * kr.Wide()
			for b := w.b0; b < w.b1; b++ {
				p := c.pieceAt(b)
				at := (p.l0-w.o0)*c.depth + p.j0
				for i := range blocks {
					blocks[i].A = i*c.lines*row + at*c.gradStride
				}
				kr.Tile(blocks, g.og, (p.l1-p.l0)*(p.j1-p.j0), grad, 1, c.gradStride, patch[at*g.k+j:], g.k, dw[j:], g.k, min(g.k-j, kr.Wide()), w.add || b > w.b0)
			}
		}
		return
	}
	var blocks []gemm.Block
	var ends []int
	listed := -1
	input, panels := c.inputsOf(w), (c.run+kr.Wide()-1)/kr.Wide()
	for t := lo; t < hi; t++ {
		run, j := t/panels, t%panels*kr.Wide()
		if a := run / c.taps; a != listed {
			listed = a
			blocks, ends = c.list(c.blocks[list][:0], c.ends[list][:0], w, a, row)
		}
		cols := min(c.run-j, kr.Wide())
		out, add, from := dw[run*c.run+j:], w.add, 0
		for b := w.b0; b < w.b1; b++ {
			lines := blocks[from:ends[b-w.b0]]
			from += len(lines)
			if len(lines) > 0 {
				p := c.pieceAt(b)
				kr.Tile(lines, g.og, p.j1-p.j0, grad, 1, c.gradStride, input[run%c.taps*g.dw*g.cg+j:], c.per()*g.sw*g.cg, out, g.k, cols, add)
				add = true
			}
		}
		for o := 0; o < g.og && !add; o++ {
			clear(out[o*g.k : o*g.k+cols])
		}
	}
}

// piece is what a block has of its output lines [l0,l1), of all images: their
// cells [j0,j1), all unless there is one line.
type piece struct{ l0, l1, j0, j1 int }

func (c *weightGrad[E, T]) pieceAt(b int) piece {
	lo, hi, w := c.sums.Start(b), c.sums.Start(b+1), c.g.ow
	p := piece{l0: lo / w, l1: (hi-1)/w + 1, j1: c.depth}
	if hi-lo < w {
		p.j0, p.j1 = lo-p.l0*w, hi-p.l0*w
	}
	return p
}

// list returns the products of the blocks of a unit with row a of the kernel,
// the lines of one after those of the other, and where those of each end.
func (c *weightGrad[E, T]) list(blocks []gemm.Block, ends []int, w *weightUnit[E, T], a, row int) ([]gemm.Block, []int) {
	g, line, terms := c.g, c.columns*c.g.cg, c.terms()
	for b := w.b0; b < w.b1; b++ {
		p := c.pieceAt(b)
		left := p.j0 * c.per() * g.sw * g.cg
		for t := range terms {
			at := (t*c.lines+p.l0-w.o0)*row + p.j0*c.gradStride
			for l := p.l0; l < p.l1; l++ {
				n := l / g.oh
				if ih := (l-n*g.oh)*g.sh - g.top + a*g.dh; ih >= 0 && ih < g.h {
					blocks = append(blocks, gemm.Block{A: at, B: (n*g.h+ih-w.i0)*line + left})
				}
				at += row
			}
		}
		ends = append(ends, len(blocks))
	}
	return blocks, ends
}

// floatLines are operands in floats.
type floatLines[T float] struct {
	g  *convGeometry
	kr gemm.Kernel[T, T]
	dy []T
	x  *operand[T]
}

func newFloatLines[T float](g *convGeometry, dy []T, x *operand[T]) *floatLines[T] {
	return &floatLines[T]{g, gemm.FloatKernel[T](), dy, x}
}

func (f *floatLines[T]) kernel() *gemm.Kernel[T, T] { return &f.kr }
func (f *floatLines[T]) terms() int                 { return 1 }
func (f *floatLines[T]) per() int                   { return 1 }
func (f *floatLines[T]) prepare() error             { f.x.prepare(); return nil }
func (f *floatLines[T]) scratch() int               { return 0 }

func (f *floatLines[T]) order(size, lines int) (backend.SumOrder, int) {
	g := f.g
	o := backend.WeightGradOrder(g.n, g.oh, g.ow, size)
	return o, max(lines*g.ow/o.Depth, 1)
}

func (f *floatLines[T]) whole() ([]T, int) { return f.dy, f.g.o }

// gradient is not called: the gradients serve as they lie.
func (f *floatLines[T]) gradient([]T, int, int, int) {}

func (f *floatLines[T]) input(dst []T, l, group int, _ []T) {
	g := f.g
	if f.x.float != nil {
		padLine(g, dst, f.x.float, l, group)
		return
	}
	before, n := g.columnsIn(len(dst) / g.cg)
	clear(dst[:before*g.cg])
	in := dst[before*g.cg : (before+n)*g.cg]
	switch at := l*g.line + group*g.cg; {
	case g.groups == 1:
		f.x.expand(in, at)
	default:
		for i := range n {
			f.x.expand(in[i*g.cg:(i+1)*g.cg], at+i*g.c)
		}
	}
	clear(dst[(before+n)*g.cg:])
}

// pairLines are gradients in bfloat16 and inputs as codes, two positions in
// a cell. The scale multiplies the gradients.
type pairLines struct {
	g     *convGeometry
	kr    gemm.PairKernel
	dy    []float32
	x     *operand[float32]
	count int
	zero  int32
}

func newPairLines(g *convGeometry, dy []float32, x *operand[float32], terms int) *pairLines {
	return &pairLines{g: g, kr: gemm.BF16Kernel(), dy: dy, x: x, count: terms}
}

func (p *pairLines) kernel() *gemm.Kernel[uint32, float32] { return &p.kr.Kernel }
func (p *pairLines) terms() int                            { return p.count }
func (p *pairLines) per() int                              { return 2 }

func (p *pairLines) prepare() (err error) {
	p.zero, err = p.x.zeroPoint()
	return err
}

// order has a unit for a block and, of small results, parts of several.
func (p *pairLines) order(size, lines int) (backend.SumOrder, int) {
	g := p.g
	o := backend.SumOrder{Length: g.rows(), Depth: max(lines*g.ow, 1), Period: max(g.rows(), 1), Part: 1}
	if lines%max(g.oh, 1) != 0 {
		o.Period = g.oh * g.ow // Bands of an image.
	}
	o.Part = max(o.Blocks(), 1)
	if size <= pairResult {
		o.Part = (o.Part + pairSegments - 1) / pairSegments
	}
	return o, 1
}

const (
	pairSegments = 16
	pairResult   = 128 << 10 // elements of a result that has segments
)

// codes is how many codes of a padded line the cells of columns columns need.
func (p *pairLines) codes(columns int) int { return (columns + p.g.sw) * p.g.cg }

func (p *pairLines) scratch() int {
	g := p.g
	return p.codes(2*max((g.ow+1)/2-1, 0)*g.sw+(g.kw-1)*g.dw+1)/4 + 1
}

func (p *pairLines) whole() ([]uint32, int) { return nil, 0 }

func (p *pairLines) gradient(dst []uint32, l, group, term int) {
	g := p.g
	p.kr.PairRows(g.ow, g.og, dst, g.og, p.dy[l*g.ow*g.o+group*g.og:], g.o, p.x.scale[0], term > 0)
}

func (p *pairLines) input(dst []uint32, l, group int, scratch []uint32) {
	g := p.g
	columns := len(dst) / g.cg
	// A line of codes with the code of 0 on both sides.
	line := gemm.Bytes(scratch)[:p.codes(columns)]
	before, n := g.columnsIn(columns + g.sw)
	fill(line[:before*g.cg], byte(p.zero))
	copyRows(line[before*g.cg:], g.cg, p.x.codes[l*g.line+group*g.cg:], g.c, n, g.cg)
	fill(line[(before+n)*g.cg:], byte(p.zero))
	p.kr.CodePairs(len(dst), dst, line, g.sw*g.cg, p.zero, p.x.signed)
}
