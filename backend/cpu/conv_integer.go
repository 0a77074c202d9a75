package cpu

import (
	"fmt"
	"math"
	"runtime"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/depthwise"
	"github.com/goqat/goqat/backend/cpu/internal/gemm"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.ConvInteger{}, kernel{supports: codesAt(0, 1), bind: func(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if out[0] == nil {
			return idle, nil
		}
		g := newConvShape(op.(backend.ConvInteger).Conv, in[0].Shape(), in[1].Shape())
		y := out[0].I32()
		return newCodeConv(b, g, in[0], in[1], ints(in, 2), ints(in, 3), func(p codeProduct) accEpilogue {
			return sumsEpilogue(p, y)
		})
	}})
}

// idle is the kernel of an operation whose results nobody uses.
func idle() error { return nil }

// codesAt returns a supports function that wants codes as these inputs.
func codesAt(inputs ...int) func(backend.Op, []tensor.Spec) bool {
	return func(_ backend.Op, in []tensor.Spec) bool {
		for _, i := range inputs {
			if i >= len(in) || !in[i].DType.Code() {
				return false
			}
		}
		return true
	}
}

// ints returns the contents of the int32 input i, nil when it is absent.
func ints(in []*tensor.Tensor, i int) []int32 {
	if i >= len(in) || in[i] == nil {
		return nil
	}
	return in[i].I32()
}

// reals is ints for float32.
func reals(in []*tensor.Tensor, i int) []float32 {
	if i >= len(in) || in[i] == nil {
		return nil
	}
	return in[i].F32()
}

// convShape is the geometry of a convolution; sequences are images of height
// 1, linear layers images of one pixel.
type convShape struct {
	n, h, w, c int // input
	oh, ow, o  int // output
	kh, kw     int // kernel
	cg, og     int // input and output channels of a group
	groups     int
	win        backend.Window
}

func newConvShape(c backend.Conv, x, w tensor.Shape) convShape {
	g := convShape{n: x[0], h: 1, c: x.Last(), o: w[0], kh: 1, groups: max(c.Groups, 1), win: c.Normal()}
	if len(x) == 3 {
		g.win, g.w, g.kw = g.win.Length(), x[1], w[1]
	} else {
		g.h, g.w, g.kh, g.kw = x[1], x[2], w[1], w[2]
	}
	g.cg, g.og = g.c/g.groups, g.o/g.groups
	out, _ := g.win.Output([2]int{g.h, g.w}, [2]int{g.kh, g.kw}) // Checked by shape inference.
	g.oh, g.ow = out[0], out[1]
	return g
}

func newGemmShape(x, w tensor.Shape) convShape {
	k := x.Last()
	return convShape{n: x[:len(x)-1].Numel(), h: 1, w: 1, c: k, oh: 1, ow: 1, o: w[0], kh: 1, kw: 1, cg: k, og: w[0], groups: 1,
		win: backend.Window{}.Normal()}
}

func (g *convShape) rows() int { return g.n * g.oh * g.ow }

// k is the length of the sums.
func (g *convShape) k() int { return g.kh * g.kw * g.cg }

// matrix reports whether the rows of the product are the rows of the input.
func (g *convShape) matrix() bool {
	return g.groups == 1 && g.kh == 1 && g.kw == 1 && g.win.Stride == [2]int{1, 1} && g.win.Pad == [4]int{}
}

func (g *convShape) depthwise() bool { return g.cg == 1 && g.groups > 1 }

// codeProduct is what an epilogue knows of the product that it finishes.
type codeProduct struct {
	rows, cols int
	// offset is added to the sums of a column before anything else; the
	// product fills it at each run.
	offset []int32
	// rowTiles returns the number of tiles of rows, each of which has blocks of
	// every column, once the product is planned; 0 where blocks do not come
	// tile by tile.
	rowTiles func() int
	// slots returns how many numbers [gemm.IntBlock.Slot] has, once the product
	// is planned; it is nil for products whose blocks have none of their own.
	slots func() int
}

// accEpilogue consumes the accumulators of a product of codes.
type accEpilogue struct {
	// prepare, when not nil, runs once the offsets are known.
	prepare func() error
	// memory, when not nil, returns once the product is planned how many bytes
	// of scratch memory a run takes for the epilogue; begin gets them, and end
	// has them still when all blocks are finished. A result without numbers
	// has an end alone.
	memory func() int
	begin  func(s *scratch, at int)
	end    func()
	// finish gets each block of the sums once, to which the offsets are yet to
	// be added, and may change them. It is called from several goroutines.
	finish func(gemm.IntBlock)
	// codes, when not nil, says how kernels make codes of the sums themselves;
	// it may return nil for a run, and finish gets the blocks.
	codes func() *gemm.IntCodes
	// whole says that finish writes bits: the rows of the result, or the
	// block, must be whole bytes.
	whole bool
}

// sumsEpilogue stores the sums themselves.
func sumsEpilogue(p codeProduct, y []int32) accEpilogue {
	return accEpilogue{finish: func(b gemm.IntBlock) {
		offset := p.offset[b.From:b.To]
		for r := b.Lo; r < b.Hi; r++ {
			a, y := b.Row(r), y[r*p.cols+b.From:][:len(offset)]
			for i, f := range offset {
				y[i] = a[i] + f
			}
		}
	}}
}

// chunkElements bounds the accumulators that are in memory at a time where
// they do not stay in the tiles of the matrix product.
const chunkElements = 1 << 19

// codeConv is a convolution of codes up to the accumulators,
//
//	sum((x - zx) * (w - zw)) = sum(x * w) - zx * sum(w)    for zw = 0
//
// with padding of code zx. It runs as a matrix product, one a group, depthwise
// on channel vectors, or, for weights with a zero point, as it is written.
type codeConv[A quant.Code] struct {
	padLine []byte // a line of zero points
	kept    keptWeights
	b       *Backend
	convShape
	x       []A
	weights []int8 // nil when they must be shifted
	shifted []byte // uint8 weights
	zxIn    []int32
	zwIn    []int32

	epilogue accEpilogue
	runs     int              // of a row of a group that are packed each by itself
	stream   *gemm.IntPlan[A] // whole product, epilogue in its blocks
	depth    *depthwise.Plan[A]
	chunk    int              // rows of a chunk
	main     *gemm.IntPlan[A] // of a chunk and a group
	tail     *gemm.IntPlan[A]
	offset   []int32
	pad      []A     // a pixel of zero points
	zw       []int32 // zero points of w, o entries

	inPlace  bool // the stream reads x itself
	laidLine int  // codes of a padded line of the stream

	// The run in progress.
	zx         int32
	wt         []int8 // weights, for depthwise tap by tap
	packed     []byte // weights being packed
	acc        []int32
	base       int // first row of the chunk
	group      int
	sumBody    func(lo, hi int)
	packBody   func(lo, hi int)
	finishBody func(lo, hi int)
	free       chan int // slots of the blocks of finishRows
	depthBody  func(lo, hi int)
	directBody func(lo, hi int)
	size       codeConvScratch
}

// keptWeights is what a convolution keeps of weights that never change: it
// is made in the first run.
type keptWeights struct {
	frozen bool
	packed []byte
	summed bool  // The offsets are those of zero point zx.
	zx     int32 // Of the input.
}

// pack returns the packed weights of all groups, in memory of the scratch, or
// kept from an earlier run.
func (p *codeConv[A]) pack(s *scratch) []byte {
	size, k := p.packedSize(), p.k()
	if p.kept.packed != nil {
		return p.kept.packed
	}
	p.packed = p.kept.memory(s, p.size.packed, p.groups*size)
	parallel(p.groups*gemm.Panels(p.og), max(1, packGrain/max(gemm.PanelChannels*k, 1)), p.packBody)
	packed := p.packed
	p.packed = nil
	return packed
}

// packGrain is the weights that a worker packs at a time, about 10 µs.
const packGrain = 1 << 16

// packPanels packs the panels [lo,hi) of all groups one after the other.
func (p *codeConv[A]) packPanels(lo, hi int) {
	size, k, panels := p.packedSize(), p.k(), gemm.Panels(p.og)
	for lo < hi {
		g, from := lo/panels, lo%panels
		to := min(panels, from+hi-lo)
		gemm.PackPanels(p.packed[g*size:], p.wt[g*p.og*k:(g+1)*p.og*k], p.og, p.runs, k/p.runs, from, to)
		lo += to - from
	}
}

// memory returns n bytes of the scratch at off, or, for weights that never
// change, those that are kept.
func (k *keptWeights) memory(s *scratch, off, n int) []byte {
	if !k.frozen {
		return scratchOf[byte](s, off, n)
	}
	k.packed = tensor.New(tensor.Of(tensor.U8, n)).Bytes()
	return k.packed
}

// codeConvScratch has the byte offsets of the parts of the scratch memory.
type codeConvScratch struct{ weights, packed, work, acc, epilogue, total int }

// newCodeConv returns the run function of a convolution of codes, and a
// [backend.SumError] where its sums may not fit an int32.
func newCodeConv(b *Backend, g convShape, x, w *tensor.Tensor, zx, zw []int32, epilogue func(codeProduct) accEpilogue) (func() error, error) {
	if err := backend.CheckSum(g.k(), backend.CodeSpan(x.DType(), zx != nil), backend.CodeSpan(w.DType(), zw != nil), false); err != nil {
		return nil, err
	}
	if x.DType() == tensor.U8 {
		return bindCodeConv(b, g, x.U8(), w, zx, zw, epilogue), nil
	}
	return bindCodeConv(b, g, x.I8(), w, zx, zw, epilogue), nil
}

func bindCodeConv[A quant.Code](b *Backend, g convShape, x []A, w *tensor.Tensor, zx, zw []int32, epilogue func(codeProduct) accEpilogue) func() error {
	p := &codeConv[A]{b: b, kept: keptWeights{frozen: w.Frozen()}, convShape: g, x: x, zxIn: zx, zwIn: zw, offset: make([]int32, g.o), pad: make([]A, g.c), padLine: make([]byte, max(g.w*g.c, 1)), zw: make([]int32, g.o)}
	if w.DType() == tensor.U8 {
		p.shifted = w.U8()
	} else {
		p.weights = w.I8()
	}
	p.runs = 1
	p.free = make(chan int, min(runtime.GOMAXPROCS(0), maxWorkers))
	for i := range cap(p.free) {
		p.free <- i
	}
	p.epilogue = epilogue(codeProduct{rows: g.rows(), cols: g.o, offset: p.offset, rowTiles: p.rowTiles, slots: p.slots})
	if g.rows() == 0 || g.o == 0 {
		if p.epilogue.end != nil {
			return func() error { p.epilogue.end(); return nil }
		}
		return idle
	}
	p.plan()
	p.sumBody, p.packBody, p.finishBody = p.sums, p.packPanels, p.finishRows
	p.depthBody, p.directBody = p.depthRows, p.directRows
	return p.run
}

// plan chooses how the product is computed and lays out the scratch memory.
func (p *codeConv[A]) plan() {
	rows := p.rows()
	p.chunk = min(max(chunkElements/p.o&^7, 8), rows)
	work := 0
	switch {
	case p.depthwise() && (p.og > 1 || p.k() == 0):
	case p.depthwise() && !(p.epilogue.whole && p.o%8 != 0):
		p.planDepthwise()
		work = p.depth.Workspace()
	case p.epilogue.whole && p.og%8 != 0:
		// Blocks would not be whole bytes of the mask.
	case p.lines():
		work = p.stream.Workspace()
	case p.groups == 1:
		p.stream = p.newPlan(rows, p.epilogue.finish)
		work = p.stream.Workspace()
	}
	if p.stream != nil && p.epilogue.codes != nil {
		p.stream.MakeCodes(p.epilogue.codes)
	}
	if p.stream == nil && !p.depthwise() {
		p.main = p.newPlan(p.chunk, p.store)
		work = p.main.Workspace()
		if t := rows % p.chunk; t > 0 {
			p.tail = p.newPlan(t, p.store)
			work = max(work, p.tail.Workspace())
		}
	}
	n := 0
	part := func(bytes int) int {
		at := n
		n += roundUp64(bytes)
		return at
	}
	p.size.weights = part(p.o * p.k())
	if p.depthwise() {
		part(p.o * p.k()) // transposed
		if p.depth != nil {
			p.size.packed = part(p.depth.PackedSize())
		}
	} else {
		p.size.packed = part(p.groups * p.packedSize())
	}
	p.size.work = part(work)
	// The stream needs no accumulators outside its tiles, except for weights
	// with a zero point, whose run takes its own.
	if p.stream == nil && p.depth == nil {
		p.size.acc = part(4 * p.chunk * p.o)
	}
	if p.epilogue.memory != nil {
		p.size.epilogue = part(p.epilogue.memory())
	}
	p.size.total = n
	p.b.scratch.need(n)
}

func (p *codeConv[A]) newPlan(rows int, epilogue func(gemm.IntBlock)) *gemm.IntPlan[A] {
	if p.matrix() {
		return gemm.NewInt[A](parallel, rows, p.og, p.k(), epilogue)
	}
	return gemm.NewIntRows(parallel, rows, p.og, p.k(), p.patches, epilogue)
}

// packedSize returns the bytes of the packed weights of a group, aligned.
func (p *codeConv[A]) packedSize() int {
	return roundUp64(gemm.PackedRuns(p.og, p.runs, p.k()/p.runs))
}

// rowTiles returns the number of tiles of rows; 0 where blocks do not come tile
// by tile.
func (p *codeConv[A]) rowTiles() int {
	switch {
	case p.k() == 0 || p.shifted != nil || len(p.zwIn) > 0: // Perhaps computed as it is written.
		return 0
	case p.stream != nil:
		return p.stream.RowTiles()
	case p.depth != nil:
		return p.depth.RowTiles()
	}
	return 0
}

// slots returns how many numbers the slots of blocks have.
func (p *codeConv[A]) slots() int {
	n := cap(p.free)
	if p.stream != nil {
		n = max(n, p.stream.Slots())
	}
	if p.depth != nil {
		n = max(n, p.depth.Slots())
	}
	return n
}

func (p *codeConv[A]) run() error {
	p.zx = first(p.zxIn)
	if int32(A(p.zx)) != p.zx {
		lo, hi := int32(0), int32(math.MaxUint8)
		if ^A(0) < 0 {
			lo, hi = math.MinInt8, math.MaxInt8
		}
		return fmt.Errorf("cpu: %w", backend.CheckInputZero(p.zx, lo, hi))
	}
	if z := A(p.zx); p.padLine[0] != byte(z) {
		fill(p.pad, z)
		fill(p.padLine, byte(z))
	}
	s := p.b.scratch.take(p.size.total)
	defer p.b.scratch.give(s)
	zeros := p.readWeights(s)
	if !p.kept.summed || p.kept.zx != p.zx {
		clear(p.offset)
		if p.zx+p.shift() != 0 && zeros {
			parallel(p.o, max(1, 1<<16/max(p.k(), 1)), p.sumBody)
		}
		p.kept.summed, p.kept.zx = p.kept.frozen && zeros, p.zx
	}
	if p.epilogue.prepare != nil {
		if err := p.epilogue.prepare(); err != nil {
			return err
		}
	}
	if p.epilogue.begin != nil {
		p.epilogue.begin(s, p.size.epilogue)
	}
	p.multiply(s, zeros)
	if p.epilogue.end != nil {
		p.epilogue.end()
	}
	p.acc, p.wt = nil, nil
	return nil
}

func first(v []int32) int32 {
	if len(v) == 0 {
		return 0
	}
	return v[0]
}

// readWeights makes p.wt the weights as int8 codes and p.zw their zero
// points, and reports whether these are all 0.
func (p *codeConv[A]) readWeights(s *scratch) bool {
	p.wt = p.weights
	var shift int32
	if p.shifted != nil {
		shift = 128
		p.wt = scratchOf[int8](s, p.size.weights, len(p.shifted))
		for i, v := range p.shifted {
			p.wt[i] = int8(v ^ 0x80) // v - 128
		}
	}
	zeros := true
	for i := range p.zw {
		z := first(p.zwIn)
		if len(p.zwIn) > 1 {
			z = p.zwIn[i]
		}
		p.zw[i] = z - shift
		zeros = zeros && p.zw[i] == 0
	}
	return zeros
}

// shift returns what codes are increased by where the product leaves it to
// the offsets to take it off.
func (p *codeConv[A]) shift() int32 {
	if p.depth == nil {
		return 0
	}
	return p.depth.Shift()
}

// sums fills the offsets of channels [lo, hi).
func (p *codeConv[A]) sums(lo, hi int) {
	k := p.k()
	shift := p.shift()
	for o := lo; o < hi; o++ {
		p.offset[o] = -(p.zx + shift) * gemm.SumCodes(p.wt[o*k:(o+1)*k])
	}
}

func (p *codeConv[A]) multiply(s *scratch, zeros bool) {
	rows := p.rows()
	switch {
	case !zeros || p.k() == 0:
		big := p.b.scratch.take(4 * p.chunk * p.o)
		defer p.b.scratch.give(big)
		p.acc = scratchOf[int32](big, 0, p.chunk*p.o)
		for p.base = 0; p.base < rows; p.base += p.chunk {
			parallel(min(p.chunk, rows-p.base), 8, p.directBody)
		}
	case p.depth != nil:
		p.depth.Run(p.packDepthwise(s), scratchOf[byte](s, p.size.work, p.depth.Workspace()))
	case p.depthwise():
		p.acc = scratchOf[int32](s, p.size.acc, p.chunk*p.o)
		p.transpose(scratchOf[int8](s, p.size.weights+roundUp64(p.o*p.k()), p.o*p.k()))
		grain := max(1<<14/max(p.o*p.k(), 1)&^7, 8)
		for p.base = 0; p.base < rows; p.base += p.chunk {
			parallel(min(p.chunk, rows-p.base), grain, p.depthBody)
		}
	case p.stream != nil:
		packed := p.pack(s)
		p.base, p.group = 0, 0
		p.product(p.stream, packed, scratchOf[byte](s, p.size.work, p.stream.Workspace()))
	default:
		p.grouped(s, rows)
	}
}

func (p *codeConv[A]) grouped(s *scratch, rows int) {
	p.acc = scratchOf[int32](s, p.size.acc, p.chunk*p.o)
	size := p.packedSize()
	packed := p.pack(s)
	grain := max(1<<14/p.o&^7, 8)
	for p.base = 0; p.base < rows; p.base += p.chunk {
		plan, n := p.main, min(p.chunk, rows-p.base)
		if n < p.chunk {
			plan = p.tail
		}
		work := scratchOf[byte](s, p.size.work, plan.Workspace())
		for p.group = 0; p.group < p.groups; p.group++ {
			p.product(plan, packed[p.group*size:], work)
		}
		parallel(n, grain, p.finishBody)
	}
}

// product runs one matrix product on the rows from p.base on.
func (p *codeConv[A]) product(plan *gemm.IntPlan[A], packed, work []byte) {
	if p.matrix() || p.inPlace {
		plan.Run(p.x[p.base*p.c:], p.c, packed, work)
	} else {
		plan.RunRows(packed, work)
	}
}

// store keeps sums of a group for finishRows.
func (p *codeConv[A]) store(b gemm.IntBlock) {
	for r := b.Lo; r < b.Hi; r++ {
		copy(p.acc[r*p.o+p.group*p.og+b.From:], b.Row(r))
	}
}

func (p *codeConv[A]) finishRows(lo, hi int) {
	b := wholeRows(p.base+lo, p.base+hi, p.o, p.acc[lo*p.o:hi*p.o])
	b.Slot = <-p.free
	defer func() { p.free <- b.Slot }() // Also when the epilogue panics.
	p.epilogue.finish(b)
}

// wholeRows is a block of all columns.
func wholeRows(lo, hi, cols int, acc []int32) gemm.IntBlock {
	return gemm.IntBlock{Lo: lo, Hi: hi, To: cols, Acc: acc, Stride: cols}
}
