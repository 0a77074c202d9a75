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
const (
	panelChannels = 16
	blockBytes    = 64 // 16 channels x 4 weights
)

func panelsOf(n int) int { return ceilDiv(n, panelChannels) }

// panelBytes returns the bytes of one panel.
func panelBytes(k int) int { return ceilDiv(k, 4) * blockBytes }

// PackedSize returns the bytes of packed weights [n,k].
func PackedSize(n, k int) int {
	return panelsOf(n) * (panelBytes(k) + 4*panelChannels)
}

// PackB packs the weights w [n,k], output channel first, into dst, which has
// PackedSize(n, k) bytes and is 4-byte aligned.
func PackB(dst []byte, w []int8, n, k int) { PackRuns(dst, w, n, 1, k) }

// PackedRuns returns the bytes of weights [n, runs, k] packed by [PackRuns].
func PackedRuns(n, runs, k int) int { return PackedSize(n, runs*roundUp(k, 4)) }

// PackRuns is [PackB] for weights [n, runs, k] that meet runs of activations:
// each run of k is packed up to a multiple of four, the rest being zero.
func PackRuns(dst []byte, w []int8, n, runs, k int) {
	checkShape(1, n, runs*k)
	checkMatrix("W", len(w), n, runs*k, runs*k)
	dst = dst[:PackedRuns(n, runs, k)]
	clear(dst)
	size := panelBytes(runs * roundUp(k, 4))
	sums := dst[panelsOf(n)*size:]
	for o := range n {
		panel := dst[o/panelChannels*size:][:size]
		g := o % panelChannels * 4
		var sum int32
		for r := range runs {
			row := w[(o*runs+r)*k:][:k]
			for ; len(row) >= 4; row = row[4:] {
				d := panel[g : g+4 : g+4]
				d[0], d[1], d[2], d[3] = byte(row[0]), byte(row[1]), byte(row[2]), byte(row[3])
				sum += int32(row[0]) + int32(row[1]) + int32(row[2]) + int32(row[3])
				g += blockBytes
			}
			for p, v := range row {
				panel[g+p] = byte(v)
				sum += int32(v)
			}
			if len(row) > 0 {
				g += blockBytes
			}
		}
		binary.LittleEndian.PutUint32(sums[4*o:], uint32(-128*sum))
	}
}

// ShiftCodes writes src with +128 added to each signed code to dst, which may
// be src.
func ShiftCodes(dst, src []byte) {
	if k := intKernels.Kernel(); k.shift != nil {
		k.shift(dst, src)
	} else {
		shiftCodes(dst, src)
	}
}
