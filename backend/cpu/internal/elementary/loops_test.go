package elementary

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend/cpu/internal/isa"
)

// loop is a loop over elements with its portable form; dy is nil for
// functions of one operand.
type loop struct {
	name string
	run  func(y, dy, x []float32)
	of   func(dy, x float32) float32
}

func one(f func(y, x []float32)) func(y, dy, x []float32) {
	return func(y, _, x []float32) { f(y, x) }
}

// alone is a loop on a slice of one element, for the portable form.
func alone(f func(dx, dy, x []float32)) func(dy, x float32) float32 {
	return func(dy, x float32) float32 {
		y := []float32{0}
		f(y, []float32{dy}, []float32{x})
		return y[0]
	}
}

var loops = []loop{
	{"exp", one(Exp), func(_, x float32) float32 { return Exp32(x) }},
	{"sigmoid", one(Sigmoid), func(_, x float32) float32 { return Sigmoid32(x) }},
	{"tanh", one(Tanh), func(_, x float32) float32 { return Tanh32(x) }},
	{"gelu", one(Gelu), alone(one(func(y, x []float32) { gelu(y, x, Normal32) }))},
	{"gelu tanh", one(GeluTanh), alone(one(func(y, x []float32) { geluTanh(y, x, Sigmoid32) }))},
	{"gelu gradient", GeluGrad, alone(func(dx, dy, x []float32) { geluGrad(dx, dy, x, Normal32, Exp32) })},
	{"gelu tanh gradient", GeluTanhGrad, alone(func(dx, dy, x []float32) { geluTanhGrad(dx, dy, x, Sigmoid32) })},
}

// vectored calls f with every instruction set that has kernels, in tests under
// its name.
func vectored(t testing.TB, f func(t testing.TB, set string)) {
	defer func() { require.NoError(t, isa.SetMax("")) }()
	for _, s := range slices.Backward(family.Sets()) {
		require.NoError(t, isa.SetMax(s.String()))
		require.Equal(t, s, family.Set())
		if test, ok := t.(*testing.T); ok {
			test.Run(s.String(), func(t *testing.T) { f(t, s.String()) })
			continue
		}
		f(t, s.String())
	}
}

// flat is a test without tests under it, as a fuzzed one must be.
type flat struct{ testing.TB }

// same compares bits, any NaN being equal to any other.
func same[T Float](t testing.TB, want, got []T, context ...any) {
	t.Helper()
	require.Len(t, got, len(want))
	for i, w := range want {
		g := got[i]
		if w != g && (w == w || g == g) || w == 0 && math.Signbit(float64(w)) != math.Signbit(float64(g)) {
			require.Failf(t, "other bits", "element %d: %v, want %v (%v)", i, g, w, fmt.Sprint(context...))
		}
	}
}

// odd returns n floats of all kinds.
func odd(r *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		switch r.IntN(12) {
		case 0:
			v[i] = math.Float32frombits(r.Uint32())
		case 1:
			v[i] = float32(math.NaN())
		case 2:
			v[i] = float32(math.Inf(1 - 2*r.IntN(2)))
		case 3:
			v[i] = math.Float32frombits(r.Uint32() & 0x80ffffff)
		case 4:
			v[i] = []float32{88.722839, 88.72284, -104, -103.99999, 0.625, -0.625, -87.33655, 0}[r.IntN(8)]
		default:
			v[i] = float32(r.NormFloat64() * math.Pow(2, float64(r.IntN(12)-5)))
		}
	}
	return v
}

// guarded returns n elements that do not lie on the bounds of vectors, and
// what must not change on both sides.
func guarded[T Float](n int) (all, inside []T) {
	all = make([]T, n+34)
	for i := range all {
		all[i] = 77
	}
	return all, all[17 : 17+n]
}

func TestLoops(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 142 {
		n := i / 2
		x, dy := odd(r, n+1)[1:], odd(r, n+3)[3:]
		if i%2 == 0 { // All of a vector by one form of gelu, or by the other.
			for i := range x {
				x[i] = float32(r.Float64()*2.8 - 1.4 + float64(i/32%2)*8)
			}
		}
		vectored(t, func(t testing.TB, set string) {
			for _, l := range loops {
				want, to := guarded[float32](n)
				for i := range x {
					to[i] = l.of(dy[i], x[i])
				}
				got, to := guarded[float32](n)
				l.run(to, dy, x)
				same(t, want, got, l.name, " ", n, " ", set)
				copy(to, x) // In place.
				l.run(to, dy, to)
				same(t, want, got, l.name, " in place ", n, " ", set)
			}
		})
	}
}

// TestExponentials compares e^x, for floats of both signs over all exponents,
// with math.Exp, and the vectors with the function of one.
func TestExponentials(t *testing.T) {
	var x []float32
	for e := range uint32(256) {
		for m := uint32(0); m < 1<<23; m += 4099 * 4 {
			b := e<<23 | m
			x = append(x, math.Float32frombits(b), math.Float32frombits(b|1<<31))
		}
	}
	y := make([]float32, len(x))
	vectored(t, func(t testing.TB, set string) {
		Exp(y, x)
		worst, subnormal, at := 0.0, 0.0, float32(0)
		for i, v := range x {
			want := math.Exp(float64(v))
			switch w := float32(want); {
			case v != v:
				require.True(t, y[i] != y[i])
			case math.IsInf(float64(w), 0) || v > 88.722839:
				require.True(t, math.IsInf(float64(y[i]), 1), "e^%v is %v", v, y[i])
			case want < 0x1p-126:
				subnormal = max(subnormal, math.Abs(float64(y[i])-want)/0x1p-149)
			default:
				if u := units(y[i], want); u > worst {
					worst, at = u, v
				}
			}
		}
		require.LessOrEqual(t, worst, 1.5, "at %v", at)
		require.LessOrEqual(t, subnormal, 1.0)
		t.Logf("%s: %d numbers, largest error %.3f units at %v, of subnormal results %.3f", set, len(x), worst, at, subnormal)
		for i, v := range x {
			if w := Exp32(v); w != y[i] && w == w {
				require.Equal(t, w, y[i], "e^%v with %s", v, set)
			}
		}
	})
}

func TestRows(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for n := 1; n <= 70; n++ {
		for _, kind := range []int{0, 1, 2, 3} {
			rows := 1 + n%4
			x, dy := make([]float32, rows*n+1)[1:], odd(r, rows*n+3)[3:]
			for i := range x {
				x[i] = float32(r.NormFloat64() * 4)
			}
			switch kind {
			case 1:
				copy(x, odd(r, len(x)))
			case 2:
				x[r.IntN(len(x))] = float32(math.Inf(-1))
				dy[r.IntN(len(x))] = float32(math.NaN())
			case 3:
				for i := range x {
					x[i] = float32(math.Copysign(0, float64(i%2)-1))
				}
			}
			checkRows(t, x, dy, n)
		}
	}
	for _, n := range []int{1000, 1021, 50257} {
		checkRows(t, odd(r, 2*n), odd(r, 2*n), n)
	}
}

// checkRows compares all loops over rows with the portable ones.
func checkRows(t testing.TB, x, dy []float32, n int) {
	rows := len(x) / n
	wantY, y := guarded[float32](rows * n)
	wantMost, most := guarded[float32](rows)
	wantSum, sum := guarded[float64](rows)
	softmaxRows(y, x, n, most, sum, Exp32)
	wantGap, gap := guarded[float64](rows)
	gapRows(gap, x, n, most)
	wantScaled, scaled := guarded[float32](rows * n)
	scaleRows(scaled, x, n, most, 0.25, 1.1)
	wantGrad, grad := guarded[float32](rows * n)
	softmaxGradRows(grad, dy, x, n)
	wantTotal, total := guarded[float64](rows)
	wantExp, exps := guarded[float32](rows * n)
	for r := range rows {
		total[r] = expSum(exps[r*n:][:n], x[r*n:][:n], most[r], 0.5, Exp32)
	}
	vectored(t, func(t testing.TB, set string) {
		context := fmt.Sprint(rows, " rows of ", n, " ", set)
		gotY, y := guarded[float32](rows * n)
		gotMost, most := guarded[float32](rows)
		gotSum, sum := guarded[float64](rows)
		SoftmaxRows(y, x, n, most, sum)
		same(t, wantMost, gotMost, "most of ", context)
		same(t, wantY, gotY, "exponentials of ", context)
		same(t, wantSum, gotSum, "sums of ", context)
		copy(y, x)
		SoftmaxRows(y, y, n, most, sum)
		same(t, wantY, gotY, "exponentials in place of ", context)
		same(t, wantSum, gotSum, "sums in place of ", context)
		gotGap, gap := guarded[float64](rows)
		GapRows(gap, x, n, most)
		same(t, wantGap, gotGap, "gaps of ", context)
		gotScaled, scaled := guarded[float32](rows * n)
		ScaleRows(scaled, x, n, most, 0.25, 1.1)
		same(t, wantScaled, gotScaled, "scaled ", context)
		gotGrad, grad := guarded[float32](rows * n)
		SoftmaxGradRows(grad, dy, x, n)
		same(t, wantGrad, gotGrad, "gradients of ", context)
		gotTotal, total := guarded[float64](rows)
		gotExp, exps := guarded[float32](rows * n)
		for r := range rows {
			total[r] = ExpSum(exps[r*n:][:n], x[r*n:][:n], most[r], 0.5)
		}
		same(t, wantExp, gotExp, "scaled exponentials of ", context)
		same(t, wantTotal, gotTotal, "sums of scaled exponentials of ", context)
	})
}

func FuzzLoops(f *testing.F) {
	f.Add([]byte{0, 0, 0x80, 0x3f, 0, 0, 0xc0, 0x7f, 0, 0, 0x80, 0xff, 0, 0, 0xd0, 0xc2}, uint8(3))
	f.Fuzz(func(t *testing.T, b []byte, cut uint8) {
		if len(b) > 4096 {
			return
		}
		x := make([]float32, len(b)/4)
		for i := range x {
			x[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		}
		dy := slices.Clone(x)
		slices.Reverse(dy)
		vectored(flat{t}, func(t testing.TB, set string) {
			for _, l := range loops {
				want, got := make([]float32, len(x)), make([]float32, len(x))
				for i := range x {
					want[i] = l.of(dy[i], x[i])
				}
				l.run(got, dy, x)
				same(t, want, got, l.name, " ", set)
			}
		})
		if n := int(cut)%70 + 1; len(x) >= n {
			rows := len(x) / n
			checkRows(flat{t}, x[:rows*n], dy[:rows*n], n)
		}
	})
}

func BenchmarkExp(b *testing.B) {
	x, y := make([]float32, 4096), make([]float32, 4096)
	for i := range x {
		x[i] = float32(i%64)/4 - 8
	}
	for _, l := range loops {
		for _, s := range family.Sets() {
			b.Run(fmt.Sprintf("f=%s/isa=%v", l.name, s), func(b *testing.B) {
				require.NoError(b, isa.SetMax(s.String()))
				defer func() { require.NoError(b, isa.SetMax("")) }()
				for b.Loop() {
					l.run(y, x, x)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(x)), "ns/element")
			})
		}
	}
}
