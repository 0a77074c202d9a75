package backendtest

import (
	"fmt"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

// dropoutKeeps is the mask of [backend.DropoutTrain].
func dropoutKeeps(p float32, seed, step int64, index int) bool {
	mix := func(z uint64) uint64 {
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		return z ^ z>>31
	}
	key := mix(mix(uint64(seed)) + uint64(step))
	word := mix(key + uint64(index/2+1)*0x9e3779b97f4a7c15)
	return float64(word>>(32*(index%2))%(1<<32)) >= float64(p)*(1<<32)
}

func dropoutCases(r *rand.Rand, op func(p float32) backend.Op) []Case {
	var cs []Case
	for _, p := range []float32{0, 0.1, 0.5, 1} {
		for _, n := range []int{0, 1, 2, 513, 70001} {
			state := tensor.FromI64([]int64{int64(r.Uint64()), int64(1 + r.IntN(1000))}, 2)
			cs = append(cs, Case{Name: fmt.Sprintf("p=%v/n=%d", p, n), Op: op(p), In: []*tensor.Tensor{Normal(r, 1, n), state}})
		}
	}
	return append(cs, Case{Name: "double", Op: op(0.25), In: []*tensor.Tensor{Double(Normal(r, 1, 3, 5)), tensor.FromI64([]int64{1, 2}, 2)}})
}

func dropoutRef(p float32, first, back int64, in, out []*tensor.Tensor) {
	state := in[1].I64()
	for i := range in[0].Numel() {
		if dropoutKeeps(p, state[0], state[1]-back, int(first)+i) {
			Set(out[0], i, in[0].At(i)/(1-float64(p)))
		}
	}
}

func init() {
	Register(Conformance{
		Op: backend.Dropout{},
		Cases: func(r *rand.Rand) []Case {
			cs := dropoutCases(r, func(p float32) backend.Op { return backend.Dropout{P: p} })
			for i := range cs {
				cs[i].Exact = true
			}
			return cs
		},
		Ref: func(_ backend.Op, in, out []*tensor.Tensor) { copy(out[0].Bytes(), in[0].Bytes()) },
	})
	Register(Conformance{
		Op: backend.DropoutTrain{},
		Cases: func(r *rand.Rand) []Case {
			part := backend.DropoutTrain{P: 0.5}.Part(3, 513)
			return append(dropoutCases(r, func(p float32) backend.Op { return backend.DropoutTrain{P: p} }),
				Case{Name: "part", Op: part, In: []*tensor.Tensor{Normal(r, 1, 513), tensor.FromI64([]int64{3, 4}, 2)}})
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			dropoutRef(op.(backend.DropoutTrain).P, op.(backend.DropoutTrain).First, 0, in, out)
			out[1].I64()[1]++
		},
	})
	Register(Conformance{
		Op: backend.DropoutGrad{},
		Cases: func(r *rand.Rand) []Case {
			part := backend.DropoutGrad(backend.DropoutTrain{P: 0.5}.Part(3, 513).(backend.DropoutTrain))
			return append(dropoutCases(r, func(p float32) backend.Op { return backend.DropoutGrad{P: p} }),
				Case{Name: "part", Op: part, In: []*tensor.Tensor{Normal(r, 1, 513), tensor.FromI64([]int64{3, 4}, 2)}})
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			dropoutRef(op.(backend.DropoutGrad).P, op.(backend.DropoutGrad).First, 1, in, out)
		},
	})
}
