package cpu

import (
	"runtime"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/gemm"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.Conv{}, kernel{types: floats, bind: func(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if in[0].DType() == tensor.F64 {
			return bindConv[float64](b, op.(backend.Conv), out, in), nil
		}
		return bindConv[float32](b, op.(backend.Conv), out, in), nil
	}})
}

func bindConv[T float](b *Backend, op backend.Conv, out, in []*tensor.Tensor) func() error {
	g := newConvGeometry(op, in[0].Shape(), in[1].Shape(), out[0].Shape())
	x, w, y := elements[T](in[0]), elements[T](in[1]), elements[T](out[0])
	var bias []T
	if len(in) > 2 {
		bias = elements[T](in[2])
	}
	if g.depthwise() {
		return bindDepthwise(b, g, x, w, bias, y)
	}
	if g.pointwise() {
		return bindProduct(b, y, x, w, bias, g.rows(), g.o, g.c)
	}
	return newForward(g, x, w, bias, y).bind(b)
}

// forward is a convolution as a product without a matrix of patches: a line
// of the output is, for every row of the kernel, a product of the inputs under
// that row, which lie side by side, with its weights.
type forward[T float] struct {
	kernel  gemm.Kernel[T, T]
	g       *convGeometry
	x, w, y []T
	fill    *biasFill[T]

	pitch  int  // columns of a line of the input with zeros on both sides
	direct bool // lines of x serve as they lie
	run    int  // inputs side by side: of a row of the kernel, or of a tap
	taps   int  // runs of a row of the kernel
	band   int  // output lines of a unit
	bands  int
	held   int // input lines of a unit, at most
	panels int // elements of the weights of a group
	grain  int

	weightSize, slotSize int
	slots                slots
	blocks               [][]gemm.Block // by slot
	body, weightBody     func(lo, hi int)
	bank, mem            []T
}

func newForward[T float](g *convGeometry, x, w, bias, y []T) *forward[T] {
	c := &forward[T]{kernel: gemm.FloatKernel[T](), g: g, x: x, w: w, y: y, fill: newBiasFill(y, bias)}
	c.pitch = max(g.ow-1, 0)*g.sw + (g.kw-1)*g.dw + 1
	c.direct = g.left == 0 && c.pitch <= g.w && g.groups == 1
	if c.direct {
		c.pitch = g.w
	}
	c.run, c.taps = g.cg, g.kw
	if g.dw == 1 {
		c.run, c.taps = g.kw*g.cg, 1
	}
	reach := (g.kh - 1) * g.dh
	lines := max(bandCells/max(c.pitch*g.cg, 1), 1)
	c.band = min(max((lines-reach-1)/g.sh+1, 1), max(g.oh, 1))
	c.bands = (g.oh + c.band - 1) / c.band
	c.held = min((c.band-1)*g.sh+reach+1, g.h)
	width := 0
	for j := 0; j < g.og; j += c.kernel.Wide() {
		width += c.kernel.Width(min(g.og-j, c.kernel.Wide()))
	}
	c.panels = g.k * width
	c.weightSize = g.groups*c.panels + c.kernel.Slack()
	if !c.direct {
		c.slotSize = c.held * c.pitch * g.cg
	}
	units := g.n * c.bands
	work := g.rows() / max(units, 1) * g.k * g.o
	c.grain = max((256<<10)/max(work, 1), 1)
	n := max(min((units+c.grain-1)/c.grain, runtime.GOMAXPROCS(0)), 1)
	c.slots = newSlots(n)
	for range n {
		c.blocks = append(c.blocks, make([]gemm.Block, 0, g.kh*c.taps))
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

func (c *forward[T]) bind(b *Backend) func() error {
	size := sizeOf[T]()
	off := roundUp64(c.weightSize * size)
	each := roundUp64(c.slotSize*size) / size
	workspace := off + cap(c.slots)*each*size
	b.scratch.need(workspace)
	panels := (c.g.og + c.kernel.Wide() - 1) / c.kernel.Wide()
	return func() error {
		if len(c.y) == 0 {
			return nil
		}
		c.fill.run()
		if c.g.k == 0 {
			if c.fill.bias == nil {
				clear(c.y)
			}
			return nil
		}
		ws := b.scratch.take(workspace)
		c.bank, c.mem = tensor.Cast[T](ws.t.Bytes(), c.weightSize), tensor.Cast[T](ws.t.Bytes()[off:], cap(c.slots)*each)
		parallel(c.g.groups*panels, max(32768/(c.g.k*c.kernel.Wide()), 1), c.weightBody)
		parallel(c.g.n*c.bands, c.grain, c.body)
		c.bank, c.mem = nil, nil
		b.scratch.give(ws)
		return nil
	}
}

// packWeights turns the weights of panels [lo,hi) of all groups.
func (c *forward[T]) packWeights(lo, hi int) {
	g, kr := c.g, &c.kernel
	panels := (g.og + kr.Wide() - 1) / kr.Wide()
	for i := lo; i < hi; i++ {
		group, j := i/panels, i%panels*kr.Wide()
		cols := min(g.og-j, kr.Wide())
		w := kr.Width(cols)
		dst := c.bank[group*c.panels+j*g.k:][:w*g.k]
		if cols < w {
			clear(dst)
		}
		kr.Transpose(dst, w, c.w[(group*g.og+j)*g.k:], g.k, cols, g.k)
	}
}

// unit computes a band of lines of image n.
func (c *forward[T]) unit(slot, n, band int) {
	g := c.g
	i0, i1 := band*c.band, min((band+1)*c.band, g.oh)
	h0, h1 := max(i0*g.sh-g.top, 0), min((i1-1)*g.sh-g.top+(g.kh-1)*g.dh+1, g.h)
	in := c.x
	if c.direct {
		in = in[(n*g.h+min(h0, g.h))*g.line:]
	}
	for group := range g.groups {
		if !c.direct {
			each := len(c.mem) / cap(c.slots)
			in = c.mem[slot*each : slot*each+c.slotSize]
			for ih := h0; ih < h1; ih++ {
				row := c.pitch * g.cg
				padLine(g, in[(ih-h0)*row:(ih-h0+1)*row], c.x, n*g.h+ih, group)
			}
		}
		for i := i0; i < i1; i++ {
			c.line(slot, in, n, i, h0, group)
		}
	}
}

// line computes output line i.
func (c *forward[T]) line(slot int, in []T, n, i, h0, group int) {
	g, kr := c.g, &c.kernel
	y := c.y[(n*g.oh+i)*g.ow*g.o+group*g.og:]
	add := c.fill.bias != nil
	blocks, width := c.blocks[slot], 0
	for j := 0; j < g.og; j += kr.Wide() {
		cols := min(g.og-j, kr.Wide())
		if w := kr.Width(cols); w != width {
			width, blocks = w, c.list(blocks[:0], i, h0, w)
		}
		if len(blocks) > 0 {
			kr.Tile(blocks, g.ow, c.run, in, g.sw*g.cg, 1, c.bank[group*c.panels+j*g.k:], width, y[j:], g.o, cols, add)
			continue
		}
		for x := 0; x < g.ow && !add; x++ {
			clear(y[x*g.o+j:][:cols])
		}
	}
	c.blocks[slot] = blocks
}

// list returns the products that make output line i, for panels w wide.
func (c *forward[T]) list(blocks []gemm.Block, i, h0, w int) []gemm.Block {
	g := c.g
	for a := range g.kh {
		ih := i*g.sh - g.top + a*g.dh
		if ih < 0 || ih >= g.h {
			continue
		}
		for t := range c.taps {
			blocks = append(blocks, gemm.Block{A: ((ih-h0)*c.pitch + t*g.dw) * g.cg, B: (a*c.taps + t) * c.run * w})
		}
	}
	return blocks
}

// bindProduct returns y[m,n] = x[m,k] w[n,k]^T + bias.
func bindProduct[T float](b *Backend, y, x, w, bias []T, m, n, k int) func() error {
	p := gemm.New[T](parallel, false, true, m, n, k)
	fill := newBiasFill(y, bias)
	b.scratch.need(p.Workspace())
	return func() error {
		fill.run()
		ws := b.scratch.take(p.Workspace())
		p.Run(x, k, w, k, bias != nil, y, n, ws.t.Bytes())
		b.scratch.give(ws)
		return nil
	}
}

// biasFill fills the rows of a product with the bias before the product is
// added to them.
type biasFill[T float] struct {
	y, bias []T
	grain   int
	body    func(lo, hi int)
}

func newBiasFill[T float](y, bias []T) *biasFill[T] {
	f := &biasFill[T]{y: y, bias: bias}
	n := len(bias)
	f.grain = max(32768/max(n, 1), 1)
	f.body = func(lo, hi int) {
		y := y[lo*n : hi*n]
		// Copies of doubling length instead of one a row: rows are short.
		done := copy(y, bias)
		for done < len(y) {
			done += copy(y[done:], y[:done])
		}
	}
	return f
}

func (f *biasFill[T]) run() {
	if len(f.bias) > 0 {
		parallel(len(f.y)/len(f.bias), f.grain, f.body)
	}
}
