package cpu

import (
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/codes"
	"github.com/goqat/goqat/backend/cpu/internal/gemm"
	"github.com/goqat/goqat/tensor"
)

// blockCollector finds what [backend.Collect] names in the result y
// [rows, c] of a product, a block at a time as the epilogue has written it and
// it still is in the first-level cache. Sums are kept by tile of rows, and
// those of the tiles are added in order, so that threads change nothing. Where
// blocks do not come by tile, or tiles are so low that keeping sums costs more
// than reading y again, it reads y at the end.
type blockCollector struct {
	b     *Backend
	what  backend.Collect
	y     []float32
	rows  int
	c     int
	tiles func() int
	whole *channelMoments // reads y at the end
	ends  *clampedEnds    // the same, for the ends
	body  func(from, to int)

	moments []float64 // [4, c], the result
	range2  []float32 // [2], the result

	byTile int // tiles, 0 when y is read at the end
	// Of the run in progress, each tile and channel; a channel has no rows
	// before its first block.
	count       []int32   // [tiles, c]: rows
	shift, temp []float32 // [tiles, c], [tiles, 4, c]
	sums        []float64 // [tiles, 2, c]: of y - shift, and of its square
	extremes    []float32 // [tiles, 2, c]; for ends by the first column of blocks
}

// minTileRows is the height of tiles from which keeping sums by tile pays.
const minTileRows = 16

// shiftRows is the number of rows whose mean a tile takes off before it
// squares, so that the variance of numbers far from zero does not cancel.
const shiftRows = 8

// newBlockCollector returns nil where nobody wants what is to be collected.
func newBlockCollector(b *Backend, what backend.Collect, out *tensor.Tensor, y []float32, rows, c int) *blockCollector {
	if out == nil {
		return nil
	}
	m := &blockCollector{b: b, what: what, y: y, rows: rows, c: c, tiles: func() int { return 0 }}
	if what == backend.CollectMoments {
		m.moments = out.F64()
	} else {
		m.range2 = out.F32()
	}
	return m
}

// wrap has e collect, too.
func (m *blockCollector) wrap(e accEpilogue, p codeProduct) accEpilogue {
	if m == nil {
		return e
	}
	m.tiles = p.rowTiles
	finish := e.finish
	e.memory, e.begin, e.end = m.plan, m.begin, m.end
	e.finish = func(b gemm.IntBlock) {
		finish(b)
		if m.byTile > 0 && b.Lo < b.Hi && b.From < b.To {
			m.add(b)
		}
	}
	return e
}

// plan decides where the numbers come from, once the product is planned, and
// returns the bytes of scratch memory that a run takes for them.
func (m *blockCollector) plan() int {
	n := m.tiles()
	switch {
	case n > 0 && m.rows/n >= minTileRows:
		m.byTile = n
		if m.what == backend.CollectEnds {
			return 8 * n * m.c
		}
		return n * m.c * (16 + 8 + 4 + 16 + 4)
	case m.what == backend.CollectMoments:
		m.whole = newChannelMoments(m.b, m.y, m.c)
	default:
		size := max(65536, (len(m.y)+extremeParts-1)/extremeParts)
		m.ends = newClampedEnds(len(m.y), size, float32(math.Inf(-1)), float32(math.Inf(1)))
		m.body = func(from, to int) { m.ends.add(m.y, from, to) }
	}
	return 0
}

// begin takes the memory of a run.
func (m *blockCollector) begin(memory *scratch, at int) {
	if m.byTile == 0 {
		return
	}
	n := m.byTile * m.c
	next := func(bytes int) int { at += bytes; return at - bytes }
	if m.what == backend.CollectMoments {
		m.sums = scratchOf[float64](memory, next(16*n), 2*n)
		m.count = scratchOf[int32](memory, next(4*n), n)
		m.shift, m.temp = scratchOf[float32](memory, next(4*n), n), scratchOf[float32](memory, next(16*n), 4*n)
		clear(m.count)
	}
	m.extremes = scratchOf[float32](memory, next(8*n), 2*n)
	if m.what == backend.CollectEnds {
		for i := 0; i < len(m.extremes); i += 2 {
			m.extremes[i], m.extremes[i+1] = float32(math.Inf(1)), float32(math.Inf(-1))
		}
	}
}

// add takes in a block that has been written.
func (m *blockCollector) add(b gemm.IntBlock) {
	c := m.c
	x, rows, n := m.y[b.Lo*c+b.From:(b.Hi-1)*c+b.To], b.Hi-b.Lo, b.To-b.From
	if m.what == backend.CollectEnds {
		e := m.extremes[2*(b.Tile*c+b.From):][:2]
		if n == c {
			n, rows = len(x), 1
		}
		for r := range rows {
			least, most, nan := codes.Extremes(x[r*c:][:n], e[0], e[1])
			if nan {
				least, most = float32(math.NaN()), float32(math.NaN())
			}
			// A NaN of an earlier block stays.
			e[0], e[1] = min(e[0], least), max(e[1], most)
		}
		return
	}
	part := func(v []float32, i, of int) []float32 { return v[(b.Tile*of+i)*c+b.From:][:n] }
	shift, count := part(m.shift, 0, 1), m.count[b.Tile*c+b.From:][:n]
	first := count[0] == 0
	if first {
		k := min(rows, shiftRows)
		clear(shift)
		for r := range k {
			for j, v := range x[r*c:][:n] {
				shift[j] += v / float32(k)
			}
		}
	}
	sum, square, least, most := part(m.temp, 0, 4), part(m.temp, 1, 4), part(m.temp, 2, 4), part(m.temp, 3, 4)
	codes.MomentsOfColumns(x, rows, c, shift, sum, square, least, most)
	sums, squares := m.sums[2*b.Tile*c+b.From:][:n], m.sums[(2*b.Tile+1)*c+b.From:][:n]
	lows, highs := part(m.extremes, 0, 2), part(m.extremes, 1, 2)
	if first {
		copy(lows, least)
		copy(highs, most)
		clear(sums)
		clear(squares)
	}
	for j := range n {
		count[j] += int32(rows)
		sums[j] += float64(sum[j])
		squares[j] += float64(square[j])
		lows[j], highs[j] = min(lows[j], least[j]), max(highs[j], most[j])
	}
}

// end writes the result; the memory of the run is still there.
func (m *blockCollector) end() {
	switch {
	case m.what == backend.CollectEnds:
		m.range2[0], m.range2[1] = m.allEnds()
	case m.rows == 0 || m.c == 0:
		for j := range m.c {
			m.moments[j], m.moments[m.c+j] = 0, 0
			m.moments[2*m.c+j], m.moments[3*m.c+j] = math.Inf(1), math.Inf(-1)
		}
	case m.byTile == 0:
		m.whole.run(func(sum, square []float64, least, most []float32) {
			for j := range m.c {
				m.set(j, float64(m.whole.shift[j]), sum[j], square[j], least[j], most[j])
			}
		})
	default:
		for j := range m.c {
			m.merge(j)
		}
	}
}

func (m *blockCollector) allEnds() (lo, hi float32) {
	lo, hi = float32(math.Inf(1)), float32(math.Inf(-1))
	switch {
	case len(m.y) == 0:
		return lo, hi
	case m.byTile == 0:
		parallel(len(m.y), m.ends.size, m.body)
		for _, p := range m.ends.parts {
			lo, hi = min(lo, p[0]), max(hi, p[1])
		}
		return lo, hi
	}
	for i := 0; i < len(m.extremes); i += 2 {
		lo, hi = min(lo, m.extremes[i]), max(hi, m.extremes[i+1])
	}
	return lo, hi
}

// merge adds up the tiles of channel j, all relative to the shift of the first
// that has rows.
func (m *blockCollector) merge(j int) {
	var base, sum, square float64
	var least, most float32
	started := false
	for t := range m.byTile {
		at := t*m.c + j
		n := float64(m.count[at])
		if n == 0 {
			continue
		}
		lo, hi := m.extremes[2*t*m.c+j], m.extremes[(2*t+1)*m.c+j]
		if !started {
			started, base, least, most = true, float64(m.shift[at]), lo, hi
		}
		d, s, q := float64(m.shift[at])-base, m.sums[2*t*m.c+j], m.sums[(2*t+1)*m.c+j]
		sum += s + float64(n*d)
		square += q + float64(2*d*s) + float64(n*d*d)
		least, most = min(least, lo), max(most, hi)
	}
	m.set(j, base, sum, square, least, most)
}

// set writes the moments of channel j: sum and square are of y - shift.
func (m *blockCollector) set(j int, shift, sum, square float64, least, most float32) {
	n, c := float64(m.rows), m.c
	d := sum / n
	m.moments[j], m.moments[c+j] = shift+d, max(square/n-float64(d*d), 0)
	m.moments[2*c+j], m.moments[3*c+j] = float64(least), float64(most)
}
