package op

import (
	"errors"
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.MatMulInteger{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := wantPresent(in, 4, 0, 1); err != nil {
				return nil, err
			}
			y, k, n, err := codesMatMul(op.(backend.MatMulInteger).MatMul, in[0], in[1])
			if err != nil {
				return nil, err
			}
			err = errors.Join(
				wantEntries(in, 2, "zero point of a", tensor.I32, 1),
				wantEntries(in, 3, "zero point of b", tensor.I32, 1, n),
				wantAccumulator(codeSpan(in[0].DType, present(in, 2)), codeSpan(in[1].DType, present(in, 3)), k, false))
			return one(tensor.Spec{DType: tensor.I32, Shape: y}), err
		},
		NoGrad: "its result is an integer; the layers that are trained are matmul_dequant and qlinear_matmul",
		ONNX:   "MatMulInteger",
	})
}

// codesMatMul returns the shape of a product of matrices of codes, the length
// of its sums, and its columns. An operand of rank 1 is a row (a) or a column
// (b) and its dimension is missing in the result.
func codesMatMul(m backend.MatMul, a, b tensor.Spec) (y tensor.Shape, k, n int, err error) {
	if !a.DType.Code() || !b.DType.Code() {
		return nil, 0, 0, fmt.Errorf("op: product of %v with %v, want int8 or uint8 codes", a.DType, b.DType)
	}
	bad := func() error { return fmt.Errorf("op: matrices %v and %v do not fit", a.Shape, b.Shape) }
	as, bs := a.Shape, b.Shape
	if len(as) == 0 || len(bs) == 0 || len(as) == 1 && m.TransA || len(bs) == 1 && m.TransB {
		return nil, 0, 0, bad()
	}
	var kb int
	rows := 1
	n = 1
	switch {
	case len(as) == 1:
		k, as = as[0], nil
	default:
		rows, k = as[len(as)-2], as[len(as)-1]
		if m.TransA {
			rows, k = k, rows
		}
		as = as[:len(as)-2]
	}
	switch {
	case len(bs) == 1:
		kb, bs = bs[0], nil
	default:
		kb, n = bs[len(bs)-2], bs[len(bs)-1]
		if m.TransB {
			kb, n = n, kb
		}
		bs = bs[:len(bs)-2]
	}
	if k != kb {
		return nil, 0, 0, bad()
	}
	lead, err := tensor.Broadcast(as, bs)
	if err != nil {
		return nil, 0, 0, fmt.Errorf("op: %w", err)
	}
	y = lead
	if len(a.Shape) > 1 {
		y = append(y, rows)
	}
	if len(b.Shape) > 1 {
		y = append(y, n)
	}
	return y, k, n, nil
}
