package elementary

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

func TestNorm(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for n := 1; n <= 70; n++ {
		for kind := range 3 {
			rows := 1 + n%4
			x, dy := make([]float32, rows*n+1)[1:], make([]float32, rows*n+3)[3:]
			for i := range x {
				x[i], dy[i] = float32(r.NormFloat64()*4+1), float32(r.NormFloat64())
			}
			switch kind {
			case 1:
				copy(x, odd(r, len(x)))
				copy(dy, odd(r, len(x)))
			case 2: // Rows of one number have no deviation.
				for i := range x {
					x[i] = 3
				}
			}
			checkNorm(t, x, dy, n)
		}
	}
	for _, n := range []int{768, 1021} {
		checkNorm(t, odd(r, 3*n), odd(r, 3*n), n)
	}
}

// checkNorm compares the loops of normalization with the portable ones.
func checkNorm(t testing.TB, x, dy []float32, n int) {
	rows := len(x) / n
	gamma, beta := make([]float32, n+1)[1:], make([]float32, n+1)[1:]
	for i := range gamma {
		gamma[i], beta[i] = 1+float32(i%7)/8, float32(i%5)/4-0.5
	}
	type result struct {
		y, mean, inv, dx, alone, quotient []float32
		dgamma, dbeta                     []float64
	}
	run := func(norm func(y, x, mean, inv, gamma, beta []float32, n int, eps float64),
		grad func(dx, dy, x, mean, inv, gamma []float32, n int),
		sums func(dgamma, dbeta []float64, dy, x, mean, inv []float32, n int),
		divide func(y, x []float32, by float32),
	) (all result) {
		var y, mean, inv, dx, alone, quotient []float32
		var dgamma, dbeta []float64
		all.y, y = guarded[float32](rows * n)
		all.mean, mean = guarded[float32](rows)
		all.inv, inv = guarded[float32](rows)
		all.dx, dx = guarded[float32](rows * n)
		all.alone, alone = guarded[float32](rows * n)
		all.quotient, quotient = guarded[float32](rows * n)
		all.dgamma, dgamma = guarded[float64](n)
		all.dbeta, dbeta = guarded[float64](n)
		norm(y, x, mean, inv, gamma, beta, n, 1e-5)
		grad(dx, dy, x, mean, inv, gamma, n)
		grad(alone, dy, x, mean, inv, nil, n)
		sums(dgamma, dbeta, dy, x, mean, inv, n)
		divide(quotient, x, 3)
		return all
	}
	want := run(normRows[float32], normGradRows[float32], normSums[float32], divideBy[float32])
	for i := range want.y[17 : 17+rows*n] { // The definition, roughly.
		v := float64(x[i])
		if math.Abs(v) > 1e6 || want.inv[17+i/n] > 1e6 {
			continue // Float32 may overflow.
		}
		mu := float64(want.mean[17+i/n])
		y := (v-mu)*float64(want.inv[17+i/n])*float64(gamma[i%n]) + float64(beta[i%n])
		if d := math.Abs(y - float64(want.y[17+i])); d > 1e-4*(1+math.Abs(y)) {
			t.Fatalf("element %d of rows of %d is %v, want %v", i, n, want.y[17+i], y)
		}
	}
	vectored(t, func(t testing.TB, set string) {
		context := fmt.Sprint(rows, " rows of ", n, " ", set)
		got := run(NormRows, NormGradRows, NormSums, DivideBy)
		same(t, want.mean, got.mean, "means of ", context)
		same(t, want.inv, got.inv, "deviations of ", context)
		same(t, want.y, got.y, "normalized ", context)
		same(t, want.dx, got.dx, "gradients of ", context)
		same(t, want.alone, got.alone, "gradients without gamma of ", context)
		same(t, want.dgamma, got.dgamma, "gradients of gamma of ", context)
		same(t, want.dbeta, got.dbeta, "gradients of beta of ", context)
		same(t, want.quotient, got.quotient, "quotients of ", context)
	})
}

func FuzzNorm(f *testing.F) {
	f.Add([]byte{0, 0, 0x80, 0x3f, 0, 0, 0xc0, 0x7f, 0, 0, 0x80, 0xff, 0, 0, 0xd0, 0xc2}, uint8(2))
	f.Fuzz(func(t *testing.T, b []byte, cut uint8) {
		n := int(cut)%70 + 1
		if len(b) > 4096 || len(b)/8 < n {
			return
		}
		x := make([]float32, len(b)/4)
		for i := range x {
			x[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		}
		rows := len(x) / 2 / n
		checkNorm(flat{t}, x[:rows*n], x[len(x)/2:][:rows*n], n)
	})
}
