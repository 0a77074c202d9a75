package gemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/goqat/goqat/backend/cpu/internal/isa"
	"github.com/goqat/goqat/backend/cpu/internal/peak"
)

// benchISA runs bench for those of sets, the instruction sets with a kernel of
// its kind.
func benchISA(b *testing.B, sets []isa.Set, name string, bench func(b *testing.B)) {
	for _, s := range sets {
		if err := SetMaxISA(s.String()); err != nil {
			b.Fatal(err)
		}
		b.Run(name+"/isa="+s.String(), bench)
	}
	_ = SetMaxISA("")
}

// rated runs product, of m x n sums of k terms, in the benchmark's loop and
// reports the operations per second of the mean run, and what part of the
// unit's best rate the fastest run reached, both by the time of the thread, so
// that a busy machine changes their ratio little.
func rated(b *testing.B, kind peak.Kind, set isa.Set, m, n, k int, product func()) {
	b.ReportAllocs()
	peak.Rate(kind, set) // Before and after: it remembers the best.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	fastest := time.Duration(math.MaxInt64)
	for b.Loop() {
		start := peak.Now()
		product()
		fastest = min(fastest, peak.Now()-start)
	}
	ops := 2 * float64(m) * float64(n) * float64(k)
	b.ReportMetric(ops*float64(b.N)/b.Elapsed().Seconds()/1e9, "GOP/s")
	if best, ok := peak.Rate(kind, set); ok {
		b.ReportMetric(100*ops/fastest.Seconds()/best, "%peak")
	}
}

func BenchmarkGEMM(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, s := range []struct {
		form    string // of A and B: n as stored, t transposed
		m, n, k int
	}{
		{"nn", 512, 512, 512},
		{"nn", 1024, 1024, 1024},
		{"nt", 1024, 1024, 1024},
		{"tn", 1024, 1024, 1024},
		{"nn", 2048, 2048, 2048},
		{"nt", 128, 1024, 784}, // MLP forward
		{"nn", 128, 784, 1024}, // its input gradient
		{"tn", 1024, 784, 128}, // its weight gradient
		{"nt", 50176, 16, 9},   // convolutions forward
		{"nt", 25088, 32, 144},
		{"nt", 25088, 64, 288},
		{"nn", 25088, 288, 64}, // their input gradients
		{"tn", 16, 9, 100352},  // their weight gradients
		{"tn", 32, 144, 25088},
		{"tn", 64, 288, 25088},
		{"tn", 288, 64, 25088},
	} {
		name := fmt.Sprintf("dtype=f32/form=%s/m=%d/n=%d/k=%d", s.form, s.m, s.n, s.k)
		benchISA(b, floatKernels.Sets(), name, func(b *testing.B) {
			transA, transB := s.form[0] == 't', s.form[1] == 't'
			lda, ldb := s.k, s.n
			if transA {
				lda = s.m
			}
			if transB {
				ldb = s.k
			}
			x, y, c := make([]float32, s.m*s.k), make([]float32, s.n*s.k), make([]float32, s.m*s.n)
			for i := range x {
				x[i] = rng.Float32() - 0.5
			}
			for i := range y {
				y[i] = rng.Float32() - 0.5
			}
			p := New[float32](serial, transA, transB, s.m, s.n, s.k)
			ws, _ := scratch(p.Workspace())
			rated(b, peak.Float32, floatKernels.Set(), s.m, s.n, s.k, func() { p.Run(x, lda, y, ldb, false, c, s.n, ws) })
		})
	}
	for _, s := range [][3]int{{1024, 1024, 1024}, {2048, 2048, 2048}, {128, 1024, 784}, {1, 1024, 1024}, {50176, 16, 9}, {25088, 32, 144}, {25088, 64, 288}, {3136, 64, 576}} {
		m, n, k := s[0], s[1], s[2]
		benchInt[int8](b, "qs8", rng, m, n, k)
		benchInt[uint8](b, "qu8", rng, m, n, k)
	}
}

// BenchmarkGEMMBackward has the products of the backward pass on codes.
func BenchmarkGEMMBackward(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, s := range []struct {
		form    string
		m, n, k int
	}{
		{"nn", 1024, 1024, 1024}, {"nt", 1024, 1024, 1024}, {"tn", 1024, 1024, 1024},
		{"nn", 128, 1024, 1024}, {"nn", 128, 784, 1024}, // Input gradients.
		{"tn", 1024, 1024, 128}, {"tn", 1024, 784, 128}, // Weight gradients.
		{"nn", 25088, 64, 64}, {"tn", 64, 64, 25088}, // Pointwise convolutions.
	} {
		for _, terms := range []int{1, 2} {
			dtype := []string{"bf16", "bf16x2"}[terms-1]
			// The portable kernel shows what AVX512-BF16 does, at a thousandth of its speed.
			benchISA(b, bf16Kernels.Sets()[1:], fmt.Sprintf("dtype=%s/form=%s/m=%d/n=%d/k=%d", dtype, s.form, s.m, s.n, s.k), func(b *testing.B) {
				transA, transB := s.form[0] == 't', s.form[1] == 't'
				lda, ldb := s.k, s.n
				if transA {
					lda = s.m
				}
				if transB {
					ldb = s.k
				}
				x, y, c := make([]float32, s.m*s.k), Operand{Stride: ldb}, make([]float32, s.m*s.n)
				for i := range x {
					x[i] = rng.Float32() - 0.5
				}
				if transB {
					y.Float = make([]float32, s.n*s.k)
				} else {
					y.Codes = make([]byte, s.n*s.k)
				}
				for i := range y.Codes {
					y.Codes[i] = byte(rng.Uint32())
				}
				p := NewBF16(serial, transA, transB, s.m, s.n, s.k, terms)
				ws, _ := scratch(p.Workspace())
				rated(b, peak.BF16, bf16Kernels.Set(), s.m, s.n, terms*s.k, func() { p.Run(x, lda, nil, y, false, c, s.n, ws) })
			})
		}
	}
}

func benchInt[A Code](b *testing.B, dtype string, rng *rand.Rand, m, n, k int) {
	benchISA(b, intKernels.Sets(), fmt.Sprintf("dtype=%s/m=%d/n=%d/k=%d", dtype, m, n, k), func(b *testing.B) {
		a, w, packed := make([]A, m*k), make([]int8, n*k), make([]byte, PackedSize(n, k))
		for i := range a {
			a[i] = A(rng.IntN(256))
		}
		for i := range w {
			w[i] = int8(rng.IntN(256) - 128)
		}
		PackB(packed, w, n, k)
		p := NewInt[A](serial, m, n, k, func(IntBlock) {})
		ws, _ := scratch(p.Workspace())
		rated(b, peak.Int8, intKernels.Set(), m, n, k, func() { p.Run(a, k, packed, ws) })
	})
}
