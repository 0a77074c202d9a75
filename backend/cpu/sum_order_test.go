package cpu_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/tensor"
)

// fused is a*b + c, rounded once.
func fused(a, b, c float32) float32 {
	p := float64(a) * float64(b) // Exact.
	s := p + float64(c)
	v := s - p
	rest := (p - (s - v)) + (float64(c) - v)
	if bits := math.Float64bits(s); rest != 0 && bits&1 == 0 { // To odd, so that the next rounding is right.
		if (rest > 0) == (s > 0) {
			s = math.Float64frombits(bits + 1)
		} else {
			s = math.Float64frombits(bits - 1)
		}
	}
	return float32(s)
}

func rounded(a, b, c float32) float32 { return float32(a*b) + c }

// ordered is the sum of products, plus a bias if there is one, as
// [backend.SumOrder] defines it.
func ordered(o backend.SumOrder, madd func(a, b, c float32) float32, bias *float32, term func(k int) (a, b float32)) float32 {
	none := float32(math.Copysign(0, -1))
	total := none
	for p := range o.Parts() {
		part := none
		if bias != nil && o.Parts() == 1 {
			part = *bias
		}
		for b := p * o.Part; b < min((p+1)*o.Part, o.Blocks()); b++ {
			var s float32
			for k := o.Start(b); k < o.Start(b+1); k++ {
				x, y := term(k)
				s = madd(x, y, s)
			}
			part += s
		}
		total += part
	}
	if bias != nil && o.Parts() > 1 {
		total += *bias
	}
	return total
}

// TestSumOrder: products of float32 and their gradients have the bits of the
// definition on every instruction set. Portable Go has them with products
// that are rounded.
func TestSumOrder(t *testing.T) {
	t.Cleanup(func() { require.NoError(t, cpu.SetMaxISA("")) })
	done := map[string]bool{}
	for _, s := range cpu.InstructionSets() {
		if !s.Usable || s.Masked {
			continue
		}
		require.NoError(t, cpu.SetMaxISA(s.Name))
		for _, k := range cpu.KernelISAs() {
			if k.Family != "float32 product" || done[k.ISA] {
				continue
			}
			done[k.ISA] = true
			t.Run(k.ISA, func(t *testing.T) {
				madd := fused
				if k.ISA == "portable" {
					madd = rounded
				}
				testSumOrder(t, madd)
			})
		}
	}
	require.NotEmpty(t, done)
}

func testSumOrder(t *testing.T, madd func(a, b, c float32) float32) {
	r := rand.New(rand.NewPCG(7, 8))
	numbers := func(s ...int) *tensor.Tensor {
		x := tensor.New(tensor.Of(tensor.F32, s...))
		for i := range x.F32() {
			x.F32()[i] = float32(r.NormFloat64())
		}
		return x
	}
	codes := func(s ...int) (x, scale, zero, real *tensor.Tensor) {
		x, scale, zero, real = tensor.New(tensor.Of(tensor.U8, s...)), numbers(1), tensor.New(tensor.Of(tensor.I32, 1)), tensor.New(tensor.Of(tensor.F32, s...))
		zero.I32()[0] = int32(r.IntN(256))
		for i := range x.Bytes() {
			x.Bytes()[i] = byte(r.IntN(256))
			real.F32()[i] = float32(int32(x.Bytes()[i])-zero.I32()[0]) * scale.F32()[0]
		}
		return x, scale, zero, real
	}
	// check compares some results, the first and the last among them.
	check := func(name string, op backend.Op, shape []int, want func(i int) float32, in ...*tensor.Tensor) {
		got := runOnCPU(t, op, tensor.Of(tensor.F32, shape...), in...)
		n := len(got)
		for j := range min(n, 60) {
			i := j * (n - 1) / max(min(n, 60)-1, 1)
			require.Equal(t, math.Float32bits(want(i)), math.Float32bits(got[i]), "%s of %v, result %d of %d", name, op, i, n)
		}
	}
	for _, c := range [][3]int{{1, 1, 1}, {3, 5, 7}, {15, 33, 320}, {7, 18, 321}, {6, 40, 2000}, {3, 2, 5000}, {20, 17, 9001}} {
		m, n, k := c[0], c[1], c[2]
		o := backend.ProductOrder(m, n, k)
		x, w, bias := numbers(m, k), numbers(n, k), numbers(n)
		along := func(bias bool, b []float32) func(i int) float32 {
			return func(i int) float32 {
				var add *float32
				if bias {
					add = &b[i%n]
				}
				return ordered(o, madd, add, func(q int) (float32, float32) { return x.F32()[i/n*k+q], w.F32()[i%n*k+q] })
			}
		}
		check("gemm", backend.Gemm{}, []int{m, n}, along(false, nil), x, w)
		check("gemm with bias", backend.Gemm{}, []int{m, n}, along(true, bias.F32()), x, w, bias)
		check("matmul", backend.MatMul{TransB: true}, []int{m, n}, along(false, nil), x, w)
		v := numbers(k, n)
		check("input", backend.GemmGradInput{}, []int{m, n}, func(i int) float32 {
			return ordered(o, madd, nil, func(q int) (float32, float32) { return x.F32()[i/n*k+q], v.F32()[q*n+i%n] })
		}, x, v)
		dy := numbers(k, m)
		u, scale, zero, real := codes(k, n)
		weight := func(v []float32) func(i int) float32 {
			return func(i int) float32 {
				return ordered(o, madd, nil, func(q int) (float32, float32) { return dy.F32()[q*m+i/n], v[q*n+i%n] })
			}
		}
		check("weight", backend.GemmGradWeight{}, []int{m, n}, weight(v.F32()), dy, v)
		check("weight, codes", backend.GemmGradWeight{}, []int{m, n}, weight(real.F32()), dy, u, scale, zero)
	}
	for _, c := range [][9]int{ // Images, height, width, channels, outputs, kernel, stride, dilation, groups.
		{3, 7, 9, 5, 6, 3, 1, 1, 1}, {9, 14, 14, 3, 17, 3, 1, 1, 1}, {2, 40, 41, 2, 5, 3, 2, 1, 1}, {2, 3, 700, 3, 4, 3, 1, 1, 1},
		{70, 4, 4, 18, 20, 3, 1, 1, 1}, {5, 12, 11, 12, 18, 3, 2, 1, 3}, {4, 13, 10, 20, 4, 2, 3, 2, 2}, {1, 2, 2, 130, 300, 3, 1, 1, 1},
		{9, 31, 33, 7, 9, 1, 1, 1, 1}, {3, 9, 8, 16, 8, 1, 2, 1, 1}, {4, 11, 12, 37, 37, 3, 1, 1, 37}, {9, 30, 31, 5, 15, 3, 2, 2, 5}, {2, 5, 5, 40, 40, 7, 1, 1, 40},
	} {
		images, h, w, channels, outputs, side, stride, dilation, groups := c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8]
		pad := side / 2
		op := backend.Conv{Window: backend.Window{Stride: [2]int{stride, stride}, Dilation: [2]int{dilation, dilation}, Pad: [4]int{pad, pad, pad, pad}}, Groups: groups}
		size, err := op.Output([2]int{h, w}, [2]int{side, side})
		require.NoError(t, err)
		oh, ow, cg, og := size[0], size[1], channels/groups, outputs/groups
		pointwise, depthwise := side == 1 && stride == 1, groups > 1 && cg == 1
		x, weight, dy, bias := numbers(images, h, w, channels), numbers(outputs, side, side, cg), numbers(images, oh, ow, outputs), numbers(outputs)
		// input is the element of x under tap [a, b] of a position, 0 outside.
		input := func(x []float32, pos, a, b, ch int) float32 {
			n, i, j := pos/(oh*ow), pos/ow%oh*stride-pad+a*dilation, pos%ow*stride-pad+b*dilation
			if i < 0 || i >= h || j < 0 || j >= w {
				return 0
			}
			return x[((n*h+i)*w+j)*channels+ch]
		}
		// result is the element of dy whose tap [a, b] is a pixel, 0 for none.
		result := func(pixel, a, b, o int) float32 {
			n, i, j := pixel/(h*w), pixel/w%h+pad-a*dilation, pixel%w+pad-b*dilation
			if i < 0 || j < 0 || i%stride != 0 || j%stride != 0 || i/stride >= oh || j/stride >= ow {
				return 0
			}
			return dy.F32()[((n*oh+i/stride)*ow+j/stride)*outputs+o]
		}
		ys, xs, ws := []int{images, oh, ow, outputs}, []int{images, h, w, channels}, []int{outputs, side, side, cg}
		inputGrad, weightGrad := backend.ConvGradInput{Conv: op, Input: tensor.NewDims(xs...)}, backend.ConvGradWeight{Conv: op, Weight: tensor.NewDims(ws...)}
		u, scale, zero, real := codes(xs...)
		if depthwise {
			check("conv", op, ys, func(i int) float32 {
				pos, o := i/outputs, i%outputs
				s := bias.F32()[o]
				for q := range side * side {
					s = rounded(input(x.F32(), pos, q/side, q%side, o/og), weight.F32()[o*side*side+q], s)
				}
				return s
			}, x, weight, bias)
			check("input", inputGrad, xs, func(i int) float32 {
				pixel, ch := i/channels, i%channels
				var s float32
				for q := range side * side {
					var part float32
					for o := ch * og; o < (ch+1)*og; o++ {
						part = rounded(result(pixel, q/side, q%side, o), weight.F32()[o*side*side+q], part)
					}
					s += part
				}
				return s
			}, dy, weight)
			lines := backend.DepthwiseLines(images*oh, ow)
			grad := func(x []float32) func(i int) float32 {
				return func(i int) float32 {
					o, q := i/(side*side), i%(side*side)
					var total float32
					for l := 0; l < images*oh; l += lines {
						var part float32
						for pos := l * ow; pos < min(l+lines, images*oh)*ow; pos++ {
							part = rounded(input(x, pos, q/side, q%side, o/og), dy.F32()[pos*outputs+o], part)
						}
						total += part
					}
					return total
				}
			}
			check("weight", weightGrad, ws, grad(x.F32()), dy, x)
			check("weight, codes", weightGrad, ws, grad(real.F32()), dy, u, scale, zero)
			continue
		}
		forward, back, sum := backend.OneSum(side*side*cg), backend.OneSum(side*side*og), backend.WeightGradOrder(images, oh, ow, outputs*side*side*cg)
		if pointwise {
			forward, back, sum = backend.ProductOrder(images*oh*ow, outputs, channels), backend.ProductOrder(images*h*w, channels, outputs), backend.ProductOrder(outputs, channels, images*oh*ow)
		}
		check("conv", op, ys, func(i int) float32 {
			pos, o := i/outputs, i%outputs
			return ordered(forward, madd, &bias.F32()[o], func(k int) (float32, float32) {
				return input(x.F32(), pos, k/cg/side, k/cg%side, o/og*cg+k%cg), weight.F32()[o*side*side*cg+k]
			})
		}, x, weight, bias)
		check("input", inputGrad, xs, func(i int) float32 {
			pixel, ch := i/channels, i%channels
			return ordered(back, madd, nil, func(k int) (float32, float32) {
				o := ch/cg*og + k%og
				return result(pixel, k/og/side, k/og%side, o), weight.F32()[(o*side*side+k/og)*cg+ch%cg]
			})
		}, dy, weight)
		grad := func(x []float32) func(i int) float32 {
			return func(i int) float32 {
				o, k := i/(side*side*cg), i%(side*side*cg)
				return ordered(sum, madd, nil, func(pos int) (float32, float32) {
					return dy.F32()[pos*outputs+o], input(x, pos, k/cg/side, k/cg%side, o/og*cg+k%cg)
				})
			}
		}
		check("weight", weightGrad, ws, grad(x.F32()), dy, x)
		check("weight, codes", weightGrad, ws, grad(real.F32()), dy, u, scale, zero)
	}
}

func runOnCPU(t *testing.T, op backend.Op, out tensor.Spec, in ...*tensor.Tensor) []float32 {
	ctx, b := context.Background(), cpu.New()
	var bufs []backend.Buffer
	for _, x := range in {
		buf, err := b.Alloc(x.Spec())
		require.NoError(t, err)
		require.NoError(t, b.Write(ctx, buf, x.Bytes()))
		bufs = append(bufs, buf)
	}
	to, err := b.Alloc(out)
	require.NoError(t, err)
	k, err := b.Bind(op, []backend.Buffer{to}, bufs)
	require.NoError(t, err, fmt.Sprint(op))
	require.NoError(t, k.Run(ctx))
	y := tensor.New(out)
	require.NoError(t, b.Read(ctx, y.Bytes(), to))
	return y.F32()
}
