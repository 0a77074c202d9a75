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

// collectLayer is a layer with random codes.
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
		{"images in chunks", conv(1, 0, 3), []int{2, 150, 150, 3}, []int{12, 1, 1, 1}},
		{"groups in chunks", conv(1, 0, 2), []int{2, 150, 150, 4}, []int{14, 1, 1, 2}},
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
	g := l.shape()
	y = tensor.New(tensor.Of(tensor.F32, g.rows(), o))
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

// sums returns the integers that become the result, [rows, o], by plain loops.
func (l collectLayer) sums(in []backend.Buffer) (sums []int32, o int) {
	x, zx, w := in[0].(*tensor.Tensor), in[2].(*tensor.Tensor).I32()[0], in[3].(*tensor.Tensor).I8()
	g := l.shape()
	for r := range g.rows() {
		n, y0, x0 := g.pixel(r)
		for c := range g.o {
			var sum int32
			for t := range g.k() {
				y, x1, i := y0+t/g.cg/g.kw*g.win.Dilation[0], x0+t/g.cg%g.kw*g.win.Dilation[1], c/g.og*g.cg+t%g.cg
				if y >= 0 && y < g.h && x1 >= 0 && x1 < g.w {
					sum += (int32(x.At(((n*g.h+y)*g.w+x1)*g.c+i)) - zx) * int32(w[c*g.k()+t])
				}
			}
			sums = append(sums, sum)
		}
	}
	return sums, g.o
}

func (l collectLayer) shape() convShape {
	if op, ok := l.op.(backend.ConvDequant); ok {
		return newConvShape(op.Conv, l.x, l.w)
	}
	return newGemmShape(l.x, l.w)
}

// wanted returns the result and its moments by their definition.
func (l collectLayer) wanted(in []backend.Buffer) (y []float32, moments []float64) {
	sums, c := l.sums(in)
	column := func(i, j int) float32 {
		v := in[i].(*tensor.Tensor).F32()
		return v[min(j, len(v)-1)]
	}
	y, moments = make([]float32, len(sums)), make([]float64, 4*c)
	for j := range c {
		m, scale, bias := backend.NoCodeMoments(), column(1, 0)*column(4, j), column(5, j)
		for i := j; i < len(sums); i += c {
			m.Add(sums[i])
			y[i] = float32(float32(sums[i])*scale) + bias
		}
		mean, variance, least, most := m.Of(len(sums)/c, scale, bias)
		moments[j], moments[c+j], moments[2*c+j], moments[3*c+j] = mean, variance, float64(least), float64(most)
	}
	return y, moments
}

func requireBits(t *testing.T, want, got []float64, what ...any) {
	t.Helper()
	for i := range want {
		if math.Float64bits(want[i]) != math.Float64bits(got[i]) && !(want[i] != want[i] && got[i] != got[i]) {
			require.Equal(t, want[i], got[i], "%d: %v", i, what)
		}
	}
}

// TestCollectMoments has the moments of sums by plain loops, to the bit, with
// every instruction set and on any number of threads.
func TestCollectMoments(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, l := range collectLayers {
		t.Run(l.name, func(t *testing.T) {
			in := l.inputs(rand.New(rand.NewPCG(1, 2)))
			y, moments := l.wanted(in)
			onEverySet(t, func() {
				for _, threads := range []int{1, 2, 4} {
					runtime.GOMAXPROCS(threads)
					gotY, got := l.collect(t, backend.CollectMoments, in)
					require.Equal(t, y, gotY.F32())
					requireBits(t, moments, got.F64(), threads, isa.Max())
				}
			})
		})
	}
}

// TestCollectMomentsOfNoKind has scales of every sign and size, and what is no
// number.
func TestCollectMomentsOfNoKind(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	scales := []float32{0.01, -0.01, 0, 1e-44, -1e-44, 1e30, inf, -inf, nan, math.MaxFloat32, -3}
	biases := []float32{0, 1000, -1000, inf, -inf, nan, math.MaxFloat32, 1e-44}
	for _, l := range collectLayers {
		t.Run(l.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(11, 12))
			in := l.inputs(r)
			scale, bias := in[4].(*tensor.Tensor).F32(), in[5].(*tensor.Tensor).F32()
			tries := 3
			if testing.Short() {
				tries = 1
			}
			for try := range tries {
				for j := range scale {
					scale[j] = scales[r.IntN(len(scales))]
					if bias[j] = biases[r.IntN(len(biases))]; try == 0 {
						bias[j] = biases[r.IntN(3)]
					}
				}
				_, moments := l.wanted(in)
				onEverySet(t, func() {
					_, got := l.collect(t, backend.CollectMoments, in)
					requireBits(t, moments, got.F64(), isa.Max())
				})
			}
		})
	}
}

// TestCollectMomentsOfLargeSums has sums at both ends of what is collected:
// squares that need more than 64 bits in a column.
func TestCollectMomentsOfLargeSums(t *testing.T) {
	const most = backend.MostCollected / 255 / 128
	for name, x := range map[string][]int{"one row": {1, most}, "rows": {600, most}} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && x[0] > 1 {
				t.Skip("slow under the race detector")
			}
			l := collectLayer{op: backend.GemmDequant{}, x: x, w: []int{19, most}}
			in := l.inputs(rand.New(rand.NewPCG(13, 14)))
			codes, zero, w := in[0].(*tensor.Tensor).U8(), in[2].(*tensor.Tensor).I32(), in[3].(*tensor.Tensor).I8()
			for i := range codes {
				codes[i] = 255 * byte(i/most%2)
			}
			for i := range w {
				if c := i / most; c < 16 {
					w[i] = []int8{-128, 127, 1}[c%3]
				}
			}
			for _, z := range []int32{0, 255, 128} {
				zero[0] = z
				y, moments := l.wanted(in)
				onEverySet(t, func() {
					gotY, got := l.collect(t, backend.CollectMoments, in)
					require.Equal(t, y, gotY.F32())
					requireBits(t, moments, got.F64(), z, isa.Max())
				})
			}
		})
	}
}

// TestCollectAfterMoreThreads binds with fewer threads than it runs with.
func TestCollectAfterMoreThreads(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for _, l := range collectLayers {
		in := l.inputs(rand.New(rand.NewPCG(15, 16)))
		want, moments := l.wanted(in)
		runtime.GOMAXPROCS(1)
		y, found := tensor.New(tensor.Of(tensor.F32, len(want))), tensor.New(tensor.Of(tensor.F64, 4, l.w[0]))
		k, err := New().Bind(l.op.Collecting(backend.CollectMoments), []backend.Buffer{y, found}, in)
		require.NoError(t, err)
		runtime.GOMAXPROCS(4)
		require.NoError(t, k.Run(context.Background()))
		requireBits(t, moments, found.F64(), l.name)
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
