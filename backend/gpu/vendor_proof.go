//go:build cuda

package gpu

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
)

// proof makes operands of a product of a given shape whose results depend on
// how sums become codes: ties, what lies next to one after a single rounding of
// the product, sums that float32 does not hold, both ends of the codes.
//
// All columns have the weights 1, 127, 127, ..., so that a row decides its sum
// alone and a column its multiplier.
type proof struct {
	v     *vendorProduct
	reach int64 // The largest sum.
	r     *rand.Rand
	all   []float32
}

func newProof(v *vendorProduct) *proof {
	p := &proof{v: v, r: rand.New(rand.NewPCG(uint64(v.k), 7))}
	p.reach = min(127*127*int64(v.k-1)+63, math.MaxInt32-1<<16)
	p.all = proofMultipliers(p.reach)
	return p
}

// proofMultipliers are multipliers for which sums up to reach tell roundings
// apart: powers of two have sums that are ties, the others products that
// become ties when float32 rounds them or that it keeps from being one. For
// the last of them the largest sums are codes.
func proofMultipliers(reach int64) []float32 {
	ms := []float32{0.5, 0.25, 1.0 / 128, 0.1, 0.3, 0.7, -0.5, 1}
	top := 120 / float64(reach)
	two := math.Exp2(math.Floor(math.Log2(top)))
	for _, m := range []float64{two, two / 2, top, top * 0.9, -top * 0.77} {
		ms = append(ms, float32(m))
	}
	return ms
}

// proofTargets are the sums for a multiplier: the nearest to the middle between
// two codes, from both sides, zero, and both ends.
func proofTargets(m float32, reach int64) []int64 {
	var ts []int64
	add := func(t float64) {
		for d := -1.0; d <= 1; d++ {
			if s := int64(math.RoundToEven(t) + d); s >= -reach && s <= reach {
				ts = append(ts, s)
			}
		}
	}
	for _, code := range []float64{0, 1, 2, 3, 33, 64, 65, 100, 101, 118, 126, 127} {
		add((code + 0.5) / float64(m))
		add(-(code + 0.5) / float64(m))
	}
	add(-128.5 / float64(m))
	add(0)
	ts = append(ts, reach, -reach, reach-1, 1-reach)
	slices.Sort(ts)
	return slices.Compact(ts)
}

// passes returns the number of passes for an operation with that many scales.
func (p *proof) passes(scales int) int { return (len(p.all) + scales - 1) / scales }

// pass writes the scales of a pass, and returns the sums that it is about.
func (p *proof) pass(i int, scales []byte) []int64 {
	var ts []int64
	n := len(scales) / 4
	for c := range n {
		m := p.all[(i*n+c)%len(p.all)]
		binary.NativeEndian.PutUint32(scales[4*c:], math.Float32bits(m))
		if c < len(p.all) {
			ts = append(ts, proofTargets(m, p.reach)...)
		}
	}
	slices.Sort(ts)
	return slices.Compact(ts)
}

// right writes the right matrix.
func (p *proof) right(b []byte) {
	w := &p.v.w
	for c := range p.v.n {
		for j := range p.v.k {
			code := byte(127)
			if j == 0 {
				code = 1
			}
			b[int64(c)*w.Row+int64(j)*w.Step] = code
		}
	}
}

// left writes a left matrix whose rows have these sums, one after the other.
func (p *proof) left(b []byte, sums []int64) {
	row := make([]int64, p.v.k)
	for r := range p.v.m {
		if r >= len(sums) && p.v.xStep == 1 {
			from := int64(r%len(sums)) * p.v.xRow
			copy(b[int64(r)*p.v.xRow:][:p.v.k], b[from:])
			continue
		}
		p.row(row, sums[r%len(sums)], r)
		for j, x := range row {
			b[int64(r)*p.v.xRow+int64(j)*p.v.xStep] = byte(x)
		}
	}
}

// row makes codes with a sum: s[0] + 127 * (s[1] + ...). Every other row has
// large parts that cancel out, first random ones and then a half each, as an
// algorithm may add up parts.
func (p *proof) row(s []int64, sum int64, kind int) {
	rest := s[1:]
	whole := int64(math.Round(float64(sum) / 127))
	if len(rest) == 0 {
		whole = 0
	}
	s[0] = sum - 127*whole
	n := int64(len(rest))
	for i := range rest {
		rest[i] = whole / n
		if int64(i) < max(whole%n, -(whole%n)) {
			rest[i] += max(min(whole, 1), -1)
		}
	}
	half := len(rest) / 2
	for i := range half {
		// What both may be moved by.
		a, b := i, half+i
		room := 127 - max(rest[a], -rest[a], rest[b], -rest[b])
		if room <= 0 {
			continue
		}
		d := int64(0)
		switch kind % 3 {
		case 1:
			d = p.r.Int64N(2*room+1) - room
		case 2:
			d = room
		}
		rest[a], rest[b] = rest[a]+d, rest[b]-d
	}
}
