//go:build cuda

package gpu

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/cuda"
	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/internal/cudasim"
	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/tensor"
	"github.com/goqat/goqat/train"
)

// blobs is a data set of noisy class patterns.
type blobs struct {
	n   int
	nan int // Sample that is not a number, -1 for none.
}

func (b blobs) Len() int             { return b.n }
func (b blobs) Shape() tensor.Shape  { return tensor.Shape{8, 8, 1} }
func (b blobs) Classes() int         { return 4 }
func (b blobs) ClassNames() []string { return nil }
func (b blobs) Sample(i int, x []float32) (int32, error) {
	r := rand.New(rand.NewPCG(7, uint64(i)))
	c := i % 4
	for j := range x {
		v := 0.5 * r.NormFloat64()
		if row, col := j/8, j%8; c == 0 && row%2 == 0 || c == 1 && col%2 == 0 || c == 2 && (row+col)%2 == 0 {
			v += 2
		}
		x[j] = float32(v)
	}
	if i == b.nan {
		x[3] = float32(math.NaN())
	}
	return int32(c), nil
}

// smallModel is prepared for training on integers.
func smallModel(t testing.TB) (*graph.Graph, *qat.Config) {
	b := nn.NewBuilder(3)
	x := b.Input(train.InputName, 8, 8, 1)
	y := nn.Sequential{
		nn.Conv2D{Out: 6, Kernel: 3, Pad: 1, NoBias: true}, nn.BatchNorm{}, nn.ReLU{},
		nn.Conv2D{Out: 9, Kernel: 3, Stride: 2, Pad: 1, NoBias: true}, nn.BatchNorm{}, nn.ReLU{},
		nn.GlobalAvgPool{}, nn.Linear{Out: 4},
	}.Forward(b, x)
	b.Output(train.OutputName, y)
	g, err := b.Graph()
	require.NoError(t, err)
	qc := qat.Default()
	qc.Schedule = qat.Schedule{Start: 0.2, FreezeRanges: 0.6, FreezeBN: 0.8}
	p, err := qat.Prepare(g, qc)
	require.NoError(t, err)
	return p, qc
}

func smallConfig() train.Config {
	c := train.DefaultConfig()
	c.Epochs, c.Batch, c.LR, c.SaveEvery = 3, 16, 0.05, 2
	return c
}

// fit trains the small model.
func fit(t testing.TB, b backend.Backend, dir string, resume bool) (*train.Result, error) {
	ctx := context.Background()
	g, qc := smallModel(t)
	c := smallConfig()
	set := blobs{64, -1}
	s, err := qat.Calibrate(ctx, g, set, qat.DataOptions{Backend: b, Samples: 64, Batch: 32})
	if err != nil {
		return nil, err
	}
	return train.Fit(ctx, g, c, train.Options{State: s, Train: set, Val: blobs{32, -1}, Phases: qc.Phases(int64(c.Epochs) * 4), EvalMode: qc.EvalMode(), Dir: dir, Resume: resume})
}

// bits returns the tensors of a state.
func bits(t testing.TB, s *program.State) map[string][]byte {
	m, err := tensors(s)
	require.NoError(t, err)
	return m
}

func tensors(s *program.State) (map[string][]byte, error) {
	m := map[string][]byte{}
	for _, n := range s.Names() {
		x, err := s.Read(context.Background(), n)
		if err != nil {
			return nil, err
		}
		m[n] = x.Bytes()
	}
	return m, nil
}

func noHostFault(t *testing.T) {
	if err := hostFault.Load(); err != nil {
		require.NoError(t, *err)
	}
}

// TestTraining: from the CPU's state, every step of the device has the CPU's
// loss, in all phases. Each step starts anew from that state: a value on the
// edge of two codes may fall to either side, and then whole trainings part.
func TestTraining(t *testing.T) {
	t.Logf("%d operations run on the host", withHostKernels(t))
	ctx := context.Background()
	g, qc := smallModel(t)
	host, b := cpu.New(), open(t)
	from, to := program.NewState(host), program.NewState(b)
	_, err := qat.Calibrate(ctx, g, blobs{64, -1}, qat.DataOptions{State: from, Samples: 64, Batch: 32})
	require.NoError(t, err)
	x, y := batch(t)
	for _, ph := range qc.Phases(12) {
		want, err := train.CompileStep(ctx, g, smallConfig(), ph.Mode, from)
		require.NoError(t, err)
		got, err := train.CompileStep(ctx, g, smallConfig(), ph.Mode, to)
		require.NoError(t, err)
		for i := range 4 {
			for _, name := range from.Names() {
				v, err := from.Read(ctx, name)
				require.NoError(t, err)
				require.NoError(t, to.Write(ctx, name, v))
			}
			w, err := want.Run(ctx, &data.Batch{X: x, Y: y, N: 16}, 0.05)
			require.NoError(t, err)
			l, err := got.Run(ctx, &data.Batch{X: x, Y: y, N: 16}, 0.05)
			require.NoError(t, err)
			require.InDelta(t, w, l, 1e-5, "step %d of %+v", i, ph.Mode)
		}
		got.Program().Close()
	}
	noHostFault(t)
	require.Positive(t, cudasim.Count().GraphLaunches)
}

// TestStepWaitsAtItsEndOnly counts what a training step in replay makes the
// host wait for.
func TestStepWaitsAtItsEndOnly(t *testing.T) {
	withHostKernels(t)
	ctx := context.Background()
	b := open(t)
	g, _ := smallModel(t)
	state := program.NewState(b)
	step, err := train.CompileStep(ctx, g, smallConfig(), graph.Mode{Train: true, Quantize: graph.QuantizeInteger, Ranges: graph.RangesObserve}, state)
	require.NoError(t, err)
	x, y := batch(t)
	run := func() {
		require.NoError(t, step.Program().SetInput(ctx, train.InputName, x))
		require.NoError(t, step.Program().SetInput(ctx, "label", y))
		require.NoError(t, step.Program().Run(ctx))
	}
	run()
	run()
	before := cudasim.Count()
	run()
	after := cudasim.Count()
	require.Equal(t, 1, after.HostSyncs-before.HostSyncs)
	require.Equal(t, 1, after.GraphLaunches-before.GraphLaunches)
	// In go the two inputs, out come the flags.
	calls := cudasim.Calls("cuMemcpyHtoDAsync_v2")
	run()
	require.Equal(t, calls+2, cudasim.Calls("cuMemcpyHtoDAsync_v2"))
	step.Program().Close()
}

func batch(t *testing.T) (x, y *tensor.Tensor) {
	x, y = tensor.New(tensor.Of(tensor.F32, 16, 8, 8, 1)), tensor.New(tensor.Of(tensor.I32, 16))
	for i := range 16 {
		c, err := blobs{64, -1}.Sample(i, x.F32()[64*i:64*(i+1)])
		require.NoError(t, err)
		y.I32()[i] = c
	}
	return x, y
}

// TestNaNNamesTheNode: also in a recorded step the error says which quantizer
// met a NaN.
func TestNaNNamesTheNode(t *testing.T) {
	withHostKernels(t)
	ctx := context.Background()
	b := open(t)
	g, _ := smallModel(t)
	state := program.NewState(b)
	step, err := train.CompileStep(ctx, g, smallConfig(), graph.Mode{Train: true, Quantize: graph.QuantizeInteger, Ranges: graph.RangesObserve}, state)
	require.NoError(t, err)
	x, y := batch(t)
	for i := range 4 {
		if i == 3 {
			x.F32()[100] = float32(math.NaN())
		}
		require.NoError(t, step.Program().SetInput(ctx, train.InputName, x))
		require.NoError(t, step.Program().SetInput(ctx, "label", y))
		err := step.Program().Run(ctx)
		if i < 3 {
			require.NoError(t, err)
			continue
		}
		require.ErrorIs(t, err, backend.ErrNaN)
		var ne *program.NodeError
		require.ErrorAs(t, err, &ne)
		require.NotEmpty(t, ne.Node)
	}
	step.Program().Close()
}

// TestTrainingFitsSmallDevice: a batch that the device has no room for is
// trained in parts.
func TestTrainingFitsSmallDevice(t *testing.T) {
	withHostKernels(t)
	wide := func() *graph.Graph {
		b := nn.NewBuilder(3)
		x := b.Input(train.InputName, 8, 8, 1)
		y := nn.Sequential{nn.Conv2D{Out: 64, Kernel: 3, Pad: 1}, nn.ReLU{}, nn.Conv2D{Out: 64, Kernel: 3, Pad: 1}, nn.ReLU{}, nn.GlobalAvgPool{}, nn.Linear{Out: 4}}.Forward(b, x)
		b.Output(train.OutputName, y)
		g, err := b.Graph()
		require.NoError(t, err)
		return g
	}
	c := smallConfig()
	c.Batch, c.Epochs = 64, 2
	fit := func(b backend.Backend) *train.Result {
		r, err := train.Fit(context.Background(), wide(), c, train.Options{Backend: b, Train: blobs{128, -1}})
		require.NoError(t, err)
		return r
	}
	want := fit(cpu.New())
	t.Setenv("GOQAT_SIM_MEMORY", "2m")
	got := fit(open(t))
	noHostFault(t)
	require.Less(t, got.MicroBatch, c.Batch)
	require.NotEmpty(t, got.Warnings)
	require.Contains(t, got.Warnings[0], "the device has")
	for i, e := range want.History {
		require.InEpsilon(t, e.Loss, got.History[i].Loss, 1e-4)
	}
}

// TestTrainingLeavesNothing: programs give their memory back.
func TestTrainingLeavesNothing(t *testing.T) {
	withHostKernels(t)
	b := open(t)
	ctx := context.Background()
	g, _ := smallModel(t)
	state := program.NewState(b)
	var first cuda.Counts
	for i := range 3 {
		step, err := train.CompileStep(ctx, g, smallConfig(), graph.Mode{Train: true}, state)
		require.NoError(t, err)
		x, y := batch(t)
		for range 3 {
			require.NoError(t, step.Program().SetInput(ctx, train.InputName, x))
			require.NoError(t, step.Program().SetInput(ctx, "label", y))
			require.NoError(t, step.Program().Run(ctx))
		}
		step.Program().Close()
		switch n := cuda.Live(); i {
		case 0:
			first = n
		default:
			require.Equal(t, first, n)
		}
	}
	require.Zero(t, first.Graphs+first.Arguments+first.Callbacks)
}

// workerDir makes this test binary a worker: see TestWorkerProcesses.
const workerDir = "GOQAT_TEST_WORKER"

// TestWorkerProcesses is TestLostTrainingGoesOn with real processes.
func TestWorkerProcesses(t *testing.T) {
	if dir := os.Getenv(workerDir); dir != "" {
		withHostKernels(t)
		b, err := Open(0)
		require.NoError(t, err)
		r, err := fit(t, b, dir, os.Getenv("GOQAT_TEST_RESUME") != "")
		if errors.Is(err, backend.ErrLost) {
			fmt.Println(err)
			os.Exit(75)
		}
		require.NoError(t, err)
		var all bytes.Buffer
		for _, n := range r.State.Names() {
			x, err := r.State.Read(context.Background(), n)
			require.NoError(t, err)
			fmt.Fprintf(&all, "%s %v %x\n", n, x.Spec(), x.Bytes())
		}
		require.NoError(t, b.Close())
		require.NoError(t, os.WriteFile(dir+"/result", all.Bytes(), 0o644))
		return
	}
	withHostKernels(t)
	run := func(faults ...string) ([]byte, int, error) {
		dir := t.TempDir()
		started := 0
		s := train.Supervisor{Dir: dir, Worker: func(_ context.Context, resume bool) error {
			c := exec.Command(os.Args[0], "-test.run=^TestWorkerProcesses$", "-test.count=1")
			c.Env = append(os.Environ(), workerDir+"="+dir)
			if resume {
				c.Env = append(c.Env, "GOQAT_TEST_RESUME=1")
			}
			if started < len(faults) {
				c.Env = append(c.Env, "GOQAT_SIM_FAIL="+faults[started])
			}
			started++
			out, err := c.CombinedOutput()
			var e *exec.ExitError
			if errors.As(err, &e) && e.ExitCode() == 75 {
				return fmt.Errorf("worker: %w", backend.ErrLost)
			}
			if err != nil {
				return fmt.Errorf("worker: %w\n%s", err, out)
			}
			return nil
		}}
		if err := s.Run(context.Background()); err != nil {
			return nil, started, err
		}
		b, err := os.ReadFile(dir + "/result")
		require.NoError(t, err)
		return b, started, nil
	}
	want, n, err := run()
	require.NoError(t, err)
	require.Equal(t, 1, n)
	got, n, err := run("kernel:60:700!", "cuGraphLaunch:3:719!")
	require.NoError(t, err)
	require.Equal(t, 3, n)
	require.Equal(t, want, got)

	_, n, err = run("kernel:9:700!", "kernel:9:700!", "kernel:9:700!", "kernel:9:700!", "kernel:9:700!")
	require.ErrorIs(t, err, backend.ErrLost)
	require.ErrorContains(t, err, "without a new checkpoint")
	require.Equal(t, 4, n)
}

// TestGraphsChangeNothing: steps as graphs, as launches, and with a wait after
// each kernel have the same bits; where a graph cannot be made, launches do.
func TestGraphsChangeNothing(t *testing.T) {
	withHostKernels(t)
	run := func(graphs int, env ...string) map[string][]byte {
		for i := 0; i < len(env); i += 2 {
			t.Setenv(env[i], env[i+1])
		}
		var all map[string][]byte
		t.Run(fmt.Sprint(env), func(t *testing.T) {
			ctx := context.Background()
			b := open(t)
			if graphs < 0 {
				cudasim.FailAt("cuGraphInstantiateWithFlags", 1, 2, false)
			}
			g, _ := smallModel(t)
			state := program.NewState(b)
			step, err := train.CompileStep(ctx, g, smallConfig(), graph.Mode{Train: true, Quantize: graph.QuantizeInteger, Ranges: graph.RangesObserve}, state)
			require.NoError(t, err)
			defer step.Program().Close()
			x, y := batch(t)
			for range 4 {
				require.NoError(t, step.Program().SetInput(ctx, train.InputName, x))
				require.NoError(t, step.Program().SetInput(ctx, "label", y))
				require.NoError(t, step.Program().Run(ctx))
			}
			require.Equal(t, max(graphs, 0), cudasim.Count().GraphLaunches)
			all = bits(t, state)
		})
		return all
	}
	want := run(3)
	require.NotEmpty(t, want)
	require.Equal(t, want, run(-1))
	require.Equal(t, want, run(0, "GOQAT_GPU_GRAPH", "0"))
	require.Equal(t, want, run(0, "GOQAT_GPU_SYNC", "1"))
}
