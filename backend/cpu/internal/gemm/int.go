package gemm

import (
	"crypto/subtle"
	"encoding/binary"
)

// intKernel is the integer inner product of an instruction set.
type intKernel struct {
	height int // rows of the tallest register tile
	panels int // panels of 16 channels in the widest register tile
	// unsigned: activations are bytes, signed ones shifted by +128.
	// Otherwise they are widened to 16 bits by widen.
	unsigned bool
	// shift writes src with +128 added to each signed code to dst, which may
	// be src.
	shift func(dst, src []byte)
	// bytes computes, for rows x cols sums of k4 groups of four codes,
	//
	//	c[i*ldc+j] = init[j] + sum over p of a[i*rs+p] * W[j,p]
	//
	// where b holds ceil(cols/16) panels, panel bytes each, and init whole
	// panels. The last group of a row may reach up to 3 bytes beyond it, its
	// weights are zero. cols <= 16*panels.
	bytes func(rows, k4 int, a []byte, rs int, b []byte, panel int, init []int32, c []int32, ldc, cols int)
	// words is bytes for activations in the layout that widen makes, rs in
	// elements.
	words func(rows, k4 int, a []int16, rs int, b []byte, panel int, init []int32, c []int32, ldc, cols int)
	// widen converts k codes to 16 bits and zeros up to dst's length, a
	// multiple of 4, in the order 0, 2, 1, 3 within each four.
	widen func(dst []int16, src []byte, k int, signed bool)
}

const (
	intTileBytes = 256 << 10 // of activations and sums of one tile
	maxIntRows   = 112
	minIntTiles  = 16
	overread     = 64 // bytes behind a tile of activations that kernels may read
)

// IntPlan is a product acc[m,n] = A[m,k] W[n,k]ᵀ of codes, exact in int32
// (modulo 2^32 where sums exceed it).
type IntPlan[A Code] struct {
	par      Parallel
	kernel   intKernel
	signed   bool
	m, n, k  int
	rows     func(dst []A, lo, hi int)
	epilogue func(lo, hi int, acc []int32)

	rowTile, rowTiles int
	direct            bool // A is read in place
	codes, words, acc int  // bytes of the parts of a slot
	slots             slots
	zeros             []int32
	body              func(lo, hi int)

	// The product in progress.
	a       []A
	lda     int
	weights []byte
	init    []int32
	work    []byte
}

// NewInt prepares acc[m,n] = A[m,k] W[n,k]ᵀ. epilogue receives rows [lo,hi)
// of the sums, row-major with stride n, in scratch that is valid during the
// call; it is called from several goroutines and may change acc.
func NewInt[A Code](par Parallel, m, n, k int, epilogue func(lo, hi int, acc []int32)) *IntPlan[A] {
	return NewIntRows[A](par, m, n, k, nil, epilogue)
}

// NewIntRows is [NewInt] for codes A that are made row by row while they are
// used: rows fills dst with rows [lo,hi) of A, k codes each. It is called
// from several goroutines.
func NewIntRows[A Code](par Parallel, m, n, k int, rows func(dst []A, lo, hi int), epilogue func(lo, hi int, acc []int32)) *IntPlan[A] {
	checkShape(m, n, k)
	var lowest A
	lowest--
	p := &IntPlan[A]{par: par, kernel: intKernels.Kernel(), signed: lowest < 0, m: m, n: n, k: k, rows: rows, epilogue: epilogue}
	p.body = p.tiles
	if m == 0 {
		return p
	}
	h := p.kernel.height
	p.rowTile = min(maxIntRows, intTileBytes/(4*n+k+1), roundUp(ceilDiv(m, minIntTiles), h))
	p.rowTile = min(max(p.rowTile/h, 1)*h, m)
	p.rowTiles = ceilDiv(m, p.rowTile)
	if p.kernel.unsigned {
		p.direct = rows == nil && !p.signed && k%4 == 0
	} else {
		p.words = roundUp(p.rowTile*roundUp(k, 4)*2+overread, alignment)
		p.direct = rows == nil
	}
	if !p.direct {
		p.codes = roundUp(p.rowTile*k+overread, alignment)
	}
	p.acc = roundUp(p.rowTile*n*4, alignment)
	p.slots = newSlots(p.rowTiles, p.codes+p.words+p.acc)
	p.zeros = make([]int32, panelsOf(n)*panelChannels)
	return p
}

// Workspace returns the bytes of 64-byte aligned scratch that Run needs. Its
// contents need not be kept between runs.
func (p *IntPlan[A]) Workspace() int { return p.slots.size() }

// Run computes the product of a, lda codes from row to row, and the weights
// packed by [PackB].
func (p *IntPlan[A]) Run(a []A, lda int, packed []byte, ws []byte) {
	checkMatrix("A", len(a), p.m, p.k, lda)
	p.a, p.lda = a, lda
	p.run(packed, ws)
}

// RunRows is Run for a plan made by [NewIntRows].
func (p *IntPlan[A]) RunRows(packed, ws []byte) { p.run(packed, ws) }

func (p *IntPlan[A]) run(packed, ws []byte) {
	if p.m == 0 {
		return
	}
	size := panelsOf(p.n) * panelBytes(p.k)
	p.weights = packed[:size]
	p.init = p.zeros
	if p.signed && p.kernel.unsigned {
		p.init = corrections(packed[size:], len(p.zeros))
	}
	p.work = ws[:p.slots.size()]
	p.par(p.rowTiles, 1, p.body)
	p.a, p.weights, p.init, p.work = nil, nil, nil, nil
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

// signBits is the sign bit of every byte: adding 128 to a signed code.
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

// tiles computes the row tiles [lo,hi).
func (p *IntPlan[A]) tiles(lo, hi int) {
	s := p.slots.take()
	defer p.slots.give(s)
	var mem []byte
	if p.slots.bytes > 0 {
		mem = p.slots.of(p.work, s)
	}
	for t := lo; t < hi; t++ {
		i0 := t * p.rowTile
		p.tile(i0, min(i0+p.rowTile, p.m), mem)
	}
}

func (p *IntPlan[A]) tile(lo, hi int, mem []byte) {
	rows := hi - lo
	acc := cast[int32](mem[p.codes+p.words:], rows*p.n)
	if p.n == 0 {
		p.epilogue(lo, hi, acc)
		return
	}
	codes, stride := p.rowCodes(lo, hi, mem[:p.codes])
	k4 := ceilDiv(p.k, 4)
	var wide []int16
	if !p.kernel.unsigned {
		wide = cast[int16](mem[p.codes:], rows*4*k4)
		if p.k == 4*k4 && stride == p.k {
			p.kernel.widen(wide, codes, rows*stride, p.signed)
		} else {
			for i := range rows {
				p.kernel.widen(wide[i*4*k4:(i+1)*4*k4], codes[i*stride:], p.k, p.signed)
			}
		}
	}
	panel := panelBytes(p.k)
	step := p.kernel.panels * panelChannels
	for j := 0; j < p.n; j += step {
		b := p.weights[j/panelChannels*panel:]
		cols := min(p.n-j, step)
		if p.kernel.unsigned {
			p.kernel.bytes(rows, k4, codes, stride, b, panel, p.init[j:], acc[j:], p.n, cols)
		} else {
			p.kernel.words(rows, k4, wide, 4*k4, b, panel, p.init[j:], acc[j:], p.n, cols)
		}
	}
	p.epilogue(lo, hi, acc)
}

// rowCodes returns rows [lo,hi) of A as bytes that the kernel reads, and
// their stride.
func (p *IntPlan[A]) rowCodes(lo, hi int, mem []byte) (codes []byte, stride int) {
	if p.direct {
		return bytesOf(p.a[lo*p.lda : (hi-1)*p.lda+p.k]), p.lda
	}
	n := (hi - lo) * p.k
	shifted := p.signed && p.kernel.unsigned
	switch {
	case p.rows != nil:
		p.rows(codesOf[A](mem[:n:n]), lo, hi)
		if shifted {
			p.kernel.shift(mem[:n], mem[:n])
		}
	case p.lda == p.k:
		p.copyCodes(mem[:n], bytesOf(p.a[lo*p.k:hi*p.k]), shifted)
	default:
		for i := lo; i < hi; i++ {
			p.copyCodes(mem[(i-lo)*p.k:(i-lo+1)*p.k], bytesOf(p.a[i*p.lda:i*p.lda+p.k]), shifted)
		}
	}
	return mem, p.k
}

func (p *IntPlan[A]) copyCodes(dst, src []byte, shifted bool) {
	if shifted {
		p.kernel.shift(dst, src)
	} else {
		copy(dst, src)
	}
}
