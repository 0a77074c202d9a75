package codes

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend/cpu/internal/gemm"
	"github.com/goqat/goqat/quant"
)

// column returns random columns of c channels.
func column(r *rand.Rand, c int, std float64) []float32 {
	v := make([]float32, c+Wrap)
	for i := range c {
		v[i] = float32(r.NormFloat64() * std)
	}
	Repeat(v, c)
	return v
}

// activationReference is the definition, element by element.
func activationReference(r quant.Rule, a *Activation, x []float32, scale float32, zero, lo, hi int32) (code []int32, mask []bool, nan int) {
	for i, v := range x {
		c := i % a.Channels
		v = float32(v*a.Scale[c]) + a.Shift[c]
		between := v > a.Low && v < a.High
		if v < a.Low {
			v = a.Low
		}
		if v > a.High {
			v = a.High
		}
		q, in := r.Quantize(v, scale, zero, lo, hi)
		if v != v {
			nan++
		}
		code, mask = append(code, q), append(mask, in && between)
	}
	return code, mask, nan
}

func checkActivation[T quant.Code](t *testing.T, rule quant.Rule, a *Activation, x []float32, scale float32, zero, lo, hi int32) {
	n := len(x)
	want, mask, wantNaN := activationReference(rule, a, x, scale, zero, lo, hi)
	for _, masked := range []bool{true, false} {
		got, bits := mirror(n, T(77)), mirror(n/8+1, byte(0xa5))
		m := bits[32 : 32+(n+7)/8]
		if !masked {
			m = nil
		}
		require.Equal(t, wantNaN, QuantizeActivation(rule, a, got[32:32+n], m, x, scale, zero, lo, hi))
		for i, c := range got {
			w := T(77)
			if i >= 32 && i < 32+n {
				w = T(want[i-32])
			}
			if c != w {
				require.Equal(t, w, c, "code %d of %d, %v scale %v zero %v [%d, %d] %d channels, x %v", i-32, n, rule, scale, zero, lo, hi, a.Channels, x[min(max(i-32, 0), n-1)])
			}
		}
		for i, b := range mask {
			if !masked {
				break
			}
			require.Equal(t, b, m[i/8]>>(i%8)&1 != 0, "bit %d of %d, %v, x %v", i, n, rule, x[i])
		}
		require.Equal(t, byte(0xa5), bits[31])
		require.Equal(t, byte(0xa5), bits[32+(n+7)/8])
	}
}

func TestQuantizeActivation(t *testing.T) {
	inf := float32(math.Inf(1))
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		for _, rule := range rules {
			for n := 1; n <= 70; n++ {
				rg := ranges[r.IntN(len(ranges))]
				c := 1 + r.IntN(40)
				scale, zero := []float32{0.1, 0.0235, 3e-39, 1e38}[r.IntN(4)], rg[0]+int32(r.IntN(int(rg[1]-rg[0]+1)))
				a := Activation{Channels: c, Scale: column(r, c, 2), Shift: column(r, c, 1), Low: -inf, High: inf}
				if n%3 == 0 {
					a = Identity(a.Low, a.High)
				}
				switch r.IntN(4) {
				case 0:
					a.Low = 0
				case 1:
					a.Low, a.High = 0, 6*scale
				case 2:
					a.Low, a.High = -3*scale, 3*scale
				}
				x := reals(r, n+3, scale)[3:]
				if rg[0] < 0 {
					checkActivation[int8](t, rule, &a, x, scale, zero, rg[0], rg[1])
				} else {
					checkActivation[uint8](t, rule, &a, x, scale, zero, rg[0], rg[1])
				}
			}
		}
	})
}

func TestQuantizeActivationOfLongTensors(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 6))
		for _, c := range []int{1, 3, 16, 17, 64, 600} {
			a := Activation{Channels: c, Scale: column(r, c, 2), Shift: column(r, c, 1), High: 6}
			checkActivation[uint8](t, quant.ONNX, &a, reals(r, 5*c+1111, 0.02), 0.02, 0, 0, 255)
		}
	})
}

func TestClamp(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 8))
		for n := 0; n <= 70; n++ {
			for _, b := range [][2]float32{{0, inf}, {0, nan}, {0, 6}, {-1, 1}, {-inf, inf}} {
				x, dy := reals(r, n, 1), reals(r, n, 1)
				got, grad := mirror(n, float32(77)), mirror(n, float32(77))
				want, wantGrad := mirror(n, float32(77)), mirror(n, float32(77))
				for i, v := range x {
					if v > b[0] && !(v >= b[1]) {
						wantGrad[32+i] = dy[i]
					} else {
						wantGrad[32+i] = 0
					}
					if v < b[0] {
						v = b[0]
					}
					if v > b[1] {
						v = b[1]
					}
					want[32+i] = v
				}
				Clamp(got[32:32+n], x, b[0], b[1])
				ClampGrad(grad[32:32+n], dy, x, b[0], b[1])
				if b[1] == b[1] { // A bound that is NaN is none for the gradient alone.
					same(t, floats(want), floats(got), "clamp of %d to %v", n, b)
				}
				same(t, floats(wantGrad), floats(grad), "gradient of clamp of %d to %v", n, b)
			}
		}
	})
}

// TestSums compares with sums in the order of the rows, bit for bit.
func TestSums(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	for c := 1; c <= 70; c++ {
		for _, rows := range []int{1, 2, 3, 7, 16, 33, 70} {
			x, dy := make([]float32, rows*c+1)[1:], make([]float32, rows*c+3)[3:]
			for i := range x {
				x[i], dy[i] = float32(r.NormFloat64()+3), float32(r.NormFloat64())
			}
			shift := column(r, c, 1)
			result := func(isa string) [][]float32 {
				require.NoError(t, gemm.SetMaxISA(isa))
				defer func() { require.NoError(t, gemm.SetMaxISA("")) }()
				out := make([][]float32, 6)
				for i := range out {
					out[i] = mirror(c, float32(77))
				}
				at := func(i int) []float32 { return out[i][32 : 32+c] }
				Moments(x, c, shift, at(0), at(1), at(2), at(3))
				Products(dy, x, c, shift, at(4), at(5))
				return out
			}
			want := result("portable")
			for _, set := range width.Sets() {
				for i, got := range result(set.String()) {
					same(t, floats(want[i]), floats(got), "sum %d of %d rows of %d channels by %q", i, rows, c, set)
				}
			}
			for j := range c {
				var sum, square, dsum, product float64
				least, most := math.Inf(1), math.Inf(-1)
				for o := j; o < rows*c; o += c {
					d := float64(x[o]) - float64(shift[j])
					sum += d
					square += d * d
					dsum += float64(dy[o])
					product += float64(dy[o]) * d
					least, most = min(least, float64(x[o])), max(most, float64(x[o]))
				}
				for i, w := range []float64{sum, square, least, most, dsum, product} {
					require.InDelta(t, w, float64(want[i][32+j]), 1e-5*(math.Abs(w)+float64(rows)), "sum %d of %d rows of %d channels", i, rows, c)
				}
			}
		}
	}
}

func TestMomentsOfNaN(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		for c := 1; c <= 40; c += 3 {
			for at := range 9 * c {
				x, out := make([]float32, 9*c), [4][]float32{make([]float32, c), make([]float32, c), make([]float32, c), make([]float32, c)}
				x[at] = float32(math.NaN())
				Moments(x, c, make([]float32, c), out[0], out[1], out[2], out[3])
				for j, v := range out[0] {
					require.Equal(t, j == at%c, v != v)
				}
			}
		}
	})
}

func FuzzQuantizeActivation(f *testing.F) {
	f.Add(uint64(1), uint16(100), uint8(7), float32(0.1), uint8(3), uint8(0), float32(0), float32(6))
	f.Fuzz(func(t *testing.T, seed uint64, n uint16, channels uint8, scale float32, zero, rule uint8, low, high float32) {
		if !(low <= high) {
			return
		}
		r := rand.New(rand.NewPCG(seed, 2))
		c := int(channels)%100 + 1
		a := Activation{Channels: c, Scale: column(r, c, 2), Shift: column(r, c, 1), Low: low, High: high}
		checkActivation[uint8](t, rules[int(rule)%len(rules)], &a, reals(r, int(n)%3000+1, 0.1), scale, int32(zero), 0, 255)
	})
}
