package backendtest

import (
	"fmt"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

// Double returns t as float64.
func Double(t *tensor.Tensor) *tensor.Tensor {
	d := tensor.New(tensor.Spec{DType: tensor.F64, Shape: t.Shape()})
	for i := range t.Numel() {
		d.F64()[i] = t.At(i)
	}
	return d
}

// Ints returns an int32 or int64 tensor of uniform values in [lo, hi].
func Ints(r *rand.Rand, d tensor.DType, lo, hi int, dims ...int) *tensor.Tensor {
	t := tensor.New(tensor.Of(d, dims...))
	for i := range t.Numel() {
		Set(t, i, float64(lo+r.IntN(hi-lo+1)))
	}
	return t
}

// elementwiseGrad registers the test of a gradient dx = f(dy, v), where v is
// what prepare makes of a normal number: an input or an output.
func elementwiseGrad(op backend.Op, prepare func(x float64) float64, f func(dy, v float64) float64) {
	Register(Conformance{
		Op: op,
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, n := range []int{0, 1, 513, 20011} {
				v := Normal(r, 3, n)
				for i, x := range v.F32() {
					v.F32()[i] = float32(prepare(float64(x)))
				}
				dy := Normal(r, 1, n)
				cs = append(cs, Case{Name: fmt.Sprintf("n=%d", n), Op: op, In: []*tensor.Tensor{dy, v}})
				if n == 513 {
					cs = append(cs, Case{Name: "float64", Op: op, In: []*tensor.Tensor{Double(dy), Double(v)}})
				}
			}
			return cs
		},
		Ref: func(_ backend.Op, in, out []*tensor.Tensor) {
			for i := range in[0].Numel() {
				Set(out[0], i, f(in[0].At(i), in[1].At(i)))
			}
		},
	})
}

func identity(x float64) float64 { return x }

// broadcast registers the test of a binary operation with broadcast.
func broadcast(op backend.Op, ints bool, f func(a, b float64) float64) {
	shapes := []struct {
		name string
		a, b []int
	}{
		{"equal", []int{7, 33, 5}, []int{7, 33, 5}},
		{"large", []int{3, 70001}, []int{3, 70001}},
		{"bias", []int{2, 9, 11, 13}, []int{13}},
		{"bias-first", []int{13}, []int{9, 11, 13}},
		{"channels", []int{2, 9, 11, 5}, []int{2, 1, 1, 5}},
		{"column", []int{37, 1}, []int{37, 19}},
		{"outer", []int{41, 1}, []int{1, 23}},
		{"middle", []int{3, 1, 5, 1, 2}, []int{3, 4, 5, 6, 1}},
		{"number", []int{1003}, []int{}},
		{"number-first", []int{1, 1}, []int{17, 3}},
		{"scalars", []int{}, []int{}},
		{"empty", []int{0, 5}, []int{5}},
		{"empty-stretched", []int{1, 5}, []int{0, 5}},
	}
	Register(Conformance{
		Op: op,
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, s := range shapes {
				cs = append(cs, Case{Name: s.name, Op: op, In: []*tensor.Tensor{Normal(r, 2, s.a...), Normal(r, 2, s.b...)}, Exact: true})
			}
			cs = append(cs, Case{Name: "float64", Op: op, In: []*tensor.Tensor{Double(Normal(r, 2, 5, 6)), Double(Normal(r, 2, 6))}, Exact: true})
			if ints {
				cs = append(cs,
					Case{Name: "int32", Op: op, In: []*tensor.Tensor{Ints(r, tensor.I32, -99, 99, 5, 7), Ints(r, tensor.I32, -99, 99, 7)}},
					Case{Name: "int64", Op: op, In: []*tensor.Tensor{Ints(r, tensor.I64, -99, 99, 5, 7), Ints(r, tensor.I64, -99, 99, 1)}})
			}
			return cs
		},
		Ref: func(_ backend.Op, in, out []*tensor.Tensor) {
			s := out[0].Shape()
			for i := range out[0].Numel() {
				Set(out[0], i, f(stretched(in[0], s, i), stretched(in[1], s, i)))
			}
		},
	})
}

// stretched returns the element of t that element i of the shape s shows.
func stretched(t *tensor.Tensor, s tensor.Shape, i int) float64 {
	at, stride := 0, 1
	for k := len(t.Shape()) - 1; k >= 0; k-- {
		d := s[len(s)-len(t.Shape())+k]
		if t.Shape()[k] > 1 {
			at += i % d * stride
		}
		stride *= t.Shape()[k]
		i /= d
	}
	return t.At(at)
}

// indexOf returns the index tuple of element i of a tensor of shape s.
func indexOf(s tensor.Shape, i int) []int {
	x := make([]int, len(s))
	for k := len(s) - 1; k >= 0; k-- {
		x[k] = i % s[k]
		i /= s[k]
	}
	return x
}

// flatOf is the inverse of indexOf.
func flatOf(s tensor.Shape, x []int) int {
	i := 0
	for k, d := range s {
		i = i*d + x[k]
	}
	return i
}

// copyElement copies element j of src to element i of dst, of one type.
func copyElement(dst *tensor.Tensor, i int, src *tensor.Tensor, j int) {
	n := dst.DType().Bytes(1)
	copy(dst.Bytes()[i*n:(i+1)*n], src.Bytes()[j*n:])
}

// everyType returns a tensor of random bits of each element type of whole
// bytes; floats are normal numbers.
func everyType(r *rand.Rand, dims ...int) []*tensor.Tensor {
	f := Normal(r, 1, dims...)
	return []*tensor.Tensor{f, Double(f), Codes(r, tensor.I8, -128, 127, dims...), Codes(r, tensor.U8, 0, 255, dims...),
		Ints(r, tensor.I32, -1<<30, 1<<30, dims...), Ints(r, tensor.I64, -1<<30, 1<<30, dims...)}
}
