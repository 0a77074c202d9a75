package op_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

// TestInferNeverPanics gives every operation random numbers of random inputs,
// some absent: whatever a file says must end in a result or an error.
func TestInferNeverPanics(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for _, name := range graph.Registered() {
		t.Run(name, func(t *testing.T) {
			op := graph.Prototype(name)
			for range 2000 {
				in := make([]tensor.Spec, r.IntN(8))
				s := randomShape(r)
				for i := range in {
					if r.IntN(3) == 0 {
						s = randomShape(r)
					}
					in[i] = tensor.Spec{DType: tensor.DType(r.IntN(8)), Shape: s}
				}
				require.NotPanics(t, func() { _, _ = graph.Lookup(name).Infer(op, in) }, "%v", in)
			}
		})
	}
}

func randomShape(r *rand.Rand) tensor.Shape {
	s := make(tensor.Shape, r.IntN(6))
	for i := range s {
		s[i] = r.IntN(4)
	}
	return s
}
