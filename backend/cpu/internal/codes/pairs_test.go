package codes

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/goqat/goqat/quant"
)

// checkPair compares a sum, difference and product of codes with package
// quant.
func checkPair[T, A, B quant.Code](t *testing.T, r *rand.Rand, rule quant.Rule, n int, sa, sb, sy float32, lo, hi int32) {
	t.Helper()
	a, b := make([]A, n+1)[1:], make([]B, n+3)[3:]
	for i := range a {
		a[i], b[i] = A(r.Uint32()), B(r.Uint32())
	}
	za, zb, zy := int32(A(r.Uint32())), int32(B(r.Uint32())), lo+r.Int32N(hi-lo+1)
	masked := r.IntN(2) == 0
	for op := range 3 {
		want, got := mirror(n, T(77)), mirror(n, T(77))
		wm, gm := mirror(n/8+1, byte(0xa5)), mirror(n/8+1, byte(0xa5))
		var wb, gb []byte
		if masked {
			wb, gb = wm[32:32+(n+7)/8], gm[32:32+(n+7)/8]
		}
		switch op {
		case 2:
			p := rule.NewMul(sa, za, sb, zb, sy, zy, lo, hi)
			quant.MulCodes(&p, want[32:32+n], wb, a, b, 0, n)
			MulCodes(&p, got[32:32+n], gb, a, b)
		default:
			p := rule.NewAdd(sa, za, sb, zb, sy, zy, lo, hi)
			p.Subtract = op == 1
			quant.AddCodes(&p, want[32:32+n], wb, a, b, 0, n)
			AddCodes(&p, got[32:32+n], gb, a, b)
		}
		same(t, want, got, "%d of %s: scales %v %v %v, %d codes", op, rule.Name, sa, sb, sy, n)
		same(t, wm, gm, "mask %d of %s: scales %v %v %v, %d codes", op, rule.Name, sa, sb, sy, n)
	}
}

func TestPairs(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(51, 52))
		scale := func() float32 {
			switch r.IntN(8) {
			case 0:
				return []float32{1e-38, 1e-20, 1e20, 3e38, float32(math.Inf(1)), 0, float32(math.NaN())}[r.IntN(7)]
			case 1, 2:
				return 0.25
			}
			return float32(r.ExpFloat64()) * 0.1
		}
		for n := range 200 {
			for _, rule := range append(fixedRules, rules...) {
				sa, sb, sy := scale(), scale(), scale()
				switch r.IntN(4) {
				case 0:
					checkPair[int8, int8, int8](t, r, rule, n, sa, sb, sy, -128, 127)
				case 1:
					checkPair[uint8, uint8, uint8](t, r, rule, n, sa, sb, sy, 0, 255)
				case 2:
					checkPair[int8, uint8, int8](t, r, rule, n, sa, sb, sy, -8, 7)
				default:
					checkPair[uint8, int8, uint8](t, r, rule, n, sa, sb, sy, 5, 200)
				}
			}
		}
	})
}

func FuzzPairs(f *testing.F) {
	f.Add(uint64(1), uint8(70), float32(0.1), float32(0.2), float32(0.3))
	f.Fuzz(func(t *testing.T, seed uint64, n uint8, sa, sb, sy float32) {
		r := rand.New(rand.NewPCG(seed, 53))
		for _, rule := range rules {
			checkPair[uint8, int8, uint8](t, r, rule, int(n), sa, sb, sy, 0, 255)
		}
	})
}
