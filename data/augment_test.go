package data

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/tensor"
)

// TestMove compares with the definition: out[y][x] = in[y-dy][x-dx], clamped or
// zero outside, for every distance and beyond the size.
func TestMove(t *testing.T) {
	for _, size := range [][3]int{{4, 5, 1}, {3, 3, 2}, {1, 6, 2}, {5, 1, 1}} {
		h, w, c := size[0], size[1], size[2]
		in := make([]float32, h*w*c)
		for i := range in {
			in[i] = float32(i + 1)
		}
		for dy := -h - 1; dy <= h+1; dy++ {
			for dx := -w - 1; dx <= w+1; dx++ {
				for _, repeat := range []bool{true, false} {
					want := make([]float32, len(in))
					for y := range h {
						for x := range w {
							sy, sx := y-dy, x-dx
							if !repeat && (sy < 0 || sy >= h || sx < 0 || sx >= w) {
								continue
							}
							sy, sx = min(max(sy, 0), h-1), min(max(sx, 0), w-1)
							copy(want[(y*w+x)*c:(y*w+x+1)*c], in[(sy*w+sx)*c:])
						}
					}
					got := append([]float32(nil), in...)
					move(got, h, w, c, dy, dx, repeat)
					require.Equal(t, want, got, "%v by %d, %d, repeat %v", size, dy, dx, repeat)
				}
			}
		}
	}
}

func TestAugmentsDraw(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	shape := tensor.Shape{3, 3, 1}
	at := map[int]int{}
	for range 1000 {
		x := []float32{0, 0, 0, 0, 9, 0, 0, 0, 0}
		Shift{1}.Apply(x, shape, rng)
		for i, v := range x {
			if v == 9 {
				at[i]++
			}
		}
	}
	assert.Len(t, at, 9, "every place is reached")

	flipped := 0
	for range 1000 {
		x := []float32{1, 2, 3, 4, 5, 6}
		FlipH{}.Apply(x, tensor.Shape{1, 3, 2}, rng)
		if x[0] == 5 {
			assert.Equal(t, []float32{5, 6, 3, 4, 1, 2}, x)
			flipped++
		} else {
			assert.Equal(t, []float32{1, 2, 3, 4, 5, 6}, x)
		}
	}
	assert.InDelta(t, 500, flipped, 80)

	x := make([]float32, 200000)
	Noise{0.5}.Apply(x, tensor.Shape{len(x)}, rng)
	var sum, sq float64
	for _, v := range x {
		sum += float64(v)
		sq += float64(v) * float64(v)
	}
	assert.InDelta(t, 0, sum/float64(len(x)), 0.006)
	assert.InDelta(t, 0.5, math.Sqrt(sq/float64(len(x))), 0.005)

	// Shapes that are no images stay as they are.
	y := []float32{1, 2, 3}
	for _, a := range []Augment{Shift{2}, Crop{2}, FlipH{}} {
		for range 10 {
			a.Apply(y, tensor.Shape{3}, rng)
		}
	}
	assert.Equal(t, []float32{1, 2, 3}, y)
}
