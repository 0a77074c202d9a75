package backendtest

import (
	"math"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	Register(Conformance{
		Op: backend.FoldBatchNorm{},
		Cases: func(r *rand.Rand) []Case {
			in := foldInputs(r, 9, 3, 3, 5)
			plain := append([]*tensor.Tensor(nil), in[:4]...)
			noBias := append([]*tensor.Tensor(nil), in...)
			noBias[3] = nil
			perTensor := append([]*tensor.Tensor(nil), in...)
			perTensor[1] = Scales(r, 1)
			nan := append([]*tensor.Tensor(nil), in...)
			nan[7] = Normal(r, 1, 9)
			nan[7].F32()[4] = -1 // The root of a negative variance.
			onnx, tflite := backend.FoldBatchNorm{Rule: quant.ONNX, Eps: 1e-5}, backend.FoldBatchNorm{Rule: quant.TFLite, Eps: 1e-3}
			return []Case{
				{Name: "bias and batch norm", Op: onnx, In: in, Exact: true},
				{Name: "half away", Op: tflite, In: in, Exact: true},
				{Name: "no bias", Op: onnx, In: noBias, Exact: true},
				{Name: "one scale", Op: onnx, In: perTensor, Exact: true},
				{Name: "bias alone", Op: onnx, In: plain, Exact: true},
				{Name: "nothing to fold", Op: onnx, In: plain[:3], Exact: true},
				{Name: "linear", Op: onnx, In: foldInputs(r, 70, 1001), Exact: true},
				{Name: "empty", Op: onnx, In: foldInputs(r, 0, 4), Exact: true},
				{Name: "negative variance", Op: onnx, In: nan, Err: backend.ErrNaN},
			}
		},
		Ref: refFoldBatchNorm,
	})
	Register(Conformance{
		Op: backend.FoldBatchNormGrad{},
		Cases: func(r *rand.Rand) []Case {
			op := backend.FoldBatchNormGrad{Eps: 1e-5}
			of := func(drop ...int) []*tensor.Tensor {
				f := foldInputs(r, 9, 3, 3, 5)
				in := []*tensor.Tensor{Normal(r, 1, 9, 3, 3, 5), Normal(r, 1, 9), f[0], f[1], f[3], f[4], f[6], f[7]}
				for _, i := range drop {
					in[i] = nil
				}
				return in
			}
			return []Case{
				{Name: "all", Op: op, In: of()},
				{Name: "no bias", Op: op, In: of(4)},
				{Name: "no weight gradient", Op: op, In: of(0)},
				{Name: "no bias gradient", Op: op, In: of(1)},
			}
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			eps := float64(op.(backend.FoldBatchNormGrad).Eps)
			w := in[2]
			o := w.Shape()[0]
			k := w.Numel() / max(o, 1)
			for c := range o {
				inv := 1 / math.Sqrt(in[7].At(c)+eps)
				a := in[5].At(c) * inv
				var db, b, sum float64
				if in[1] != nil {
					db = in[1].At(c)
				}
				if in[4] != nil {
					b = in[4].At(c)
				}
				for i := c * k; i < (c+1)*k && in[0] != nil; i++ {
					Set(out[0], i, in[0].At(i)*a)
					sum += in[0].At(i) * w.At(i) * float64(scale(in[3], c))
				}
				Set(out[1], c, db*a)
				Set(out[2], c, inv*(sum+db*(b-in[6].At(c))))
				Set(out[3], c, db)
			}
		},
	})
}

// foldInputs returns a layer [o, ...] with a batch normalization of which some
// factors are negative, zero or tiny.
func foldInputs(r *rand.Rand, dims ...int) []*tensor.Tensor {
	o := dims[0]
	in := []*tensor.Tensor{Codes(r, tensor.I8, -127, 127, dims...), Scales(r, o), Scales(r, 1),
		Normal(r, 1, o), Normal(r, 1, o), Normal(r, 1, o), Normal(r, 1, o), Normal(r, 1, o)}
	for i, v := range in[7].F32() {
		in[7].F32()[i] = v * v
	}
	if o > 5 {
		gamma, beta, bias := in[4].F32(), in[5].F32(), in[3].F32()
		gamma[0], gamma[1], gamma[2] = -0.7, 0, 1e-12
		gamma[3], beta[3], bias[3], in[6].F32()[3] = 0, 0, 0, 0
		gamma[5] = -1e-30
	}
	return in
}

func refFoldBatchNorm(op backend.Op, in, out []*tensor.Tensor) {
	f := op.(backend.FoldBatchNorm)
	w := in[0].I8()
	o := in[0].Shape()[0]
	k := len(w) / max(o, 1)
	for c := range o {
		a, b := 1.0, 0.0
		if t := input(in, 3); t != nil {
			b = t.At(c)
		}
		if t := input(in, 4); t != nil {
			a = t.At(c) / math.Sqrt(in[7].At(c)+float64(f.Eps))
			t := (b - in[6].At(c)) * a
			b = in[5].At(c) + float64(t)
		}
		sx := in[2].At(0)
		s, sign := float64(scale(in[1], c))*math.Abs(a), int8(1)
		if a < 0 {
			sign = -1
		}
		if s < 0x1p-126 || math.Abs(b) >= sx*s*backend.MaxFoldedBias {
			sign, s = 0, max(0x1p-126, math.Abs(b)/(sx*backend.ConstantBias))
		}
		for i := c * k; i < (c+1)*k; i++ {
			out[0].I8()[i] = w[i] * sign
		}
		out[1].F32()[c] = float32(s)
		out[2].I32()[c], _ = f.Rule.QuantizeBias(b, in[2].F32()[0], float32(s))
	}
}
