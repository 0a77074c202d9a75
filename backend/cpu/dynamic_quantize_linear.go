package cpu

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/codes"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.DynamicQuantizeLinear{}, kernel{types: []tensor.DType{tensor.F32}, bind: bindDynamicQuantizeLinear})
}

func bindDynamicQuantizeLinear(b *Backend, _ backend.Op, out, in []*tensor.Tensor) (func() error, error) {
	s := quant.UInt8()
	x := in[0].F32()
	n := len(x)
	y := codesOf[uint8](out[0], n)
	scale, zero := make([]float32, 1), make([]int32, 1)
	if out[1] != nil {
		scale = out[1].F32()
	}
	if out[2] != nil {
		zero = out[2].I32()
	}
	l := quant.Layout{Outer: 1, Channels: 1, Inner: n}
	e := newExtremes(b, in[0], l)
	qlo, qhi := s.Range()
	choose := func(lo, hi []float32) (err error) {
		m, M := orZero(lo[0], hi[0])
		if scale[0], zero[0], err = quant.ONNX.ScaleZero(s, m, M); err != nil {
			return fmt.Errorf("cpu: %w", err)
		}
		return nil
	}
	body := func(lo, hi int) {
		codes.Quantize(quant.ONNX, y, nil, x, scale, zero, qlo, qhi, l, lo, hi)
	}
	grain := grainFor(n, 4)
	return func() error {
		if err := e.run(choose); err != nil {
			return err
		}
		parallel(n, grain, body)
		return nil
	}, nil
}
