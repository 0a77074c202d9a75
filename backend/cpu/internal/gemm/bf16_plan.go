package gemm

// BF16 is a product C[m,n] = op(A) op(B), or C += op(A) op(B), of fixed shape
// with operands rounded to bfloat16 and sums in float32. A is rounded once,
// which leaves a relative error of at most 2^-8 an element, or split into two
// numbers, 2^-16. B is rounded once, or codes, which are exact.
type BF16 struct {
	par            Parallel
	kernel         bf16Kernel
	transA, transB bool
	m, n, k        int
	terms          int // numbers that an element of A is split into
	pairs          int // cells of the inner dimension

	depth    int // cells of one block of the inner dimension
	rowTile  int // rows of C in one tile
	rowTiles int
	colTile  int // columns of C in one tile, whole panels
	colTiles int
	packA    bool // all of A before the product
	sizeA    int  // cells of one term of the rows of a tile
	sizeB    int  // cells of B
	splits   int  // slices of the inner dimension with partial products; 1 is none
	slice    int  // cells of one slice
	slots    slots
	blocks   []Block

	offA, offParts, offScale, offSlots, bytes int

	// Built once, so that Run creates no closure.
	packABody, packBBody, tileBody, splitBody, sumBody func(lo, hi int)

	// The product in progress.
	a          []float32
	b          Operand
	c, parts   []float32
	lda, ldc   int
	packed     []uint32 // B
	rows       []uint32 // A
	scale      []float32
	work       []byte
	accumulate bool
}

// Operand is a matrix B: floats, or codes that stand for code - Zero. Zero
// must be a code.
type Operand struct {
	Float  []float32
	Codes  []byte
	Signed bool // of Codes
	Zero   int32
	// Stride is the elements from one stored row to the next.
	Stride int
}

// Sizes of blocks, as of [Plan].
const (
	pairBlock      = 256
	packPairs      = 16   // rows of cells of B that are packed together
	splitPairs     = 1024 // pairs of k from which, and
	splitRatio     = 16   // k over m and n from which slices of k make the tiles
	splitPairGrain = 512
	maxSplits      = 32
	splitBytes     = 16 << 20
)

// NewBF16 prepares C[m,n] = op(A) op(B), optionally added to C. A is [m,k]
// or, when transA is set, stored as [k,m]; B is [k,n] or, when transB is set
// and it has floats, stored as [n,k]. terms is 1 or 2.
func NewBF16(par Parallel, transA, transB bool, m, n, k, terms int) *BF16 {
	return newBF16(bf16Kernels.Kernel(), par, transA, transB, m, n, k, terms)
}

func newBF16(kr bf16Kernel, par Parallel, transA, transB bool, m, n, k, terms int) *BF16 {
	checkShape(m, n, k)
	p := &BF16{par: par, kernel: kr, transA: transA, transB: transB, m: m, n: n, k: k, terms: terms, pairs: ceilDiv(k, 2), splits: 1}
	p.packABody, p.packBBody, p.tileBody, p.splitBody, p.sumBody = p.packRowTiles, p.packColumns, p.tiles, p.slices, p.sum
	if m == 0 || n == 0 || k == 0 {
		return p
	}
	p.depth = roundUp(ceilDiv(p.pairs, ceilDiv(p.pairs, pairBlock)), 8)
	p.rowTile = min(m, roundUp(ceilDiv(m, ceilDiv(m, rowBlock)), 8))
	p.rowTiles = ceilDiv(m, p.rowTile)
	panels := ceilDiv(n, kr.wide)
	want := float64(m) * float64(n) * float64(k) * 2 / tileFlops
	p.colTiles = min(max(int(min(want, maxTiles))/p.rowTiles, 1), panels)
	p.colTile = ceilDiv(panels, p.colTiles) * kr.wide
	p.colTiles = ceilDiv(n, p.colTile)
	widthB := roundUp(n, kr.narrow)
	slot := 0
	if p.rowTiles < splitTiles && p.pairs >= max(splitPairs, splitRatio/2*m, splitRatio/2*n) {
		s := min(maxSplits, ceilDiv(p.pairs, splitPairGrain), max(splitBytes/4/(m*n), 1))
		p.slice = roundUp(ceilDiv(p.pairs, s), p.depth)
		p.splits = ceilDiv(p.pairs, p.slice)
	}
	if p.splits > 1 {
		p.rowTile, p.rowTiles = m, 1
		p.sizeA = p.blockA(m, p.depth)
		p.sizeB = p.depth * widthB
		p.offParts = 0
		p.offScale = roundUp(p.splits*m*n*4, alignment)
		slot = (terms*p.sizeA+p.sizeB)*4 + p.transposeBytes()
		p.offSlots = p.offScale + roundUp(k*4, alignment)
		p.slots = newSlots(p.splits, slot)
	} else {
		p.packA = p.colTiles > 1
		p.sizeA = p.blockA(p.rowTile, p.pairs)
		p.sizeB = p.pairs * widthB
		p.offA = roundUp(p.sizeB*4, alignment)
		p.offScale = p.offA
		if p.packA {
			p.offScale += roundUp(p.rowTiles*terms*p.sizeA*4, alignment)
		} else {
			slot = terms*p.sizeA*4 + p.transposeBytes()
		}
		p.offSlots = p.offScale + roundUp(k*4, alignment)
		p.slots = newSlots(max(p.rowTiles*p.colTiles, ceilDiv(p.pairs, packPairs)), max(slot, p.transposeBytes()))
	}
	p.bytes = p.offSlots + p.slots.size()
	p.blocks = make([]Block, terms)
	for t := range p.blocks {
		p.blocks[t].A = t * p.sizeA
	}
	return p
}

// blockA returns the cells of rows rows of A of the given depth, and keeps
// the rows off the same cache sets.
func (p *BF16) blockA(rows, pairs int) int {
	if p.columnsOfA() {
		return pairs * roundUp(rows, copyPad)
	}
	return rows * p.strideA(pairs)
}

// columnsOfA reports whether A is laid out as it is stored, transposed.
func (p *BF16) columnsOfA() bool { return p.transA && !p.kernel.rowsA }

func (p *BF16) strideA(pairs int) int { return roundUp(pairs, 8) + 8 }

// transposeBytes is the scratch for turning the rows of a matrix.
func (p *BF16) transposeBytes() int {
	n := 0
	if p.transB {
		n = p.kernel.wide * packPairs
	}
	if p.transA && p.kernel.rowsA {
		n = max(n, packPairs*roundUp(p.rowTile, copyPad))
	}
	return roundUp(n*4, alignment)
}

// Workspace returns the bytes of 64-byte aligned scratch that Run needs. Its
// contents need not be kept between runs.
func (p *BF16) Workspace() int { return p.bytes }

// Run computes the product. Column k of op(A) is multiplied by scale[k], all
// by scale[0] when there is one factor, by 1 when there is none; there is at
// most one when A is transposed. lda and ldc are the elements from one stored
// row to the next. With accumulate the product is added to c; the elements
// between rows of c are left alone.
func (p *BF16) Run(a []float32, lda int, scale []float32, b Operand, accumulate bool, c []float32, ldc int, ws []byte) {
	if p.transA {
		checkMatrix("A", len(a), p.k, p.m, lda)
	} else {
		checkMatrix("A", len(a), p.m, p.k, lda)
	}
	if p.transB {
		checkMatrix("B", len(b.Float), p.n, p.k, b.Stride)
	} else {
		checkMatrix("B", max(len(b.Float), len(b.Codes)), p.k, p.n, b.Stride)
	}
	if len(scale) > 1 && (p.transA || len(scale) != p.k) {
		panic("gemm: scale does not fit")
	}
	checkMatrix("C", len(c), p.m, p.n, ldc)
	if p.m == 0 || p.n == 0 {
		return
	}
	if p.k == 0 {
		for i := 0; i < p.m && !accumulate; i++ {
			clear(c[i*ldc : i*ldc+p.n])
		}
		return
	}
	p.a, p.b, p.c, p.lda, p.ldc, p.accumulate = a, b, c, lda, ldc, accumulate
	p.scale = cast[float32](ws[p.offScale:], p.k)
	if len(scale) > 1 {
		copy(p.scale, scale)
	} else {
		s := float32(1)
		if len(scale) > 0 {
			s = scale[0]
		}
		for i := range p.scale {
			p.scale[i] = s
		}
	}
	p.work = ws[p.offSlots:p.bytes]
	if p.splits > 1 {
		p.parts = cast[float32](ws, p.splits*p.m*p.n)
		p.par(p.splits, 1, p.splitBody)
		p.par(p.m*p.n, reduceGrain*16, p.sumBody)
	} else {
		p.packed = cast[uint32](ws, p.sizeB)
		p.par(ceilDiv(p.pairs, packPairs), max(packElements/(packPairs*p.n), 1), p.packBBody)
		if p.packA {
			p.rows = cast[uint32](ws[p.offA:], p.rowTiles*p.terms*p.sizeA)
			p.par(p.rowTiles, 1, p.packABody)
		}
		p.par(p.rowTiles*p.colTiles, 1, p.tileBody)
	}
	p.a, p.b, p.c, p.packed, p.rows, p.parts, p.scale, p.work = nil, Operand{}, nil, nil, nil, nil, nil, nil
}

// panelWidth returns the stored columns of the panel at column j.
func (p *BF16) panelWidth(j int) int {
	if p.n-j <= p.kernel.narrow {
		return p.kernel.narrow
	}
	return p.kernel.wide
}

// packColumns packs groups [lo,hi) of packPairs rows of cells of B.
func (p *BF16) packColumns(lo, hi int) {
	s := p.slots.take()
	defer p.slots.give(s)
	var turn []uint32
	if p.transB {
		turn = cast[uint32](p.slots.of(p.work, s), p.kernel.wide*packPairs)
	}
	for g := lo; g < hi; g++ {
		q := g * packPairs
		p.packBlock(p.packed, p.pairs, 0, q, min(packPairs, p.pairs-q), turn)
	}
}

// packBlock writes rows of cells [q,q+count) of B to dst, whose panels hold
// the rows from first on, depth of them.
func (p *BF16) packBlock(dst []uint32, depth, first, q, count int, turn []uint32) {
	for j := 0; j < p.n; j += p.kernel.wide {
		w := p.panelWidth(j)
		at := j*depth + (q-first)*w
		p.packPanel(dst[at:at+count*w], w, j, q, count, turn)
	}
}

func (p *BF16) packPanel(dst []uint32, w, j, q, count int, turn []uint32) {
	cols := min(p.n-j, w)
	if cols < w {
		clear(dst)
	}
	if p.transB {
		n := min(2*count, p.k-2*q)
		p.kernel.join(cols, n, turn, packPairs, p.b.Float[j*p.b.Stride+2*q:], p.b.Stride, ones[:n], false)
		transposeLoop(dst, w, turn, packPairs, cols, count)
		return
	}
	o, ld, rows := 2*q*p.b.Stride+j, p.b.Stride, min(2*count, p.k-2*q)
	if p.b.Codes != nil {
		p.kernel.codeRows(rows, cols, dst, w, p.b.Codes[o:], ld, p.b.Zero, p.b.Signed)
	} else {
		p.kernel.pairRows(rows, cols, dst, w, p.b.Float[o:], ld, 1, false)
	}
}

// ones are the factors of what is not scaled.
var ones = func() (v [2 * packPairs]float32) {
	for i := range v {
		v[i] = 1
	}
	return v
}()

// packRowTiles packs the rows of tiles [lo,hi) of A.
func (p *BF16) packRowTiles(lo, hi int) {
	s := p.slots.take()
	defer p.slots.give(s)
	for t := lo; t < hi; t++ {
		i := t * p.rowTile
		p.packRows(p.rows[t*p.terms*p.sizeA:(t+1)*p.terms*p.sizeA], i, min(p.rowTile, p.m-i), 0, p.pairs, p.turn(s))
	}
}

// turn returns the scratch of slot s for transposing A, behind all else.
func (p *BF16) turn(s int) []uint32 {
	n := p.transposeBytes()
	if !p.transA || n == 0 {
		return nil
	}
	ws := p.slots.of(p.work, s)
	return cast[uint32](ws[len(ws)-n:], n/4)
}

// packRows writes cells [q,q+count) of rows [i,i+rows) of op(A), all terms.
func (p *BF16) packRows(dst []uint32, i, rows, q, count int, turn []uint32) {
	for t := range p.terms {
		d := dst[t*p.sizeA : (t+1)*p.sizeA]
		switch low := t > 0; {
		case p.columnsOfA():
			p.pairColumns(d, roundUp(rows, copyPad), i, rows, q, count, low)
		case p.transA:
			ld := p.strideA(p.strideDepth())
			for g := 0; g < count; g += packPairs {
				c := min(packPairs, count-g)
				w := roundUp(rows, copyPad)
				p.pairColumns(turn, w, i, rows, q+g, c, low)
				transposeLoop(d[g:], ld, turn, w, c, rows)
			}
		default:
			n := min(2*count, p.k-2*q)
			p.kernel.join(rows, n, d, p.strideA(p.strideDepth()), p.a[i*p.lda+2*q:], p.lda, p.scale[2*q:2*q+n], low)
		}
	}
}

// strideDepth is the depth for which rows of A are laid out.
func (p *BF16) strideDepth() int {
	if p.splits > 1 {
		return p.depth
	}
	return p.pairs
}

// pairColumns writes cells of A, which is stored as [k,m], row by row.
func (p *BF16) pairColumns(dst []uint32, w, i, rows, q, count int, low bool) {
	p.kernel.pairRows(min(2*count, p.k-2*q), rows, dst, w, p.a[2*q*p.lda+i:], p.lda, p.scale[0], low)
}

// tiles computes the tiles [lo,hi) of C.
func (p *BF16) tiles(lo, hi int) {
	s := p.slots.take()
	defer p.slots.give(s)
	var scratch []uint32
	if !p.packA {
		scratch = cast[uint32](p.slots.of(p.work, s), p.terms*p.sizeA)
	}
	for t := lo; t < hi; t++ {
		row, col := t/p.colTiles, t%p.colTiles
		i, j := row*p.rowTile, col*p.colTile
		rows, j1 := min(p.m-i, p.rowTile), min(j+p.colTile, p.n)
		a := scratch
		if p.packA {
			a = p.rows[row*p.terms*p.sizeA : (row+1)*p.terms*p.sizeA]
		} else {
			p.packRows(a, i, rows, 0, p.pairs, p.turn(s))
		}
		for q := 0; q < p.pairs; q += p.depth {
			p.product(a, rows, q, min(p.depth, p.pairs-q), p.packed, p.pairs, q, j, j1, p.c[i*p.ldc:], p.ldc, p.accumulate || q > 0)
		}
	}
}

// product multiplies cells [q,q+count) of rows of A with the panels of
// columns [j,j1), which start at cell first of depth.
func (p *BF16) product(a []uint32, rows, q, count int, b []uint32, depth, first, j, j1 int, c []float32, ldc int, add bool) {
	rs, cs := p.strideA(p.strideDepth()), 1
	if p.columnsOfA() {
		rs, cs = 1, roundUp(rows, copyPad)
	}
	for ; j < j1; j += p.kernel.wide {
		w := p.panelWidth(j)
		p.kernel.tile(p.blocks, rows, count, a[q*cs:], rs, cs, b[j*depth+first*w:], w, c[j:], ldc, min(p.n-j, p.kernel.wide), add)
	}
}

// slices computes the partial products of the slices [lo,hi).
func (p *BF16) slices(lo, hi int) {
	s := p.slots.take()
	defer p.slots.give(s)
	ws := p.slots.of(p.work, s)
	a := cast[uint32](ws, p.terms*p.sizeA)
	b := cast[uint32](ws[4*p.terms*p.sizeA:], p.sizeB)
	var turnB []uint32
	if p.transB {
		turnB = cast[uint32](ws[4*(p.terms*p.sizeA+p.sizeB):], p.kernel.wide*packPairs)
	}
	for t := lo; t < hi; t++ {
		part := p.parts[t*p.m*p.n : (t+1)*p.m*p.n]
		end := min((t+1)*p.slice, p.pairs)
		for q := t * p.slice; q < end; q += p.depth {
			count := min(p.depth, end-q)
			p.packRows(a, 0, p.m, q, count, p.turn(s))
			for g := 0; g < count; g += packPairs {
				p.packBlock(b, p.depth, q, q+g, min(packPairs, count-g), turnB)
			}
			p.product(a, p.m, 0, count, b, p.depth, 0, 0, p.n, part, p.n, q > t*p.slice)
		}
	}
}

// sum adds the partial products, in order, to the elements [lo,hi) of C.
func (p *BF16) sum(lo, hi int) {
	sumParts(p.parts, p.splits, p.m*p.n, p.n, p.c, p.ldc, p.accumulate, lo, hi)
}
