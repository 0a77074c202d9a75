package quant

import (
	"fmt"
	"math"
)

// shrinkSteps is the number of coarse candidates of [SearchShrink].
const shrinkSteps = 100

// SearchShrink returns the scale and the zero point with the least error
// among those that the rule gives to the ranges f*[min, max]: f in 1.00,
// 0.99, ..., 0.01 first, then in steps of 0.001 around the best. Of equal
// errors the one met first wins, which is the wider range.
//
// eval returns the error of a scale and a zero point. It may give up early
// and return any number above bound, the least error so far.
func SearchShrink(r Rule, s Scheme, min, max float32, eval func(scale float32, zero int32, bound float64) float64) (scale float32, zero int32, err error) {
	best, at := math.Inf(1), 1000
	try := func(f int) error {
		k := float64(f) / 1000
		sc, z, err := r.ScaleZero(s, float32(float64(min)*k), float32(float64(max)*k))
		if err != nil {
			return err
		}
		if e := eval(sc, z, best); e < best || scale == 0 {
			best, at, scale, zero = e, f, sc, z
		}
		return nil
	}
	for i := shrinkSteps; i > 0; i-- {
		if err := try(i * 10); err != nil {
			return 0, 0, err
		}
	}
	for f, end := at+9, at-9; f >= end; f-- {
		if f > 0 && f < 1000 && f%10 != 0 {
			if err := try(f); err != nil {
				return 0, 0, err
			}
		}
	}
	return scale, zero, nil
}

// SquaredError returns sum((x - y)^2) with y the fake-quantized x, all of one
// scale. It adds in float64, block by block of 512 elements in order, and
// stops with what it has when that exceeds bound.
func SquaredError(r Rule, x []float32, scale float32, zero, lo, hi int32, bound float64) float64 {
	var buf [blockLen]float32
	sc, z := [1]float32{scale}, [1]int32{zero}
	var total float64
	for len(x) > 0 && total <= bound {
		n := min(len(x), blockLen)
		v, y := x[:n], buf[:n]
		FakeQuantize(r, y, nil, v, sc[:], z[:], lo, hi, Layout{Outer: 1, Channels: 1, Inner: n}, 0, n)
		y = y[:len(v)]
		var sum float64
		for i, a := range v {
			d := float64(a) - float64(y[i])
			sum += float64(d * d)
		}
		total += sum
		x = x[n:]
	}
	return total
}

// RangeSearch chooses a range, and from it scale and zero point, for values
// known by their histogram (see [GrowHistogram]). Its memory is allocated
// once; it is not safe for concurrent use.
type RangeSearch struct {
	rule   Rule
	scheme Scheme

	counts      []int64
	width       float64
	first       int     // grid number of bin 0
	bottom, top int     // the first and the last bin with a count
	total       float64 // number of values
	magnitudes  []float64
	levels      []float64
	used        []int
	logs        []float64
}

// NewRangeSearch returns a RangeSearch for histograms of so many bins.
func NewRangeSearch(r Rule, s Scheme, bins int) *RangeSearch {
	lo, hi := s.Range()
	return &RangeSearch{rule: r, scheme: s,
		magnitudes: make([]float64, bins), logs: make([]float64, bins),
		levels: make([]float64, hi-lo+1), used: make([]int, hi-lo+1)}
}

// load looks at a histogram; ErrRange when it has no values.
func (h *RangeSearch) load(counts []int64, ends []float32) error {
	w, first, ok := BinWidth(ends, len(counts))
	if !ok || len(counts) != len(h.logs) {
		return fmt.Errorf("%w: no histogram of %d bins with ends %v: nothing was observed", ErrRange, len(h.logs), ends)
	}
	h.counts, h.width, h.first, h.total, h.bottom, h.top = counts, float64(w), first, 0, -1, 0
	for i, c := range counts {
		if c < 0 {
			return fmt.Errorf("%w: bin %d counts %d", ErrRange, i, c)
		}
		if c > 0 {
			if h.bottom < 0 {
				h.bottom = i
			}
			h.top = i
			h.total += float64(c)
		}
	}
	if h.bottom < 0 {
		return fmt.Errorf("%w: the histogram is empty: nothing was observed", ErrRange)
	}
	return nil
}

// edge returns the lower edge of bin i.
func (h *RangeSearch) edge(i int) float64 { return float64(h.first+i) * h.width }

// ends returns the edges of the values, 0 included.
func (h *RangeSearch) ends() (lo, hi float64) {
	hi = h.edge(h.top + 1)
	if h.first+h.top < 0 {
		hi = 0
	}
	return math.Min(h.edge(h.bottom), 0), hi
}

// Percentile returns scale and zero point of the range that holds p percent
// of the values: of their magnitudes when the scheme is symmetric, else with
// half of the rest clipped at each end. Inside a bin values count as evenly
// spread. It fails with [ErrRange] when p is not in (0, 100] or there are no
// values.
func (h *RangeSearch) Percentile(counts []int64, ends []float32, p float64) (scale float32, zero int32, err error) {
	if !(p > 0 && p <= 100) {
		return 0, 0, fmt.Errorf("%w: percentile %v is not in (0, 100]", ErrRange, p)
	}
	if err := h.load(counts, ends); err != nil {
		return 0, 0, err
	}
	lo, hi := h.ends()
	tail := (1 - p/100) * h.total
	if h.scheme.Symmetric {
		h.fold()
		i, left := len(h.magnitudes)-1, tail
		for i > 0 && h.magnitudes[i] <= left {
			left -= h.magnitudes[i]
			i--
		}
		t := float64(i+1) * h.width
		if h.magnitudes[i] > 0 {
			t -= h.width * math.Min(left/h.magnitudes[i], 1)
		}
		return h.rule.ScaleZero(h.scheme, float32(math.Max(lo, -t)), float32(math.Min(hi, t)))
	}
	tail /= 2
	i, left := h.bottom, tail
	for i < h.top && float64(h.counts[i]) <= left {
		left -= float64(h.counts[i])
		i++
	}
	from := h.edge(i) + h.width*math.Min(left/float64(max(h.counts[i], 1)), 1)
	i, left = h.top, tail
	for i > h.bottom && float64(h.counts[i]) <= left {
		left -= float64(h.counts[i])
		i--
	}
	to := h.edge(i+1) - h.width*math.Min(left/float64(max(h.counts[i], 1)), 1)
	return h.rule.ScaleZero(h.scheme, float32(math.Min(math.Max(from, lo), 0)), float32(math.Max(math.Min(to, hi), 0)))
}

// fold adds up the bins of equal magnitude: magnitudes[m] counts the |x| in
// [m*width, (m+1)*width).
func (h *RangeSearch) fold() {
	clear(h.magnitudes)
	for i := h.bottom; i <= h.top; i++ {
		g := h.first + i
		if g < 0 {
			g = -g - 1
		}
		h.magnitudes[g] += float64(h.counts[i])
	}
}

// MSE returns the scale and the zero point with the least expected squared
// error of quantization. Inside a bin values count as evenly spread, but those
// of the bin that starts at 0 as 0: ReLU makes many exact zeros. Both ends
// shrink together first ([SearchShrink]); an affine scheme with values on
// both sides of 0 then moves one end after the other. It fails with
// [ErrRange] when there are no values.
func (h *RangeSearch) MSE(counts []int64, ends []float32) (scale float32, zero int32, err error) {
	if err := h.load(counts, ends); err != nil {
		return 0, 0, err
	}
	lo, hi := h.ends()
	best := math.Inf(1)
	from, to := float32(lo), float32(hi)
	scale, zero, err = SearchShrink(h.rule, h.scheme, from, to, func(s float32, z int32, bound float64) float64 {
		e := h.expected(s, z, bound)
		best = math.Min(best, e)
		return e
	})
	if err != nil || h.scheme.Symmetric || lo == 0 || hi == 0 {
		return scale, zero, err
	}
	qlo, qhi := h.scheme.Range()
	from, to = Dequantize(qlo, zero, scale), Dequantize(qhi, zero, scale)
	for range 2 {
		for _, low := range [2]bool{true, false} {
			a, b := from, to
			for i := 1; i <= shrinkSteps; i++ {
				k := float64(i) / shrinkSteps
				na, nb := a, b
				if low {
					na = float32(lo * k)
				} else {
					nb = float32(hi * k)
				}
				s, z, err := h.rule.ScaleZero(h.scheme, na, nb)
				if err != nil {
					return 0, 0, err
				}
				if e := h.expected(s, z, best); e < best {
					best, from, to, scale, zero = e, na, nb, s, z
				}
			}
		}
	}
	return scale, zero, nil
}

// expected returns the expected squared error, or a number above bound: the
// integral of (x - y)^2 over each bin, cut where x goes to the next code y.
func (h *RangeSearch) expected(scale float32, zero int32, bound float64) float64 {
	lo, hi := h.scheme.Range()
	s, k, last := float64(scale), float64(lo-zero), float64(hi-zero)
	var total float64
	for i := h.bottom; i <= h.top && total <= bound; i++ {
		if h.counts[i] == 0 || h.first+i == 0 {
			continue
		}
		x, end := h.edge(i), h.edge(i+1)
		for k < last && (k+0.5)*s <= x {
			k++
		}
		var sum float64
		for x < end {
			to := end
			if k < last {
				to = math.Min(to, (k+0.5)*s)
			}
			p, q := to-float64(k*s), x-float64(k*s)
			sum += float64(p*p*p) - float64(q*q*q)
			if x = to; x < end {
				k++
			}
		}
		total += float64(sum / (3 * h.width) * float64(h.counts[i]))
	}
	return total
}

// Entropy returns scale and zero point of the range [-t, t], cut to that of
// the values, whose threshold t gives the least Kullback-Leibler divergence
// between the magnitudes clipped at t and the same magnitudes in as many
// levels as there are codes for them: TensorRT's calibration, by the formulas
// of NVIDIA ModelOpt's _compute_amax_entropy, where the bin of zero counts as
// its neighbour does and the last of equal minima wins. Thresholds are edges
// of bins, from one level a bin and a sixteenth of the greatest magnitude on.
// It fails with [ErrRange] when there are no values.
func (h *RangeSearch) Entropy(counts []int64, ends []float32) (scale float32, zero int32, err error) {
	if err := h.load(counts, ends); err != nil {
		return 0, 0, err
	}
	lo, hi := h.ends()
	h.fold()
	p := h.magnitudes
	stop := len(p)
	for stop > 1 && p[stop-1] == 0 {
		stop--
	}
	levels := len(h.levels)
	if h.scheme.Symmetric && h.scheme.Signed || lo < 0 && hi > 0 {
		levels = max(levels/2, 1)
	}
	t := stop
	if stop > 1 && stop > levels {
		p[0] = p[1]
		t = h.threshold(p[:stop], levels)
	}
	edge := float64(t) * h.width
	return h.rule.ScaleZero(h.scheme, float32(math.Max(lo, -edge)), float32(math.Min(hi, edge)))
}

// threshold returns the number of bins to keep.
func (h *RangeSearch) threshold(p []float64, levels int) int {
	var rest, inside float64
	start := max(levels, len(p)/16, 1)
	for i, c := range p {
		h.logs[i] = math.Log(math.Max(c, 1))
		if i < start-1 {
			inside += c
		} else {
			rest += c
		}
	}
	best, at := math.Inf(1), len(p)
	for i := start; i <= len(p); i++ {
		inside += p[i-1]
		rest -= p[i-1]
		if e := h.divergence(p[:i], levels, inside, rest); e <= best {
			best, at = e, i
		}
	}
	return at
}

// divergence returns sum(P * log(P/Q)) of the reference P, which is p with
// rest added to its last bin, and its quantization Q, both normalized.
func (h *RangeSearch) divergence(p []float64, levels int, inside, rest float64) float64 {
	sums, used := h.levels[:levels], h.used[:levels]
	clear(sums)
	clear(used)
	n := len(p)
	for j, c := range p {
		if c != 0 {
			l := j * levels / n
			sums[l] += c
			used[l]++
		}
	}
	last := n - 1
	if inside == 0 || p[last] == 0 && rest > 0 {
		return math.Inf(1) // P has mass where Q has none.
	}
	for l, c := range sums {
		if used[l] > 0 {
			sums[l] = math.Log(c / float64(used[l]))
		}
	}
	var sum float64
	for j, c := range p[:last] {
		if c != 0 {
			sum += c * (h.logs[j] - sums[j*levels/n])
		}
	}
	if c := p[last] + rest; c > 0 {
		sum += c * (math.Log(c) - sums[last*levels/n])
	}
	// log(P/Q) = log(p) - log(total) - log(q) + log(inside)
	total := inside + rest
	return sum/total - math.Log(total) + math.Log(inside)
}
