//go:build cuda

package gpu

import (
	"strconv"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/cuda"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.Pad{}, kernel{module: "pad", types: castable, bind: bindPad})
	register(backend.PadGrad{}, kernel{module: "pad", types: f32, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		p := op.(backend.PadGrad).Pad
		inside, padded := out[0].spec.Shape, in[0].spec.Shape
		if p.Mode == backend.PadConstant {
			at, strides := padWalk(p, padded)
			return stridedCopy(k, "pad", out[0].ptr, in[0].ptr+cuda.Ptr(4*at), 4, inside, inside.Strides(), strides)
		}
		n := inside.Numel()
		args := append([]any{out[0], in[0], int64(n)}, padArguments(p, padded, inside)...)
		return k.launch("pad_show_grad", k.elementwise(n), args...)
	}})
}

func bindPad(k *build, op backend.Op, out, in []*Buffer) error {
	p, w := op.(backend.Pad), width(in[0].spec.DType)
	padded, inside := out[0].spec.Shape, in[0].spec.Shape
	n := padded.Numel()
	if p.Mode != backend.PadConstant {
		args := append([]any{out[0], in[0], int64(n)}, padArguments(p, padded, inside)...)
		return k.launch("pad_show_"+strconv.Itoa(w), k.elementwise(n), args...)
	}
	var value *Buffer
	var kind int32
	if len(in) > 1 && in[1] != nil {
		value = in[1]
		kind = map[tensor.DType]int32{tensor.F32: 1, tensor.F64: 2, tensor.I32: 3, tensor.I64: 4}[value.spec.DType]
		if kind == 0 {
			return backend.ErrUnsupported
		}
	}
	if err := k.launch("pad_fill_"+suffixes[out[0].spec.DType], k.elementwise(n), out[0], int64(n), float64(p.Value), value, kind); err != nil {
		return err
	}
	at, strides := padWalk(p, padded)
	return stridedCopy(k, "pad", out[0].ptr+cuda.Ptr(at*w), in[0].ptr, w, inside, strides, inside.Strides())
}

// padWalk returns where the tensor inside of a padded one begins, and the
// strides of the padded one.
func padWalk(p backend.Pad, padded tensor.Shape) (first int, strides []int) {
	strides = padded.Strides()
	for i, s := range strides {
		first += p.Before.V[i] * s
	}
	return first, strides
}

// padArguments returns mode and dimensions as kernels of mirrored and of border
// elements take them.
func padArguments(p backend.Pad, padded, inside tensor.Shape) []any {
	args := []any{flag32(p.Mode == backend.PadReflect)}
	add := func(of func(i int) int, none int) {
		for i := range stridedDims {
			v := none
			if d := len(padded) - 1 - i; d >= 0 {
				v = of(d)
			}
			args = append(args, int32(v))
		}
	}
	add(func(i int) int { return padded[i] }, 1)
	add(func(i int) int { return inside[i] }, 1)
	add(func(i int) int { return p.Before.V[i] }, 0)
	return args
}
