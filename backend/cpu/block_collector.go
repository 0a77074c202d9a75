package cpu

import (
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/codes"
	"github.com/goqat/goqat/backend/cpu/internal/gemm"
	"github.com/goqat/goqat/tensor"
)

// blockCollector finds what [backend.Collect] names in the result y
// [rows, c] of a product, as the epilogue writes it. Sums are kept by tile of
// rows, and those of the tiles are added in order, so that threads change
// nothing. Where blocks do not come by tile, or tiles are so low that keeping
// sums costs more than reading y again, it reads y at the end.
type blockCollector struct {
	b     *Backend
	what  backend.Collect
	y     []float32
	rows  int
	c     int
	tiles func() int

	// What reads y at the end: moments, in the memory held from heldAt on, or
	// ends.
	whole  *channelMoments
	held   *scratch
	heldAt int
	ends   *clampedEnds
	body   func(from, to int)

	columns dequantColumns
	total   []float64 // [3, c]: shift, and the sums of all tiles
	moments []float64 // [4, c], the result
	range2  []float32 // [2], the result

	byTile int // tiles, 0 when y is read at the end
	// Of the run in progress, each tile and channel.
	count    []int32   // [tiles, c]: rows so far, at the first channel of a block
	shift    []float32 // [tiles, c]
	sums     []float64 // [tiles, 2, c]: of y - shift, and of its square
	extremes []float32 // [tiles, 2, c]
}

// The height of tiles from which keeping ends, or sums, by tile pays. Sums of
// tiles of 49 rows were found to cost a sixth more than a pass of their own.
const (
	minEndRows    = 16
	minMomentRows = 64
)

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

// join has e collect, too, where it makes numbers by d.
func (m *blockCollector) join(e *accEpilogue, p codeProduct, d dequantColumns) {
	m.tiles, m.columns = p.rowTiles, d
	e.memory, e.begin, e.end = m.plan, m.begin, m.end
	plain, add := e.finish, m.addMoments
	if m.what == backend.CollectEnds {
		add = m.addEnds
	}
	e.finish = func(b gemm.IntBlock) {
		if m.byTile > 0 {
			add(b)
		} else {
			plain(b)
		}
	}
}

// plan decides where the numbers come from, once the product is planned, and
// returns the bytes of scratch memory that a run takes for them.
func (m *blockCollector) plan() int {
	n, height := m.tiles(), minMomentRows
	if m.what == backend.CollectEnds {
		height = minEndRows
	}
	switch {
	case n > 0 && m.rows/n >= height:
		m.byTile = n
		if m.what == backend.CollectEnds {
			return 8 * n * m.c
		}
		m.total = make([]float64, 3*m.c)
		return n * m.c * (16 + 8 + 4 + 4)
	case m.what == backend.CollectMoments:
		m.whole = newChannelMoments(m.b, m.y, m.c)
		return m.whole.workspace()
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
		m.held, m.heldAt = memory, at
		return
	}
	n := m.byTile * m.c
	next := func(bytes int) int { at += bytes; return at - bytes }
	if m.what == backend.CollectMoments {
		m.sums = scratchOf[float64](memory, next(16*n), 2*n)
		m.count, m.shift = scratchOf[int32](memory, next(4*n), n), scratchOf[float32](memory, next(4*n), n)
		clear(m.count)
	}
	m.extremes = scratchOf[float32](memory, next(8*n), 2*n)
	if m.what == backend.CollectEnds {
		for t := range m.byTile {
			codes.NoEnds(m.extremes[2*t*m.c:][:m.c], m.extremes[(2*t+1)*m.c:][:m.c])
		}
	}
}

// addEnds writes a block and takes it in.
func (m *blockCollector) addEnds(b gemm.IntBlock) {
	d, at := &m.columns, 2*b.Tile*m.c+b.From
	codes.DequantizeEnds(m.y, b, d.add, d.scale, d.shift, m.c, m.extremes[at:], m.extremes[at+m.c:])
}

// addMoments is addEnds for moments.
func (m *blockCollector) addMoments(b gemm.IntBlock) {
	n, at := b.To-b.From, 2*b.Tile*m.c+b.From
	if n == 0 || b.Lo == b.Hi {
		return
	}
	d := &m.columns
	part := codes.ColumnMoments{Shift: m.shift[b.Tile*m.c+b.From:][:n], Sum: m.sums[at:][:n], Square: m.sums[at+m.c:][:n],
		Least: m.extremes[at:][:n], Most: m.extremes[at+m.c:][:n]}
	count := &m.count[b.Tile*m.c+b.From]
	if *count == 0 {
		part.Begin(b, d.add, d.scale, d.shift, m.c)
	}
	codes.DequantizeMoments(m.y, b, d.add, d.scale, d.shift, m.c, part)
	*count += int32(b.Hi - b.Lo)
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
		m.whole.runIn(m.held, m.heldAt, func(sum, square []float64, least, most []float32) {
			for j := range m.c {
				m.set(j, float64(m.whole.shift[j]), sum[j], square[j], least[j], most[j])
			}
		})
	default:
		m.merge()
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
	// Every tile has rows: no least is above a most.
	lo, hi, nan := codes.Extremes(m.extremes, lo, hi)
	if nan {
		return float32(math.NaN()), float32(math.NaN())
	}
	return lo, hi
}

// merge adds up the tiles, all of which have rows, relative to the shift of
// the first.
func (m *blockCollector) merge() {
	c := m.c
	base, sum, square := m.total[:c], m.total[c:2*c], m.total[2*c:3*c]
	least, most := m.extremes[:c], m.extremes[c:2*c]
	for j, s := range m.shift[:c] {
		base[j] = float64(s)
	}
	copy(sum, m.sums[:c])
	copy(square, m.sums[c:2*c])
	for t := 1; t < m.byTile; t++ {
		n := float64(m.count[t*c])
		shift, sums, squares := m.shift[t*c:][:c], m.sums[2*t*c:][:c], m.sums[(2*t+1)*c:][:c]
		for j, s := range sums {
			d := float64(shift[j]) - base[j]
			of := float64(n * d)
			sum[j] += s + of
			square[j] += squares[j] + float64(d*(float64(2*s)+of))
		}
		lows, highs := m.extremes[2*t*c:][:c], m.extremes[(2*t+1)*c:][:c]
		for j, v := range lows {
			if v < least[j] {
				least[j] = v
			}
			if w := highs[j]; w > most[j] {
				most[j] = w
			}
		}
	}
	for j := range c {
		m.set(j, base[j], sum[j], square[j], least[j], most[j])
	}
}

// set writes the moments of channel j: sum and square are of y - shift.
func (m *blockCollector) set(j int, shift, sum, square float64, least, most float32) {
	n, c := float64(m.rows), m.c
	d := sum / n
	m.moments[j], m.moments[c+j] = shift+d, max(square/n-float64(d*d), 0)
	m.moments[2*c+j], m.moments[3*c+j] = float64(least), float64(most)
}
