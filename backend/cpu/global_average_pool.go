package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/channels"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.GlobalAveragePool{}, kernel{types: floats, bind: func(_ *Backend, _ backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if in[0].DType() == tensor.F64 {
			return bindGlobalAveragePool[float64](out, in), nil
		}
		return bindGlobalAveragePool[float32](out, in), nil
	}})
	register(backend.GlobalAveragePoolGrad{}, kernel{types: floats, bind: func(_ *Backend, _ backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if in[0].DType() == tensor.F64 {
			return bindGlobalAveragePoolGrad[float64](out, in), nil
		}
		return bindGlobalAveragePoolGrad[float32](out, in), nil
	}})
}

func bindGlobalAveragePool[T float](out, in []*tensor.Tensor) func() error {
	x, y := elements[T](in[0]), elements[T](out[0])
	n, c := in[0].Shape()[0], in[0].Shape().Last()
	plane := len(x) / max(n, 1)
	count := T(plane / max(c, 1))
	add := channels.For[T]().Add
	body := func(lo, hi int) {
		for i := lo; i < hi; i++ {
			mean := y[i*c : (i+1)*c]
			clear(mean)
			for o := i * plane; o < (i+1)*plane; o += c {
				add(mean, x[o:o+c])
			}
			for j := range mean {
				mean[j] /= count
			}
		}
	}
	grain := max(32768/max(plane, 1), 1)
	return func() error {
		if len(x) > 0 {
			parallel(n, grain, body)
		}
		return nil
	}
}

func bindGlobalAveragePoolGrad[T float](out, in []*tensor.Tensor) func() error {
	dx, dy := elements[T](out[0]), elements[T](in[0])
	n, c := out[0].Shape()[0], out[0].Shape().Last()
	plane := len(dx) / max(n, 1)
	share := 1 / T(max(plane/max(c, 1), 1))
	body := func(lo, hi int) {
		for i := lo; i < hi; i++ {
			d := dx[i*plane : (i+1)*plane]
			for j, v := range dy[i*c : (i+1)*c] {
				d[j] = v * share
			}
			for done := c; done < plane; {
				done += copy(d[done:], d[:done])
			}
		}
	}
	grain := max(32768/max(plane, 1), 1)
	return func() error {
		if len(dx) > 0 {
			parallel(n, grain, body)
		}
		return nil
	}
}
