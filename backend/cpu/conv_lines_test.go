package cpu_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/backendtest"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/tensor"
)

// runOp runs an operation on CPU tensors.
func runOp(t *testing.T, op backend.Op, out *tensor.Tensor, in ...*tensor.Tensor) {
	t.Helper()
	b := cpu.New()
	ins := make([]backend.Buffer, len(in))
	for i, x := range in {
		ins[i] = x
	}
	for i := range out.Bytes() {
		out.Bytes()[i] = 0x5a
	}
	k, err := b.Bind(op, []backend.Buffer{out}, ins)
	require.NoError(t, err)
	require.NoError(t, k.Run(context.Background()))
}

// TestConvBands checks convolutions that are cut into bands of an image, and
// results that all workers share, on every instruction set against float64,
// whose kernel is portable, and for one bit with any number of threads.
func TestConvBands(t *testing.T) {
	t.Cleanup(func() { require.NoError(t, cpu.SetMaxISA("")) })
	win := func(s, d, pad int) backend.Window {
		return backend.Window{Stride: [2]int{s, s}, Dilation: [2]int{d, d}, Pad: [4]int{pad, pad, pad, pad}}
	}
	for _, c := range []struct {
		name    string
		op      backend.Conv
		x, w, y tensor.Shape
	}{
		{"tall", backend.Conv{Window: win(1, 1, 1)}, tensor.Shape{2, 90, 60, 24}, tensor.Shape{20, 3, 3, 24}, tensor.Shape{2, 90, 60, 20}},
		{"strided", backend.Conv{Window: win(2, 1, 1)}, tensor.Shape{2, 91, 62, 25}, tensor.Shape{17, 3, 3, 25}, tensor.Shape{2, 46, 31, 17}},
		{"dilated", backend.Conv{Window: win(1, 3, 3)}, tensor.Shape{1, 70, 50, 19}, tensor.Shape{21, 3, 3, 19}, tensor.Shape{1, 70, 50, 21}},
		{"few channels", backend.Conv{Window: win(2, 1, 3)}, tensor.Shape{2, 130, 120, 3}, tensor.Shape{9, 7, 7, 3}, tensor.Shape{2, 65, 60, 9}},
		{"grouped", backend.Conv{Window: win(1, 1, 1), Groups: 3}, tensor.Shape{2, 60, 64, 15}, tensor.Shape{21, 3, 3, 5}, tensor.Shape{2, 60, 64, 21}},
		{"shared result", backend.Conv{Window: win(1, 1, 1)}, tensor.Shape{3, 5, 6, 130}, tensor.Shape{123, 3, 3, 130}, tensor.Shape{3, 5, 6, 123}},
	} {
		if testing.Short() && c.name != "strided" {
			continue
		}
		r := rand.New(rand.NewPCG(1, 2))
		x, w, dy := backendtest.Normal(r, 1, c.x...), backendtest.Normal(r, 0.1, c.w...), backendtest.Normal(r, 1, c.y...)
		qx, qw := backendtest.Codes(r, tensor.U8, 0, 255, c.x...), backendtest.Codes(r, tensor.I8, -127, 127, c.w...)
		sx, zx := tensor.FromF32([]float32{0.02}, 1), tensor.FromI32([]int32{117}, 1)
		sw := backendtest.Normal(r, 1, c.w[0])
		for i, v := range sw.F32() {
			sw.F32()[i] = 0.001 + v*v*0.01
		}
		// What the codes stand for, in float64.
		fx, fw := tensor.New(tensor.Of(tensor.F64, c.x...)), tensor.New(tensor.Of(tensor.F64, c.w...))
		for i := range fx.F64() {
			fx.F64()[i] = float64(sx.F32()[0]) * (qx.At(i) - 117)
		}
		k := fw.Numel() / c.w[0]
		for i := range fw.F64() {
			fw.F64()[i] = float64(sw.F32()[i/k]) * qw.At(i)
		}
		in, out := tensor.NewDims(c.x...), tensor.NewDims(c.w...)
		f64 := func(v *tensor.Tensor) *tensor.Tensor {
			d := tensor.New(tensor.Of(tensor.F64, v.Shape()...))
			for i := range d.F64() {
				d.F64()[i] = v.At(i)
			}
			return d
		}
		type check struct {
			name  string
			op    func(p backend.GradPrecision) backend.Op
			shape tensor.Shape
			in    []*tensor.Tensor
			exact []*tensor.Tensor
			codes bool
		}
		conv := func(backend.GradPrecision) backend.Op { return c.op }
		gradIn := func(p backend.GradPrecision) backend.Op {
			return backend.ConvGradInput{Conv: c.op, Input: in, Precision: p}
		}
		gradWeight := func(p backend.GradPrecision) backend.Op {
			return backend.ConvGradWeight{Conv: c.op, Weight: out, Precision: p}
		}
		for _, k := range []check{
			{"y", conv, c.y, []*tensor.Tensor{x, w}, []*tensor.Tensor{f64(x), f64(w)}, false},
			{"dx", gradIn, c.x, []*tensor.Tensor{dy, w}, []*tensor.Tensor{f64(dy), f64(w)}, false},
			{"dx of codes", gradIn, c.x, []*tensor.Tensor{dy, qw, sw}, []*tensor.Tensor{f64(dy), fw}, true},
			{"dw", gradWeight, c.w, []*tensor.Tensor{dy, x}, []*tensor.Tensor{f64(dy), f64(x)}, false},
			{"dw of codes", gradWeight, c.w, []*tensor.Tensor{dy, qx, sx, zx}, []*tensor.Tensor{f64(dy), fx}, true},
		} {
			require.NoError(t, cpu.SetMaxISA(""))
			want := tensor.New(tensor.Of(tensor.F64, k.shape...))
			runOp(t, k.op(backend.GradF32), want, k.exact...)
			bounds := map[backend.GradPrecision]float64{backend.GradF32: 1e-11}
			if k.codes {
				bounds[backend.GradBF16x2], bounds[backend.GradBF16] = 1e-9, 4e-6
			}
			for _, isa := range cpu.InstructionSets() {
				if !isa.Usable {
					continue
				}
				require.NoError(t, cpu.SetMaxISA(isa.Name))
				for p, bound := range bounds {
					t.Run(fmt.Sprintf("%s/%s/%s/%s", c.name, k.name, isa.Name, p), func(t *testing.T) {
						got := tensor.New(tensor.Of(tensor.F32, k.shape...))
						runOp(t, k.op(p), got, k.in...)
						require.Less(t, nmse(got, want), bound)
						again := tensor.New(got.Spec())
						old := runtime.GOMAXPROCS(3)
						defer runtime.GOMAXPROCS(old)
						runOp(t, k.op(p), again, k.in...)
						require.Equal(t, got.Bytes(), again.Bytes())
					})
				}
			}
		}
	}
}

func nmse(got, want *tensor.Tensor) float64 {
	var num, den float64
	for i := range want.Numel() {
		d := got.At(i) - want.At(i)
		num += d * d
		den += want.At(i) * want.At(i)
	}
	return num / den
}
