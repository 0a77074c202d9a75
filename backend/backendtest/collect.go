package backendtest

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

// collectCases returns, of a layer on codes with inputs in as [refDequant] has
// them, a case without and one with each thing to collect, exact all of them.
func collectCases(name string, o backend.Collector, in []*tensor.Tensor) []Case {
	return []Case{
		{Name: name, Op: o, In: in, Exact: true},
		{Name: name + ", moments", Op: o.Collecting(backend.CollectMoments), In: in, Exact: true},
		{Name: name + ", ends", Op: o.Collecting(backend.CollectEnds), In: in, Exact: true},
	}
}

// unusualMoments returns in with scales and biases of every sign and size, and
// what is no number where then a whole channel is none; names go on from name.
func unusualMoments(r *rand.Rand, name string, o backend.Collector, in []*tensor.Tensor) []Case {
	var cs []Case
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, c := range []struct {
		name        string
		scale, bias []float32
	}{
		{"signs", []float32{0.02, -0.02, 0, -3, 1e-20}, []float32{0, 1000, -1e6}},
		{"subnormal", []float32{1e-43, -1e-44, 0.01}, []float32{0, 1e-44, -1e-40}},
		{"large", []float32{1e30, -1e31, 1}, []float32{0, 1e35, -3e38}},
		{"not a number", []float32{0.01, nan, -0.01}, []float32{1, -2}},
		{"infinite", []float32{0.01, -0.01}, []float32{1, inf, -2, -inf}},
	} {
		n := in[3].Shape()[0]
		scale, bias := tensor.New(tensor.Of(tensor.F32, n)), tensor.New(tensor.Of(tensor.F32, n))
		for i := range n {
			scale.F32()[i], bias.F32()[i] = c.scale[r.IntN(len(c.scale))], c.bias[r.IntN(len(c.bias))]
		}
		unit := tensor.FromF32([]float32{1}, 1)
		cs = append(cs, Case{Name: fmt.Sprintf("%s, moments, %s", name, c.name), Op: o.Collecting(backend.CollectMoments),
			In: []*tensor.Tensor{in[0], unit, in[2], in[3], scale, bias}, Exact: true})
	}
	return cs
}

// refCollect fills out[1] with what c says of the result out[0] of sums, whose
// factors are sx and sw. Moments are those of [backend.CodeMoments.Of].
func refCollect(c backend.Collect, sums []int64, sx, sw, bias *tensor.Tensor, out []*tensor.Tensor) {
	switch c {
	case backend.CollectMoments:
		n := out[1].Shape()[1]
		for j := range n {
			m := backend.NoCodeMoments()
			for i := j; i < len(sums); i += n {
				m.Add(int32(sums[i]))
			}
			var b float32
			if bias != nil {
				b = bias.F32()[j]
			}
			mean, variance, least, most := m.Of(len(sums)/n, sx.F32()[0]*scale(sw, j), b)
			for i, v := range []float64{mean, variance, float64(least), float64(most)} {
				Set(out[1], i*n+j, v)
			}
		}
	case backend.CollectEnds:
		lo, hi := math.Inf(1), math.Inf(-1)
		for i := range out[0].Numel() {
			lo, hi = math.Min(lo, out[0].At(i)), math.Max(hi, out[0].At(i))
		}
		Set(out[1], 0, lo)
		Set(out[1], 1, hi)
	}
}
