package op

import (
	"errors"
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// ErrAccumulator says that a sum of products of codes is so long that it may
// not fit the int32 accumulator.
var ErrAccumulator = errors.New("op: sum of products may overflow the int32 accumulator")

func init() {
	graph.Register(backend.ConvInteger{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := wantPresent(in, 4, 0, 1); err != nil {
				return nil, err
			}
			x, w := in[0], in[1]
			y, err := codesConv(op.(backend.ConvInteger).Conv, x, w)
			if err != nil {
				return nil, err
			}
			err = errors.Join(
				wantEntries(in, 2, "zero point of x", tensor.I32, 1),
				wantEntries(in, 3, "zero point of w", tensor.I32, 1, w.Shape[0]),
				wantAccumulator(codeSpan(x.DType, present(in, 2)), codeSpan(w.DType, present(in, 3)), innerProduct(w.Shape), false))
			return one(tensor.Spec{DType: tensor.I32, Shape: y}), err
		},
		NoGrad: "its result is an integer; the layers that are trained are conv_dequant and qlinear_conv",
		ONNX:   "ConvInteger",
	})
}

// present reports whether input i is given.
func present(in []tensor.Spec, i int) bool { return at(in, i).DType != tensor.Invalid }

// wantPresent returns an error unless there are at most hi inputs, those
// listed among them.
func wantPresent(in []tensor.Spec, hi int, required ...int) error {
	if len(in) > hi {
		return fmt.Errorf("op: %d inputs, want at most %d", len(in), hi)
	}
	for _, i := range required {
		if !present(in, i) {
			return fmt.Errorf("op: input %d is absent", i)
		}
	}
	return nil
}

// wantEntries returns an error unless input i is absent or a list of type d
// with one of these numbers of entries.
func wantEntries(in []tensor.Spec, i int, what string, d tensor.DType, sizes ...int) error {
	s := at(in, i)
	if s.DType == tensor.Invalid {
		return nil
	}
	if s.DType == d && len(s.Shape) <= 1 {
		for _, n := range sizes {
			if s.Numel() == n {
				return nil
			}
		}
	}
	return fmt.Errorf("op: input %d, the %s, is %v, want %v of %v entries", i, what, s, d, sizes)
}

// wantScheme returns an error unless s is a scheme of codes with one scale.
func wantScheme(s quant.Scheme) error {
	if s.IsZero() {
		return fmt.Errorf("op: no scheme for the result")
	}
	if err := s.Validate(); err != nil {
		return fmt.Errorf("op: %w", err)
	}
	if s.Grain.Kind != quant.PerTensor {
		return fmt.Errorf("op: scheme %v of the result, want one scale", s)
	}
	return nil
}

// codesConv returns the shape of a convolution of codes.
func codesConv(c backend.Conv, x, w tensor.Spec) (tensor.Shape, error) {
	if !x.DType.Code() || !w.DType.Code() {
		return nil, fmt.Errorf("op: convolution of %v with %v, want int8 or uint8 codes", x.DType, w.DType)
	}
	return convShape(c, x.Shape, w.Shape)
}

// innerProduct returns the number of products in a sum over a weight [o, ...].
func innerProduct(w tensor.Shape) int {
	if len(w) == 0 {
		return 0
	}
	return w[1:].Numel()
}

// codeSpan is [backend.CodeSpan].
func codeSpan(d tensor.DType, zero bool) [2]int32 { return backend.CodeSpan(d, zero) }

// wantAccumulator returns [ErrAccumulator] with a [backend.SumError] when k
// products may not fit an int32. With a bias half of the range is the bias'.
func wantAccumulator(x, w [2]int32, k int, bias bool) error {
	if err := backend.CheckSum(k, x, w, bias); err != nil {
		return fmt.Errorf("%w: %w", ErrAccumulator, err)
	}
	return nil
}
