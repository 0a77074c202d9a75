package cpu

import (
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/codes"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.BatchNormAffine{}, kernel{types: []tensor.DType{tensor.F32}, bind: bindBatchNormAffine})
}

// sumRows is the number of rows whose sums are added in float32, about a
// first-level cache of elements.
func sumRows(c int) int { return min(max(2048/max(c, 1)&^7, 8), 256) }

// channelMoments finds sums, squares and ends of the channels of x [rows, c],
// relative to a shift near their means, so that the variance of values far
// from zero does not cancel.
type channelMoments struct {
	b           *Backend
	x           []float32
	c           int
	rows        int
	size, count int // chunks of rows
	shift       []float32
	body        func(lo, hi int)

	// Of the run in progress, a part a chunk.
	sums []float64 // [count, 2, c]: of x - shift, and of its square
	ends []float32 // [count, 2, c]
	temp []float32 // [count, 4, c]
}

func newChannelMoments(b *Backend, x []float32, c int) *channelMoments {
	m := &channelMoments{b: b, x: x, c: c, rows: len(x) / max(c, 1), shift: make([]float32, c)}
	m.size, m.count = rowChunks(m.rows, c)
	m.body = m.chunk
	b.scratch.need(m.workspace())
	return m
}

// workspace returns the bytes of scratch memory that run takes.
func (m *channelMoments) workspace() int { return m.count * m.c * (16 + 24) }

// run calls use with the sums of the channels and their ends.
func (m *channelMoments) run(use func(sum, square []float64, least, most []float32)) {
	s := m.b.scratch.take(m.workspace())
	defer m.b.scratch.give(s)
	const samples = 32
	clear(m.shift)
	step := max(m.rows/samples, 1)
	n := min(m.rows/step, samples)
	for r := range n {
		for j, v := range m.x[r*step*m.c:][:m.c] {
			m.shift[j] += v / float32(n)
		}
	}
	k := m.count * 2 * m.c
	m.sums, m.ends, m.temp = scratchOf[float64](s, 0, k), scratchOf[float32](s, 8*k, k), scratchOf[float32](s, 12*k, 2*k)
	parallel(m.rows, m.size, m.body)
	c := m.c
	sums, ends := addChunks(m.sums, 2*c, m.count), m.ends[:2*c]
	for i := 1; i < m.count; i++ {
		part := m.ends[i*2*c : (i+1)*2*c]
		for j := range c {
			ends[j], ends[c+j] = min(ends[j], part[j]), max(ends[c+j], part[c+j])
		}
	}
	use(sums[:c], sums[c:], ends[:c], ends[c:])
}

func (m *channelMoments) chunk(lo, hi int) {
	c, p := m.c, lo/m.size
	sums, ends, t := m.sums[p*2*c:(p+1)*2*c], m.ends[p*2*c:(p+1)*2*c], m.temp[p*4*c:(p+1)*4*c]
	clear(sums)
	for r, step := lo, sumRows(c); r < hi; r += step {
		x := m.x[r*c : min(r+step, hi)*c]
		codes.Moments(x, c, m.shift, t[:c], t[c:2*c], t[2*c:3*c], t[3*c:])
		for j := range c {
			sums[j] += float64(t[j])
			sums[c+j] += float64(t[c+j])
		}
		if r == lo {
			copy(ends, t[2*c:])
			continue
		}
		for j := range c {
			ends[j], ends[c+j] = min(ends[j], t[2*c+j]), max(ends[c+j], t[3*c+j])
		}
	}
}

func bindBatchNormAffine(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
	o := op.(backend.BatchNormAffine)
	gamma, beta, runMean, runVar := in[1].F32(), in[2].F32(), in[3].F32(), in[4].F32()
	c := len(gamma)
	affine, ends := f32Of(out[0], 4*c), f32Of(out[1], 2)
	rows := in[0].Numel() / max(c, 1)
	n, momentum := float64(rows), float64(o.Momentum)
	clamp := func(v float32) float32 {
		if v < o.Lo {
			v = o.Lo
		}
		if v > o.Hi {
			v = o.Hi
		}
		return v + 0
	}
	lo, hi := float32(0), float32(0)
	begin := func() { lo, hi = float32(math.Inf(1)), float32(math.Inf(-1)) }
	end := func() { ends[0], ends[1] = lo, hi }
	channel := func(j int, mean, v float64, least, most float32) {
		inv := 1 / math.Sqrt(v+float64(o.Eps))
		a := float64(gamma[j]) * inv
		scale, shift := float32(a), float32(float64(beta[j])-float64(mean*a))
		affine[j], affine[c+j], affine[2*c+j], affine[3*c+j] = scale, shift, float32(mean), float32(inv)
		first, last := float32(least*scale)+shift, float32(most*scale)+shift
		lo, hi = min(lo, clamp(first), clamp(last)), max(hi, clamp(first), clamp(last))
		rm, rv := float64(runMean[j]), float64(runVar[j])
		runMean[j] = float32(rm + float64(momentum*(mean-rm)))
		runVar[j] = float32(rv + float64(momentum*(float64(v*(n/(n-1)))-rv)))
	}
	if len(in) > 5 && in[5] != nil {
		moments := in[5].F64()
		return func() error {
			begin()
			for j := range c {
				channel(j, moments[j], moments[c+j], float32(moments[2*c+j]), float32(moments[3*c+j]))
			}
			end()
			return nil
		}, nil
	}
	m := newChannelMoments(b, in[0].F32(), c)
	use := func(sum, square []float64, least, most []float32) {
		begin()
		for j := range c {
			d := sum[j] / n
			channel(j, float64(m.shift[j])+d, max(square[j]/n-float64(d*d), 0), least[j], most[j])
		}
		end()
	}
	return func() error {
		if len(m.x) == 0 {
			begin()
			end()
			return nil
		}
		m.run(use)
		return nil
	}, nil
}
