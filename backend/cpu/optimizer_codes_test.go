package cpu_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/backendtest"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// optimizerOf returns the inputs of an optimizer of n values.
func optimizerOf(r *rand.Rand, op backend.Op, shape ...int) []*tensor.Tensor {
	one := func(v float32) *tensor.Tensor { return tensor.FromF32([]float32{v}, 1) }
	in := []*tensor.Tensor{backendtest.Normal(r, 1, shape...), backendtest.Normal(r, 0.1, shape...)}
	switch o := op.(type) {
	case backend.SGD:
		var v, move *tensor.Tensor
		if o.Momentum != 0 {
			v = backendtest.Normal(r, 0.1, shape...)
			move = one(0.85)
		}
		return append(in, v, one(0.1), move)
	case backend.Adam:
		v := backendtest.Normal(r, 0.1, shape...)
		for i, x := range v.F32() {
			v.F32()[i] = x * x
		}
		return append(in, backendtest.Normal(r, 0.1, shape...), v, one(1e-2), tensor.FromI64([]int64{3}, 1))
	}
	return nil
}

// withCodes returns op that makes codes too.
func withCodes(op backend.Op, rule quant.Rule, s quant.Scheme) backend.Op {
	coded, _ := op.(backend.WeightOptimizer).Quantizing(rule, s)
	return coded
}

func clones(in []*tensor.Tensor) []*tensor.Tensor {
	out := make([]*tensor.Tensor, len(in))
	for i, x := range in {
		if x != nil {
			out[i] = x.Clone()
		}
	}
	return out
}

// runOptimizer binds op to in, with the outputs that are no inputs new, and runs it.
func runOptimizer(t *testing.T, op backend.Op, in []*tensor.Tensor, outs ...*tensor.Tensor) {
	t.Helper()
	from, to := make([]backend.Buffer, len(in)), make([]backend.Buffer, len(outs))
	for i, x := range in {
		if x != nil {
			from[i] = x
		}
	}
	for i, x := range outs {
		if x != nil {
			to[i] = x
		}
	}
	require.NoError(t, backend.Run(context.Background(), cpu.New(), op, to, from))
}

var codedOptimizers = []backend.Op{
	backend.SGD{}, backend.SGD{WeightDecay: 0.01}, backend.SGD{Momentum: 0.9, WeightDecay: 5e-4, Nesterov: true},
	backend.Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8}, backend.Adam{Beta1: 0.8, Beta2: 0.99, Eps: 1e-6, WeightDecay: 0.05, Decoupled: true},
}

// TestOptimizersWithCodes compares, on every instruction set, optimizers that
// make codes with the optimizer alone and quantize_weight after it, and what
// adopt_range makes of the ends with the states of that.
func TestOptimizersWithCodes(t *testing.T) {
	t.Cleanup(func() { require.NoError(t, cpu.SetMaxISA("")) })
	for _, set := range cpu.InstructionSets() {
		if !set.Usable {
			continue
		}
		require.NoError(t, cpu.SetMaxISA(set.Name))
		r := rand.New(rand.NewPCG(5, 6))
		var shapes [][]int
		for n := 1; n <= 70; n++ {
			shapes = append(shapes, []int{1 + n%7 + 1, n})
		}
		shapes = append(shapes, []int{40, 3, 3, 5}, []int{64, 784}, []int{3, 20001}, []int{2, 8192})
		for _, op := range codedOptimizers {
			for i, shape := range shapes {
				rule := []quant.Rule{quant.ONNX, quant.PyTorch, quant.TFLite}[i%3]
				s := quant.Weights([]int{8, 4}[i%2])
				t.Run(fmt.Sprintf("%s/%v/%v", set.Name, op, shape), func(t *testing.T) {
					in := optimizerOf(r, op, shape...)
					compareWithParts(t, op, rule, s, in)
				})
			}
		}
	}
}

func compareWithParts(t *testing.T, op backend.Op, rule quant.Rule, s quant.Scheme, in []*tensor.Tensor) {
	t.Helper()
	channels := s.Params(in[0].Shape())
	column := func() *tensor.Tensor { return tensor.New(tensor.Of(tensor.F32, channels)) }
	type states struct{ min, max, scale, zero *tensor.Tensor }
	newStates := func() states {
		return states{column(), column(), column(), tensor.New(tensor.Of(tensor.I32, channels))}
	}
	updated := func(in []*tensor.Tensor) []*tensor.Tensor {
		if _, ok := op.(backend.Adam); ok {
			return []*tensor.Tensor{in[0], in[2], in[3]}
		}
		if in[2] == nil {
			return []*tensor.Tensor{in[0]}
		}
		return []*tensor.Tensor{in[0], in[2]}
	}
	codesOf := func() *tensor.Tensor { return tensor.New(tensor.Spec{DType: s.DType(), Shape: in[0].Shape()}) }

	want, wantCodes, wantStates := clones(in), codesOf(), newStates()
	runOptimizer(t, op, want, updated(want)...)
	runOptimizer(t, backend.QuantizeWeight{Rule: rule, Scheme: s, Momentum: 1}, []*tensor.Tensor{want[0], wantStates.min, wantStates.max, wantStates.scale, wantStates.zero},
		wantCodes, nil, wantStates.min, wantStates.max, wantStates.scale, wantStates.zero)

	got, gotCodes, least, most, gotStates := clones(in), codesOf(), column(), column(), newStates()
	coded := withCodes(op, rule, s)
	runOptimizer(t, coded, append(clones(nil), append(got, gotCodes, least, most)...), append([]*tensor.Tensor{gotCodes, least, most}, updated(got)...)...)
	runOptimizer(t, backend.AdoptRange{Rule: rule, Scheme: s}, []*tensor.Tensor{least, most, gotStates.min, gotStates.max, gotStates.scale, gotStates.zero},
		gotStates.min, gotStates.max, gotStates.scale, gotStates.zero)
	for i := range want {
		if want[i] != nil {
			require.Equal(t, want[i].Bytes(), got[i].Bytes(), "input %d of %v", i, op)
		}
	}
	require.Equal(t, wantCodes.Bytes(), gotCodes.Bytes())
	require.Equal(t, wantStates.min.Bytes(), gotStates.min.Bytes())
	require.Equal(t, wantStates.max.Bytes(), gotStates.max.Bytes())
	require.Equal(t, wantStates.scale.Bytes(), gotStates.scale.Bytes())
	require.Equal(t, wantStates.zero.Bytes(), gotStates.zero.Bytes())

	// weight_codes makes them of the parameter alone.
	again, l2, m2 := codesOf(), column(), column()
	runOptimizer(t, backend.WeightCodes{Rule: rule, Scheme: s}, []*tensor.Tensor{got[0]}, again, l2, m2)
	require.Equal(t, gotCodes.Bytes(), again.Bytes())
	require.Equal(t, least.Bytes(), l2.Bytes())
	require.Equal(t, most.Bytes(), m2.Bytes())
}

// FuzzOptimizersWithCodes is the comparison for parameters of any bits.
func FuzzOptimizersWithCodes(f *testing.F) {
	f.Add(uint64(1), uint8(3), uint16(9), uint8(0), uint32(0x7f7fffff))
	f.Add(uint64(2), uint8(8), uint16(70), uint8(3), uint32(1))
	f.Fuzz(func(t *testing.T, seed uint64, rows uint8, columns uint16, which uint8, bits uint32) {
		v := math.Float32frombits(bits)
		if v != v || math.IsInf(float64(v), 0) {
			t.Skip("ranges that are none are tested apart")
		}
		r := rand.New(rand.NewPCG(seed, 1))
		op := codedOptimizers[int(which)%len(codedOptimizers)]
		in := optimizerOf(r, op, 2+int(rows)%40, 1+int(columns)%600)
		p := in[0].F32()
		p[r.IntN(len(p))] = v / 2
		compareWithParts(t, op, quant.PyTorch, quant.Weights(8), in)
	})
}
