package cpu

import (
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.Reduce{}, kernel{types: floats, bind: func(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if in[0].DType() == tensor.F64 {
			return bindReduce(b, op.(backend.Reduce), out[0].F64(), in[0].F64(), in[0].Shape())
		}
		return bindReduce(b, op.(backend.Reduce), out[0].F32(), in[0].F32(), in[0].Shape())
	}})
}

// reduction combines numbers of type T in float64.
type reduction[T float] struct {
	start float64
	// run adds the numbers of a contiguous row to an accumulator; rows adds
	// each number of a row to the accumulator in its column; join adds two
	// accumulators.
	run  func(acc float64, x []T) float64
	rows func(acc []float64, x []T)
	join func(a, b float64) float64
	// finish turns the accumulator of count numbers into the result.
	finish func(acc float64, count int) float64
}

func newReduction[T float](k backend.ReduceKind) reduction[T] {
	add := func(a, b float64) float64 { return a + b }
	same := func(acc float64, _ int) float64 { return acc }
	switch k {
	case backend.ReduceMean:
		return reduction[T]{0, runSum[T], rowsSum[T], add, func(acc float64, n int) float64 { return acc / float64(n) }}
	case backend.ReduceMax:
		return pairwise[T](math.Inf(-1), func(a, b float64) float64 { return max(a, b) })
	case backend.ReduceMin:
		return pairwise[T](math.Inf(1), func(a, b float64) float64 { return min(a, b) })
	case backend.ReduceProd:
		return pairwise[T](1, func(a, b float64) float64 { return a * b })
	case backend.ReduceL2:
		return reduction[T]{0, runSquares[T], rowsSquares[T], add, func(acc float64, _ int) float64 { return math.Sqrt(acc) }}
	}
	return reduction[T]{0, runSum[T], rowsSum[T], add, same}
}

// pairwise is a reduction by a function of two numbers.
func pairwise[T float](start float64, f func(a, b float64) float64) reduction[T] {
	return reduction[T]{
		start: start,
		run: func(acc float64, x []T) float64 {
			for _, v := range x {
				acc = f(acc, float64(v))
			}
			return acc
		},
		rows: func(acc []float64, x []T) {
			for i, v := range x {
				acc[i] = f(acc[i], float64(v))
			}
		},
		join:   f,
		finish: func(acc float64, _ int) float64 { return acc },
	}
}

// runSum adds in four lanes, whose sums are added in pairs.
func runSum[T float](acc float64, x []T) float64 {
	var a, b, c, d float64
	for ; len(x) >= 4; x = x[4:] {
		a += float64(x[0])
		b += float64(x[1])
		c += float64(x[2])
		d += float64(x[3])
	}
	for _, v := range x {
		a += float64(v)
	}
	return acc + ((a + b) + (c + d))
}

// runSquares is runSum of the squares.
func runSquares[T float](acc float64, x []T) float64 {
	var a, b, c, d float64
	for ; len(x) >= 4; x = x[4:] {
		a += float64(float64(x[0]) * float64(x[0]))
		b += float64(float64(x[1]) * float64(x[1]))
		c += float64(float64(x[2]) * float64(x[2]))
		d += float64(float64(x[3]) * float64(x[3]))
	}
	for _, v := range x {
		a += float64(float64(v) * float64(v))
	}
	return acc + ((a + b) + (c + d))
}

func rowsSum[T float](acc []float64, x []T) {
	acc = acc[:len(x)]
	for i, v := range x {
		acc[i] += float64(v)
	}
}

func rowsSquares[T float](acc []float64, x []T) {
	acc = acc[:len(x)]
	for i, v := range x {
		acc[i] += float64(float64(v) * float64(v))
	}
}

func bindReduce[T float](b *Backend, op backend.Reduce, y, x []T, s tensor.Shape) (func() error, error) {
	m, err := op.Reduced(len(s))
	if err != nil {
		return nil, err
	}
	red := newReduction[T](op.Kind)
	// Merge neighbors of one kind: kept and reduced dimensions alternate.
	var dims []int
	var reduced []bool
	for i, d := range s {
		if k := len(dims) - 1; k >= 0 && reduced[k] == m[i] {
			dims[k] *= d
		} else if d != 1 {
			dims, reduced = append(dims, d), append(reduced, m[i])
		}
	}
	at := 0
	take := func(kind bool) int {
		if at < len(dims) && reduced[at] == kind {
			at++
			return dims[at-1]
		}
		return 1
	}
	outer, middle, inner := take(false), take(true), take(false)
	if at < len(dims) {
		return bindReduceScattered(red, y, x, s, m), nil
	}
	return bindReduceBlocks(b, red, y, x, outer, middle, inner), nil
}

// bindReduceBlocks reduces the middle of [outer, middle, inner]. A unit of
// work is some rows of the middle for some columns; the results of the units
// of one column are joined in order.
func bindReduceBlocks[T float](b *Backend, red reduction[T], y, x []T, outer, middle, inner int) func() error {
	if len(y) == 0 {
		return func() error { return nil }
	}
	width := min(inner, 1024)
	chunk := max(64, 2*nestTile/width)
	tiles := (inner + width - 1) / width
	chunks := max(1, (middle+chunk-1)/chunk)
	chunk = min(chunk, max(middle, 1))
	var part []float64 // [outer, chunks, inner], from the scratch of each run
	body := func(lo, hi int) {
		for u := lo; u < hi; u++ {
			t, c, o := u%tiles, u/tiles%chunks, u/tiles/chunks
			c0 := t * width
			n := min(width, inner-c0)
			acc := part[(o*chunks+c)*inner+c0:][:n]
			for i := range acc {
				acc[i] = red.start
			}
			r0, r1 := c*chunk, min((c+1)*chunk, middle)
			if inner == 1 {
				acc[0] = red.run(acc[0], x[o*middle+r0:o*middle+r1])
				continue
			}
			for r := r0; r < r1; r++ {
				red.rows(acc, x[(o*middle+r)*inner+c0:][:n])
			}
		}
	}
	join := func(lo, hi int) {
		for i := lo; i < hi; i++ {
			first := i/inner*chunks*inner + i%inner
			acc := part[first]
			for c := 1; c < chunks; c++ {
				acc = red.join(acc, part[first+c*inner])
			}
			y[i] = T(red.finish(acc, middle))
		}
	}
	grain := max(1, 2*nestTile/(chunk*width))
	b.scratch.need(8 * outer * chunks * inner)
	return func() error {
		sc := b.scratch.take(8 * outer * chunks * inner)
		part = scratchOf[float64](sc, 0, outer*chunks*inner)
		parallel(outer*chunks*tiles, grain, body)
		parallel(len(y), max(64, nestTile/chunks), join)
		part = nil
		b.scratch.give(sc)
		return nil
	}
}

// reducedNests returns the walk over the kept dimensions of x, whose rows are
// the outputs in order, and that over the reduced dimensions of one output.
func reducedNests(s tensor.Shape, reduced []bool) (kept, within *loopNest) {
	var kd, ks, rd, rs []int
	for i, st := range s.Strides() {
		if reduced[i] {
			rd, rs = append(rd, s[i]), append(rs, st)
		} else {
			kd, ks = append(kd, s[i]), append(ks, st)
		}
	}
	// The dummy innermost dimension makes each output a row.
	kept = &loopNest{dims: append(kd, 1), step: [2][]int{append(ks, 0), append(ks, 0)}}
	return kept, newLoopNest(rd, rs, rs)
}

// bindReduceScattered reduces dimensions that do not lie together: each
// output by itself.
func bindReduceScattered[T float](red reduction[T], y, x []T, s tensor.Shape, reduced []bool) func() error {
	kept, within := reducedNests(s, reduced)
	count := tensor.Shape(within.dims).Numel()
	n, st, _ := within.inner()
	body := func(lo, hi int) {
		at := kept.seek(lo)
		for i := lo; i < hi; i++ {
			acc := red.start
			c := within.seek(0)
			for range within.rows() {
				from := at.off[0] + c.off[0]
				if st == 1 {
					acc = red.run(acc, x[from:][:n])
				} else {
					for k := range n {
						acc = red.run(acc, x[from+k*st:][:1])
					}
				}
				within.next(&c)
			}
			y[i] = T(red.finish(acc, count))
			kept.next(&at)
		}
	}
	grain := max(1, nestTile/max(count, 1))
	return func() error { parallel(len(y), grain, body); return nil }
}
