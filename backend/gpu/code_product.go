//go:build cuda

package gpu

import (
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/cuda"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// codeInputs are the operands of a product of codes and what its epilogue
// needs; what an operation lacks is nil.
type codeInputs struct {
	x, sx, zx, w, sw, zw, sy, zy, bias *Buffer
	// collect says what the second result is, where it is no mask.
	collect backend.Collect
}

// codeRule is struct rule_of of csrc/code_results.cuh.
type codeRule struct {
	Rule, Requant, Lo, Hi int32
	RealLo, RealHi        float32
}

func newCodeRule(r quant.Rule, s quant.Scheme, realLo, realHi float32) codeRule {
	c := codeRule{Rule: ruleFlags(r), RealLo: realLo, RealHi: realHi}
	c.Lo, c.Hi = s.Range()
	switch r.Requant {
	case quant.RequantQ31Double:
		c.Requant = 1
	case quant.RequantQ31Single:
		c.Requant = 2
	}
	return c
}

// codeWeights is struct weights of csrc/code_results.cuh: the right matrices.
type codeWeights struct {
	Row, Step, Matrix int64
	Matrices, N, K    int32
	Unsigned          int32
	// AsTheyAre says that uint8 weights are multiplied as such; Shift is what
	// was added to the left codes.
	AsTheyAre, Shift int32
}

// codeResults is struct results of csrc/code_results.cuh.
type codeResults struct {
	Y, Mask, Bits uint64
	N             int64
	Moments, Ends uint64
}

// codeProduct is a product of codes being bound.
type codeProduct struct {
	k       *build
	in      codeInputs
	rule    codeRule
	columns cuda.Ptr
	results codeResults
	// Where the words of bits go when the mask's rows are not whole bytes.
	words cuda.Ptr
	mask  *Buffer
	total int // results
	// collected is what the results are to be told about, nil for nothing.
	collected *Buffer
}

// codeAt returns input i of an operation, nil when it is absent.
func codeAt(in []*Buffer, i int) *Buffer {
	if i < len(in) {
		return in[i]
	}
	return nil
}

// codesAt returns a supports function that wants codes as these inputs.
func codesAt(inputs ...int) func(backend.Op, []tensor.Spec) bool {
	return func(_ backend.Op, in []tensor.Spec) bool {
		for _, i := range inputs {
			if i >= len(in) || !in[i].DType.Code() {
				return false
			}
		}
		return true
	}
}

func elementsOf(x *Buffer) int32 {
	if x == nil {
		return 0
	}
	return int32(x.numel())
}

func flagOf(b bool) int32 {
	if b {
		return 1
	}
	return 0
}

// start launches the kernel that works out the columns, and decides where the
// mask goes: rows says that the rows of tiles are whole bytes of it.
func (p *codeProduct) start(w codeWeights, direct, wholeBytes bool, out []*Buffer, n int) error {
	k := p.k
	cols := int(w.Matrices) * int(w.N)
	var err error
	if p.in.collect != backend.CollectNothing {
		if err := p.startCollect(out[1], n); err != nil {
			return err
		}
		out = out[:1]
	}
	if cols == 0 || p.total == 0 {
		return nil
	}
	if p.columns, err = k.temporary(int64(16 * cols)); err != nil {
		return err
	}
	p.results.N = int64(n)
	if out[0] != nil {
		p.results.Y = uint64(out[0].ptr)
	}
	if len(out) > 1 && out[1] != nil {
		p.mask = out[1]
		if wholeBytes {
			p.results.Mask = uint64(p.mask.ptr)
		} else {
			bytes := (p.total + 31) / 32 * 4
			if p.words, err = k.temporary(int64(bytes)); err != nil {
				return err
			}
			p.results.Bits = uint64(p.words)
			k.command(cuda.Fill(p.words, 0, bytes))
		}
	}
	nan := cuda.Ptr(0)
	if p.in.sy != nil {
		if nan, err = k.nanFlag(); err != nil {
			return err
		}
	}
	launch := cuda.Launch{Grid: cuda.Dim{X: (cols + 3) / 4}, Block: cuda.Dim{X: 128}}
	if w.Step != 1 {
		launch.Grid.X = (cols + 127) / 128
	}
	return k.launch(k.module+"_columns", launch, p.columns, p.in.w, structure(w), p.in.zx, p.in.zw, elementsOf(p.in.zw), p.in.sx, p.in.sw, elementsOf(p.in.sw),
		p.in.sy, p.in.bias, structure(p.rule), flagOf(direct), nan)
}

// end copies words of bits to the mask, and works out what was collected.
func (p *codeProduct) end() error {
	if p.words != 0 {
		p.k.command(cuda.Copy(p.mask.ptr, p.words, p.mask.spec.Bytes()))
	}
	return p.endCollect()
}

// side returns the side of the tiles of m x n results in count matrices: the
// larger ones do more work a byte, when there are enough of them for all
// multiprocessors.
func (k *build) side(m, n, count int) int {
	if tiles := (m + 127) / 128 * ((n + 127) / 128) * count; m >= 128 && n >= 96 && tiles >= k.c.Device().SMs {
		return 128
	}
	return 64
}

// tileName is the kernel for tiles of a side and an element type.
func (k *build) tileName(side int, x *Buffer) string {
	if side == 128 {
		return k.module + "_128_" + suffixes[x.spec.DType]
	}
	return k.module + "_64_" + suffixes[x.spec.DType]
}

// flips returns what makes four codes int8.
func flips(w *Buffer) uint32 {
	if w.spec.DType == tensor.U8 {
		return 0x80808080
	}
	return 0
}

// directChannels is the number of input channels of a group up to which a
// grouped convolution does not run as products of matrices.
const directChannels = 8

// bindCodeConv launches a convolution of codes.
func bindCodeConv(k *build, g geometry, rule codeRule, out []*Buffer, in codeInputs) error {
	if out[0] == nil && (len(out) < 2 || out[1] == nil) {
		return nil
	}
	rows, o := g.rows(), int(g.O)
	p := &codeProduct{k: k, in: in, rule: rule, total: rows * o}
	unsigned := in.w.spec.DType == tensor.U8
	w := codeWeights{Row: int64(g.taps()), Step: 1, Matrices: 1, N: g.O, K: int32(g.taps()), Unsigned: flagOf(unsigned)}
	if p.total == 0 {
		if err := p.start(w, false, true, out, o); err != nil {
			return err
		}
		return p.end()
	}
	if g.pointwise() {
		v := &vendorProduct{m: rows, n: o, k: int(g.C), xRow: int64(g.C), xStep: 1, w: w, rule: rule, in: in}
		if done, err := k.byVendor(v, out); done || err != nil {
			return err
		}
	} else if done, err := k.byVendor(&vendorConv{g: g, w: w, rule: rule, in: in}, out); done || err != nil {
		return err
	}
	direct := g.Groups > 1 && g.CG < directChannels
	wide := k.codeConvWGMMA(g, in)
	if direct {
		wide = nil
	}
	if wide != nil {
		wide.adjust(&w)
	}
	if err := p.start(w, direct, direct || g.OG%8 == 0, out, o); err != nil {
		return err
	}
	if direct {
		name := k.module + "_direct_" + suffixes[in.x.spec.DType]
		if p.collected != nil {
			launch, quads := collectQuads(rows, o)
			if err := k.launch(name+"_collect", launch, structure(p.results), in.x, in.w, p.columns, structure(g), in.zx, flagOf(unsigned), quads); err != nil {
				return err
			}
			return p.end()
		}
		return k.launch(name, k.elementwise(p.total), structure(p.results), in.x, in.w, p.columns, structure(g), in.zx, in.sy, in.zy, structure(rule),
			flagOf(unsigned))
	}
	if wide != nil {
		if err := wide.conv(k, p, g); err != nil {
			return err
		}
		return p.end()
	}
	side := k.side(rows, int(g.OG), int(g.Groups))
	launch := cuda.Launch{Grid: cuda.Dim{X: (rows + side - 1) / side, Y: (int(g.OG) + side - 1) / side, Z: int(g.Groups)}, Block: cuda.Dim{X: 2 * side}}
	module, name := k.codeKernel("conv", side, in.x)
	if p.collected != nil {
		name += "_collect"
	}
	if err := k.launchFrom(module, name, launch, structure(p.results), in.x, in.w, p.columns, structure(g), in.zx, in.sy, in.zy, structure(rule),
		flagOf(unsigned || in.zw != nil), flips(in.w)); err != nil {
		return err
	}
	return p.end()
}

// unbounded is no activation.
var unbounded = [2]float32{float32(math.Inf(-1)), float32(math.Inf(1))}

// matrixStack is struct stack of csrc/code_product.cuh.
type matrixStack struct {
	Dims, A, B [broadcastDims]int32
	Count      int32
}

// matrixFactors is struct factors of csrc/code_product.cuh.
type matrixFactors struct {
	ARow, AStep, AMatrix, BRow, BStep, BMatrix int64
	M, N, K                                    int32
	Zeros                                      int32
}

// newMatrices returns how the matrices of a product are walked, false when
// their leading dimensions are too many.
func newMatrices(op backend.MatMul, a, b tensor.Shape) (s matrixStack, f matrixFactors, matricesB int, ok bool) {
	f = matrixFactors{M: 1, N: 1, K: int32(a.Last())}
	var la, lb tensor.Shape
	transA, transB := op.TransA, op.TransB
	if len(a) > 1 {
		la, f.M = a[:len(a)-2], int32(a[len(a)-2])
		if transA {
			f.M, f.K = f.K, f.M
		}
	} else {
		transA = false
	}
	if len(b) > 1 {
		lb, f.N = b[:len(b)-2], int32(b.Last())
		if transB {
			f.N = int32(b[len(b)-2])
		}
	} else {
		transB = true // A column lies as a row.
	}
	matricesB = lb.Numel()
	f.ARow, f.AStep = int64(f.K), 1
	if transA {
		f.ARow, f.AStep = 1, int64(f.M)
	}
	f.BRow, f.BStep = 1, int64(f.N)
	if transB {
		f.BRow, f.BStep = int64(f.K), 1
	}
	f.AMatrix, f.BMatrix = int64(f.M)*int64(f.K), int64(f.K)*int64(f.N)
	s.Count = 1
	for i := range s.Dims {
		s.Dims[i] = 1
	}
	if matricesB == 1 && !transA && len(la) >= len(lb) { // One matrix b: the matrices a are rows of one.
		f.M *= int32(la.Numel())
		return s, f, matricesB, true
	}
	w, ok := newBroadcast(la, lb)
	if !ok {
		return s, f, matricesB, false
	}
	for i, d := range w.dims {
		s.Dims[i], s.A[i], s.B[i] = int32(d), int32(w.a[i]), int32(w.b[i])
		s.Count *= int32(d)
	}
	return s, f, matricesB, true
}

// matricesAt returns a supports function of products of the codes x and w.
func matricesAt(x, w int) func(backend.Op, []tensor.Spec) bool {
	return func(op backend.Op, in []tensor.Spec) bool {
		if !codesAt(x, w)(op, in) {
			return false
		}
		_, _, _, ok := newMatrices(backend.MatMul{}, in[x].Shape, in[w].Shape)
		return ok
	}
}

// bindCodeMatMul launches a product of stacks of matrices of codes.
func bindCodeMatMul(k *build, op backend.MatMul, rule codeRule, out []*Buffer, in codeInputs) error {
	if out[0] == nil && (len(out) < 2 || out[1] == nil) {
		return nil
	}
	s, f, matricesB, _ := newMatrices(op, in.x.spec.Shape, in.w.spec.Shape)
	unsigned := in.w.spec.DType == tensor.U8
	f.Zeros = flagOf(unsigned || in.zw != nil)
	m, n, count := int(f.M), int(f.N), int(s.Count)
	p := &codeProduct{k: k, in: in, rule: rule, total: count * m * n}
	if p.total == 0 {
		return nil
	}
	w := codeWeights{Row: f.BRow, Step: f.BStep, Matrix: f.BMatrix, Matrices: int32(matricesB), N: f.N, K: f.K, Unsigned: flagOf(unsigned)}
	if count == 1 {
		v := &vendorProduct{m: m, n: n, k: int(f.K), xRow: f.ARow, xStep: f.AStep, w: w, rule: rule, in: in}
		if done, err := k.byVendor(v, out); done || err != nil {
			return err
		}
	}
	var wide *wgmmaProduct
	if f.AStep == 1 && f.BStep == 1 {
		wide = k.newWGMMA(in, m, n, int(f.K), count)
	}
	if wide != nil {
		wide.adjust(&w)
	}
	if err := p.start(w, false, n%8 == 0, out, n); err != nil {
		return err
	}
	if wide != nil {
		wide.problem.Matrix = int64(m) * int64(n)
		if err := wide.matrices(k, p, s, f.ARow, f.AMatrix, in.x.numel()/(m*int(f.K)), matricesB); err != nil {
			return err
		}
		return p.end()
	}
	side := k.side(m, n, count)
	launch := cuda.Launch{Grid: cuda.Dim{X: (m + side - 1) / side, Y: (n + side - 1) / side, Z: min(count, 65535)}, Block: cuda.Dim{X: 2 * side}}
	module, name := k.codeKernel("matmul", side, in.x)
	if err := k.launchFrom(module, name, launch, structure(p.results), in.x, in.w, p.columns, structure(s), structure(f), in.sy, in.zy, structure(rule),
		flips(in.w)); err != nil {
		return err
	}
	return p.end()
}
