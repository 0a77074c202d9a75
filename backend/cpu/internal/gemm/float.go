package gemm

import "github.com/goqat/goqat/backend"

// floatKernel is the inner product of an instruction set.
type floatKernel[T Float] struct {
	height int  // rows of the tallest register tile
	wide   int  // columns of a panel of packed B
	narrow int  // columns of the last panel when no more are left; wide is a multiple
	masked bool // tile reads only cols columns of b
	tile   tileFunc[T, T]
	// transpose copies the cols x k block of src, stride ld, to the k rows
	// of dst, stride w. nil means a plain loop.
	transpose func(dst []T, w int, src []T, ld, cols, k int)
}

// Sizes of tiles. A block of A of rowBlock rows and a block of k, see
// [backend.SumOrder], stays in the second-level cache.
const (
	rowBlock     = 140
	rowBytes     = 1 << 20 // of rows produced on demand, in one tile
	tileFlops    = 16 << 20
	maxTiles     = 32 // that columns are cut for
	splitTiles   = 8
	copyColumns  = 16  // a block of A used by more columns is made contiguous
	directRows   = 64  // fewer rows use B in place
	reduceGrain  = 256 // columns of one tile of the sum of partial products
	packElements = 1 << 15
	packGroup    = 8
)

// Plan is a product C[m,n] = op(A) op(B), or C += op(A) op(B), of fixed shape.
type Plan[T Float] struct {
	par            Parallel
	kernel         floatKernel[T]
	transA, transB bool
	m, n, k        int
	rows           func(dst []T, lo, hi int)

	depth    int // of one block of k
	rowTile  int // rows of C in one tile
	rowTiles int
	colTile  int // columns of C in one tile, whole panels
	colTiles int
	splits   int // parts of k; 1 is all
	slice    int // depth of one part
	copyA    bool
	copyAll  bool // all of A before the product, for more than one tile of columns
	packB    bool // B, all of it before the product unless lateB is set
	lateB    bool // panels of B in the tile that alone uses them
	blockA   int  // elements of one copied block of A
	slots    slots

	offParts, offA, offSlots, bytes int
	packGrain                       int

	// Built once, so that Run creates no closure.
	packBody, copyBody, tileBody, splitBody, sumBody func(lo, hi int)

	// The product in progress.
	a, b, c       []T
	lda, ldb, ldc int
	packed, parts []T
	copied        []T // A
	work          []byte
	accumulate    bool
}

// New prepares C[m,n] = op(A) op(B), optionally added to C. A is [m,k] or,
// when transA is set, stored as [k,m]; B is [k,n] or, when transB is set,
// stored as [n,k].
func New[T Float](par Parallel, transA, transB bool, m, n, k int) *Plan[T] {
	return plan[T](par, transA, transB, m, n, k, nil, backend.ProductOrder(m, n, k))
}

// NewOrdered is [New] with another order of sums than that of a product of its
// shape. It has one period.
func NewOrdered[T Float](par Parallel, transA, transB bool, m, n, k int, order backend.SumOrder) *Plan[T] {
	return plan[T](par, transA, transB, m, n, k, nil, order)
}

// NewRows is [New] for a matrix A [m,k] that is made row by row while it is
// used, such as the patches of a convolution: rows fills dst with rows
// [lo,hi) of A, k elements each. It is called from several goroutines.
func NewRows[T Float](par Parallel, transB bool, m, n, k int, rows func(dst []T, lo, hi int)) *Plan[T] {
	return plan(par, false, transB, m, n, k, rows, backend.ProductOrder(m, n, k).Whole())
}

// plan makes a plan; what is produced by rows has one part.
func plan[T Float](par Parallel, transA, transB bool, m, n, k int, rows func(dst []T, lo, hi int), order backend.SumOrder) *Plan[T] {
	checkShape(m, n, k)
	p := &Plan[T]{par: par, kernel: floatKernelFor[T](), transA: transA, transB: transB, m: m, n: n, k: k, rows: rows}
	p.packBody, p.copyBody, p.tileBody, p.splitBody, p.sumBody = p.packRows, p.copyTiles, p.tiles, p.slices, p.sum
	if transB {
		p.packBody = p.packPanels
	}
	if m == 0 || n == 0 || k == 0 {
		p.splits = 1
		return p
	}
	size := sizeOf[T]()
	kr := &p.kernel
	p.depth, p.splits, p.slice = order.Depth, order.Parts(), order.Part*order.Depth
	p.cutTiles(size)
	direct := !transB && (kr.masked || n%kr.narrow == 0)
	slot := 0
	if p.splits > 1 {
		p.offSlots = roundUp(p.splits*m*n*size, alignment)
		if !direct {
			slot = p.depth * roundUp(n, kr.narrow) * size
		}
		p.slots = newSlots(p.splits, slot)
	} else {
		p.packB = !direct || m >= directRows
		p.lateB = p.packB && transB && p.rowTiles == 1 && rows == nil
		switch {
		case p.lateB:
			slot = p.depth * kr.wide * size
		case p.packB:
			p.offParts = roundUp(k*roundUp(n, kr.narrow)*size, alignment)
		}
		p.offA, p.offSlots = p.offParts, p.offParts
		if p.copyA {
			p.blockA = max(p.rowTile*(p.depth+copyPad), p.depth*roundUp(p.rowTile, copyPad))
			p.copyAll = p.colTiles > 1
			if p.copyAll {
				p.offSlots += roundUp(p.rowTiles*ceilDiv(k, p.depth)*p.blockA*size, alignment)
			} else {
				slot += p.blockA * size
			}
		}
		if rows != nil {
			slot = p.rowTile * k * size
		}
		p.slots = newSlots(p.rowTiles*p.colTiles, slot)
	}
	p.bytes = p.offSlots + p.slots.size()
	p.packGrain = roundUp(max(packElements/n, 1), packGroup)
	if transB {
		p.packGrain = max(packElements/(k*kr.wide), 1)
	}
	return p
}

// copyPad keeps the rows of a copied block of A off the same cache sets.
const copyPad = 16

// cutTiles chooses the tiles of C: blocks of rows that fit the second-level
// cache, and ranges of columns when there are few rows.
func (p *Plan[T]) cutTiles(size int) {
	h := p.kernel.height
	p.rowTile = max(rowBlock/h, 1) * h
	panels := ceilDiv(p.n, p.kernel.wide)
	p.colTiles = 1
	if p.rows != nil {
		// Rows are made once, for all columns: more tiles only by fewer rows.
		p.rowTile = min(p.rowTile, max(rowBytes/(p.k*size)/h, 1)*h, max(roundUp(ceilDiv(p.m, splitTiles), h), 2*h))
	}
	p.rowTile = min(p.rowTile, p.m)
	p.rowTiles = ceilDiv(p.m, p.rowTile)
	if p.rows == nil {
		want := float64(p.m) * float64(p.n) * float64(p.k) * 2 / tileFlops
		p.colTiles = min(max(int(min(want, maxTiles))/p.rowTiles, 1), panels)
	}
	p.colTile = ceilDiv(panels, p.colTiles) * p.kernel.wide
	p.colTiles = ceilDiv(p.n, p.colTile)
	p.copyA = p.rows == nil && min(p.colTile, p.n) > copyColumns
}

// Workspace returns the bytes of 64-byte aligned scratch that Run needs. Its
// contents need not be kept between runs.
func (p *Plan[T]) Workspace() int { return p.bytes }

// Run computes the product. lda, ldb and ldc are the elements from one stored
// row to the next. With accumulate it is added to c; the elements between
// rows of c are left alone.
func (p *Plan[T]) Run(a []T, lda int, b []T, ldb int, accumulate bool, c []T, ldc int, ws []byte) {
	if p.transA {
		checkMatrix("A", len(a), p.k, p.m, lda)
	} else {
		checkMatrix("A", len(a), p.m, p.k, lda)
	}
	p.a, p.lda = a, lda
	p.run(b, ldb, accumulate, c, ldc, ws)
}

// RunRows is Run for a plan made by [NewRows].
func (p *Plan[T]) RunRows(b []T, ldb int, accumulate bool, c []T, ldc int, ws []byte) {
	p.lda = p.k
	p.run(b, ldb, accumulate, c, ldc, ws)
}

func (p *Plan[T]) run(b []T, ldb int, accumulate bool, c []T, ldc int, ws []byte) {
	if p.transB {
		checkMatrix("B", len(b), p.n, p.k, ldb)
	} else {
		checkMatrix("B", len(b), p.k, p.n, ldb)
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
	size := sizeOf[T]()
	p.b, p.c, p.ldb, p.ldc, p.accumulate = b, c, ldb, ldc, accumulate
	p.work = ws[p.offSlots:p.bytes]
	if p.splits > 1 {
		p.parts = cast[T](ws, p.splits*p.m*p.n)
		p.par(p.splits, 1, p.splitBody)
		p.par(p.m*p.n, reduceGrain*16, p.sumBody)
	} else {
		if p.copyAll {
			p.copied = cast[T](ws[p.offA:], (p.offSlots-p.offA)/size)
			p.par(p.rowTiles*ceilDiv(p.k, p.depth), 1, p.copyBody)
		}
		if p.packB && !p.lateB {
			p.packed = cast[T](ws, p.offParts/size)
			if p.transB {
				p.par(ceilDiv(p.n, p.kernel.wide), p.packGrain, p.packBody)
			} else {
				p.par(p.k, p.packGrain, p.packBody)
			}
		}
		p.par(p.rowTiles*p.colTiles, 1, p.tileBody)
	}
	p.a, p.b, p.c, p.packed, p.copied, p.parts, p.work = nil, nil, nil, nil, nil, nil, nil
}

// panelWidth returns the stored columns of the panel at column j.
func (p *Plan[T]) panelWidth(j int) int {
	if p.n-j <= p.kernel.narrow {
		return p.kernel.narrow
	}
	return p.kernel.wide
}

// packRows packs rows [lo,hi) of B in all panels, a few rows of one panel
// after those of the other: both sides then stay in the cache.
func (p *Plan[T]) packRows(lo, hi int) {
	for ; lo < hi; lo += packGroup {
		rows := min(packGroup, hi-lo)
		for j := 0; j < p.n; j += p.kernel.wide {
			w := p.panelWidth(j)
			at := j*p.k + lo*w
			p.pack(p.packed[at:at+rows*w], w, j, lo, rows)
		}
	}
}

// packPanels packs panels [lo,hi) of B over all of k.
func (p *Plan[T]) packPanels(lo, hi int) {
	for t := lo; t < hi; t++ {
		j := t * p.kernel.wide
		w := p.panelWidth(j)
		p.pack(p.packed[j*p.k:j*p.k+w*p.k], w, j, 0, p.k)
	}
}

// pack writes rows [k0,k0+k) of the panel of B at column j to dst, w columns
// a row, zero beyond the last column of B.
func (p *Plan[T]) pack(dst []T, w, j, k0, k int) {
	cols := min(p.n-j, w)
	if cols < w {
		clear(dst)
	}
	if p.transB {
		src := p.b[j*p.ldb+k0:]
		if p.kernel.transpose != nil {
			p.kernel.transpose(dst, w, src, p.ldb, cols, k)
			return
		}
		transposeLoop(dst, w, src, p.ldb, cols, k)
		return
	}
	for q := range k {
		o := (k0+q)*p.ldb + j
		copy(dst[q*w:q*w+cols], p.b[o:o+cols])
	}
}

func transposeLoop[T Cell](dst []T, w int, src []T, ld, cols, k int) {
	for j := range cols {
		for q, v := range src[j*ld : j*ld+k] {
			dst[q*w+j] = v
		}
	}
}

// tiles computes the tiles [lo,hi) of C.
func (p *Plan[T]) tiles(lo, hi int) {
	s := p.slots.take()
	defer p.slots.give(s)
	var scratch []T
	if p.slots.bytes > 0 {
		scratch = cast[T](p.slots.of(p.work, s), p.slots.bytes/sizeOf[T]())
	}
	for t := lo; t < hi; t++ {
		p.tile(t/p.colTiles, t%p.colTiles, scratch)
	}
}

func (p *Plan[T]) tile(row, col int, scratch []T) {
	i0, j0 := row*p.rowTile, col*p.colTile
	rows := min(p.m-i0, p.rowTile)
	j1 := min(j0+p.colTile, p.n)
	if p.rows != nil {
		p.rows(scratch[:rows*p.k], i0, i0+rows)
	}
	for k0 := 0; k0 < p.k; k0 += p.depth {
		k := min(p.k-k0, p.depth)
		block := scratch
		if p.copyAll {
			block = p.copied[(row*ceilDiv(p.k, p.depth)+k0/p.depth)*p.blockA:]
		}
		a, rs, cs := p.rowsOfA(i0, rows, k0, k, block)
		for j := j0; j < j1; j += p.kernel.wide {
			var b []T
			w := p.ldb
			if p.lateB {
				w = p.panelWidth(j)
				b = scratch[len(scratch)-p.depth*p.kernel.wide:][:k*w]
				p.pack(b, w, j, k0, k)
			} else if p.packB {
				w = p.panelWidth(j)
				b = p.packed[j*p.k+k0*w:]
			} else {
				b = p.b[k0*p.ldb+j:]
			}
			p.kernel.tile(oneBlock, rows, k, a, rs, cs, b, w, p.c[i0*p.ldc+j:], p.ldc, min(p.n-j, p.kernel.wide), p.accumulate || k0 > 0)
		}
	}
}

// copyTiles copies the blocks [lo,hi) of A.
func (p *Plan[T]) copyTiles(lo, hi int) {
	blocks := ceilDiv(p.k, p.depth)
	for t := lo; t < hi; t++ {
		i0, k0 := t/blocks*p.rowTile, t%blocks*p.depth
		p.copyBlock(i0, min(p.m-i0, p.rowTile), k0, min(p.k-k0, p.depth), p.copied[t*p.blockA:(t+1)*p.blockA])
	}
}

// copyBlock copies rows [i0,i0+rows) and columns [k0,k0+k) of op(A), in the
// order in which they are stored.
func (p *Plan[T]) copyBlock(i0, rows, k0, k int, dst []T) {
	if p.transA {
		w := roundUp(rows, copyPad)
		for q := range k {
			o := (k0+q)*p.lda + i0
			copy(dst[q*w:q*w+rows], p.a[o:o+rows])
		}
		return
	}
	w := k + copyPad
	for i := range rows {
		o := (i0+i)*p.lda + k0
		copy(dst[i*w:i*w+k], p.a[o:o+k])
	}
}

// rowsOfA returns rows [i0,i0+rows) and columns [k0,k0+k) of op(A) with the
// strides from row to row and from column to column. block is where they are
// copied, or have been.
func (p *Plan[T]) rowsOfA(i0, rows, k0, k int, block []T) (a []T, rs, cs int) {
	if p.rows != nil {
		return block[k0:], p.k, 1
	}
	if p.copyA && !p.copyAll {
		p.copyBlock(i0, rows, k0, k, block)
	}
	switch {
	case p.copyA && p.transA:
		return block, 1, roundUp(rows, copyPad)
	case p.copyA:
		return block, k + copyPad, 1
	case p.transA:
		return p.a[k0*p.lda+i0:], 1, p.lda
	}
	return p.a[i0*p.lda+k0:], p.lda, 1
}

// slices computes the partial products of the slices [lo,hi) of k.
func (p *Plan[T]) slices(lo, hi int) {
	s := p.slots.take()
	defer p.slots.give(s)
	var scratch []T
	if p.slots.bytes > 0 {
		scratch = cast[T](p.slots.of(p.work, s), p.slots.bytes/sizeOf[T]())
	}
	for t := lo; t < hi; t++ {
		part := p.parts[t*p.m*p.n : (t+1)*p.m*p.n]
		end := min((t+1)*p.slice, p.k)
		for k0 := t * p.slice; k0 < end; k0 += p.depth {
			k := min(end-k0, p.depth)
			rs, cs := p.lda, 1
			a := p.a
			if p.transA {
				rs, cs = 1, p.lda
				a = a[k0*p.lda:]
			} else {
				a = a[k0:]
			}
			for j := 0; j < p.n; j += p.kernel.wide {
				var b []T
				w := p.ldb
				if scratch != nil {
					w = p.panelWidth(j)
					b = scratch[:k*w]
					p.pack(b, w, j, k0, k)
				} else {
					b = p.b[k0*p.ldb+j:]
				}
				p.kernel.tile(oneBlock, p.m, k, a, rs, cs, b, w, part[j:], p.n, min(p.n-j, p.kernel.wide), k0 > t*p.slice)
			}
		}
	}
}

// sum adds the partial products, in the order of k, to the elements [lo,hi)
// of C.
func (p *Plan[T]) sum(lo, hi int) {
	sumParts(p.parts, p.splits, p.m*p.n, p.n, p.c, p.ldc, p.accumulate, lo, hi)
}

// sumParts adds the sum of parts of size elements each, n a row, to the
// elements [lo,hi) of c or replaces them by it.
func sumParts[T Float](parts []T, count, size, n int, c []T, ldc int, accumulate bool, lo, hi int) {
	for lo < hi {
		i, j := lo/n, lo%n
		cols := min(n-j, hi-lo, reduceGrain)
		c := c[i*ldc+j : i*ldc+j+cols]
		first := parts[lo : lo+cols]
		for s := 1; s < count; s++ {
			part := parts[s*size+lo : s*size+lo+cols]
			for x := range first {
				first[x] += part[x]
			}
		}
		if accumulate {
			for x, v := range first {
				c[x] += v
			}
		} else {
			copy(c, first)
		}
		lo += cols
	}
}
