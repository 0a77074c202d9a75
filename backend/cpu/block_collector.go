package cpu

import (
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/codes"
	"github.com/goqat/goqat/backend/cpu/internal/gemm"
	"github.com/goqat/goqat/tensor"
)

// blockCollector finds what [backend.Collect] names in the result of a
// product, as the epilogue writes it.
type blockCollector interface {
	// join has e collect, too, where it makes numbers by d.
	join(e *accEpilogue, p codeProduct, d dequantColumns)
}

// newBlockCollector returns what collects in y [rows, c], whose sums are of k
// products of codes of x and w; nil where nobody wants what is to be
// collected.
func newBlockCollector(what backend.Collect, out *tensor.Tensor, y []float32, g *convShape, x, w tensor.DType) blockCollector {
	switch {
	case out == nil:
		return nil
	case what == backend.CollectEnds:
		return &endCollector{y: y, rows: g.rows(), c: g.o, out: out.F32()}
	}
	return &momentCollector{y: y, rows: g.rows(), c: g.o, out: out.F64(), bound: backend.MostSum(g.k(), backend.CodeSpan(x, true), backend.CodeSpan(w, false))}
}

// momentCollector keeps exact sums over the integers that become y, by slot:
// they are the same in any order.
type momentCollector struct {
	y     []float32
	rows  int
	c     int
	bound int       // of the integers
	out   []float64 // [4, c], the result

	count   func() int // of slots
	columns dequantColumns
	slots   []codes.ColumnMoments // of the run in progress, by slot
}

func (m *momentCollector) join(e *accEpilogue, p codeProduct, d dequantColumns) {
	m.count, m.columns = p.slots, d
	e.memory, e.begin, e.end, e.finish = m.plan, m.begin, m.end, m.add
}

// width returns the bytes of a slot's column of 64 bits.
func (m *momentCollector) width() int { return roundUp64(8 * m.c) }

func (m *momentCollector) plan() int {
	m.slots = make([]codes.ColumnMoments, m.count())
	return len(m.slots) * 4 * m.width()
}

func (m *momentCollector) begin(memory *scratch, at int) {
	for i := range m.slots {
		s := &m.slots[i]
		for _, column := range []*[]int64{&s.Sum, &s.Low, &s.High} {
			*column = scratchOf[int64](memory, at, m.c)
			at += m.width()
		}
		s.Least, s.Most = scratchOf[int32](memory, at, m.c), scratchOf[int32](memory, at+4*m.c, m.c)
		at += m.width()
		s.Clear()
	}
}

// add writes a block and takes it in.
func (m *momentCollector) add(b gemm.IntBlock) {
	d := &m.columns
	codes.DequantizeMoments(m.y, b, d.add, d.scale, d.shift, m.c, m.bound, m.slots[b.Slot].Columns(b.From, b.To))
}

func (m *momentCollector) end() {
	sum := backend.NoCodeMoments()
	if m.rows > 0 && m.c > 0 {
		for i := range m.slots[1:] {
			m.slots[0].Merge(&m.slots[1+i])
		}
	}
	for j := range m.c {
		var scale, bias float32
		if m.rows > 0 {
			s := &m.slots[0]
			sum = backend.CodeMoments{Sum: s.Sum[j], Low: uint64(s.Low[j]), High: uint64(s.High[j]), Least: s.Least[j], Most: s.Most[j]}
			scale, bias = m.columns.scale[j], m.columns.shift[j]
		}
		mean, variance, least, most := sum.Of(m.rows, scale, bias)
		m.out[j], m.out[m.c+j], m.out[2*m.c+j], m.out[3*m.c+j] = mean, variance, float64(least), float64(most)
	}
	for i := range m.slots {
		m.slots[i] = codes.ColumnMoments{} // Its memory goes back.
	}
}

// minEndRows is the height of tiles from which keeping ends by tile pays.
const minEndRows = 16

// endCollector keeps ends by tile of rows, so that threads change nothing, not
// even the sign of a zero. Where blocks do not come by tile, or tiles are so
// low that keeping ends costs more than reading y again, it reads y at the
// end.
type endCollector struct {
	y    []float32
	rows int
	c    int
	out  []float32 // [2], the result

	tiles   func() int
	columns dequantColumns
	byTile  int       // tiles, 0 when y is read at the end
	tileOf  []float32 // [tiles, 2, c] of the run in progress

	ends *clampedEnds // What reads y.
	body func(from, to int)
}

func (m *endCollector) join(e *accEpilogue, p codeProduct, d dequantColumns) {
	m.tiles, m.columns = p.rowTiles, d
	e.memory, e.begin, e.end = m.plan, m.begin, m.end
	plain := e.finish
	e.finish = func(b gemm.IntBlock) {
		if m.byTile > 0 {
			m.add(b)
		} else {
			plain(b)
		}
	}
}

// plan decides where the numbers come from, once the product is planned.
func (m *endCollector) plan() int {
	if n := m.tiles(); n > 0 && m.rows/n >= minEndRows {
		m.byTile = n
		return 8 * n * m.c
	}
	size := max(65536, (len(m.y)+extremeParts-1)/extremeParts)
	m.ends = newClampedEnds(len(m.y), size, float32(math.Inf(-1)), float32(math.Inf(1)))
	m.body = func(from, to int) { m.ends.add(m.y, from, to) }
	return 0
}

func (m *endCollector) begin(memory *scratch, at int) {
	m.tileOf = scratchOf[float32](memory, at, 2*m.byTile*m.c)
	for t := range m.byTile {
		codes.NoEnds(m.tileOf[2*t*m.c:][:m.c], m.tileOf[(2*t+1)*m.c:][:m.c])
	}
}

// add writes a block and takes it in.
func (m *endCollector) add(b gemm.IntBlock) {
	d, at := &m.columns, 2*b.Tile*m.c+b.From
	codes.DequantizeEnds(m.y, b, d.add, d.scale, d.shift, m.c, m.tileOf[at:], m.tileOf[at+m.c:])
}

func (m *endCollector) end() {
	m.out[0], m.out[1] = m.find()
	m.tileOf = nil
}

func (m *endCollector) find() (lo, hi float32) {
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
	lo, hi, nan := codes.Extremes(m.tileOf, lo, hi)
	if nan {
		return float32(math.NaN()), float32(math.NaN())
	}
	return lo, hi
}
