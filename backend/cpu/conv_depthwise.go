package cpu

import (
	"runtime"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/channels"
	"github.com/goqat/goqat/tensor"
)

// The depthwise convolution keeps the channels of a pixel, which are
// contiguous, in the inner loop, with the weights turned to [tap, channel].

// tapMajor writes the weights [o, taps] of w as [taps, o] to dst.
func tapMajor[T float](dst, w []T, o, taps int) {
	for c := range o {
		for t, v := range w[c*taps : (c+1)*taps] {
			dst[t*o+c] = v
		}
	}
}

// mulAddMany adds x[c] * w[c*m+i] to y[c*m+i], for the m > 1 outputs of each
// channel.
func mulAddMany[T float](y, x, w []T, m int) {
	for c, v := range x {
		yc, wc := y[c*m:(c+1)*m], w[c*m:(c+1)*m]
		for i, u := range wc {
			yc[i] += T(v * u)
		}
	}
}

// tapList is where the products of one pixel lie: up to maxTaps at once.
type tapList struct {
	n    int
	x, w [maxTaps]int
}

const maxTaps = 32

// add appends a tap and reports whether the list is full.
func (t *tapList) add(x, w int) bool {
	t.x[t.n], t.w[t.n] = x, w
	t.n++
	return t.n == maxTaps
}

// sumTaps adds the products of the listed taps to the channels y and empties
// the list.
func sumTaps[T float](t *tapList, add func(y, x, w []T, xs, ws []int), y, x, w []T) {
	add(y, x, w, t.x[:t.n], t.w[:t.n])
	t.n = 0
}

// depthwiseGrain is the number of image lines of a tile, for about as many
// multiplications a line.
func depthwiseGrain(work int) int { return max(65536/max(work, 1), 1) }

func bindDepthwise[T float](b *Backend, g *convGeometry, x, w, bias, y []T) func() error {
	m, add := g.og, channels.For[T]().SumTaps
	free := newSlots(runtime.GOMAXPROCS(0))
	lists := make([]tapList, cap(free))
	var turned []T
	body := func(lo, hi int) {
		slot := <-free
		defer free.give(slot)
		list := &lists[slot]
		for l := lo; l < hi; l++ {
			n, i := l/g.oh, l%g.oh
			ih := i*g.sh - g.top
			a0, a1 := taps(ih, g.kh, g.dh, g.h)
			for j := range g.ow {
				out := y[(l*g.ow+j)*g.o : (l*g.ow+j+1)*g.o]
				if bias != nil {
					copy(out, bias)
				} else {
					clear(out)
				}
				iw := j*g.sw - g.left
				b0, b1 := taps(iw, g.kw, g.dw, g.w)
				for a := a0; a < a1; a++ {
					line := (n*g.h + ih + a*g.dh) * g.line
					for t := b0; t < b1; t++ {
						from := line + (iw+t*g.dw)*g.c
						if m > 1 {
							mulAddMany(out, x[from:from+g.c], turned[(a*g.kw+t)*g.o:], m)
						} else if list.add(from, (a*g.kw+t)*g.o) {
							sumTaps(list, add, out, x, turned)
						}
					}
				}
				sumTaps(list, add, out, x, turned)
			}
		}
	}
	grain := depthwiseGrain(g.ow * g.o * g.k)
	b.scratch.need(len(w) * sizeOf[T]())
	return func() error {
		if len(y) == 0 {
			return nil
		}
		ws := b.scratch.take(len(w) * sizeOf[T]())
		turned = tensor.Cast[T](ws.t.Bytes(), len(w))
		tapMajor(turned, w, g.o, g.k)
		parallel(g.n*g.oh, grain, body)
		b.scratch.give(ws)
		return nil
	}
}

func bindDepthwiseGradInput[T float](b *Backend, g *convGeometry, dx, dy []T, w *operand[T]) func() error {
	m, add := g.og, channels.For[T]().SumTaps
	real := newRealWeight(w, g.o, g.k)
	free := newSlots(runtime.GOMAXPROCS(0))
	lists := make([]tapList, cap(free))
	var turned []T
	body := func(lo, hi int) {
		slot := <-free
		defer free.give(slot)
		list := &lists[slot]
		for l := lo; l < hi; l++ {
			n, ih := l/g.h, l%g.h
			line := dx[l*g.line : (l+1)*g.line]
			clear(line)
			for iw := range g.w {
				out := line[iw*g.c : (iw+1)*g.c]
				for a := range g.kh {
					i := ih + g.top - a*g.dh
					if i < 0 || i%g.sh != 0 || i/g.sh >= g.oh {
						continue
					}
					from := (n*g.oh + i/g.sh) * g.ow * g.o
					for t := range g.kw {
						j := iw + g.left - t*g.dw
						if j < 0 || j%g.sw != 0 || j/g.sw >= g.ow {
							continue
						}
						at, wt := from+j/g.sw*g.o, (a*g.kw+t)*g.o
						if m > 1 {
							sumProducts(out, dy[at:at+g.o], turned[wt:wt+g.o], m)
						} else if list.add(at, wt) {
							sumTaps(list, add, out, dy, turned)
						}
					}
				}
				sumTaps(list, add, out, dy, turned)
			}
		}
	}
	grain := depthwiseGrain(g.w * g.o * g.k / (g.sh * g.sw))
	size := g.o * g.k
	b.scratch.need(roundUp64(size*sizeOf[T]()) + real.bytes())
	return func() error {
		if len(dx) == 0 {
			return nil
		}
		off := roundUp64(size * sizeOf[T]())
		ws := b.scratch.take(off + real.bytes())
		turned = tensor.Cast[T](ws.t.Bytes(), size)
		tapMajor(turned, real.values(ws.t.Bytes()[off:]), g.o, g.k)
		parallel(g.n*g.h, grain, body)
		b.scratch.give(ws)
		return nil
	}
}

// steps returns the steps [lo,hi) of n with 0 <= first + step*stride < size.
func steps(first, stride, size, n int) (lo, hi int) {
	if first < 0 {
		lo = (stride - 1 - first) / stride
	}
	if last := size - 1 - first; last >= 0 {
		hi = last/stride + 1
	}
	return lo, min(hi, n)
}

// sumProducts adds sum over i < m of d[c*m+i] * w[c*m+i] to dx[c].
func sumProducts[T float](dx, d, w []T, m int) {
	for c := range dx {
		var s T
		wc := w[c*m : (c+1)*m]
		for i, v := range d[c*m : (c+1)*m] {
			s += T(v * wc[i])
		}
		dx[c] += s
	}
}

func bindDepthwiseGradWeight[T float](b *Backend, g *convGeometry, dw, dy []T, x *operand[T]) func() error {
	m, size := g.og, g.o*g.k
	loops := channels.For[T]()
	all := g.n * g.oh
	segment := backend.DepthwiseLines(all, g.ow)
	segments := (all + segment - 1) / segment
	n := max(min(segments, runtime.GOMAXPROCS(0)), 1)
	free := newSlots(n)
	src := make([]lines[T], n)
	ringBytes := 0
	for i := range src {
		src[i] = lines[T]{op: x, size: g.line}
		if x.float == nil {
			src[i].held = make([]int, g.ringLines())
			ringBytes = roundUp64(g.ringLines() * g.line * sizeOf[T]())
		}
	}
	partBytes := roundUp64(size * sizeOf[T]())
	var mem []byte
	body := func(lo, hi int) {
		slot := <-free
		defer free.give(slot)
		in := &src[slot]
		if ringBytes > 0 {
			in.ring = tensor.Cast[T](mem[segments*partBytes+slot*ringBytes:], g.ringLines()*g.line)
			in.forget()
		}
		for s := lo; s < hi; s++ {
			sum := tensor.Cast[T](mem[s*partBytes:], size)
			clear(sum)
			for l := s * segment; l < min((s+1)*segment, all); l++ {
				depthwiseLine(g, loops.MulAdd, sum, dy[l*g.ow*g.o:(l+1)*g.ow*g.o], in, l, m)
			}
		}
	}
	b.scratch.need(segments*partBytes + n*ringBytes)
	return func() error {
		if len(dy) == 0 || size == 0 {
			clear(dw)
			return nil
		}
		x.prepare()
		ws := b.scratch.take(segments*partBytes + n*ringBytes)
		mem = ws.t.Bytes()
		parallel(segments, 1, body)
		sum := tensor.Cast[T](mem, size)
		for s := 1; s < segments; s++ {
			loops.Add(sum, tensor.Cast[T](mem[s*partBytes:], size))
		}
		for c := range g.o {
			for t := range g.k {
				dw[c*g.k+t] = sum[t*g.o+c]
			}
		}
		b.scratch.give(ws)
		return nil
	}
}

// depthwiseLine adds the contribution of output line l to the gradient of the
// weights, [tap, channel].
func depthwiseLine[T float](g *convGeometry, mulAdd func(y, x, w []T), sum, dy []T, in *lines[T], l, m int) {
	n, i := l/g.oh, l%g.oh
	ih := i*g.sh - g.top
	a0, a1 := taps(ih, g.kh, g.dh, g.h)
	for a := a0; a < a1; a++ {
		line := in.at(n*g.h + ih + a*g.dh)
		for t := range g.kw {
			part := sum[(a*g.kw+t)*g.o : (a*g.kw+t+1)*g.o]
			j0, j1 := steps(t*g.dw-g.left, g.sw, g.w, g.ow)
			for j := j0; j < j1; j++ {
				iw := j*g.sw - g.left + t*g.dw
				x, d := line[iw*g.c:(iw+1)*g.c], dy[j*g.o:(j+1)*g.o]
				if m > 1 {
					mulAddMany(part, x, d, m)
				} else {
					mulAdd(part, x, d)
				}
			}
		}
	}
}
