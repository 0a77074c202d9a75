package depthwise

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend/cpu/internal/gemm"
	"github.com/goqat/goqat/backend/cpu/internal/isa"
)

// eachISA runs f with every instruction set that the machine has kernels for.
func eachISA(t *testing.T, f func(t *testing.T)) {
	t.Cleanup(func() { require.NoError(t, isa.SetMax("")) })
	for _, s := range slices.Backward(kernels.Sets()) {
		require.NoError(t, isa.SetMax(s.String()))
		t.Run(s.String(), f)
	}
}

func serial(n, grain int, body func(lo, hi int)) {
	for lo := 0; lo < n; lo += grain {
		body(lo, min(lo+grain, n))
	}
}

func concurrent(n, grain int, body func(lo, hi int)) {
	var wg sync.WaitGroup
	for lo := 0; lo < n; lo += grain {
		wg.Go(func() { body(lo, min(lo+grain, n)) })
	}
	wg.Wait()
}

// check compares the sums of a convolution with the definition.
func check[A gemm.Code](t *testing.T, l gemm.IntLines, channels int, code func() A, weight func() int8) {
	t.Helper()
	laid := (l.Lines-1)*l.Line + (l.Width-1)*l.Stride + slices.Max(l.Taps) + channels
	x := make([]A, l.Images*laid)
	for i := range x {
		x[i] = code()
	}
	w := make([]int8, len(l.Taps)*channels)
	for i := range w {
		w[i] = weight()
	}
	rows := l.Images * l.Lines * l.Width
	got, seen := make([]int32, rows*channels), make([]int32, rows*channels)
	var taken []atomic.Bool
	p := New(concurrent, l, channels, func(dst []A, lo, hi int) {
		copy(dst, x[lo/l.Lines*laid+lo%l.Lines*l.Line:])
	}, func(b gemm.IntBlock) {
		if !taken[b.Slot].CompareAndSwap(false, true) {
			t.Errorf("slot %d is there twice", b.Slot)
		}
		defer taken[b.Slot].Store(false)
		for r := b.Lo; r < b.Hi; r++ {
			copy(got[r*channels+b.From:], b.Row(r))
			for c := b.From; c < b.To; c++ {
				seen[r*channels+c]++
			}
		}
	})
	taken = make([]atomic.Bool, p.Slots())
	memory := func(n int) []byte { return aligned(n + 128)[:n+128] }
	packed, work := memory(p.PackedSize()), memory(p.Workspace())
	for i := range 128 {
		packed[p.PackedSize()+i], work[p.Workspace()+i] = 0xa5, 0xa5
	}
	p.Pack(packed, w)
	p.Run(packed[:p.PackedSize()], work[:p.Workspace()])
	for i := range 128 {
		require.Equal(t, [2]byte{0xa5, 0xa5}, [2]byte{packed[p.PackedSize()+i], work[p.Workspace()+i]}, "wrote behind its memory")
	}
	for r := range rows {
		line := r / l.Width
		at := line/l.Lines*laid + line%l.Lines*l.Line + r%l.Width*l.Stride
		for c := range channels {
			var want int32
			for i, tap := range l.Taps {
				want += (int32(x[at+tap+c]) + p.Shift()) * int32(w[i*channels+c])
			}
			if i := r*channels + c; got[i] != want || seen[i] != 1 {
				t.Fatalf("%T %+v channels %d: row %d channel %d is %d, want %d; written %d times", x, l, channels, r, c, got[i], want, seen[i])
			}
		}
	}
}

// aligned returns n bytes that begin at a multiple of 64.
func aligned(n int) []byte {
	b := make([]byte, n+alignment)
	for i := range b {
		if isAligned(&b[i]) {
			return b[i:]
		}
	}
	panic("no aligned byte")
}

func random(r *rand.Rand, channels int) gemm.IntLines {
	l := gemm.IntLines{Images: 1 + r.IntN(2), Lines: 1 + r.IntN(5), Width: 1 + r.IntN(70)}
	kh, kw, dilation, stride := 1+r.IntN(5), 1+r.IntN(5), 1+r.IntN(2), 1+r.IntN(2)
	if r.IntN(2) == 0 {
		kh, kw = 3, 3
	}
	width := (l.Width-1)*stride + (kw-1)*dilation + 1
	l.Stride, l.Line = stride*channels, stride*width*channels
	for a := range kh {
		for b := range kw {
			l.Taps = append(l.Taps, (a*dilation*width+b*dilation)*channels)
		}
	}
	return l
}

func TestSums(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		s8 := func() int8 { return int8(r.IntN(256) - 128) }
		u8 := func() uint8 { return uint8(r.IntN(256)) }
		for channels := 1; channels <= 70; channels++ {
			check(t, random(r, channels), channels, s8, s8)
			check(t, random(r, channels), channels, u8, s8)
		}
		for _, channels := range []int{96, 127, 128, 130, 144, 200} {
			check(t, random(r, channels), channels, u8, s8)
		}
	})
}

func TestExtremes(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		for _, w := range []int8{-128, 127} {
			for _, channels := range []int{3, 16, 31, 64, 100} {
				check(t, random(r, channels), channels, func() uint8 { return 255 }, func() int8 { return w })
				check(t, random(r, channels), channels, func() int8 { return -128 }, func() int8 { return w })
				check(t, random(r, channels), channels, func() int8 { return 127 }, func() int8 { return w })
			}
		}
	})
}

func FuzzSums(f *testing.F) {
	f.Add(uint64(1), uint8(64))
	f.Add(uint64(9), uint8(17))
	f.Fuzz(func(t *testing.T, seed uint64, channels uint8) {
		eachISA(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 5))
			n := 1 + int(channels)
			check(t, random(r, n), n, func() uint8 { return uint8(r.IntN(256)) }, func() int8 { return int8(r.IntN(256) - 128) })
		})
	})
}

func TestAllocations(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 6))
		p := New(serial, random(r, 40), 40, func([]int8, int, int) {}, func(gemm.IntBlock) {})
		packed, work := aligned(p.PackedSize()), aligned(p.Workspace())
		require.Zero(t, testing.AllocsPerRun(10, func() { p.Run(packed, work) }))
	})
}

// TestMakeCodes: kernels that make codes round the sums as they say.
func TestMakeCodes(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 8))
		for channels := 1; channels <= 140; channels++ {
			l := random(r, channels)
			laid := (l.Lines-1)*l.Line + (l.Width-1)*l.Stride + slices.Max(l.Taps) + channels
			x, w := make([]int8, l.Images*laid), make([]int8, len(l.Taps)*channels)
			for i := range x {
				x[i] = int8(r.Uint32())
			}
			for i := range w {
				w[i] = int8(r.Uint32())
			}
			rows := l.Images * l.Lines * l.Width
			e := &gemm.IntCodes{Add: make([]int32, channels+16), Factor: make([]float32, channels+16), Dst: make([]byte, rows*channels), Stride: channels}
			for c := range channels {
				e.Add[c], e.Factor[c] = r.Int32N(1<<16)-1<<15, float32(r.NormFloat64())*0.01
			}
			zero, lo, hi, flip := 100+r.Int32N(50), r.Int32N(20), 200+r.Int32N(56), uint8(0x80*r.IntN(2))
			e.Bounds(zero, lo, hi, flip)
			want, sums := make([]byte, rows*channels), 0
			run := func(make bool) {
				p := New(serial, l, channels, func(dst []int8, lo, hi int) {
					copy(dst, x[lo/l.Lines*laid+lo%l.Lines*l.Line:])
				}, func(b gemm.IntBlock) {
					sums++
					for r := b.Lo; r < b.Hi; r++ {
						for i, v := range b.Row(r) {
							c := b.From + i
							code := int32(math.RoundToEven(float64(float32(v+e.Add[c])*e.Factor[c]))) + zero
							want[r*channels+c] = byte(min(max(code, lo), hi)) ^ flip
						}
					}
				})
				if make {
					p.MakeCodes(func() *gemm.IntCodes { return e })
				}
				packed := aligned(p.PackedSize())
				p.Pack(packed, w)
				p.Run(packed, aligned(p.Workspace()))
			}
			run(false)
			sums = 0
			run(true)
			if kernels.Kernel().codes == nil {
				require.NotZero(t, sums)
				continue
			}
			require.Zero(t, sums)
			require.Equal(t, want, e.Dst, "%+v channels %d", l, channels)
		}
	})
}
