package codes

import (
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/goqat/goqat/backend/cpu/internal/gemm"
	"github.com/goqat/goqat/quant"
)

// blockOf returns the block of sums of rows [lo,hi) and columns [from,to), as
// products of matrices lay it out: memory beyond it is not theirs.
func blockOf(acc []int32, channels, lo, hi, from, to, stride int) gemm.IntBlock {
	b := gemm.IntBlock{Lo: lo, Hi: hi, From: from, To: to, Stride: stride, Acc: make([]int32, (hi-lo)*stride)}
	for i := range b.Acc {
		b.Acc[i] = 1 << 30
	}
	for r := lo; r < hi; r++ {
		copy(b.Row(r), acc[r*channels+from:])
	}
	return b
}

// checkBlocks compares the codes and bits of blocks with those of package quant.
func checkBlocks[T quant.Code](t *testing.T, rule quant.Rule, r *rand.Rand, rows, channels int, acc, add []int32, m []quant.Multiplier, zero, lo, hi int32) {
	t.Helper()
	n := rows * channels
	masked := channels%8 == 0 && r.IntN(2) == 0
	want, got := mirror(n, T(77)), mirror(n, T(77))
	wm, gm := mirror(n/8+1, byte(0xa5)), mirror(n/8+1, byte(0xa5))
	var wb, gb []byte
	if masked {
		wb, gb = wm[32:32+(n+7)/8], gm[32:32+(n+7)/8]
	}
	total := slices.Clone(acc)
	for i := range total {
		total[i] += add[i%channels]
	}
	quant.RequantizeCodes(rule, want[32:32+n], wb, total, m, zero, lo, hi, channels, 0, n)
	q := NewRequantizer(rule, channels)
	q.Set(add, m, zero, lo, hi)
	step := []int{16, 32, 64}[r.IntN(3)]
	high := 1 + r.IntN(60)
	for row := 0; row < rows; row += high {
		for c := 0; c < channels; c += step {
			RequantizeBlock(q, got[32:32+n], gb, blockOf(acc, channels, row, min(row+high, rows), c, min(c+step, channels), step+r.IntN(2)*16))
		}
	}
	same(t, want, got, "codes of %s [%d, %d], %d x %d", rule.Name, lo, hi, rows, channels)
	same(t, wm, gm, "mask of %s [%d, %d], %d x %d", rule.Name, lo, hi, rows, channels)
}

func TestRequantizeBlock(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(41, 42))
		for channels := 1; channels <= 70; channels++ {
			for _, b := range ranges {
				for _, rule := range append(fixedRules, quant.ONNX, quant.PyTorch, quant.Rule{Rounding: quant.HalfAway}) {
					rows := 1 + r.IntN(12)
					if r.IntN(8) == 0 {
						rows = 60 + r.IntN(20)
					}
					m, add := make([]quant.Multiplier, []int{1, channels}[r.IntN(2)]), make([]int32, channels)
					for c := range m {
						m[c] = quant.Multiplier{Q: r.Int32N(1<<30) + 1<<30, Shift: -12 + r.IntN(13)}
						if rule.Requant == quant.RequantFloat {
							m[c] = quant.Multiplier{M: float32(r.NormFloat64()) * []float32{1, 1e-3, 1e-3, 1e-6, 1e-6, 1e30}[(channels+r.IntN(2))%6]}
						}
					}
					for c := range add {
						add[c] = int32(r.Uint32()) >> r.IntN(32)
					}
					acc := sums(r, rows*channels, m[0])
					for i := range acc {
						if r.IntN(2) == 0 {
							acc[i] -= add[i%channels]
						}
					}
					zero := b[0] + r.Int32N(b[1]-b[0]+1)
					if b[0] < 0 {
						checkBlocks[int8](t, rule, r, rows, channels, acc, add, m, zero, b[0], b[1])
					} else {
						checkBlocks[uint8](t, rule, r, rows, channels, acc, add, m, zero, b[0], b[1])
					}
				}
			}
		}
	})
}

func TestDequantizeBlock(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(43, 44))
		for channels := 1; channels <= 70; channels++ {
			rows := 1 + r.IntN(12)
			n := rows * channels
			acc, add := make([]int32, n), make([]int32, channels+Wrap)
			scale, bias := reals(r, channels+Wrap, 1), reals(r, channels+Wrap, 10)
			for i := range acc {
				acc[i] = int32(r.Uint32()) >> r.IntN(32)
			}
			for i := range add {
				add[i] = int32(r.Uint32()) >> r.IntN(32)
			}
			want, got := mirror(n, float32(7)), mirror(n, float32(7))
			for i, v := range acc {
				c := i % channels
				want[32+i] = float32(float32(v+add[c])*scale[c]) + bias[c]
			}
			step := []int{16, 32, 64}[r.IntN(3)]
			for c := 0; c < channels; c += step {
				DequantizeBlock(got[32:32+n], blockOf(acc, channels, 0, rows, c, min(c+step, channels), step), add, scale, bias, channels)
			}
			same(t, floats(want), floats(got), "%d x %d", rows, channels)
		}
	})
}

// TestInKernel: the codes of a product are those of its sums, whether the
// kernels of the product make them or not.
func TestInKernel(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(45, 46))
		serial := func(n, grain int, body func(lo, hi int)) {
			for lo := 0; lo < n; lo += grain {
				body(lo, min(lo+grain, n))
			}
		}
		for i := range 300 {
			rows, channels, k := 1+r.IntN(70), 1+r.IntN(70), 1+r.IntN(70)
			if i%8 == 0 {
				k = 4
			}
			a, w := make([]uint8, rows*k), make([]int8, channels*k)
			for i := range a {
				a[i] = uint8(r.Uint32())
			}
			for i := range w {
				w[i] = int8(r.Uint32())
			}
			m, add := make([]quant.Multiplier, channels), make([]int32, channels)
			for c := range m {
				m[c].M = float32(r.NormFloat64()) * []float32{0.1, 1e-2, 1e-3, 0}[r.IntN(4)]
				m[c].M = max(min(m[c].M, 0.5), -0.5)
				add[c] = r.Int32N(1<<18) - 1<<17
				if r.IntN(20) == 0 {
					add[c], m[c].M = []int32{1 << 30, -1 << 30}[r.IntN(2)], 0.5
				}
			}
			check := func(lo, hi int32, signed bool) {
				zero := lo + r.Int32N(hi-lo+1)
				q := NewRequantizer(quant.ONNX, channels)
				q.Set(add, m, zero, lo, hi)
				packed := make([]byte, gemm.PackedSize(channels, k)+64)
				packed = packed[gap(packed):]
				gemm.PackB(packed, w, channels, k)
				got, want := mirror(rows*channels, byte(77)), mirror(rows*channels, byte(77))
				run := func(dst []byte, fused bool) {
					finish := func(b gemm.IntBlock) {
						if signed {
							RequantizeBlock(q, codesOf[int8](dst), nil, b)
						} else {
							RequantizeBlock(q, dst, nil, b)
						}
					}
					p := gemm.NewInt[uint8](serial, rows, channels, k, finish)
					if fused {
						p.MakeCodes(func() *gemm.IntCodes {
							if signed {
								return InKernel(q, codesOf[int8](dst))
							}
							return InKernel(q, dst)
						})
					}
					work := make([]byte, p.Workspace()+64)
					p.Run(a, k, packed, work[gap(work):])
				}
				run(want[32:32+rows*channels], false)
				run(got[32:32+rows*channels], true)
				same(t, want, got, "%d x %d x %d codes in [%d, %d]", rows, channels, k, lo, hi)
			}
			b := ranges[r.IntN(len(ranges))]
			check(b[0], b[1], b[0] < 0)
		}
	})
}

// gap returns the bytes before the first at a multiple of 64.
func gap(b []byte) int { return int(-uintptr(unsafe.Pointer(&b[0])) & 63) }

func codesOf[T quant.Code](b []byte) []T {
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b))
}
