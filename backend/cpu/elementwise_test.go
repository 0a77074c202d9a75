package cpu

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

// sample is an operation whose work is cut into many tiles.
type sample struct {
	op      backend.Op
	out, in []*tensor.Tensor
}

func samples() []sample {
	r := rand.New(rand.NewPCG(1, 2))
	f := func(dims ...int) *tensor.Tensor {
		t := tensor.New(tensor.Of(tensor.F32, dims...))
		for i := range t.F32() {
			t.F32()[i] = float32(r.NormFloat64())
		}
		return t
	}
	labels := tensor.New(tensor.Of(tensor.I32, 5000))
	for i := range labels.I32() {
		labels.I32()[i] = int32(r.IntN(10))
	}
	one := f(1)
	var ss []sample
	add := func(op backend.Op, out, in []*tensor.Tensor) { ss = append(ss, sample{op, out, in}) }
	ts := func(t ...*tensor.Tensor) []*tensor.Tensor { return t }
	x, row := f(500, 10, 33), f(33)
	add(backend.Add{}, ts(f(500, 10, 33)), ts(x, row))
	add(backend.Mul{}, ts(f(500, 10, 33)), ts(x, f(500, 1, 33)))
	add(backend.Gelu{}, ts(f(500, 10, 33)), ts(x))
	for k := backend.ReduceSum; k.Valid(); k++ {
		add(backend.Reduce{Kind: k}, ts(f()), ts(x))
		add(backend.Reduce{Kind: k, Axes: tensor.NewDims(0, 1)}, ts(f(33)), ts(x))
		add(backend.Reduce{Kind: k, Axes: tensor.NewDims(0, 2)}, ts(f(10)), ts(x))
	}
	add(backend.Softmax{Axis: 0}, ts(f(500, 10, 33)), ts(x))
	add(backend.Softmax{Axis: -1, Log: true}, ts(f(500, 10, 33)), ts(x))
	add(backend.LayerNorm{Eps: 1e-5}, ts(f(500, 10, 33), f(500, 10), f(500, 10)), ts(x, row, row))
	add(backend.LayerNormGrad{}, ts(f(500, 10, 33), f(33), f(33)), ts(f(500, 10, 33), x, f(500, 10), f(500, 10), row))
	add(backend.DropoutTrain{P: 0.5}, ts(f(500, 10, 33), nil), ts(x, tensor.FromI64([]int64{3, 4}, 2)))
	add(backend.Transpose{Perm: tensor.NewDims(2, 0, 1)}, ts(f(33, 500, 10)), ts(x))
	add(backend.Slice{Starts: tensor.NewDims(1), Ends: tensor.NewDims(499)}, ts(f(498, 10, 33)), ts(x))
	add(backend.Pad{Before: tensor.NewDims(1, 0, 0), After: tensor.NewDims(0, 0, 1)}, ts(f(501, 10, 34)), ts(x))
	add(backend.Gather{}, ts(f(5000, 33)), ts(f(10, 33), labels))
	add(backend.GatherGrad{Input: tensor.NewDims(10, 33)}, ts(f(10, 33)), ts(f(5000, 33), labels))
	logits := f(5000, 10)
	add(backend.SoftmaxCrossEntropy{Smoothing: 0.1}, ts(f(), f(5000, 10)), ts(logits, labels))
	add(backend.SoftmaxCrossEntropy{}, ts(f(), nil), ts(logits, labels))
	add(backend.KLDivergence{Temperature: 2}, ts(f(), f(5000, 10)), ts(logits, f(5000, 10)))
	add(backend.MSE{}, ts(f()), ts(logits, f(5000, 10)))
	add(backend.GradNorm{}, ts(f(1)), ts(x, logits, row))
	p, v := f(70000), f(70000)
	add(backend.SGD{Momentum: 0.9, WeightDecay: 1e-4}, ts(p, v), ts(p, f(70000), v, one))
	return ss
}

// bindSample binds s to fresh copies and returns them and the kernel.
func bindSample(t *testing.T, b *Backend, s sample) (out []*tensor.Tensor, k backend.Kernel) {
	t.Helper()
	in, outs := make([]backend.Buffer, len(s.in)), make([]backend.Buffer, len(s.out))
	copies := map[*tensor.Tensor]*tensor.Tensor{}
	for i, x := range s.in {
		copies[x] = x.Clone()
		in[i] = copies[x]
	}
	for i, y := range s.out {
		if y == nil {
			continue
		}
		if copies[y] == nil {
			copies[y] = y.Clone()
		}
		outs[i] = copies[y]
		out = append(out, copies[y])
	}
	k, err := b.Bind(s.op, outs, in)
	require.NoError(t, err)
	return out, k
}

// TestBitsDoNotDependOnCores runs operations with reductions and tiles on one
// core and on four.
func TestBitsDoNotDependOnCores(t *testing.T) {
	old := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(old)
	for i, s := range samples() {
		t.Run(fmt.Sprintf("%d/%s", i, s.op.OpName()), func(t *testing.T) {
			var got [2][]*tensor.Tensor
			for j, procs := range []int{1, 4} {
				runtime.GOMAXPROCS(procs)
				out, k := bindSample(t, New(), s)
				require.NoError(t, k.Run(context.Background()))
				got[j] = out
			}
			for j := range got[0] {
				require.Equal(t, got[0][j].Bytes(), got[1][j].Bytes())
			}
		})
	}
}

func TestRunAllocatesNothing(t *testing.T) {
	ctx := context.Background()
	for i, s := range samples() {
		t.Run(fmt.Sprintf("%d/%s", i, s.op.OpName()), func(t *testing.T) {
			_, k := bindSample(t, New(), s)
			require.NoError(t, k.Run(ctx))
			require.Less(t, testing.AllocsPerRun(10, func() { _ = k.Run(ctx) }), 1.0)
		})
	}
}
