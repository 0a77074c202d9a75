package backendtest

import (
	"math"
	"slices"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

// Half returns a float32 tensor rounded to bfloat16.
func Half(t *tensor.Tensor) *tensor.Tensor {
	h := tensor.New(tensor.Spec{DType: tensor.BF16, Shape: t.Shape().Clone()})
	tensor.NarrowBF16(h.BF16(), t.F32())
	return h
}

// realsOf returns the numbers of a tensor as float32.
func realsOf(t *tensor.Tensor) []float32 {
	if t.DType() != tensor.BF16 {
		return t.F32()
	}
	v := make([]float32, t.Numel())
	tensor.WidenBF16(v, t.BF16())
	return v
}

// withHalves returns the cases, and each again with the given inputs rounded
// to bfloat16.
func withHalves(cs []Case, inputs ...int) []Case {
	for _, c := range slices.Clip(cs) {
		c.In = slices.Clone(c.In)
		for _, i := range inputs {
			c.In[i] = Half(c.In[i])
		}
		c.Name += "_bfloat16"
		cs = append(cs, c)
	}
	return cs
}

// withHalfResults returns the cases, and each again with the operation that
// half makes of its own, unless that is nil.
func withHalfResults(cs []Case, half func(backend.Op) backend.Op) []Case {
	for _, c := range slices.Clip(cs) {
		if c.Op = half(c.Op); c.Op == nil {
			continue
		}
		c.Name += "_to_bfloat16"
		cs = append(cs, c)
	}
	return cs
}

// everyHalf returns all bfloat16 numbers.
func everyHalf() *tensor.Tensor {
	t := tensor.New(tensor.Of(tensor.BF16, 1<<16))
	for i := range t.BF16() {
		t.BF16()[i] = tensor.BFloat16(i)
	}
	return t
}

// besideTies returns numbers whose nearest bfloat16 is decided by digits that
// the next wider type lacks.
func besideTies() []*tensor.Tensor {
	tie := float64(math.Float32frombits(0x3f808000))
	f := []float64{tie, math.Nextafter(tie, 2), math.Nextafter(tie, 0), -math.Nextafter(tie, 2), -math.Nextafter(tie, 0), 0x1.01p-130, 3e38, 3.4e38, -1e39}
	i := []int64{1<<62 | 1<<54, 1<<62 | 1<<54 | 1, 1<<62 | 1<<54 - 1, -(1<<62 | 1<<54 | 1), 1<<40 + 1<<32 + 1, 1<<24 + 1<<16 + 1}
	return []*tensor.Tensor{tensor.FromF64(f, len(f)), tensor.FromI64(i, len(i))}
}
