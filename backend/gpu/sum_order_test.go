//go:build cuda

package gpu

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/tensor"
)

type orderedConv struct {
	n, h, w, c, o, kh, kw, groups int
	stride, dilation              [2]int
	pad                           [4]int
}

// orderedConvs are convolutions off the sizes of all tiles, with sums in one
// block and in many, in one part and in many.
var orderedConvs = []orderedConv{
	{3, 7, 9, 5, 6, 3, 3, 1, [2]int{1, 1}, [2]int{1, 1}, [4]int{1, 1, 1, 1}},
	{9, 14, 14, 3, 17, 3, 3, 1, [2]int{1, 1}, [2]int{1, 1}, [4]int{1, 1, 1, 1}},   // Patches; a block an image or two.
	{2, 40, 41, 2, 5, 5, 3, 1, [2]int{2, 1}, [2]int{1, 1}, [4]int{2, 1, 2, 1}},    // Blocks of lines.
	{2, 3, 700, 3, 4, 2, 3, 1, [2]int{1, 1}, [2]int{1, 2}, [4]int{0, 2, 1, 2}},    // Pieces of a line.
	{2, 1, 1500, 20, 3, 1, 5, 1, [2]int{1, 2}, [2]int{1, 1}, [4]int{0, 2, 0, 2}},  // The same of a sequence, in a stride.
	{70, 4, 4, 18, 20, 3, 3, 1, [2]int{1, 1}, [2]int{1, 1}, [4]int{1, 1, 1, 1}},   // Blocks of images.
	{5, 12, 11, 12, 18, 3, 3, 3, [2]int{2, 2}, [2]int{1, 1}, [4]int{1, 1, 1, 1}},  // Groups.
	{4, 13, 10, 6, 4, 3, 2, 2, [2]int{1, 3}, [2]int{3, 2}, [4]int{3, 0, 2, 1}},    // Dilation, uneven padding.
	{1, 2, 2, 130, 300, 3, 3, 1, [2]int{1, 1}, [2]int{1, 1}, [4]int{1, 1, 1, 1}},  // A large result.
	{6, 9, 9, 33, 70, 1, 1, 1, [2]int{1, 1}, [2]int{1, 1}, [4]int{}},              // Pointwise.
	{9, 31, 33, 7, 9, 1, 1, 1, [2]int{1, 1}, [2]int{1, 1}, [4]int{}},              // Pointwise, parts.
	{2, 9, 9, 700, 10, 1, 1, 1, [2]int{1, 1}, [2]int{1, 1}, [4]int{}},             // Pointwise, blocks of channels.
	{3, 9, 8, 16, 8, 1, 1, 1, [2]int{2, 2}, [2]int{1, 1}, [4]int{}},               // One tap, but not pointwise.
	{4, 11, 12, 37, 37, 3, 3, 37, [2]int{1, 1}, [2]int{1, 1}, [4]int{1, 1, 1, 1}}, // Depthwise.
	{9, 30, 31, 5, 15, 3, 2, 5, [2]int{2, 1}, [2]int{1, 2}, [4]int{1, 2, 0, 1}},   // Depthwise, three outputs a channel, parts.
	{1, 1, 2100, 3, 3, 1, 9, 3, [2]int{1, 1}, [2]int{1, 1}, [4]int{0, 4, 0, 4}},   // Depthwise, one line.
	{2, 5, 5, 40, 40, 7, 7, 40, [2]int{1, 1}, [2]int{2, 2}, [4]int{6, 6, 6, 6}},   // Depthwise, more taps than a list has.
	{0, 5, 5, 4, 4, 3, 3, 1, [2]int{1, 1}, [2]int{1, 1}, [4]int{1, 1, 1, 1}},      // No images.
}

// TestFloatSums: products of float32, also of gradients with codes, have the
// bits of the CPU's, which has the order of [backend.SumOrder].
func TestFloatSums(t *testing.T) {
	if !fuses() {
		t.Skip("the CPU does not fuse multiply and add")
	}
	r := rand.New(rand.NewPCG(5, 6))
	host, device := cpu.New(), open(t)
	real := func(s ...int) *tensor.Tensor {
		x := tensor.New(tensor.Of(tensor.F32, s...))
		for i := range x.F32() {
			x.F32()[i] = float32(r.NormFloat64())
		}
		return x
	}
	codes := func(d tensor.DType, s ...int) *tensor.Tensor {
		x := tensor.New(tensor.Of(d, s...))
		for i := range x.Bytes() {
			x.Bytes()[i] = byte(r.IntN(256))
		}
		return x
	}
	zero := func(v int32) *tensor.Tensor {
		x := tensor.New(tensor.Of(tensor.I32, 1))
		x.I32()[0] = v
		return x
	}
	check := func(t *testing.T, name string, op backend.Op, shape tensor.Shape, in ...*tensor.Tensor) {
		out := tensor.Of(tensor.F32, shape...)
		want, got := runOp(t, host, op, out, in...), runOp(t, device, op, out, in...)
		if sameBits(want, got) {
			return
		}
		n, first := 0, -1
		for i, v := range want.F32() {
			if v != got.F32()[i] {
				n++
				if first < 0 {
					first = i
				}
			}
		}
		require.Fail(t, "other bits", "%s: %d of %d numbers, the first is %d", name, n, want.Numel(), first)
	}
	convs := orderedConvs
	for range 12 {
		c := orderedConv{n: 1 + r.IntN(9), h: 1 + r.IntN(15), w: 1 + r.IntN(15), c: 1 + r.IntN(9), o: 1 + r.IntN(20), kh: 1 + r.IntN(3), kw: 1 + r.IntN(3), groups: 1}
		for i := range 2 {
			c.stride[i], c.dilation[i] = 1+r.IntN(2), 1+r.IntN(2)
			c.pad[i], c.pad[i+2] = r.IntN(3), r.IntN(3)
		}
		c.h, c.w = max(c.h, (c.kh-1)*c.dilation[0]+1), max(c.w, (c.kw-1)*c.dilation[1]+1)
		if r.IntN(3) == 0 {
			c.groups, c.o = c.c, c.c*(1+r.IntN(2))
		}
		convs = append(convs, c)
	}
	for _, c := range convs {
		t.Run(fmt.Sprintf("conv/%v", c), func(t *testing.T) {
			op := backend.Conv{Window: backend.Window{Stride: c.stride, Dilation: c.dilation, Pad: c.pad}, Groups: c.groups}
			size, err := op.Output([2]int{c.h, c.w}, [2]int{c.kh, c.kw})
			require.NoError(t, err)
			xs, ws, ys := tensor.Shape{c.n, c.h, c.w, c.c}, tensor.Shape{c.o, c.kh, c.kw, c.c / c.groups}, tensor.Shape{c.n, size[0], size[1], c.o}
			x, w, dy, bias := real(xs...), real(ws...), real(ys...), real(c.o)
			check(t, "conv", op, ys, x, w)
			check(t, "conv with bias", op, ys, x, w, bias)
			input := backend.ConvGradInput{Conv: op, Input: tensor.NewDims(xs...)}
			check(t, "input", input, xs, dy, w)
			check(t, "input, codes", input, xs, dy, codes(tensor.I8, ws...), real(1))
			check(t, "input, codes of channels", input, xs, dy, codes(tensor.I8, ws...), real(c.o))
			weight := backend.ConvGradWeight{Conv: op, Weight: tensor.NewDims(ws...)}
			check(t, "weight", weight, ws, dy, x)
			check(t, "weight, codes", weight, ws, dy, codes(tensor.U8, xs...), real(1), zero(7))
			check(t, "weight, signed codes", weight, ws, dy, codes(tensor.I8, xs...), real(1), zero(-3))
		})
	}
	for _, c := range [][3]int{{1, 1, 1}, {3, 5, 7}, {65, 70, 33}, {8, 10, 784}, {130, 3, 321}, {3, 2, 5000}, {70, 9, 4097}, {20, 17, 9001}, {5, 0, 3}, {3, 4, 0}} {
		m, n, k := c[0], c[1], c[2]
		t.Run(fmt.Sprintf("gemm/%v", c), func(t *testing.T) {
			check(t, "gemm with bias", backend.Gemm{}, tensor.Shape{m, n}, real(m, k), real(n, k), real(n))
			check(t, "input", backend.GemmGradInput{}, tensor.Shape{m, n}, real(m, k), real(k, n))
			check(t, "input, codes", backend.GemmGradInput{}, tensor.Shape{m, n}, real(m, k), codes(tensor.I8, k, n), real(1))
			if k > 0 {
				check(t, "input, codes of channels", backend.GemmGradInput{}, tensor.Shape{m, n}, real(m, k), codes(tensor.I8, k, n), real(k))
			}
			check(t, "weight", backend.GemmGradWeight{}, tensor.Shape{m, n}, real(k, m), real(k, n))
			check(t, "weight, codes", backend.GemmGradWeight{}, tensor.Shape{m, n}, real(k, m), codes(tensor.U8, k, n), real(1), zero(99))
			if k > 4096 {
				check(t, "matmul", backend.MatMul{TransB: true}, tensor.Shape{2, m, n}, real(2, m, k), real(2, n, k))
				return
			}
			check(t, "gemm", backend.Gemm{}, tensor.Shape{m, n}, real(m, k), real(n, k))
			check(t, "matmul", backend.MatMul{}, tensor.Shape{m, n}, real(m, k), real(k, n))
			check(t, "matmul, one b", backend.MatMul{TransB: true}, tensor.Shape{3, m, n}, real(3, m, k), real(n, k))
			check(t, "matmul, few", backend.MatMul{TransA: true}, tensor.Shape{2, m, n}, real(2, k, m), real(2, k, n))
			check(t, "matmul, many", backend.MatMul{TransA: true, TransB: true}, tensor.Shape{2, 3, m, n}, real(2, 1, k, m), real(3, n, k))
		})
	}
}

// fuses reports whether the CPU's products of float32 fuse multiply and add.
func fuses() bool {
	for _, k := range cpu.KernelISAs() {
		if k.Family == "float32 product" {
			return k.ISA != "portable"
		}
	}
	return false
}
