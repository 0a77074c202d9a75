package elementary

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// units is the distance of got from want in units in the last place of the
// float32 nearest to want.
func units(got float32, want float64) float64 {
	w := float32(want)
	ulp := float64(math.Nextafter32(float32(math.Abs(float64(w))), math.MaxFloat32)) - math.Abs(float64(w))
	return math.Abs(float64(got)-want) / ulp
}

// sweep calls f with float32 numbers of both signs, dense at all magnitudes
// up to limit.
func sweep(limit float32, f func(x float32)) {
	for b := uint32(0x2f000000); b < math.Float32bits(limit); b += 2311 {
		f(math.Float32frombits(b))
		f(-math.Float32frombits(b))
	}
}

func TestElementaryErrors(t *testing.T) {
	for _, c := range []struct {
		name  string
		f     func(float32) float32
		want  func(float64) float64
		limit float32
		bound float64
	}{
		{"exp", Exp32, math.Exp, 87, 1.5},
		{"sigmoid", Sigmoid32, Sigmoid64, 80, 3},
		{"tanh", Tanh32, math.Tanh, 20, 2},
		{"log", func(x float32) float32 { return float32(Log(math.Abs(float64(x)))) }, func(x float64) float64 { return math.Log(math.Abs(x)) }, math.MaxFloat32, 0.51},
	} {
		t.Run(c.name, func(t *testing.T) {
			worst, at := 0.0, float32(0)
			sweep(c.limit, func(x float32) {
				if u := units(c.f(x), c.want(float64(x))); u > worst {
					worst, at = u, x
				}
			})
			require.LessOrEqual(t, worst, c.bound, "at %v: %v, want %v", at, c.f(at), c.want(float64(at)))
			t.Logf("largest error %.3f units at %v", worst, at)
		})
	}
}

func TestNormalErrors(t *testing.T) {
	absolute, relative := 0.0, 0.0
	sweep(12, func(x float32) {
		got, want := float64(Normal32(x)), Normal64(float64(x))
		absolute = max(absolute, math.Abs(got-want))
		relative = max(relative, math.Abs(got-want)/want)
	})
	require.LessOrEqual(t, absolute, 1.2e-7)
	require.LessOrEqual(t, relative, 2e-5)
	t.Logf("largest errors: %.3g, relative %.3g", absolute, relative)
}

func TestElementaryEdges(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	isNaN := func(x float32) { t.Helper(); require.True(t, math.IsNaN(float64(x))) }
	require.Equal(t, float32(1), Exp32(0))
	require.Equal(t, inf, Exp32(inf))
	require.Equal(t, inf, Exp32(88.73))
	require.Less(t, Exp32(88.7228), inf)
	require.Equal(t, float32(0), Exp32(-inf))
	require.Equal(t, float32(0), Exp32(-104.1))
	require.Equal(t, float32(math.SmallestNonzeroFloat32), Exp32(-103))
	require.InEpsilon(t, math.Exp(-95), Exp32(-95), 1e-3) // Subnormal.
	isNaN(Exp32(nan))
	require.Equal(t, []float32{0, 0.5, 1}, []float32{Sigmoid32(-inf), Sigmoid32(0), Sigmoid32(inf)})
	isNaN(Sigmoid32(nan))
	require.Equal(t, []float32{-1, 0, 1, 1}, []float32{Tanh32(-inf), Tanh32(0), Tanh32(inf), Tanh32(50)})
	isNaN(Tanh32(nan))
	require.Equal(t, []float32{0, 0.5, 1}, []float32{Normal32(-inf), Normal32(0), Normal32(inf)})
	isNaN(Normal32(nan))
	require.Equal(t, []float64{math.Inf(-1), 0, math.Inf(1)}, []float64{Log(0), Log(1), Log(math.Inf(1))})
	require.True(t, math.IsNaN(Log(-1)) && math.IsNaN(Log(math.NaN())))
}
