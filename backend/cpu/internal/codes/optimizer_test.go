package codes

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend/cpu/internal/gemm"
)

// TestOptimizers compares with the portable loops, bit for bit.
func TestOptimizers(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 16))
	for n := range 71 {
		values := make([][]float32, 4)
		for i := range values {
			values[i] = reals(r, n+1, 0.1)[1:]
		}
		run := func(isa string, kind int) [][]float32 {
			require.NoError(t, gemm.SetMaxISA(isa))
			defer func() { require.NoError(t, gemm.SetMaxISA("")) }()
			v := make([][]float32, len(values))
			for i := range v {
				v[i] = slices.Concat([]float32{77}, values[i], []float32{78})
			}
			at := func(i int) []float32 { return v[i][1 : 1+n] }
			f := SGDFactors{Rate: 0.1, Momentum: 0.9, Decay: 0.0005, Nesterov: kind == 2}
			switch kind {
			case 0:
				f.Momentum = 0
				SGD(f, at(0), at(1), nil)
			case 1, 2:
				SGD(f, at(0), at(1), at(2))
			default:
				Adam(AdamFactors{0.999, 0.01, 0.1, 0.999, 0.001, 0.003, 0.9, 1e-8}, at(0), at(1), at(2), at(3))
			}
			return v
		}
		for kind := range 4 {
			want := run("portable", kind)
			for _, set := range width.Sets() {
				got := run(set.String(), kind)
				for i := range want {
					same(t, floats(want[i]), floats(got[i]), "%s", fmt.Sprint("tensor ", i, " of ", n, " elements, kind ", kind, " by ", set))
				}
			}
		}
	}
}
