package quant

import "math"

// LSQBlock is the number of elements whose gradients [LSQGrad] adds up before
// it adds them to the sums.
const LSQBlock = 4096

// LSQLanes is the number of sums of [LSQGrad] that grow side by side.
const LSQLanes = 16

// LSQFactor returns the gradient factor of learned step size quantization,
// 1/sqrt(n*hi) (Esser et al., arXiv:1902.08153, section 2.2), for n elements
// that share a scale and the highest code above zero hi.
func LSQFactor(n int, hi int32) float64 {
	return 1 / math.Sqrt(float64(max(n, 1))*float64(max(hi, 1)))
}

// LSQGrad computes the gradients of a quantizer whose scale, and perhaps zero
// point, is learned. For elements [from, to) it writes the straight-through
// gradient to dx, and adds to ds[c] and dz[c] of each channel
//
//	           inside           below      above
//	dx    =    dy               0          0
//	ds   +=    dy*(round(x/s) - x/s)   dy*(lo-zero)   dy*(hi-zero)
//	dz   +=    0                -dy*s      -dy*s
//
// (Esser et al., eq. 3, with the range tested on the rounded integer as
// [Rule.Quantize] does; Bhalgat et al., arXiv:2004.09576, for dz). x/s is the
// rule's float32 quotient. The factor of [LSQFactor] is left to the caller.
// dx may be dy; dz may be nil when the zero point is fixed. NaNs add nothing
// and are counted.
//
// A product is rounded to float32. Sums are float64: of the elements of a
// channel in each block of [LSQBlock], counted from element 0, every
// [LSQLanes]th of a run is added to a sum of its own, in order, the sums in
// order, and the block's sum is added to ds[c]; those of dz in order. So tiles of a multiple of LSQBlock elements, visited in order,
// give the same bits however the array is cut. To run tiles in parallel give
// each block its own zeroed ds and dz and add those in order: same bits again.
func LSQGrad(r Rule, dx, dy, x, scale []float32, zero []int32, lo, hi int32, ds, dz []float64, l Layout, from, to int) (nan int) {
	var buf [blockLen]int32
	var quo [blockLen]float32
	for b := from; b < to; {
		at := b + l.Skip
		end := min(b-at%LSQBlock+LSQBlock, to)
		// Runs of one channel are numbered first to last; those of the same
		// channel are Channels apart.
		first, last := at/l.Inner, (end-1+l.Skip)/l.Inner
		for k := first; k <= min(last, first+l.Channels-1); k++ {
			c := k % l.Channels
			p := r.rounder(scale[c], zero[c], lo, hi)
			var sum lsqSum
			for g := k; g <= last; g += l.Channels {
				i, stop := max(g*l.Inner-l.Skip, b), min((g+1)*l.Inner-l.Skip, end)
				for i < stop {
					n := min(stop-i, blockLen)
					nan += p.lsq(&sum, buf[:n], quo[:n], dx[i:i+n], dy[i:i+n], x[i:i+n])
					i += n
				}
			}
			ds[c] += AddLanes(&sum.scale)
			if dz != nil {
				dz[c] -= float64(sum.outside * float64(p.scale))
			}
		}
		b = end
	}
	return nan
}

// LSQGradRun is the part of [LSQGrad] that handles a run of elements with one
// scale: it writes dx and adds to the lanes, the first of which takes the
// first element.
func LSQGradRun(r Rule, lanes *[LSQLanes]float64, dx, dy, x []float32, scale float32, zero, lo, hi int32) (nan int) {
	var buf [blockLen]int32
	var quo [blockLen]float32
	p := r.rounder(scale, zero, lo, hi)
	sum := lsqSum{scale: *lanes}
	for i := 0; i < len(x); i += blockLen {
		n := min(len(x)-i, blockLen)
		nan += p.lsq(&sum, buf[:n], quo[:n], dx[i:i+n], dy[i:i+n], x[i:i+n])
	}
	*lanes = sum.scale
	return nan
}

// AddLanes returns the sum of the lanes in order.
func AddLanes(lanes *[LSQLanes]float64) (sum float64) {
	for _, v := range lanes {
		sum += v
	}
	return sum
}

// lsqSum holds the sums of the scale's gradients and that of the dy outside of
// the range.
type lsqSum struct {
	scale   [LSQLanes]float64
	outside float64
}

// lsq handles elements that share a scale, using q for the integers and t for
// the quotients.
func (p *rounder) lsq(sum *lsqSum, q []int32, t, dx, dy, x []float32) (nan int) {
	nan = p.integers(q, x)
	p.quotients(t, x)
	dx, dy, t = dx[:len(q)], dy[:len(q)], t[:len(q)]
	lo, hi, zero := p.lo, p.hi, p.zero
	below, above := float32(int64(lo)-int64(zero)), float32(int64(hi)-int64(zero))
	lanes, out := &sum.scale, sum.outside
	for i, v := range q {
		g := dy[i]
		switch {
		case v == notCode:
			dx[i] = 0
		case v < lo:
			dx[i] = 0
			lanes[i%LSQLanes] += float64(float32(g * below))
			out += float64(g)
		case v > hi:
			dx[i] = 0
			lanes[i%LSQLanes] += float64(float32(g * above))
			out += float64(g)
		default:
			dx[i] = g
			lanes[i%LSQLanes] += float64(float32(g * (float32(v-zero) - t[i])))
		}
	}
	sum.outside = out
	return nan
}
