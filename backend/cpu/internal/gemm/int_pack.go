package gemm

import "encoding/binary"

// Packed weights have one layout on every machine. With K4 = ceil(k/4) and
// panels of 16 output channels, weight (o, p) of W[n,k] is the byte
//
//	(o/16)*K4*64 + (p/4)*64 + (o%16)*4 + p%4
//
// (the VNNI4 blocking of x86), zero where o or p is beyond the matrix. After
// the panels come 16*ceil(n/16) little-endian int32 in the order of o:
//
//	-128 * sum over p of W[o,p]
//
// which undoes the shift of signed activations by +128 to the unsigned
// operand of VPDPBUSD.

const blockBytes = 64 // 16 channels x 4 weights

// PanelChannels is the output channels of a panel.
const PanelChannels = 16

// Panels returns the number of panels of the packed weights of n channels.
func Panels(n int) int { return ceilDiv(n, PanelChannels) }

// panelBytes returns the bytes of one panel.
func panelBytes(k int) int { return ceilDiv(k, 4) * blockBytes }

// PackedSize returns the bytes of packed weights [n,k].
func PackedSize(n, k int) int {
	return Panels(n) * (panelBytes(k) + 4*PanelChannels)
}

// PackB packs the weights w [n,k], output channel first, into dst, which has
// PackedSize(n, k) bytes and is 4-byte aligned.
func PackB(dst []byte, w []int8, n, k int) { PackRuns(dst, w, n, 1, k) }

// PackedRuns returns the bytes of weights [n, runs, k] packed by [PackRuns].
func PackedRuns(n, runs, k int) int { return PackedSize(n, runs*roundUp(k, 4)) }

// PackRuns is [PackB] for weights [n, runs, k] that meet runs of activations:
// each run of k is packed up to a multiple of four, the rest being zero.
func PackRuns(dst []byte, w []int8, n, runs, k int) { PackPanels(dst, w, n, runs, k, 0, Panels(n)) }

// PackPanels is [PackRuns] for the panels [lo,hi) of [Panels] alone, with what
// undoes their shift: workers share a matrix. dst and w are the whole ones.
func PackPanels(dst []byte, w []int8, n, runs, k, lo, hi int) {
	checkShape(1, n, runs*k)
	checkMatrix("W", len(w), n, runs*k, runs*k)
	dst = dst[:PackedRuns(n, runs, k)]
	run := panelBytes(k)
	size := runs * run
	sums := dst[Panels(n)*size:]
	turn := intKernels.Kernel().turn
	if turn == nil {
		turn = turnCodes
	}
	for p := lo; p < hi; p++ {
		panel, sums := dst[p*size:][:size], sums[4*p*PanelChannels:][:4*PanelChannels]
		first := p * PanelChannels
		cols := min(n-first, PanelChannels)
		if cols < PanelChannels {
			clear(panel)
			clear(sums)
		}
		for o := range cols {
			binary.LittleEndian.PutUint32(sums[4*o:], uint32(-128*SumCodes(w[(first+o)*runs*k:][:runs*k])))
		}
		whole, rest := k/4, k%4
		for r := range runs {
			src, part := w[(first*runs+r)*k:], panel[r*run:][:run]
			if whole > 0 {
				turn(part, src, runs*k, cols, whole)
			}
			if rest == 0 {
				continue
			}
			for o := range cols {
				var last [4]byte
				copy(last[:], bytesOf(src[o*runs*k+4*whole:][:rest]))
				copy(part[whole*blockBytes+4*o:], last[:])
			}
		}
	}
}

// turnCodes copies cols rows of src, ld codes apart and 4*groups codes long,
// to columns of dst: four codes to each of its blocks.
func turnCodes(dst []byte, src []int8, ld, cols, groups int) {
	n, j := 4*groups, 0
	row := func(j int) []byte { return bytesOf(src[j*ld:][:n]) }
	for ; j+4 <= cols; j += 4 { // Half as many stores of twice the size.
		a, b, c, d, to := row(j), row(j+1), row(j+2), row(j+3), dst[4*j:]
		for i := 0; i+4 <= n; i += 4 {
			block := to[i*(blockBytes/4):][:16]
			binary.LittleEndian.PutUint64(block, uint64(binary.LittleEndian.Uint32(a[i:]))|uint64(binary.LittleEndian.Uint32(b[i:]))<<32)
			binary.LittleEndian.PutUint64(block[8:], uint64(binary.LittleEndian.Uint32(c[i:]))|uint64(binary.LittleEndian.Uint32(d[i:]))<<32)
		}
	}
	for ; j < cols; j++ {
		a, to := row(j), dst[4*j:]
		for i := 0; i+4 <= n; i += 4 {
			binary.LittleEndian.PutUint32(to[i*(blockBytes/4):], binary.LittleEndian.Uint32(a[i:]))
		}
	}
}

// SumCodes returns the sum of w, modulo 2^32.
func SumCodes(w []int8) int32 {
	var sum int64 // of the codes plus 128
	b := bytesOf(w)
	if k := intKernels.Kernel(); k.sum != nil && len(w) >= sumBlock {
		n := len(w) / sumBlock
		sum = k.sum(w, n)
		b = b[n*sumBlock:]
	}
	const (
		words = 128 // of 8 codes, until a sum of 16 bits is full
		flip  = 0x8080808080808080
		even  = 0x00ff00ff00ff00ff
	)
	for len(b) >= 8 {
		n := min(len(b)/8, words)
		var lanes uint64
		for i := range n {
			v := binary.LittleEndian.Uint64(b[8*i:]) ^ flip
			lanes += v&even + v>>8&even
		}
		sum += int64(lanes&0xffff + lanes>>16&0xffff + lanes>>32&0xffff + lanes>>48)
		b = b[8*n:]
	}
	for _, v := range b {
		sum += int64(v ^ 0x80)
	}
	return int32(sum - 128*int64(len(w)))
}

// sumBlock is the codes that a kernel sums at a time.
const sumBlock = 64

// ShiftCodes writes src with +128 added to each signed code to dst, which may
// be src.
func ShiftCodes(dst, src []byte) {
	if k := intKernels.Kernel(); k.shift != nil {
		k.shift(dst, src)
	} else {
		shiftCodes(dst, src)
	}
}
