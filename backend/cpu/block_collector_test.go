package cpu

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/isa"
	"github.com/goqat/goqat/tensor"
)

// collectLayer is a layer with random codes; bias is far from zero, so that a
// variance by the mean of squares alone would cancel.
type collectLayer struct {
	name string
	op   backend.Collector
	x, w []int
}

var collectLayers = func() []collectLayer {
	conv := func(stride, pad, groups int) backend.ConvDequant {
		return backend.ConvDequant{Conv: backend.Conv{Window: backend.Window{Stride: [2]int{stride, stride}, Pad: [4]int{pad, pad, pad, pad}}, Groups: groups}}
	}
	return []collectLayer{
		{"first layer", conv(1, 1, 1), []int{8, 28, 28, 1}, []int{16, 3, 3, 1}},
		{"3x3", conv(1, 1, 1), []int{5, 14, 14, 16}, []int{32, 3, 3, 16}},
		{"stride 2", conv(2, 1, 1), []int{3, 15, 13, 20}, []int{37, 3, 3, 20}},
		{"1x1", conv(1, 0, 1), []int{2, 19, 17, 24}, []int{70, 1, 1, 24}},
		{"groups", conv(1, 1, 3), []int{2, 17, 17, 12}, []int{27, 3, 3, 4}},
		{"depthwise", conv(1, 1, 50), []int{2, 21, 19, 50}, []int{50, 3, 3, 1}},
		{"depthwise with two results", conv(1, 1, 6), []int{2, 9, 9, 6}, []int{12, 3, 3, 1}},
		{"low", conv(1, 0, 1), []int{1, 3, 3, 4}, []int{5, 2, 2, 4}},
		{"one row", conv(1, 0, 1), []int{1, 2, 2, 4}, []int{19, 2, 2, 4}},
		{"linear", backend.GemmDequant{}, []int{131, 48}, []int{130, 48}},
		{"no products", backend.GemmDequant{}, []int{40, 0}, []int{7, 0}},
		{"nothing", backend.GemmDequant{}, []int{0, 4}, []int{7, 4}},
	}
}()

func (l collectLayer) inputs(r *rand.Rand) []backend.Buffer {
	x, w := tensor.New(tensor.Of(tensor.U8, l.x...)), tensor.New(tensor.Of(tensor.I8, l.w...))
	for _, b := range [][]byte{x.Bytes(), w.Bytes()} {
		for i := range b {
			b[i] = byte(r.Uint32())
		}
	}
	sw, bias := make([]float32, l.w[0]), make([]float32, l.w[0])
	for i := range sw {
		sw[i], bias[i] = 0.001+0.01*r.Float32(), float32(200*r.NormFloat64())
	}
	return []backend.Buffer{x, tensor.FromF32([]float32{0.02}, 1), tensor.FromI32([]int32{r.Int32N(256)}, 1), w, tensor.FromF32(sw, l.w[0]), tensor.FromF32(bias, l.w[0])}
}

// collect runs the layer and returns y and what it has collected.
func (l collectLayer) collect(t *testing.T, c backend.Collect, in []backend.Buffer) (y, found *tensor.Tensor) {
	o := l.w[0]
	shape := append(append([]int{}, l.x[:len(l.x)-1]...), o)
	if len(l.x) == 4 {
		g := newConvShape(l.op.(backend.ConvDequant).Conv, l.x, l.w)
		shape = []int{g.n, g.oh, g.ow, o}
	}
	y = tensor.New(tensor.Of(tensor.F32, shape...))
	found = tensor.New(tensor.Of(tensor.F64, 4, o))
	if c == backend.CollectEnds {
		found = tensor.New(tensor.Of(tensor.F32, 2))
	}
	b := New()
	k, err := b.Bind(l.op.Collecting(c), []backend.Buffer{y, found}, in)
	require.NoError(t, err)
	for range 2 { // The second run has what the first left.
		require.NoError(t, k.Run(context.Background()))
	}
	return y, found
}

func onEverySet(t *testing.T, run func()) {
	t.Cleanup(func() { require.NoError(t, isa.SetMax("")) })
	for _, set := range isa.Sets() {
		if set.Missing() == nil {
			require.NoError(t, isa.SetMax(set.String()))
			run()
		}
	}
}

// TestCollectMoments compares, channel by channel, with float64 sums over the
// result.
func TestCollectMoments(t *testing.T) {
	for _, l := range collectLayers {
		t.Run(l.name, func(t *testing.T) {
			in := l.inputs(rand.New(rand.NewPCG(1, 2)))
			onEverySet(t, func() {
				y, found := l.collect(t, backend.CollectMoments, in)
				c, m, v := l.w[0], found.F64(), y.F32()
				rows := len(v) / c
				for j := range c {
					least, most, sum, square := math.Inf(1), math.Inf(-1), 0.0, 0.0
					for r := range rows {
						e := float64(v[r*c+j])
						least, most, sum = min(least, e), max(most, e), sum+e
					}
					mean := sum / float64(rows)
					for r := range rows {
						d := float64(v[r*c+j]) - mean
						square += d * d
					}
					variance := square / float64(rows)
					require.Equal(t, least, m[2*c+j])
					require.Equal(t, most, m[3*c+j])
					if rows == 0 {
						require.Zero(t, max(m[j], m[c+j]))
						continue
					}
					require.InDelta(t, mean, m[j], 1e-6*math.Sqrt(variance)+1e-12*math.Abs(mean), "mean of channel %d", j)
					require.InDelta(t, variance, m[c+j], 2e-6*variance, "variance of channel %d", j)
				}
			})
		})
	}
}

// TestCollectEnds has the ends of the result, to the bit.
func TestCollectEnds(t *testing.T) {
	for _, l := range collectLayers {
		t.Run(l.name, func(t *testing.T) {
			in := l.inputs(rand.New(rand.NewPCG(3, 4)))
			onEverySet(t, func() {
				y, found := l.collect(t, backend.CollectEnds, in)
				lo, hi := float32(math.Inf(1)), float32(math.Inf(-1))
				for _, v := range y.F32() {
					lo, hi = min(lo, v), max(hi, v)
				}
				require.Equal(t, []float32{lo, hi}, found.F32())
			})
		})
	}
}

// TestCollectNaN: a NaN is seen wherever it is; both infinities are no NaN.
func TestCollectNaN(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, l := range collectLayers {
		if l.x[0] == 0 {
			continue
		}
		for name, bad := range map[string][2]float32{"nan": {nan, 0}, "infinities": {inf, -inf}} {
			t.Run(l.name+" "+name, func(t *testing.T) {
				in := l.inputs(rand.New(rand.NewPCG(5, 6)))
				bias := in[5].(*tensor.Tensor).F32()
				first, last := 0, len(bias)-1
				bias[last], bias[first] = bad[1], bad[0]
				onEverySet(t, func() {
					_, ends := l.collect(t, backend.CollectEnds, in)
					_, m := l.collect(t, backend.CollectMoments, in)
					for _, v := range ends.F32() {
						require.Equal(t, name == "nan", v != v)
					}
					if name == "infinities" {
						require.Equal(t, []float32{-inf, inf}, ends.F32())
					}
					c := len(bias)
					for j := range c {
						require.Equal(t, j == first || name == "infinities" && j == last, math.IsNaN(m.F64()[c+j]), "channel %d", j)
					}
				})
			})
		}
	}
}

// TestCollectOnThreads: any number of threads collects the same bits.
func TestCollectOnThreads(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, l := range collectLayers {
		in := l.inputs(rand.New(rand.NewPCG(7, 8)))
		for _, c := range []backend.Collect{backend.CollectMoments, backend.CollectEnds} {
			var want []byte
			for _, n := range []int{1, 2, 5} {
				runtime.GOMAXPROCS(n)
				_, found := l.collect(t, c, in)
				if want == nil {
					want = append(want, found.Bytes()...)
				}
				require.Equal(t, want, found.Bytes(), fmt.Sprint(l.name, c, n))
			}
		}
	}
}
