package gemm

import (
	"crypto/subtle"
	"encoding/binary"
	"slices"
)

// intKernel is the integer inner product of an instruction set.
type intKernel struct {
	height int // rows of the tallest register tile
	panels int // panels of 16 channels in the widest register tile
	// unsigned: activations are bytes, those that neither bytes nor
	// signedBytes takes shifted by 128. Otherwise they are widened to 16 bits
	// by widen.
	unsigned bool
	// shift writes src with the top bit of each code changed to dst, which
	// may be src: +128 for signed codes, -128 for unsigned ones.
	shift func(dst, src []byte)
	// bytes computes, for each row of r and cols <= 16*panels columns,
	//
	//	c[i*ldc+j] = init[j] + sum over p of a[row i, p] * W[j,p]
	//
	// where b holds ceil(cols/16) panels, panel bytes each, and init and the
	// rows of c whole panels. The last group of a run may reach up to 3 bytes beyond it, its
	// weights are zero.
	bytes bytesTile
	// signedBytes is bytes for signed codes as they are. Where there is only
	// one of the two, codes of the other kind are shifted for it.
	signedBytes bytesTile
	// fromZero says that bytes and signedBytes take a nil init for zeros.
	fromZero bool
	// blockRows is the rows of sums that meet the epilogue at once; 0 is
	// [blockRows].
	blockRows int
	// codes is bytes that makes codes of its sums, nil where there is none:
	// columns from from on of e, dst beginning with them.
	codes func(r intRows, a, b []byte, panel int, e *IntCodes, from int, dst []byte, cols int)
	// words is bytes for activations in the layout that widen makes.
	words func(r intRows, a []int16, b []byte, panel int, init, c []int32, ldc, cols int)
	// widen converts k codes to 16 bits and zeros up to dst's length, a
	// multiple of 4, in the order 0, 2, 1, 3 within each four.
	widen func(dst []int16, src []byte, k int, signed bool)
	// turn is turnCodes in vectors, nil where there is none.
	turn func(dst []byte, src []int8, ld, cols, groups int)
	// sum returns the sum of blocks x sumBlock codes, each plus 128; nil where
	// there is none.
	sum func(w []int8, blocks int) int64
}

// bytesTile is the type of products of bytes.
type bytesTile func(r intRows, a, b []byte, panel int, init, c []int32, ldc, cols int)

const (
	intRowBytes    = 192 << 10 // of activations of a tile
	intColumnBytes = 512 << 10 // of weights of a tile
	minIntTiles    = 8
	minIntWork     = 1 << 18 // products of a tile, where there is a choice
	blockRows      = 56      // of sums that meet the epilogue at once
	overread       = 64      // bytes behind a tile of activations that kernels may read
)

// IntBlock is a part of the sums of a product: rows [Lo,Hi) and columns
// [From,To).
type IntBlock struct {
	Lo, Hi, From, To int
	// Acc holds the sum of row r and column c at (r-Lo)*Stride + c-From, in
	// scratch that is valid during the call and may be changed.
	Acc    []int32
	Stride int
	// Tile numbers the tile of rows that the block is of, from 0. The blocks
	// of one tile and one column come one after the other, from the first row
	// down, so that what is added up by tile does not depend on threads.
	Tile int
	// Slot is a number, from 0, that no other block has at the same time.
	Slot int
}

// Row returns the sums of row r.
func (b *IntBlock) Row(r int) []int32 {
	at := (r - b.Lo) * b.Stride
	return b.Acc[at : at+b.To-b.From]
}

// IntPlan is a product acc[m,n] = A[m,k] W[n,k]ᵀ of codes, exact in int32
// (modulo 2^32 where sums exceed it). The epilogue receives every sum once,
// in blocks, from several goroutines. A block begins at a column that is a
// multiple of 16 within its group.
type IntPlan[A Code] struct {
	par      Parallel
	kernel   intKernel
	signed   bool
	shifted  bool // codes become those of the other kind
	m, n, k  int  // n is that of a group
	rows     func(dst []A, lo, hi int)
	lines    *IntLines
	epilogue func(IntBlock)

	image, tileUnits, imageTiles int // rows, or lines, of an image and of a tile; tiles of an image
	rowTiles                     int
	groups, groupSteps           int // groups; steps of columns of one
	steps, tileSteps, colTiles   int // steps of all groups and of a tile
	direct                       bool
	stride                       int // of rows, or of lines, in the scratch
	taps                         []int
	codes, words                 int // bytes of the parts of a slot
	slots                        slots
	zeros                        []int32
	undo                         []int32 // of the shift of unsigned codes, group after group
	body                         func(lo, hi int)

	makeCodes func() *IntCodes

	// The product in progress.
	made    *IntCodes
	a       []A
	lda     int
	weights []byte
	work    []byte
}

// IntLines are rows of A that overlap, as those of a convolution do: the
// codes of an image are in memory once and a row is a few runs of them.
type IntLines struct {
	Images, Lines, Width int // m is their product
	// Codes from row to row of a line, from line to line of an image, and
	// from image to image, of which the last is for codes that are read in
	// place alone.
	Stride, Line, Image int
	// Offsets of the runs of a row, and the codes of a run.
	Taps []int
	Run  int
	// Groups of columns; the rows of the next begin GroupStep codes later.
	Groups, GroupStep int
}

// reach returns the codes from the first row of a line to the end of its last.
func (l *IntLines) reach() int {
	return (l.Width-1)*l.Stride + (l.Groups-1)*l.GroupStep + slices.Max(l.Taps) + l.Run
}

// NewInt prepares acc[m,n] = A[m,k] W[n,k]ᵀ.
func NewInt[A Code](par Parallel, m, n, k int, epilogue func(IntBlock)) *IntPlan[A] {
	return NewIntRows[A](par, m, n, k, nil, epilogue)
}

// NewIntRows is [NewInt] for codes A that are made row by row while they are
// used: rows fills dst with rows [lo,hi) of A, k codes each. It is called
// from several goroutines.
func NewIntRows[A Code](par Parallel, m, n, k int, rows func(dst []A, lo, hi int), epilogue func(IntBlock)) *IntPlan[A] {
	checkShape(m, n, k)
	p := newInt(par, m, n, k, rows, epilogue)
	if m == 0 {
		return p
	}
	p.direct = rows == nil && (!p.kernel.unsigned || !p.shifted && k%4 == 0 && k%2048 != 0)
	p.stride = k
	if k%4 == 0 && k%512 == 0 && !p.direct && rows == nil {
		p.stride += 64 // Rows whose distance is a power of two share few lines of the cache.
	}
	p.cut(1, m, 1, max(p.stride, 1))
	p.memory(p.tileUnits * p.stride)
	return p
}

// CanLines reports whether [NewIntLines] takes rows of these lines.
func CanLines(l *IntLines) bool {
	if intKernels.Kernel().unsigned {
		return true
	}
	// Widened codes are in groups of four.
	for _, t := range l.Taps {
		if t%4 != 0 {
			return false
		}
	}
	return l.Stride%4 == 0 && l.Line%4 == 0 && l.Run%4 == 0 && l.GroupStep%4 == 0
}

// NewIntLines is [NewIntRows] for the rows of lines, for which [CanLines];
// weights are packed by [PackRuns], group after group, each at a multiple of
// 64 bytes. n is the number of columns of a group. lay fills dst with the
// codes of lines [lo,hi), counted through all images, of one image; nil for
// codes that [IntPlan.Run] is given, where runs have whole groups of four.
func NewIntLines[A Code](par Parallel, l IntLines, n int, lay func(dst []A, lo, hi int), epilogue func(IntBlock)) *IntPlan[A] {
	m, k := l.Images*l.Lines*l.Width, len(l.Taps)*4*ceilDiv(l.Run, 4)
	checkShape(m, n, k)
	l.Groups = max(l.Groups, 1)
	p := newInt(par, m, n, k, lay, epilogue)
	p.lines, p.groups = &l, l.Groups
	if m == 0 {
		return p
	}
	p.taps = slices.Clone(l.Taps)
	if !p.kernel.unsigned {
		for i := range p.taps {
			p.taps[i] *= 2
		}
	}
	p.direct = lay == nil && !p.shifted
	p.stride = l.Line
	p.cut(l.Images, l.Lines, l.Width, max(l.Line, 1))
	p.memory(p.laid(p.tileUnits))
	return p
}

// laid returns the codes of lines next to each other.
func (p *IntPlan[A]) laid(lines int) int { return (lines-1)*p.lines.Line + p.lines.reach() }

func newInt[A Code](par Parallel, m, n, k int, rows func(dst []A, lo, hi int), epilogue func(IntBlock)) *IntPlan[A] {
	var lowest A
	lowest--
	p := &IntPlan[A]{par: par, kernel: intKernels.Kernel(), signed: lowest < 0, m: m, n: n, k: k, rows: rows, epilogue: epilogue,
		groups: 1, taps: noOffset[:]}
	p.body = p.tiles
	if p.kernel.blockRows == 0 {
		p.kernel.blockRows = blockRows
	}
	switch kr := &p.kernel; {
	case !kr.unsigned:
	case p.signed && kr.signedBytes != nil:
		kr.bytes = kr.signedBytes
	case p.signed:
		p.shifted = true
	case kr.bytes == nil:
		kr.bytes, p.shifted = kr.signedBytes, true
	}
	return p
}

// cut chooses the tiles, by shape alone, for images of units, rows or lines,
// of width rows each and bytes of codes.
func (p *IntPlan[A]) cut(images, units, width, bytes int) {
	h, step := p.kernel.height, p.kernel.panels*PanelChannels
	p.image = units
	p.groupSteps = max(ceilDiv(p.n, step), 1)
	p.steps = p.groups * p.groupSteps
	p.tileSteps = min(max(intColumnBytes/(step*max(p.k, 1)), 2), p.steps)
	whole := h // Units of whole register tiles.
	if width > 1 {
		whole = 1
	}
	p.tileUnits = min(max(intRowBytes/bytes/whole, 1)*whole, units)
	tiles := func() int { return images * ceilDiv(units, p.tileUnits) * ceilDiv(p.steps, p.tileSteps) }
	work := func() int { return p.tileUnits * width * p.tileSteps * step * max(p.k, 1) }
	for tiles() < minIntTiles && work() > minIntWork {
		rows, cols := p.tileUnits*width, p.tileSteps*step
		half := roundUp(ceilDiv(p.tileUnits, 2), whole)
		switch {
		case half < p.tileUnits && (rows >= cols || p.tileSteps == 1):
			p.tileUnits = half
		case p.tileSteps > 1:
			p.tileSteps = ceilDiv(p.tileSteps, 2)
		default:
			half = 0
		}
		if half == 0 {
			break
		}
	}
	p.imageTiles = ceilDiv(units, p.tileUnits)
	p.rowTiles, p.colTiles = images*p.imageTiles, ceilDiv(p.steps, p.tileSteps)
}

// memory lays out a slot for codes of the scratch.
func (p *IntPlan[A]) memory(codes int) {
	if !p.direct {
		p.codes = roundUp(codes+overread, alignment)
	}
	if !p.kernel.unsigned {
		size := roundUp(codes, 4)
		if p.lines == nil {
			size = p.tileUnits * roundUp(p.k, 4)
		}
		p.words = roundUp(2*size+overread, alignment)
	}
	step := p.kernel.panels * PanelChannels
	p.slots = newSlots(p.rowTiles*p.colTiles, p.codes+p.words+4*p.kernel.blockRows*step)
	p.zeros = make([]int32, Panels(p.n)*PanelChannels)
	if p.shifted && !p.signed {
		p.undo = make([]int32, p.groups*len(p.zeros))
	}
}

// RowTiles returns how many tiles of rows there are ([IntBlock.Tile]).
func (p *IntPlan[A]) RowTiles() int { return p.rowTiles }

// Slots returns how many numbers [IntBlock.Slot] has.
func (p *IntPlan[A]) Slots() int { return cap(p.slots.free) }

// Workspace returns the bytes of 64-byte aligned scratch that Run needs. Its
// contents need not be kept between runs.
func (p *IntPlan[A]) Workspace() int { return p.slots.size() }

// Run computes the product of a and the weights packed by [PackB] or
// [PackRuns]. lda is the distance from row to row of a matrix, in codes.
func (p *IntPlan[A]) Run(a []A, lda int, packed []byte, ws []byte) {
	if p.lines == nil {
		checkMatrix("A", len(a), p.m, p.k, lda)
	}
	p.a, p.lda = a, lda
	p.run(packed, ws)
}

// RunRows is Run for a plan that makes its codes while it runs.
func (p *IntPlan[A]) RunRows(packed, ws []byte) { p.run(packed, ws) }

func (p *IntPlan[A]) run(packed, ws []byte) {
	if p.m == 0 || p.n == 0 {
		return
	}
	p.weights = packed
	p.work = ws[:p.slots.size()]
	for g := 0; p.undo != nil && g < p.groups; g++ {
		undo := p.undo[g*len(p.zeros):]
		for i, v := range p.corrections(g) {
			undo[i] = -v
		}
	}
	p.made = nil
	if p.makeCodes != nil && p.kernel.codes != nil && !p.shifted && p.k > 0 {
		p.made = p.makeCodes()
	}
	work := p.tileUnits * max(p.m/(p.image*max(p.images(), 1)), 1) * p.tileSteps * p.kernel.panels * PanelChannels * max(p.k, 1)
	p.par(p.rowTiles*p.colTiles, max(minIntWork/work, 1), p.body)
	p.a, p.weights, p.work = nil, nil, nil
}

func (p *IntPlan[A]) images() int { return p.rowTiles / p.imageTiles }

// group returns the packed weights of a group and what follows them.
func (p *IntPlan[A]) group(g int) []byte {
	return p.weights[g*roundUp(PackedSize(p.n, p.k), alignment):]
}

// corrections returns what undoes the shift of signed codes in a group.
func (p *IntPlan[A]) corrections(g int) []int32 {
	return corrections(p.group(g)[Panels(p.n)*panelBytes(p.k):], len(p.zeros))
}

// init returns what the sums of a group begin with, from column j on.
func (p *IntPlan[A]) init(g, j int) []int32 {
	switch {
	case p.undo != nil:
		return p.undo[g*len(p.zeros)+j : (g+1)*len(p.zeros)]
	case p.shifted:
		return p.corrections(g)[j:]
	case p.kernel.fromZero:
		return nil
	}
	return p.zeros[j:]
}

// bigEndian reports whether the machine stores the high byte first.
var bigEndian = binary.NativeEndian.Uint16([]byte{0, 1}) == 1

// corrections returns the n int32 at the end of packed weights.
func corrections(b []byte, n int) []int32 {
	if !bigEndian {
		return cast[int32](b, n)
	}
	v := make([]int32, n)
	for i := range v {
		v[i] = int32(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return v
}

// signBits is the top bit of every byte: 128 added, or taken away.
var signBits = func() (b [4096]byte) {
	for i := range b {
		b[i] = 0x80
	}
	return b
}()

// shiftCodes is the portable shift.
func shiftCodes(dst, src []byte) {
	for len(src) > 0 {
		n := subtle.XORBytes(dst, src, signBits[:min(len(src), len(signBits))])
		dst, src = dst[n:], src[n:]
	}
}

// tiles computes the tiles [lo,hi). Those of the same columns, whose weights
// may still be in the cache, are neighbours.
func (p *IntPlan[A]) tiles(lo, hi int) {
	s := p.slots.take()
	defer p.slots.give(s)
	mem := p.slots.of(p.work, s)
	for t := lo; t < hi; t++ {
		p.tile(t%p.rowTiles, t/p.rowTiles, s, mem)
	}
}

func (p *IntPlan[A]) tile(rowTile, colTile, slot int, mem []byte) {
	image := rowTile / p.imageTiles
	first := rowTile % p.imageTiles * p.tileUnits // Within the image.
	units := min(p.tileUnits, p.image-first)
	first += image * p.image
	var r intRows
	var codes []byte
	if p.lines != nil {
		r, codes = p.lineCodes(first, first+units, mem[:p.codes])
	} else {
		r, codes = p.rowCodes(first, first+units, mem[:p.codes])
	}
	var wide []int16
	if !p.kernel.unsigned {
		wide = p.widen(&r, codes, mem[p.codes:])
	}
	acc := cast[int32](mem[p.codes+p.words:], p.kernel.blockRows*p.kernel.panels*PanelChannels)
	width := p.m / (p.image * p.images())
	for s := colTile * p.tileSteps; s < min((colTile+1)*p.tileSteps, p.steps); s++ {
		p.column(rowTile, slot, s, first*width, &r, codes, wide, acc)
	}
}

// column computes a step of columns of the rows of a tile, the first of which
// is row, in blocks.
func (p *IntPlan[A]) column(tile, slot, s, row int, r *intRows, codes []byte, wide []int16, acc []int32) {
	step := p.kernel.panels * PanelChannels
	group, j := s/p.groupSteps, s%p.groupSteps*step
	panel := panelBytes(p.k)
	b := p.group(group)[j/PanelChannels*panel : Panels(p.n)*panel]
	cols := min(p.n-j, step)
	at := 0
	if p.lines != nil {
		at = group * p.lines.GroupStep
	}
	if p.made != nil {
		from := group*p.n + j
		p.kernel.codes(*r, codes[at:], b, panel, p.made, from, p.made.Dst[row*p.made.Stride+from:], cols)
		return
	}
	init := p.init(group, j)
	rows := p.kernel.blockRows / p.kernel.height * p.kernel.height
	block := *r
	block.lines, block.width = max(rows/r.width, 1), r.width
	if r.width > rows { // Pieces of about one size.
		block.width = min(roundUp(ceilDiv(r.width, ceilDiv(r.width, rows)), p.kernel.height), rows)
	}
	for l := 0; l < r.lines; l += block.lines {
		block.lines = min(block.lines, r.lines-l)
		for x := 0; x < r.width; x += block.width {
			part := block
			part.width = min(block.width, r.width-x)
			from := at + l*r.line + x*r.stride
			if p.kernel.unsigned {
				p.kernel.bytes(part, codes[from:], b, panel, init, acc, step, cols)
			} else {
				p.kernel.words(part, wide[from:], b, panel, init, acc, step, cols)
			}
			lo := row + l*r.width + x
			p.epilogue(IntBlock{Lo: lo, Hi: lo + part.count(), From: group*p.n + j, To: group*p.n + j + cols, Acc: acc, Stride: step, Tile: tile, Slot: slot})
		}
	}
}

// widen lays out the codes of r for kernels of words and returns them; r then
// is where the words are.
func (p *IntPlan[A]) widen(r *intRows, codes, mem []byte) []int16 {
	if p.lines != nil {
		n := len(codes)
		wide := cast[int16](mem, roundUp(n, 4))
		p.kernel.widen(wide, codes, n, p.signed)
		return wide
	}
	size := 4 * r.groups
	wide := cast[int16](mem, r.width*size)
	if p.k == size && r.stride == p.k {
		p.kernel.widen(wide, codes, r.width*size, p.signed)
	} else {
		for i := range r.width {
			p.kernel.widen(wide[i*size:(i+1)*size], codes[i*r.stride:], p.k, p.signed)
		}
	}
	r.stride = size
	return wide
}

// lineCodes returns the codes of lines [lo,hi), of one image, and where the
// rows are in them.
func (p *IntPlan[A]) lineCodes(lo, hi int, mem []byte) (r intRows, codes []byte) {
	l := p.lines
	r = intRows{lines: hi - lo, width: l.Width, line: l.Line, stride: l.Stride, taps: p.taps, groups: ceilDiv(l.Run, 4)}
	r.reach = slices.Max(l.Taps) + 4*r.groups
	if l.Width == 1 {
		r.lines, r.width, r.stride = 1, r.lines, l.Line
	}
	n := p.laid(hi - lo)
	var in []byte
	if p.rows == nil {
		at := lo/l.Lines*l.Image + lo%l.Lines*l.Line
		in = bytesOf(p.a[at : at+n])
		if p.direct {
			return r, in
		}
		p.copyCodes(mem[:n], in)
		return r, p.behind(mem, n)
	}
	p.rows(codesOf[A](mem[:n:n]), lo, hi)
	if p.shifted {
		p.kernel.shift(mem[:n], mem[:n])
	}
	return r, p.behind(mem, n)
}

// behind returns the codes with the bytes that kernels may read beyond them,
// which widening does not.
func (p *IntPlan[A]) behind(mem []byte, n int) []byte {
	if p.kernel.unsigned {
		return mem
	}
	return mem[:n]
}

// rowCodes is lineCodes for rows [lo,hi) of a matrix.
func (p *IntPlan[A]) rowCodes(lo, hi int, mem []byte) (r intRows, codes []byte) {
	groups := ceilDiv(p.k, 4)
	if p.direct {
		return matrixRows(hi-lo, groups, p.lda), bytesOf(p.a[lo*p.lda : (hi-1)*p.lda+p.k])
	}
	r = matrixRows(hi-lo, groups, p.stride)
	switch {
	case p.rows != nil:
		n := (hi - lo) * p.k
		p.rows(codesOf[A](mem[:n:n]), lo, hi)
		if p.shifted {
			p.kernel.shift(mem[:n], mem[:n])
		}
	case p.lda == p.stride:
		p.copyCodes(mem[:(hi-lo)*p.k], bytesOf(p.a[lo*p.k:hi*p.k]))
	default:
		for i := lo; i < hi; i++ {
			p.copyCodes(mem[(i-lo)*p.stride:][:p.k], bytesOf(p.a[i*p.lda:i*p.lda+p.k]))
		}
	}
	return r, mem
}

func (p *IntPlan[A]) copyCodes(dst, src []byte) {
	if p.shifted {
		p.kernel.shift(dst, src)
	} else {
		copy(dst, src)
	}
}
