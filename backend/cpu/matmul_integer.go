package cpu

import (
	"runtime"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/gemm"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.MatMulInteger{}, kernel{supports: codesAt(0, 1), bind: func(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if out[0] == nil {
			return idle, nil
		}
		s := newMatMulShape(op.(backend.MatMulInteger).MatMul, in[0].Shape(), in[1].Shape())
		return newCodeMatMul(b, s, in[0], in[1], ints(in, 2), ints(in, 3), func(p codeProduct) accEpilogue {
			return sumsEpilogue(p, out[0].I32())
		})
	}})
}

// matMulShape is the geometry of a product of stacks of matrices.
type matMulShape struct {
	m, n, k        int
	transA, transB bool
	a, b           []int // offset of the matrices of each product
}

func newMatMulShape(op backend.MatMul, a, b tensor.Shape) matMulShape {
	s := matMulShape{m: 1, n: 1, k: a.Last(), transA: op.TransA, transB: op.TransB}
	var la, lb tensor.Shape
	if len(a) > 1 {
		s.m, la = a[len(a)-2], a[:len(a)-2]
		if s.transA {
			s.m, s.k = s.k, s.m
		}
	}
	if len(b) > 1 {
		s.n, lb = b.Last(), b[:len(b)-2]
		if s.transB {
			s.n = b[len(b)-2]
		}
	}
	if lb.Numel() == 1 && !s.transA && len(la) >= len(lb) { // One matrix b: the matrices a are rows of one.
		s.m *= la.Numel()
		s.a, s.b = []int{0}, []int{0}
		return s
	}
	lead, _ := tensor.Broadcast(la, lb) // Checked by shape inference.
	s.a, s.b = matrixOffsets(lead, la, s.m*s.k), matrixOffsets(lead, lb, s.k*s.n)
	return s
}

// matrixOffsets returns where the matrices of size elements lie that a stack
// of shape s has at each index of the shape that it is broadcast to.
func matrixOffsets(to, s tensor.Shape, size int) []int {
	at := make([]int, to.Numel())
	strides := s.Strides()
	skip := len(to) - len(s)
	for i := range at {
		rest := i
		for d := len(to) - 1; d >= 0; d-- {
			j := rest % to[d]
			rest /= to[d]
			if d >= skip && s[d-skip] > 1 {
				at[i] += j * strides[d-skip] * size
			}
		}
	}
	return at
}

// codeMatMul is a product of matrices of codes up to the accumulators,
//
//	sum((a - za) * (b - zb)) = sum(a*b) - za*sum(b) - zb*sum(a) + k*za*zb
//
// Products of a stack run side by side, each with a plan of its own.
type codeMatMul[A quant.Code] struct {
	b *Backend
	matMulShape
	left     []A
	right    []byte
	flip     byte // makes a byte of right an int8 code, 128 less for uint8
	zaIn     []int32
	zbIn     []int32
	epilogue accEpilogue

	zb       []int32 // zero points of the columns, less the shift
	plans    []*matrixPlan[A]
	free     chan *matrixPlan[A]
	body     func(lo, hi int)
	finish   func(lo, hi int)
	deferred bool // the epilogue runs after all products

	// The run in progress.
	za  int32
	zbs bool // any of zb is not 0
	acc []int32
}

// matrixPlan computes one product at a time.
type matrixPlan[A quant.Code] struct {
	p      *codeMatMul[A]
	plan   *gemm.IntPlan[A]
	par    gemm.Parallel
	offset []int32 // -za*sum(b) + k*za*zb of a column
	sums   []int32 // of the rows of the left matrix, for zero points of the columns
	add    func(lo, hi int)
	pack   func(lo, hi int)
	at     int // the product in progress
	mem    []byte
	parts  [3]int // byte offsets: b as [n, k], packed, workspace
	bytes  int
}

// newCodeMatMul returns the run function of a product of codes, and a
// [backend.SumError] where its sums may not fit an int32.
func newCodeMatMul(b *Backend, s matMulShape, left, right *tensor.Tensor, za, zb []int32, epilogue func(codeProduct) accEpilogue) (func() error, error) {
	if err := backend.CheckSum(s.k, backend.CodeSpan(left.DType(), za != nil), backend.CodeSpan(right.DType(), zb != nil), false); err != nil {
		return nil, err
	}
	if left.DType() == tensor.U8 {
		return bindCodeMatMul(b, s, left.U8(), right, za, zb, epilogue), nil
	}
	return bindCodeMatMul(b, s, left.I8(), right, za, zb, epilogue), nil
}

func bindCodeMatMul[A quant.Code](b *Backend, s matMulShape, left []A, right *tensor.Tensor, za, zb []int32, epilogue func(codeProduct) accEpilogue) func() error {
	p := &codeMatMul[A]{b: b, matMulShape: s, left: left, right: right.Bytes(), zaIn: za, zbIn: zb, zb: make([]int32, s.n)}
	if right.DType() == tensor.U8 {
		p.flip = 0x80
	}
	rows := len(s.a) * s.m
	// The offsets differ from product to product and are added here.
	p.epilogue = epilogue(codeProduct{rows: rows, cols: s.n, offset: make([]int32, s.n), rowTiles: p.rowTiles})
	if rows == 0 || s.n == 0 {
		return idle
	}
	p.deferred = p.epilogue.whole && s.n%8 != 0
	par := gemm.Parallel(parallel)
	slots := 1
	if len(s.a) > 1 {
		par, slots = inTurn, min(len(s.a), runtime.GOMAXPROCS(0))
	}
	p.free = make(chan *matrixPlan[A], slots)
	for range slots {
		m := newMatrixPlan(p, par)
		p.plans = append(p.plans, m)
		p.free <- m
	}
	p.b.scratch.need(p.workspace())
	p.body = p.products
	p.finish = func(lo, hi int) { p.epilogue.finish(wholeRows(lo, hi, p.n, p.acc[lo*p.n:hi*p.n])) }
	return p.run
}

// workspace returns the bytes of scratch memory that a run takes.
func (p *codeMatMul[A]) workspace() int {
	total := 0
	for _, m := range p.plans {
		total += m.bytes
	}
	if p.deferred {
		total += 4 * len(p.a) * p.m * p.n
	}
	return total
}

// inTurn is parallel on one goroutine.
func inTurn(n, grain int, body func(lo, hi int)) {
	for lo := 0; lo < n; lo += grain {
		body(lo, min(lo+grain, n))
	}
}

func newMatrixPlan[A quant.Code](p *codeMatMul[A], par gemm.Parallel) *matrixPlan[A] {
	m := &matrixPlan[A]{p: p, par: par, offset: make([]int32, p.n), sums: make([]int32, p.m)}
	m.add, m.pack = m.addRows, m.packPanels
	if p.transA {
		m.plan = gemm.NewIntRows(par, p.m, p.n, p.k, m.columns, m.finish)
	} else {
		m.plan = gemm.NewInt[A](par, p.m, p.n, p.k, m.finish)
	}
	for i, n := range [...]int{p.n * p.k, gemm.PackedSize(p.n, p.k), m.plan.Workspace()} {
		m.parts[i] = m.bytes
		m.bytes += roundUp64(n)
	}
	return m
}

func (p *codeMatMul[A]) run() error {
	p.za, p.zbs = first(p.zaIn), false
	for i := range p.zb {
		z := first(p.zbIn)
		if len(p.zbIn) > 1 {
			z = p.zbIn[i]
		}
		p.zb[i] = z - int32(p.flip)
		p.zbs = p.zbs || p.zb[i] != 0
	}
	if p.epilogue.prepare != nil {
		if err := p.epilogue.prepare(); err != nil {
			return err
		}
	}
	rows := len(p.a) * p.m
	s := p.b.scratch.take(p.workspace())
	defer p.b.scratch.give(s)
	at := 0
	for _, m := range p.plans {
		m.mem = scratchOf[byte](s, at, m.bytes)
		at += m.bytes
	}
	if p.deferred {
		p.acc = scratchOf[int32](s, at, rows*p.n)
	}
	if len(p.a) == 1 {
		p.plans[0].run(0)
	} else {
		parallel(len(p.a), 1, p.body)
	}
	if p.deferred {
		parallel(rows, max(1<<14/p.n&^7, 8), p.finish)
		p.acc = nil
	}
	return nil
}

// products computes the products [lo, hi) of the stack.
func (p *codeMatMul[A]) products(lo, hi int) {
	m := <-p.free
	defer func() { p.free <- m }() // Also when a product panics.
	for i := lo; i < hi; i++ {
		m.run(i)
	}
}

// run computes product i.
func (m *matrixPlan[A]) run(i int) {
	p := m.p
	m.at = i
	w := tensor.Cast[int8](m.mem[m.parts[0]:], p.n*p.k)
	m.rightRows(w)
	for o := range p.n {
		m.offset[o] = p.za * (int32(p.k)*p.zb[o] - gemm.SumCodes(w[o*p.k:(o+1)*p.k]))
	}
	if p.zbs {
		m.par(p.m, max(1<<15/max(p.k, 1), 1), m.add)
	}
	if p.k == 0 {
		m.finish(wholeRows(0, p.m, p.n, make([]int32, p.m*p.n)))
		return
	}
	packed := m.mem[m.parts[1]:m.parts[2]]
	m.par(gemm.Panels(p.n), max(1, packGrain/(gemm.PanelChannels*p.k)), m.pack)
	if p.transA {
		m.plan.RunRows(packed, m.mem[m.parts[2]:])
	} else {
		m.plan.Run(p.left[p.a[i]:], p.k, packed, m.mem[m.parts[2]:])
	}
}

// packPanels packs the panels [lo,hi) of the right matrix.
func (m *matrixPlan[A]) packPanels(lo, hi int) {
	p := m.p
	w := tensor.Cast[int8](m.mem[m.parts[0]:], p.n*p.k)
	gemm.PackPanels(m.mem[m.parts[1]:m.parts[2]], w, p.n, 1, p.k, lo, hi)
}

// rightRows writes the columns of the right matrix to w [n, k].
func (m *matrixPlan[A]) rightRows(w []int8) {
	p := m.p
	b := p.right[p.b0(m.at):][:p.n*p.k]
	if p.transB {
		for i, v := range b {
			w[i] = int8(v ^ p.flip)
		}
		return
	}
	for j := range p.n {
		row := w[j*p.k:][:p.k]
		for i := range row {
			row[i] = int8(b[i*p.n+j] ^ p.flip)
		}
	}
}

func (p *codeMatMul[A]) b0(i int) int { return p.matMulShape.b[i] }

// columns writes rows [lo, hi) of a left matrix that is stored transposed.
func (m *matrixPlan[A]) columns(dst []A, lo, hi int) {
	p := m.p
	a := p.left[p.a[m.at]:]
	for i := lo; i < hi; i++ {
		row := dst[(i-lo)*p.k:][:p.k]
		for j := range row {
			row[j] = a[j*p.m+i]
		}
	}
}

// finish adds what the zero points contribute to a block and hands it on.
func (m *matrixPlan[A]) finish(b gemm.IntBlock) {
	p := m.p
	offset, zb := m.offset[b.From:b.To], p.zb[b.From:b.To]
	for i := b.Lo; i < b.Hi; i++ {
		row := b.Row(i)[:len(offset)]
		var less int32
		switch {
		case !p.zbs:
		case len(p.zbIn) <= 1:
			less = zb[0] * m.sums[i]
		default:
			for j, z := range zb {
				row[j] -= z * m.sums[i]
			}
		}
		for j, f := range offset {
			row[j] += f - less
		}
	}
	base := m.at * p.m
	if p.deferred {
		for i := b.Lo; i < b.Hi; i++ {
			copy(p.acc[(base+i)*p.n+b.From:], b.Row(i))
		}
		return
	}
	b.Lo, b.Hi, b.Tile = b.Lo+base, b.Hi+base, b.Tile+m.at*m.plan.RowTiles()
	p.epilogue.finish(b)
}

// rowTiles bounds the numbers of the tiles of rows.
func (p *codeMatMul[A]) rowTiles() int { return len(p.a) * p.plans[0].plan.RowTiles() }

// addRows adds up rows [lo, hi) of the left matrix.
func (m *matrixPlan[A]) addRows(lo, hi int) {
	for i := lo; i < hi; i++ {
		m.sums[i] = m.rowSum(i)
	}
}

// rowSum returns the sum of row i of the left matrix.
func (m *matrixPlan[A]) rowSum(i int) int32 {
	p := m.p
	var sum int32
	if p.transA {
		for j := range p.k {
			sum += int32(p.left[p.a[m.at]+j*p.m+i])
		}
		return sum
	}
	for _, v := range p.left[p.a[m.at]+i*p.k:][:p.k] {
		sum += int32(v)
	}
	return sum
}
