package cpu

import (
	"runtime"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/gemm"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.ConvGradInput{}, kernel{types: floats, bind: func(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		o := op.(backend.ConvGradInput)
		g := newConvGeometry(o.Conv, out[0].Shape(), in[1].Shape(), in[0].Shape())
		if in[0].DType() == tensor.F64 {
			return bindConvGradInput[float64](b, g, out, in), nil
		}
		if terms := bf16Terms(o.Precision, in); terms > 0 && !g.depthwise() {
			dx, dy, w := elements[float32](out[0]), elements[float32](in[0]), newOperand[float32](in, 1)
			if g.pointwise() {
				return bindTimesCodes(b, dx, dy, w, g.rows(), g.o, g.c, terms), nil
			}
			return newInputGrad(g, dx, dy, newPairTerms(g, w, terms)).bind(b), nil
		}
		return bindConvGradInput[float32](b, g, out, in), nil
	}})
}

func bindConvGradInput[T float](b *Backend, g *convGeometry, out, in []*tensor.Tensor) func() error {
	dx, dy, w := elements[T](out[0]), elements[T](in[0]), newOperand[T](in, 1)
	switch {
	case g.depthwise():
		return bindDepthwiseGradInput(b, g, dx, dy, w)
	case g.pointwise():
		return bindTimesWeight(b, dx, dy, w, g.rows(), g.o, g.c)
	}
	return newInputGrad(g, dx, dy, newFloatTerms(g, w)).bind(b)
}

// inputTerms lays out the operands of the gradient of the input, gradient and
// weight, for a kernel.
type inputTerms[E gemm.Cell, T float] interface {
	kernel() *gemm.Kernel[E, T]
	// terms is how many parts of a gradient are summed, and cells the cells
	// of the channels of a group in one of them.
	terms() int
	cells() int
	// prepare reads what may change from run to run.
	prepare()
	// gradient writes a part of rows pixels of dy, og channels each, ld apart.
	gradient(dst []E, ldDst, rows int, dy []T, ld, group, term int)
	// weight writes cells rows of w cells, the weights of a tap for the input
	// channels [j,j+cols) of a group.
	weight(dst []E, w, group, tap, j, cols int)
}

// inputGrad is the gradient of the input as a product without a matrix of
// patches: a line of the input whose pixels lie a stride apart is, for every
// tap that reaches it, a product of a line of dy with the weights of the tap.
type inputGrad[E gemm.Cell, T float] struct {
	inputTerms[E, T]
	g      *convGeometry
	dx, dy []T

	phases      []inputPhase // by the column modulo the stride
	before      int          // columns of zeros before those of dy
	pitch       int          // columns of a line of dy with zeros on both sides
	size        int          // cells of a column, all terms
	band        int          // lines of the input of a unit
	bands       int
	held        int // lines of dy that a unit needs, at most
	panels      int // cells of the weights of a group
	grain       int
	weightCells int
	slotCells   int
	slots       slots
	blocks      [][]gemm.Block // by slot
	body        func(lo, hi int)
	weightBody  func(lo, hi int)
	bank, mem   []E
}

// inputPhase is what the columns first, first+stride, ... of the input have
// in common: the columns of the kernel that reach them.
type inputPhase struct {
	count int
	taps  []int // columns of the kernel
	start []int // the column of dy of the first pixel, by tap
}

// bandCells is the size of what a unit of a convolution converts at once: a
// share of the second-level cache.
const bandCells = 48 << 10

func newInputGrad[E gemm.Cell, T float](g *convGeometry, dx, dy []T, t inputTerms[E, T]) *inputGrad[E, T] {
	c := &inputGrad[E, T]{inputTerms: t, g: g, dx: dx, dy: dy}
	after := 0
	for first := range min(g.sw, g.w) {
		p := inputPhase{count: (g.w - first + g.sw - 1) / g.sw}
		for b := range g.kw {
			v := first + g.left - b*g.dw
			if v%g.sw != 0 {
				continue
			}
			j := v / g.sw
			if j >= g.ow || j+p.count <= 0 {
				continue
			}
			p.taps, p.start = append(p.taps, b), append(p.start, j)
			c.before, after = max(c.before, -j), max(after, j+p.count-g.ow)
		}
		c.phases = append(c.phases, p)
	}
	c.pitch = c.before + g.ow + after
	c.size = t.cells() * t.terms()
	// A band of lines reaches (band + kernel) / stride lines of dy.
	reach := (g.kh - 1) * g.dh
	lines := max(bandCells/max(c.pitch*c.size, 1), 1)
	c.band = min(max((lines-1)*g.sh-reach, g.sh, 1), max(g.h, 1))
	c.bands = (g.h + c.band - 1) / c.band
	c.held = min((c.band-1+reach)/g.sh+1, max(g.oh, 1))
	kr := t.kernel()
	width := 0
	for j := 0; j < g.cg; j += kr.Wide() {
		width += kr.Width(min(g.cg-j, kr.Wide()))
	}
	c.panels = g.kh * g.kw * t.cells() * width
	c.weightCells = g.groups*c.panels + kr.Slack()
	c.slotCells = c.held*c.pitch*c.size + kr.Slack()
	units := g.n * c.bands
	work := g.rows() / max(units, 1) * g.k * g.o
	c.grain = max((256<<10)/max(work, 1), 1)
	n := max(min((units+c.grain-1)/c.grain, runtime.GOMAXPROCS(0)), 1)
	c.slots = newSlots(n)
	for range n {
		c.blocks = append(c.blocks, make([]gemm.Block, 0, g.kh*g.kw*t.terms()))
	}
	c.weightBody = c.packWeights
	c.body = func(lo, hi int) {
		slot := <-c.slots
		defer c.slots.give(slot)
		for u := lo; u < hi; u++ {
			c.unit(slot, u/c.bands, u%c.bands)
		}
	}
	return c
}

func (c *inputGrad[E, T]) bind(b *Backend) func() error {
	size := gemm.CellBytes[E]()
	off := roundUp64(c.weightCells * size)
	each := roundUp64(c.slotCells*size) / size
	workspace := off + cap(c.slots)*each*size
	b.scratch.need(workspace)
	return func() error {
		if len(c.dx) == 0 {
			return nil
		}
		if len(c.dy) == 0 || c.g.cg == 0 {
			clear(c.dx)
			return nil
		}
		c.prepare()
		ws := b.scratch.take(workspace)
		c.bank, c.mem = gemm.Cells[E](ws.t.Bytes(), c.weightCells), gemm.Cells[E](ws.t.Bytes()[off:], cap(c.slots)*each)
		parallel(c.g.groups*c.g.kh*c.g.kw, max(32768/max(c.g.og*c.g.cg, 1), 1), c.weightBody)
		parallel(c.g.n*c.bands, c.grain, c.body)
		c.bank, c.mem = nil, nil
		b.scratch.give(ws)
		return nil
	}
}

// packWeights lays out the weights of taps [lo,hi) of all groups, panel by
// panel.
func (c *inputGrad[E, T]) packWeights(lo, hi int) {
	g, kr, all := c.g, c.kernel(), c.g.kh*c.g.kw
	for i := lo; i < hi; i++ {
		group, tap := i/all, i%all
		for j := 0; j < g.cg; j += kr.Wide() {
			cols := min(g.cg-j, kr.Wide())
			w := kr.Width(cols)
			at := group*c.panels + (j*all+tap*w)*c.cells()
			c.weight(c.bank[at:at+c.cells()*w], w, group, tap, j, cols)
		}
	}
}

// unit computes the gradient of a band of lines of image n.
func (c *inputGrad[E, T]) unit(slot, n, band int) {
	g := c.g
	each := len(c.mem) / cap(c.slots)
	mem := c.mem[slot*each : slot*each+c.slotCells]
	h0, h1 := band*c.band, min((band+1)*c.band, g.h)
	// The lines of dy that reach the band.
	i0 := max((h0+g.top-(g.kh-1)*g.dh+g.sh-1)/g.sh, 0)
	i1 := min((h1-1+g.top)/g.sh+1, g.oh)
	for group := range g.groups {
		for i := i0; i < i1; i++ {
			line := mem[(i-i0)*c.pitch*c.size : (i-i0+1)*c.pitch*c.size]
			clear(line[:c.before*c.size])
			clear(line[(c.before+g.ow)*c.size:])
			at := ((n*g.oh+i)*g.ow)*g.o + group*g.og
			for t := range c.terms() {
				c.gradient(line[c.before*c.size+t*c.cells():], c.size, g.ow, c.dy[at:], g.o, group, t)
			}
		}
		for ih := h0; ih < h1; ih++ {
			for first := range c.phases {
				c.line(slot, mem, n, ih, i0, first, group)
			}
		}
	}
}

// line computes the pixels of a phase of line ih.
func (c *inputGrad[E, T]) line(slot int, mem []E, n, ih, i0, first, group int) {
	g, p, kr := c.g, &c.phases[first], c.kernel()
	dx := c.dx[(n*g.h+ih)*g.line+first*g.c+group*g.cg:]
	blocks, width := c.blocks[slot], 0
	for j := 0; j < g.cg; j += kr.Wide() {
		cols := min(g.cg-j, kr.Wide())
		if w := kr.Width(cols); w != width {
			width, blocks = w, c.list(blocks[:0], p, ih, i0, w)
		}
		if len(blocks) == 0 {
			for x := range p.count {
				clear(dx[x*g.sw*g.c+j:][:cols])
			}
			continue
		}
		b := c.bank[group*c.panels+j*g.kh*g.kw*c.cells():]
		kr.Tile(blocks, p.count, c.cells(), mem, c.size, 1, b, width, dx[j:], g.sw*g.c, cols, false)
	}
	c.blocks[slot] = blocks
}

// list returns the products that make the pixels of a phase of line ih, for
// panels w cells wide.
func (c *inputGrad[E, T]) list(blocks []gemm.Block, p *inputPhase, ih, i0, w int) []gemm.Block {
	g := c.g
	for a := range g.kh {
		v := ih + g.top - a*g.dh
		if v < 0 || v%g.sh != 0 || v/g.sh >= g.oh {
			continue
		}
		line := (v/g.sh - i0) * c.pitch
		for x, b := range p.taps {
			at := (line + c.before + p.start[x]) * c.size
			for t := range c.terms() {
				blocks = append(blocks, gemm.Block{A: at + t*c.cells(), B: (a*g.kw + b) * c.cells() * w})
			}
		}
	}
	return blocks
}

// floatTerms are operands in floats; a cell is an output channel.
type floatTerms[T float] struct {
	g  *convGeometry
	kr gemm.Kernel[T, T]
	w  *operand[T]
}

func newFloatTerms[T float](g *convGeometry, w *operand[T]) *floatTerms[T] {
	return &floatTerms[T]{g, gemm.FloatKernel[T](), w}
}

func (f *floatTerms[T]) kernel() *gemm.Kernel[T, T] { return &f.kr }
func (f *floatTerms[T]) terms() int                 { return 1 }
func (f *floatTerms[T]) cells() int                 { return f.g.og }
func (f *floatTerms[T]) prepare()                   { f.w.prepare() }

func (f *floatTerms[T]) gradient(dst []T, ldDst, rows int, dy []T, ld, _, _ int) {
	copyRows(dst, ldDst, dy, ld, rows, f.g.og)
}

func (f *floatTerms[T]) weight(dst []T, w, group, tap, j, cols int) {
	g := f.g
	for o := range g.og {
		row := dst[o*w : (o+1)*w]
		at := (group*g.og+o)*g.k + tap*g.cg + j
		if f.w.float != nil {
			copy(row[:cols], f.w.float[at:])
		} else {
			f.w.expand(row[:cols], at)
			if len(f.w.scale) > 1 {
				s := T(f.w.scale[group*g.og+o])
				for i := range row[:cols] {
					row[i] *= s
				}
			}
		}
		clear(row[cols:])
	}
}

// pairTerms are gradients in bfloat16 and weights as codes; a cell is a pair
// of output channels. The scales multiply the gradients.
type pairTerms struct {
	g     *convGeometry
	kr    gemm.PairKernel
	w     *operand[float32]
	count int
	scale []float32 // by output channel
}

func newPairTerms(g *convGeometry, w *operand[float32], terms int) *pairTerms {
	return &pairTerms{g, gemm.BF16Kernel(), w, terms, make([]float32, g.o)}
}

func (p *pairTerms) kernel() *gemm.Kernel[uint32, float32] { return &p.kr.Kernel }
func (p *pairTerms) terms() int                            { return p.count }
func (p *pairTerms) cells() int                            { return (p.g.og + 1) / 2 }

func (p *pairTerms) prepare() {
	for i := range p.scale {
		p.scale[i] = p.w.scale[min(i, len(p.w.scale)-1)]
	}
}

func (p *pairTerms) gradient(dst []uint32, ldDst, rows int, dy []float32, ld, group, term int) {
	og := p.g.og
	p.kr.Join(rows, og, dst, ldDst, dy, ld, p.scale[group*og:(group+1)*og], term > 0)
}

func (p *pairTerms) weight(dst []uint32, w, group, tap, j, cols int) {
	g := p.g
	if cols < w {
		clear(dst)
	}
	p.kr.CodeRows(g.og, cols, dst, w, p.w.codes[group*g.og*g.k+tap*g.cg+j:], g.k, 0, p.w.signed)
}
