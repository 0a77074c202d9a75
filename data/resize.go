package data

// taps are the input positions and weights of each output position of one axis;
// the weights of each output add up to total.
type taps struct {
	start  []int
	weight [][]uint32
	total  uint32
}

// newTaps returns the exact overlap of areas when the axis shrinks from in to
// out, and linear interpolation between centres when it grows. All weights are
// whole numbers.
func newTaps(in, out int) taps {
	t := taps{start: make([]int, out), weight: make([][]uint32, out)}
	if out <= in {
		// In units of 1/out input pixel, output i covers [i*in, (i+1)*in).
		t.total = uint32(in)
		for i := range out {
			lo, hi := i*in, (i+1)*in
			t.start[i] = lo / out
			for j := lo / out; j*out < hi; j++ {
				t.weight[i] = append(t.weight[i], uint32(min(hi, (j+1)*out)-max(lo, j*out)))
			}
		}
		return t
	}
	// Centre i lies at ((2i+1)*in - out) / (2*out) input pixels.
	t.total = uint32(2 * out)
	for i := range out {
		p := (2*i+1)*in - out
		switch {
		case p < 0:
			t.start[i], t.weight[i] = 0, []uint32{t.total}
		case p/(2*out) >= in-1:
			t.start[i], t.weight[i] = in-1, []uint32{t.total}
		default:
			r := uint32(p % (2 * out))
			t.start[i], t.weight[i] = p/(2*out), []uint32{t.total - r, r}
		}
	}
	return t
}

// resize scales src [sh, sw, c] to dst [dh, dw, c], rounding half up once.
func resize(dst []uint8, dw, dh int, src []uint8, sw, sh, c int) {
	if dw == sw && dh == sh {
		copy(dst, src)
		return
	}
	tx, ty := newTaps(sw, dw), newTaps(sh, dh)
	wide := make([]uint32, sh*dw*c) // below 255 * 2^15 * 2
	for y := range sh {
		row := src[y*sw*c : (y+1)*sw*c]
		for x := range dw {
			for k := range c {
				var sum uint32
				for j, w := range tx.weight[x] {
					sum += w * uint32(row[(tx.start[x]+j)*c+k])
				}
				wide[(y*dw+x)*c+k] = sum
			}
		}
	}
	total := uint64(tx.total) * uint64(ty.total)
	for y := range dh {
		for i := range dw * c {
			sum := total / 2
			for j, w := range ty.weight[y] {
				sum += uint64(w) * uint64(wide[(ty.start[y]+j)*dw*c+i])
			}
			dst[y*dw*c+i] = uint8(sum / total)
		}
	}
}
