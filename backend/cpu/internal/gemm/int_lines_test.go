package gemm

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// checkLines compares the product of rows of lines with the naive one of the
// rows that they stand for.
func checkLines[A Code](t *testing.T, par Parallel, l IntLines, n int, inPlace bool, fillA func() A, fillW func() int8) {
	t.Helper()
	groups, k := max(l.Groups, 1), len(l.Taps)*l.Run
	for g := &l; g.Groups < 1; {
		g.Groups = 1
	}
	m := l.Images * l.Lines * l.Width
	laid := (l.Lines-1)*l.Line + l.reach()
	l.Image = laid + 5
	if !inPlace {
		l.Image = laid
	}
	a := make([]A, 1+l.Images*l.Image)[1:]
	for i := range a {
		a[i] = fillA()
	}
	want, got := make([]int32, m*n*groups), make([]int32, m*n*groups)
	size := roundUp(PackedRuns(n, len(l.Taps), l.Run), alignment)
	packed, packedIntact := scratch(groups * size)
	for g := range groups {
		w := make([]int8, n*k)
		for i := range w {
			w[i] = fillW()
		}
		PackRuns(packed[g*size:], w, n, len(l.Taps), l.Run)
		rows := make([]A, 0, m*k)
		for r := range m {
			line := r / l.Width
			at := line/l.Lines*l.Image + line%l.Lines*l.Line + r%l.Width*l.Stride + g*l.GroupStep
			for _, tap := range l.Taps {
				rows = append(rows, a[at+tap:at+tap+l.Run]...)
			}
		}
		for i, v := range naiveInt(m, n, k, rows, k, w) {
			want[i/n*n*groups+g*n+i%n] = v
		}
	}
	seen := make([]int32, len(got))
	slots := slotsInUse{t: t}
	epilogue := func(b IntBlock) {
		defer slots.use(b.Slot)()
		for r := b.Lo; r < b.Hi; r++ {
			copy(got[r*n*groups+b.From:], b.Row(r))
			for c := b.From; c < b.To; c++ {
				seen[r*n*groups+c]++
			}
		}
	}
	lay := func(dst []A, lo, hi int) {
		if lo/l.Lines != (hi-1)/l.Lines || len(dst) != (hi-lo-1)*l.Line+l.reach() {
			t.Errorf("lay got %d codes for lines [%d,%d)", len(dst), lo, hi)
		}
		copy(dst, a[lo/l.Lines*l.Image+lo%l.Lines*l.Line:])
	}
	if inPlace {
		lay = nil
	}
	p := NewIntLines(par, l, n, lay, epilogue)
	slots.taken = make([]atomic.Bool, p.Slots())
	ws, intact := scratch(p.Workspace())
	if inPlace {
		p.Run(a, 0, packed, ws)
	} else {
		p.RunRows(packed, ws)
	}
	at := fmt.Sprintf("%T n=%d %+v in place=%v", a, n, l, inPlace)
	if !intact() || !packedIntact() {
		t.Fatal(at, "wrote outside of the workspace")
	}
	for i := range want {
		if got[i] != want[i] || seen[i] != 1 {
			t.Fatalf("%s element %d is %d, want %d; it was written %d times", at, i, got[i], want[i], seen[i])
		}
	}
}

func randomLines(rng *rand.Rand, unit int) IntLines {
	l := IntLines{Images: 1 + rng.IntN(2), Lines: 1 + rng.IntN(9), Width: 1 + rng.IntN(30), Groups: 1 + rng.IntN(3)}
	if rng.IntN(3) == 0 {
		l.Width = []int{1, 2, 3, 4, 7, 14, 56, 57, 112, 113}[rng.IntN(10)]
	}
	l.Run = unit * (1 + rng.IntN(9))
	l.GroupStep = l.Run + unit*rng.IntN(2)
	l.Stride = unit * (1 + rng.IntN(20))
	l.Line = unit * (1 + rng.IntN(200))
	for range 1 + rng.IntN(5) {
		l.Taps = append(l.Taps, unit*rng.IntN(300))
	}
	return l
}

func TestIntLines(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(31, 32))
		s8 := func() int8 { return int8(rng.IntN(256) - 128) }
		u8 := func() uint8 { return uint8(rng.IntN(256)) }
		for i := range 120 {
			l := randomLines(rng, []int{1, 4}[i%2])
			par := []Parallel{serial, concurrent, backwards}[i%3]
			if !CanLines(&l) {
				continue
			}
			n, inPlace := 1+rng.IntN(50), l.Run%4 == 0 && i%4 < 2
			if i%5 < 3 {
				checkLines(t, par, l, n, inPlace, s8, s8)
			} else {
				checkLines(t, par, l, n, inPlace, u8, s8)
			}
		}
	})
}

// TestRowCuts: the passes of the kernels do every row once.
func TestRowCuts(t *testing.T) {
	for _, heights := range [][]int{{14, 8, 7, 4, 2, 1}, {6, 4, 3, 2, 1}, {2, 1}, {1}} {
		c := newRowCuts(heights...)
		for n := range 300 {
			sum := 0
			for i, h := range heights {
				sum += h * c.passes(n, i)
			}
			require.Equal(t, n, sum, "%v", heights)
		}
		require.Equal(t, slices.Index(heights, 14), c.pair(7))
	}
}
