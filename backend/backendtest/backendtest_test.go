package backendtest

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	_ "github.com/goqat/goqat/op"
	"github.com/goqat/goqat/tensor"
)

func TestCompare(t *testing.T) {
	f := func(v ...float32) *tensor.Tensor { return tensor.FromF32(v, len(v)) }
	i := func(v ...int32) *tensor.Tensor { return tensor.FromI32(v, len(v)) }
	long := func(v int64) *tensor.Tensor { return tensor.FromI64([]int64{v}, 1) }
	nan := float32(math.NaN())
	// An error of 3 in values of 1e4 has an NMSE of 9e-8, one of 4 of 1.6e-7.
	for name, c := range map[string]struct {
		got, want *tensor.Tensor
		exact     bool
		err       string
	}{
		"equal integers":          {i(1, -2), i(1, -2), false, ""},
		"an integer off by one":   {i(1, -2, 4), i(1, -2, 3), false, "1 of 3 elements differ, first at 2: got 4, want 3"},
		"beyond float64's digits": {long(1<<60 + 1), long(1 << 60), false, "1 of 1 elements differ"},
		"equal floats":            {f(1, nan), f(1, nan), true, ""},
		"below the bound":         {f(10003), f(10000), false, ""},
		"above the bound":         {f(10004), f(10000), false, "NMSE 1.6e-07 over 1e-07, first difference at 0"},
		"one bit where exact":     {f(1, math.Nextafter32(2, 3)), f(1, 2), true, "1 of 2 elements differ, first at 1"},
		"a number for NaN":        {f(1), f(nan), false, "NMSE NaN"},
		"NaN for a number":        {f(nan, 1e9), f(1, 1e9), false, "NMSE NaN"},
		"infinity":                {f(float32(math.Inf(1))), f(1), false, "NMSE +Inf"},
		"something where zero":    {f(1e-10), f(0), false, "NMSE"},
		"another shape":           {f(1, 2), f(1), false, "got float32[2], want float32[1]"},
		"another type":            {i(1), f(1), false, "got int32[1], want float32[1]"},
		"nothing, where nothing":  {f(), f(), true, ""},
	} {
		err := Compare(c.got, c.want, c.exact)
		if c.err == "" {
			require.NoError(t, err, name)
		} else {
			require.ErrorContains(t, err, c.err, name)
		}
	}
}

// TestReferencesAreCompared: of every operation, the definition's own result
// passes, and fails once one element of it is another.
func TestReferencesAreCompared(t *testing.T) {
	for _, name := range Registered() {
		t.Run(name, func(t *testing.T) {
			c := registered[name]
			compared := 0
			for _, cs := range c.Cases(rand.New(rand.NewPCG(1, uint64(len(name))))) {
				if cs.Err != nil || compared > 0 {
					continue
				}
				specs, err := graph.Lookup(name).Infer(cs.Op, cs.specs())
				require.NoError(t, err)
				got, want := outputs(cs, specs), outputs(cs, specs)
				c.Ref(cs.Op, cs.In, want)
				bound := max(cs.NMSE, MaxNMSE)
				for i, w := range want {
					if w == nil || w.Numel() == 0 {
						continue
					}
					copy(got[i].Bytes(), w.Bytes())
					require.NoError(t, compare(got[i], w, cs.Exact, bound), "%s, output %d", cs.Name, i)
					for _, at := range []int{0, w.Numel() - 1} {
						change(got[i], at)
						require.Error(t, compare(got[i], w, cs.Exact, bound), "%s, output %d, element %d", cs.Name, i, at)
						copy(got[i].Bytes(), w.Bytes())
					}
					compared++
				}
			}
			require.Positive(t, compared, "nothing is compared")
		})
	}
}

// outputs returns memory for the results, those that are updated with what
// they are before.
func outputs(cs Case, specs []tensor.Spec) []*tensor.Tensor {
	out := make([]*tensor.Tensor, len(specs))
	u, _ := cs.Op.(backend.Updater)
	for i, s := range specs {
		out[i] = tensor.New(s)
		if u != nil && u.Updates(i) >= 0 {
			copy(out[i].Bytes(), cs.In[u.Updates(i)].Bytes())
		}
	}
	return out
}

// change makes element at another one: off by as much as all of t together,
// or, of integers, in the last bit.
func change(t *tensor.Tensor, at int) {
	switch d := t.DType(); {
	case d == tensor.B1:
		t.Bytes()[at/8] ^= 1 << (at % 8)
	case !d.Float():
		t.Bytes()[at*(len(t.Bytes())/t.Numel())] ^= 1 // Little-endian or not, another one.
	default:
		sum := 1.0
		for i := range t.Numel() {
			if x := t.At(i); !math.IsNaN(x) && !math.IsInf(x, 0) {
				sum += math.Abs(x)
			}
		}
		if x := t.At(at); !math.IsNaN(x) && !math.IsInf(x, 0) {
			sum += x
		}
		Set(t, at, sum)
	}
}
