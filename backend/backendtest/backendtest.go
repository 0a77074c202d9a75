// Package backendtest checks a backend against the definition of every
// operation: integer results bit for bit, float results by their normalized
// mean squared error against a float64 reference.
package backendtest

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

// MaxNMSE bounds sum((got-want)^2) / sum(want^2) of float results.
const MaxNMSE = 1e-7

// Case is one application of an operation.
type Case struct {
	Name string
	Op   backend.Op
	In   []*tensor.Tensor // nil for an absent input
	// Exact asks for equal bits of float results too.
	Exact bool
	// NMSE replaces [MaxNMSE] where the operation allows rounding, 0 does not.
	NMSE float64
	// Err, when not nil, is the error that running must give (errors.Is).
	Err error
}

// Conformance is the test of one operation.
type Conformance struct {
	Op backend.Op
	// Cases returns the applications to test, the same ones for a seed.
	Cases func(r *rand.Rand) []Case
	// Ref computes the outputs, types as inferred: the definition, written
	// to be obviously right, in float64 where the result is float. A nil
	// entry is not compared.
	Ref func(op backend.Op, in []*tensor.Tensor, out []*tensor.Tensor)
}

var registered = map[string]Conformance{}

// Register adds the test of an operation; call it from init.
func Register(c Conformance) {
	name := c.Op.OpName()
	if _, ok := registered[name]; ok {
		panic("backendtest: duplicate registration of " + name)
	}
	registered[name] = c
}

// Registered returns the operations with a test, in order.
func Registered() []string {
	var n []string
	for k := range registered {
		n = append(n, k)
	}
	slices.Sort(n)
	return n
}

// Run tests every operation. Packages op and the backend must be imported by
// the caller.
func Run(t *testing.T, b backend.Backend) {
	run(t, Registered(), func(t *testing.T, c Conformance, cs Case) { runCase(t, b, c, cs) })
}

// RunSupported tests every operation that b supports and skips the others.
func RunSupported(t *testing.T, b backend.Backend) { RunSupportedOf(t, b, Registered()...) }

// RunSupportedOf is [RunSupported] for the operations of these names.
func RunSupportedOf(t *testing.T, b backend.Backend, names ...string) {
	run(t, names, func(t *testing.T, c Conformance, cs Case) {
		if !b.Supports(cs.Op, cs.specs()...) {
			t.Skipf("%s does not support it", b.Name())
		}
		runCase(t, b, c, cs)
	})
}

func run(t *testing.T, names []string, f func(t *testing.T, c Conformance, cs Case)) {
	for _, name := range names {
		c := registered[name]
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, uint64(len(name))))
			for _, cs := range c.Cases(r) {
				t.Run(cs.Name, func(t *testing.T) { f(t, c, cs) })
			}
		})
	}
}

// specs returns the types of the inputs, the zero Spec for an absent one.
func (c *Case) specs() []tensor.Spec {
	s := make([]tensor.Spec, len(c.In))
	for i, x := range c.In {
		if x != nil {
			s[i] = x.Spec()
		}
	}
	return s
}

func runCase(t *testing.T, b backend.Backend, c Conformance, cs Case) {
	ctx := context.Background()
	specs := cs.specs()
	in := make([]backend.Buffer, len(cs.In))
	for i, x := range cs.In {
		if x == nil {
			continue
		}
		buf, err := b.Alloc(x.Spec())
		require.NoError(t, err)
		require.NoError(t, b.Write(ctx, buf, x.Bytes()))
		in[i] = buf
	}
	def := graph.Lookup(cs.Op.OpName())
	require.NotNil(t, def, "operation is not registered with the graph")
	outSpecs, err := def.Infer(cs.Op, specs)
	require.NoError(t, err)
	require.True(t, b.Supports(cs.Op, specs...), "%s does not support %v", b.Name(), specs)
	out := make([]backend.Buffer, len(outSpecs))
	want := make([]*tensor.Tensor, len(outSpecs))
	upd, _ := cs.Op.(backend.Updater)
	for i, s := range outSpecs {
		want[i] = tensor.New(s)
		if upd != nil && upd.Updates(i) >= 0 {
			out[i] = in[upd.Updates(i)]
			copy(want[i].Bytes(), cs.In[upd.Updates(i)].Bytes())
			continue
		}
		buf, err := b.Alloc(s)
		require.NoError(t, err)
		// Poison: every byte of the result must be written.
		poison := make([]byte, s.Bytes())
		for j := range poison {
			poison[j] = 0x5a
		}
		require.NoError(t, b.Write(ctx, buf, poison))
		out[i] = buf
	}
	k, err := b.Bind(cs.Op, out, in)
	if err == nil {
		err = k.Run(ctx)
	}
	if err == nil {
		err = b.Sync(ctx) // Where a fault shows on backends that run behind.
	}
	if cs.Err != nil {
		require.ErrorIs(t, err, cs.Err)
		return
	}
	require.NoError(t, err)
	c.Ref(cs.Op, cs.In, want)
	for i, w := range want {
		if w == nil {
			continue
		}
		got := tensor.New(w.Spec())
		require.NoError(t, b.Read(ctx, got.Bytes(), out[i]))
		bound := cs.NMSE
		if bound == 0 {
			bound = MaxNMSE
		}
		if err := compare(got, w, cs.Exact, bound); err != nil {
			t.Errorf("output %d of %s%v: %v", i, cs.Op.OpName(), specs, err)
		}
	}
}

// Compare returns an error when got differs from want: in any bit for integer
// types and when exact, beyond [MaxNMSE] for float types.
func Compare(got, want *tensor.Tensor, exact bool) error { return compare(got, want, exact, MaxNMSE) }

func compare(got, want *tensor.Tensor, exact bool, bound float64) error {
	if !got.Spec().Equal(want.Spec()) {
		return fmt.Errorf("backendtest: got %v, want %v", got.Spec(), want.Spec())
	}
	var num, den float64
	bad, first := 0, -1
	long := got.DType() == tensor.I64 // of which a float64 does not hold all
	for i := range got.Numel() {
		g, w := got.At(i), want.At(i)
		if g == w && (!long || got.I64()[i] == want.I64()[i]) || math.IsNaN(g) && math.IsNaN(w) {
			den += w * w
			continue
		}
		bad++
		if first < 0 {
			first = i
		}
		num += (g - w) * (g - w)
		den += w * w
	}
	if bad == 0 {
		return nil
	}
	if exact || !got.DType().Float() {
		return fmt.Errorf("backendtest: %d of %d elements differ, first at %d: got %v, want %v", bad, got.Numel(), first, got.At(first), want.At(first))
	}
	if nmse := num / max(den, 1e-30); !(nmse <= bound) {
		return fmt.Errorf("backendtest: NMSE %.3g over %.1g, first difference at %d: got %v, want %v", nmse, bound, first, got.At(first), want.At(first))
	}
	return nil
}

// Normal returns a float32 tensor of normal values with deviation std.
func Normal(r *rand.Rand, std float64, dims ...int) *tensor.Tensor {
	t := tensor.New(tensor.Of(tensor.F32, dims...))
	for i := range t.F32() {
		t.F32()[i] = float32(r.NormFloat64() * std)
	}
	return t
}

// Codes returns an int8 or uint8 tensor of uniform codes in [lo, hi].
func Codes(r *rand.Rand, d tensor.DType, lo, hi int, dims ...int) *tensor.Tensor {
	t := tensor.New(tensor.Of(d, dims...))
	for i := range t.Numel() {
		t.Bytes()[i] = byte(lo + r.IntN(hi-lo+1))
	}
	return t
}

// Set stores v as element i of t, converted to its type.
func Set(t *tensor.Tensor, i int, v float64) {
	switch t.DType() {
	case tensor.F32:
		t.F32()[i] = float32(v)
	case tensor.F64:
		t.F64()[i] = v
	case tensor.BF16:
		t.BF16()[i] = tensor.ToBFloat16F64(v)
	case tensor.I8:
		t.I8()[i] = int8(v)
	case tensor.U8:
		t.U8()[i] = uint8(v)
	case tensor.I32:
		t.I32()[i] = int32(v)
	case tensor.I64:
		t.I64()[i] = int64(v)
	case tensor.B1:
		if v != 0 {
			t.Bytes()[i/8] |= 1 << (i % 8)
		} else {
			t.Bytes()[i/8] &^= 1 << (i % 8)
		}
	}
}

// Elementwise registers the test of a unary float operation by its formula.
func Elementwise(op backend.Op, f func(x float64) float64) {
	Register(Conformance{
		Op: op,
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, n := range []int{0, 1, 7, 64, 513, 70001} {
				cs = append(cs, Case{Name: fmt.Sprintf("n=%d", n), Op: op, In: []*tensor.Tensor{Normal(r, 3, n)}})
			}
			return cs
		},
		Ref: func(_ backend.Op, in, out []*tensor.Tensor) {
			for i := range in[0].Numel() {
				Set(out[0], i, f(in[0].At(i)))
			}
		},
	})
}
