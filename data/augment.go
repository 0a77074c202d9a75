package data

import (
	"math/rand/v2"

	"github.com/goqat/goqat/tensor"
)

// Augment changes a training sample at random, in place. Apply must depend on
// its arguments alone and must not keep them; it may be called from several
// goroutines.
//
// Those of this package treat a sample [height, width, channels] as an image and
// [length, channels] as a row of it; other shapes stay as they are.
type Augment interface {
	Apply(x []float32, shape tensor.Shape, rng *rand.Rand)
}

// Shift moves the image by up to Max pixels up or down and left or right; the
// pixels at the edge are repeated.
type Shift struct{ Max int }

// Crop pads the image with Pad zeros on each side and cuts a random part of the
// old size, as torchvision's RandomCrop does: a shift that brings in zeros.
type Crop struct{ Pad int }

// FlipH mirrors half of the images left to right.
type FlipH struct{}

// Noise adds noise of the given standard deviation to each element: the sum of
// four uniform values, which is near to normal and has no values beyond 3.5
// deviations.
type Noise struct{ Std float32 }

// plane returns height, width and channels.
func plane(s tensor.Shape) (h, w, c int, ok bool) {
	switch len(s) {
	case 2:
		return 1, s[0], s[1], true
	case 3:
		return s[0], s[1], s[2], true
	}
	return 0, 0, 0, false
}

// Apply implements [Augment].
func (a Shift) Apply(x []float32, shape tensor.Shape, rng *rand.Rand) {
	shift(x, shape, a.Max, true, rng)
}

// Apply implements [Augment].
func (a Crop) Apply(x []float32, shape tensor.Shape, rng *rand.Rand) {
	shift(x, shape, a.Pad, false, rng)
}

// shift draws both distances, even for a row, and moves.
func shift(x []float32, shape tensor.Shape, most int, repeat bool, rng *rand.Rand) {
	h, w, c, ok := plane(shape)
	if !ok || most <= 0 {
		return
	}
	dy, dx := rng.IntN(2*most+1)-most, rng.IntN(2*most+1)-most
	if h == 1 {
		dy = 0
	}
	move(x, h, w, c, dy, dx, repeat)
}

// move shifts the image in place by dy rows down and dx columns right. Rows are
// visited so that each is read before it is written.
func move(x []float32, h, w, c, dy, dx int, repeat bool) {
	for k := range h {
		y := k
		if dy > 0 {
			y = h - 1 - k
		}
		dst := x[y*w*c : (y+1)*w*c]
		from := y - dy
		if from < 0 || from >= h {
			if !repeat {
				clear(dst)
				continue
			}
			from = min(max(from, 0), h-1)
		}
		moveRow(dst, x[from*w*c:(from+1)*w*c], w, c, dx, repeat)
	}
}

// moveRow copies src, which may be dst, to dst, dx columns to the right.
func moveRow(dst, src []float32, w, c, dx int, repeat bool) {
	dx = min(max(dx, -w), w)
	switch {
	case dx >= 0:
		if repeat && dx == w {
			dx = w - 1
		}
		copy(dst[dx*c:], src[:(w-dx)*c])
		if repeat {
			// src[0] is still there if src is dst: the copy went to the right of it.
			for i := range dx {
				copy(dst[i*c:(i+1)*c], src[:c])
			}
		} else {
			clear(dst[:dx*c])
		}
	default:
		if repeat && dx == -w {
			dx = 1 - w
		}
		copy(dst, src[-dx*c:])
		for i := w + dx; i < w; i++ {
			if repeat {
				copy(dst[i*c:(i+1)*c], src[(w-1)*c:])
			} else {
				clear(dst[i*c : (i+1)*c])
			}
		}
	}
}

// Apply implements [Augment].
func (FlipH) Apply(x []float32, shape tensor.Shape, rng *rand.Rand) {
	h, w, c, ok := plane(shape)
	if !ok || rng.Uint64()>>63 == 0 {
		return
	}
	for y := range h {
		row := x[y*w*c : (y+1)*w*c]
		for a, b := 0, w-1; a < b; a, b = a+1, b-1 {
			for k := range c {
				row[a*c+k], row[b*c+k] = row[b*c+k], row[a*c+k]
			}
		}
	}
}

// Apply implements [Augment].
func (a Noise) Apply(x []float32, _ tensor.Shape, rng *rand.Rand) {
	// A uniform value of 16 bits has the variance 2^32/12; four have 2^32/3.
	const unit = 1.7320508 / 65536
	scale := a.Std * unit
	for i := range x {
		r := rng.Uint64()
		sum := int32(r&0xffff) + int32(r>>16&0xffff) + int32(r>>32&0xffff) + int32(r>>48)
		x[i] += float32(scale * float32(sum-2*65535))
	}
}
