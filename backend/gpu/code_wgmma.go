//go:build cuda

package gpu

import (
	"fmt"
	"os"
	"strings"

	"github.com/goqat/goqat/cuda"
	"github.com/goqat/goqat/tensor"
)

// Products of codes on Hopper run as wgmma on tiles that the copy engine
// brings (csrc/code_wgmma.cu) where strides and addresses are multiples of its
// 16 bytes and there is work for enough multiprocessors; all others run as on
// older devices.

// wgmmaModule has the kernels of compute capability 9.0.
const wgmmaModule = "code_wgmma"

// The tiles of wgmma, and threads of a block. Rings, results and barriers take
// the shared memory that a block can have.
const (
	wgmmaRows, wgmmaDepth = 128, 128
	wgmmaThreads          = 384
	wgmmaShared           = 192<<10 + 32<<10 + 128
)

// wgmmaProblem is struct problem of csrc/code_wgmma.cu.
type wgmmaProblem struct {
	Matrix         int64
	M, N, K, Zeros int32
	Flip           uint32
	_              int32
}

// wgmmaProduct is a product that runs as wgmma.
type wgmmaProduct struct {
	problem wgmmaProblem
	columns int // of a tile
	count   int // of products
	uint8   bool
}

// newWGMMA returns the product of count pairs of matrices [m, k] and [n, k],
// nil where it runs otherwise: GOQAT_GPU_INT8 chooses "wgmma" wherever it can
// be, "mma" for never.
func (k *build) newWGMMA(in codeInputs, m, n, depth, count int) *wgmmaProduct {
	choice := os.Getenv("GOQAT_GPU_INT8")
	if !k.code.has(wgmmaModule) || choice == "mma" || choice == "bf16" || k.codesAsBF16() || k.halves() {
		return nil
	}
	if depth == 0 || depth%16 != 0 || in.x.ptr%16 != 0 || in.w.ptr%16 != 0 {
		return nil
	}
	tiles := func(columns int) int { return (m + wgmmaRows - 1) / wgmmaRows * ((n + columns - 1) / columns) * count }
	sms := k.c.Device().SMs
	// A multiprocessor with nothing to do costs more than slower products, and
	// so does a tile of which less than half is there.
	if choice != "wgmma" && (m <= wgmmaRows/2 || n <= 64 || 8*tiles(128) < 5*sms) {
		return nil
	}
	w := &wgmmaProduct{columns: 256, count: count, uint8: in.w.spec.DType == tensor.U8}
	if n <= 128 || tiles(256) < sms {
		w.columns = 128
	}
	w.problem = wgmmaProblem{M: int32(m), N: int32(n), K: int32(depth), Zeros: flagOf(in.zw != nil)}
	if in.x.spec.DType != in.w.spec.DType {
		w.problem.Flip = 0x80808080
	}
	return w
}

// adjust says to the columns what is multiplied.
func (p *wgmmaProduct) adjust(w *codeWeights) {
	w.AsTheyAre = flagOf(p.uint8)
	switch {
	case p.problem.Flip == 0:
	case p.uint8:
		w.Shift = 128
	default:
		w.Shift = -128
	}
}

// launch returns how tiles are shared among the multiprocessors.
func (p *wgmmaProduct) launch(k *build) cuda.Launch {
	tiles := (int(p.problem.M) + wgmmaRows - 1) / wgmmaRows * ((int(p.problem.N) + p.columns - 1) / p.columns) * p.count
	return cuda.Launch{Grid: cuda.Dim{X: min(tiles, k.c.Device().SMs)}, Block: cuda.Dim{X: wgmmaThreads}, Shared: wgmmaShared}
}

// name is the kernel for a kind of product, "conv" or "matmul".
func (p *wgmmaProduct) name(k *build, kind string) string {
	return fmt.Sprintf("wgmma_%s_%s_%d", kind, resultsOf(k.module), p.columns)
}

// resultsOf returns the epilogue of a module, as other modules' kernels name it.
func resultsOf(module string) string {
	switch {
	case strings.HasSuffix(module, "_dequant"):
		return "reals"
	case strings.HasPrefix(module, "qlinear_"):
		return "codes"
	}
	return "sums"
}

// tileMap is the tensor map of count matrices of codes with rows of depth.
func (k *build) tileMap(x *Buffer, depth, rows int, row int64, count int, matrix int64, box int) ([]byte, error) {
	m := cuda.TensorMap{Type: cuda.ElementU8, Base: x.ptr, Dims: []uint64{uint64(depth), uint64(rows), uint64(count)}, Strides: []uint64{uint64(row), uint64(matrix)},
		Box: []uint32{wgmmaDepth, uint32(box), 1}, Swizzle: cuda.Swizzle128}
	return m.Encode(k.c)
}

// matrices launches a product of matrices: row and matrix are the strides of
// the left ones, which are lefts; the right ones are dense.
func (p *wgmmaProduct) matrices(k *build, c *codeProduct, s matrixStack, row, matrix int64, lefts, rights int) error {
	q := &p.problem
	a, err := k.tileMap(c.in.x, int(q.K), int(q.M), row, lefts, matrix, wgmmaRows)
	if err != nil {
		return err
	}
	b, err := k.tileMap(c.in.w, int(q.K), int(q.N), int64(q.K), rights, int64(q.N)*int64(q.K), p.columns)
	if err != nil {
		return err
	}
	name := p.name(k, "matmul")
	switch {
	case p.uint8:
		name += "_u8"
	case q.Flip != 0 || q.Zeros != 0:
		name += "_i8"
	}
	return k.launchFrom(wgmmaModule, name, p.launch(k), structure(c.results), a, b, c.columns, structure(s), structure(*q), c.in.sy, c.in.zy, structure(c.rule))
}

// codeConvWGMMA returns the product for a convolution, nil where it runs
// otherwise.
func (k *build) codeConvWGMMA(g geometry, in codeInputs) *wgmmaProduct {
	if g.C%16 != 0 || g.CG%16 != 0 || !g.oneTap() && in.w.spec.DType == tensor.U8 {
		return nil
	}
	return k.newWGMMA(in, g.rows(), int(g.OG), g.taps(), int(g.Groups))
}

// oneTap reports whether the patches of a convolution are its pixels.
func (g *geometry) oneTap() bool {
	return g.KH == 1 && g.KW == 1 && g.SH == 1 && g.SW == 1 && g.Top == 0 && g.Left == 0 && g.OH == g.H && g.OW == g.W
}

// conv launches a convolution.
func (p *wgmmaProduct) conv(k *build, c *codeProduct, g geometry) error {
	p.problem.Matrix = int64(g.OG)
	groups := int(g.Groups)
	if g.oneTap() {
		s := matrixStack{Count: g.Groups}
		for i := range s.Dims {
			s.Dims[i] = 1
		}
		s.Dims[0], s.A[0], s.B[0] = g.Groups, 1, 1
		return p.matrices(k, c, s, int64(g.C), int64(g.CG), groups, groups)
	}
	q := p.problem
	b, err := k.tileMap(c.in.w, int(q.K), int(q.N), int64(q.K), groups, int64(q.N)*int64(q.K), p.columns)
	if err != nil {
		return err
	}
	return k.launchFrom(wgmmaModule, p.name(k, "conv"), p.launch(k), structure(c.results), c.in.x, b, c.columns, structure(g), c.in.zx, structure(q), c.in.sy, c.in.zy,
		structure(c.rule))
}
