//go:build cuda

package gpu

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/tensor"
	"github.com/goqat/goqat/train"
)

// TestTrainCNNOnIntegersFreely trains the cnn on integers with gradients of
// bfloat16 on both devices from one start and never again from the other's
// state; both compile the same operations. Their kernels have the same bits,
// but for the products of gradients, which tensor cores add in an order of
// their own ([TestTrainingHasTheCPUsBits] has those of float32). So states
// differ in last bits, and codes do not, until one such bit moves a number over
// the edge of two codes. What holds: up to there every loss is within 1e-5 of
// the CPU's, which is so for 6 steps at least (on a CPU with AVX512-BF16, whose
// order of sums this number is of); the first number with another code lies on
// an edge on both devices. From then on the trainings part, as they do when any
// other bit changes.
func TestTrainCNNOnIntegersFreely(t *testing.T) {
	const batch, steps = 8, 12
	ctx := context.Background()
	splits, err := data.Open(ctx, "digits", data.Options{Seed: 1, Normalize: true, MaxSamples: batch * 24})
	require.NoError(t, err)
	set := splits.Train
	g, err := nn.Build("cnn", set.Shape(), set.Classes(), 3)
	require.NoError(t, err)
	device := &traced{Backend: open(t)}
	host := &traced{Backend: cpu.New()}
	if !hostRounds() || !device.Backend.(*Backend).code.has(gradModule) {
		t.Skip("the CPU or the device has no products of bfloat16")
	}
	qc, together := qat.Default(), 6
	if hostProducts() != "avx512bf16" {
		together = 1
	}
	p, err := qat.Prepare(g, qc)
	require.NoError(t, err)
	from, to := program.NewState(host), program.NewState(device)
	_, err = qat.Calibrate(ctx, p, set, qat.DataOptions{State: from, Samples: batch, Batch: batch})
	require.NoError(t, err)
	c := train.DefaultConfig()
	c.Batch = batch
	qc.Schedule = qat.Schedule{Start: 0.25, FreezeRanges: 0.5, FreezeBN: 0.75}
	mode := qc.Phases(100)[1].Mode
	want, err := train.CompileStep(ctx, p, c, mode, from)
	require.NoError(t, err)
	defer want.Program().Close()
	got, err := train.CompileStep(ctx, p, c, mode, to)
	require.NoError(t, err)
	defer got.Program().Close()
	for _, name := range from.Names() {
		v, err := from.Read(ctx, name)
		require.NoError(t, err)
		require.NoError(t, to.Write(ctx, name, v))
	}
	x, y := tensor.New(tensor.Of(tensor.F32, append([]int{batch}, set.Shape()...)...)), tensor.New(tensor.Of(tensor.I32, batch))
	pixels := set.Shape().Numel()
	for i := range steps {
		for j := range batch {
			y.I32()[j], err = set.Sample(i*batch+j, x.F32()[j*pixels:(j+1)*pixels])
			require.NoError(t, err)
		}
		host.log, device.log = nil, nil
		w, err := want.Run(ctx, &data.Batch{X: x, Y: y, N: batch}, 0.05)
		require.NoError(t, err)
		l, err := got.Run(ctx, &data.Batch{X: x, Y: y, N: batch}, 0.05)
		require.NoError(t, err)
		if i == 0 {
			checkBits(t, device.Backend, host.log, true)
		}
		if parted(t, i, host.log, device.log) {
			require.GreaterOrEqual(t, i, together, "the trainings part early")
			return
		}
		require.InDelta(t, w, l, 1e-5, "step %d", i)
		t.Logf("step %d: loss %v, %v on the CPU", i, l, w)
	}
}

// parted reports whether a step has other codes on the device than on the
// host, and checks that the first of them comes of a number on the edge of two
// codes.
func parted(t *testing.T, step int, host, device []trace) bool {
	require.Len(t, device, len(host))
	for i, h := range host {
		d := device[i]
		require.Equal(t, h.op, d.op)
		x, y := h.out[0], d.out[0]
		if x == nil || !x.DType().Code() || sameBits(x, y) {
			continue
		}
		for e := range x.Numel() {
			if x.At(e) == y.At(e) {
				continue
			}
			p, q := position(t, h, e), position(t, d, e)
			t.Logf("step %d, %s: element %d of %v is %v of %.7g codes, on the CPU %v of %.7g", step, h.op.OpName(), e, x.Shape(), y.At(e), q, x.At(e), p)
			require.Equal(t, 1.0, math.Abs(x.At(e)-y.At(e)))
			for _, v := range []float64{p, q} {
				require.InDelta(t, 0.5, v-math.Floor(v), 1e-3, "it does not lie on an edge")
			}
			return true
		}
	}
	return false
}

// position returns what a quantizer rounds to make element e: the number in
// units of the scale, plus the zero point.
func position(t *testing.T, k trace, e int) float64 {
	x := k.in[0]
	v, scale, zero := x.At(e), k.in[1], k.in[2]
	switch k.op.(type) {
	case backend.QuantizeWeight:
		scale, zero = k.out[4], k.out[5] // Those of this step.
	case backend.SGDQuantizeWeight: // Of the new weights; symmetric.
		x = k.out[3]
		channel := e / (x.Numel() / k.out[1].Numel())
		return x.At(e) / max(-k.out[1].At(channel), k.out[2].At(channel)) * 127
	case backend.QuantizeActivation:
		if a := k.in[3]; a != nil {
			c := a.Shape().Last()
			v = v*a.At(e%c) + a.At(c+e%c)
		}
	case backend.QuantizeLinear:
	default:
		require.Fail(t, "the first other codes", "of %s", k.op.OpName())
	}
	channel := e / (x.Numel() / scale.Numel())
	return v/scale.At(channel) + zero.At(channel)
}
