//go:build cuda

package gpu

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/cuda"
	"github.com/goqat/goqat/cuda/nccl"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/internal/cudasim"
	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/tensor"
	"github.com/goqat/goqat/train"
)

// simDevices opens n simulated devices, with the simulator's stand-in for NCCL.
func simDevices(t *testing.T, n int) []*Backend {
	needSim(t)
	t.Setenv("GOQAT_SIM_DEVICES", string(rune('0'+n)))
	t.Setenv(nccl.EnvLibrary, os.Getenv("GOQAT_CUDA_DRIVER"))
	cudasim.Reset()
	var bs []*Backend
	for i := range n {
		b, err := Open(i)
		require.NoError(t, err)
		bs = append(bs, b)
	}
	t.Cleanup(func() {
		cudasim.ClearFaults()
		lost := false
		for _, b := range bs {
			lost = lost || b.c.Lost() != nil
			if err := b.Close(); b.c.Lost() == nil {
				require.NoError(t, err)
			}
		}
		require.Equal(t, cuda.Counts{}, cuda.Live())
		require.Zero(t, cudasim.CountCollectives().Live)
		if n := cudasim.Count(); !lost {
			require.Zero(t, n.Allocations+n.Streams+n.Events+n.Graphs+n.Execs+n.Modules, "the driver holds %+v", n)
		}
	})
	return bs
}

func joined(t *testing.T, bs []*Backend) backend.Group {
	all := make([]backend.Backend, len(bs))
	for i, b := range bs {
		all[i] = b
	}
	g, err := backend.Join(all...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = g.Close() })
	return g
}

// reduceOf binds a reduction of tensors on b.
func reduceOf(t *testing.T, b *Backend, op backend.AllReduce, xs ...[]float32) ([]backend.Buffer, backend.Kernel) {
	var in []backend.Buffer
	for _, x := range xs {
		d, err := b.Alloc(tensor.Of(tensor.F32, len(x)))
		require.NoError(t, err)
		require.NoError(t, b.Write(context.Background(), d, tensor.Raw(x)))
		in = append(in, d)
	}
	k, err := b.Bind(op, in, in)
	require.NoError(t, err)
	return in, k
}

// both runs a kernel of each device, on a goroutine each, and waits for them.
func both(bs []*Backend, ks ...backend.Kernel) []error {
	errs, done := make([]error, len(bs)), make(chan int)
	for i := range bs {
		go func() {
			errs[i] = ks[i].Run(context.Background())
			if errs[i] == nil {
				errs[i] = bs[i].Sync(context.Background())
			}
			done <- i
		}()
	}
	for range bs {
		<-done
	}
	return errs
}

// TestAllReduce: the least, the greatest, and the mean of all devices.
func TestAllReduce(t *testing.T) {
	bs := simDevices(t, 3)
	joined(t, bs)
	op := backend.AllReduce{Least: 1, Greatest: 1}
	var ins [3][]backend.Buffer
	var ks [3]backend.Kernel
	for i, b := range bs {
		v := float32(i)
		ins[i], ks[i] = reduceOf(t, b, op, []float32{v, 5 - v}, []float32{v, 5 - v}, []float32{v, 1, 10 * v}, nil)
	}
	for _, err := range both(bs, ks[:]...) {
		require.NoError(t, err)
	}
	for i, b := range bs {
		for j, want := range [][]float32{{0, 3}, {2, 5}, {1, 1, 10}} {
			got := make([]byte, 4*len(want))
			require.NoError(t, b.Read(context.Background(), got, ins[i][j]))
			require.InDeltaSlice(t, want, tensorOf(got), 1e-6)
		}
	}
}

func tensorOf(b []byte) []float32 {
	x, err := tensor.Wrap(tensor.Of(tensor.F32, len(b)/4), b)
	if err != nil {
		return nil
	}
	return x.F32()
}

// TestRanksMustMatch: operations that do not fit together are a fault of all,
// not a wait for ever.
func TestRanksMustMatch(t *testing.T) {
	for name, other := range map[string]func(b *Backend) backend.Kernel{
		"count": func(b *Backend) backend.Kernel { _, k := reduceOf(t, b, backend.AllReduce{}, normal(101)); return k },
		"operator": func(b *Backend) backend.Kernel {
			_, k := reduceOf(t, b, backend.AllReduce{Least: 1}, normal(100))
			return k
		},
		"number": func(b *Backend) backend.Kernel {
			_, k := reduceOf(t, b, backend.AllReduce{}, normal(100), normal(100))
			return k
		},
	} {
		t.Run(name, func(t *testing.T) {
			bs := simDevices(t, 2)
			joined(t, bs)
			_, k := reduceOf(t, bs[0], backend.AllReduce{}, normal(100))
			for _, err := range both(bs, k, other(bs[1])) {
				require.ErrorIs(t, err, backend.ErrLost)
			}
			require.Contains(t, cudasim.Message(), "ranks do not match")
		})
	}
}

// TestAbortEndsTheWait: a device that waits for one that does not come is set
// free by an abort, and by a fault that NCCL finds itself; nothing waits later.
func TestAbortEndsTheWait(t *testing.T) {
	for name, end := range map[string]func(g backend.Group){
		"abort": func(g backend.Group) { g.Abort(errors.New("the other has failed")) },
		"fault": func(backend.Group) { cudasim.FailCollectives(6) },
	} {
		t.Run(name, func(t *testing.T) {
			bs := simDevices(t, 2)
			g := joined(t, bs)
			_, k := reduceOf(t, bs[0], backend.AllReduce{}, normal(100))
			_, late := reduceOf(t, bs[1], backend.AllReduce{}, normal(100))
			got := make(chan error)
			go func() {
				err := k.Run(context.Background())
				if err == nil {
					err = bs[0].Sync(context.Background())
				}
				got <- err
			}()
			for cudasim.CountCollectives().Issued == 0 {
				select {
				case err := <-got:
					require.NoError(t, err, "it ended before")
				default:
				}
			}
			end(g)
			err := <-got
			require.ErrorIs(t, err, backend.ErrAborted)
			_ = late.Run(context.Background())
			require.ErrorIs(t, bs[1].Sync(context.Background()), backend.ErrAborted)
			require.NoError(t, g.Close())
		})
	}
}

// TestGroupsAreChecked: what cannot be a group is refused.
func TestGroupsAreChecked(t *testing.T) {
	bs := simDevices(t, 2)
	_, err := backend.Join(bs[0], bs[0])
	require.ErrorContains(t, err, "is two ranks")
	_, err = bs[1].Group([]backend.Backend{bs[0], bs[1]})
	require.ErrorContains(t, err, "first rank")
	cudasim.FailAt("ncclCommInitAll", 1, 2, false)
	_, err = backend.Join(bs[0], bs[1])
	require.ErrorIs(t, err, backend.ErrLost)
	require.ErrorContains(t, err, "unhandled system error")
	g := joined(t, bs)
	_, err = backend.Join(bs[0], bs[1])
	require.ErrorContains(t, err, "a member of a group already")
	require.NoError(t, g.Close())
	require.NoError(t, g.Close())
	joined(t, bs)
	require.Contains(t, strings.Join(bs[0].Describe(), "\n"), "several devices: NCCL 2.21.5")
}

// rankModel has nothing that looks at a batch as a whole but ranges.
func rankModel(t testing.TB, quantized bool) *graph.Graph {
	b := nn.NewBuilder(3)
	x := b.Input(train.InputName, 8, 8, 1)
	y := nn.Sequential{
		nn.Conv2D{Out: 6, Kernel: 3, Pad: 1}, nn.ReLU{}, nn.Dropout{P: 0.2},
		nn.Conv2D{Out: 9, Kernel: 3, Stride: 2, Pad: 1}, nn.ReLU{},
		nn.GlobalAvgPool{}, nn.Linear{Out: 4},
	}.Forward(b, x)
	b.Output(train.OutputName, y)
	g, err := b.Graph()
	require.NoError(t, err)
	if quantized {
		qc := qat.Default()
		qc.Schedule = qat.Schedule{}
		g, err = qat.Prepare(g, qc)
		require.NoError(t, err)
	}
	return g
}

// watched tells of losses, and fails where the states of devices differ.
type watched struct {
	t      *testing.T
	states []*program.State
	losses []float64
}

func (w *watched) Step(i train.StepInfo) error {
	w.losses = append(w.losses, i.Loss)
	for _, s := range w.states[1:] {
		require.Equal(w.t, bits(w.t, w.states[0]), bits(w.t, s), "step %d", i.Step)
	}
	return nil
}
func (*watched) Epoch(train.EpochInfo) error { return nil }

// ranked says that a training is on devices.
func ranked(bs []*Backend, c train.Config, o *train.Options) train.Config {
	o.State, o.Peers = program.NewState(bs[0]), nil
	for _, b := range bs[1:] {
		o.Peers = append(o.Peers, program.NewState(b))
	}
	c.Ranks = len(bs)
	return c
}

// fitOn trains on devices and returns the losses and the bits of the result.
func fitOn(t *testing.T, bs []*Backend, g *graph.Graph, c train.Config, o train.Options) ([]float64, map[string][]byte, error) {
	c = ranked(bs, c, &o)
	w := &watched{t: t, states: append([]*program.State{o.State}, o.Peers...)}
	o.Callbacks = append(o.Callbacks, w)
	if o.Train == nil {
		o.Train = blobs{64, -1}
	}
	_, err := train.Fit(context.Background(), g, c, o)
	if err != nil {
		return w.losses, nil, err
	}
	return w.losses, bits(t, o.State), nil
}

// TestRanksOnDevices: two devices have the losses of one with the whole batch,
// the same bits as each other after every step, in recorded steps too, and as
// in another run.
func TestRanksOnDevices(t *testing.T) {
	withHostKernels(t)
	c := smallConfig()
	c.Epochs, c.SaveEvery = 1, 0
	phases := []graph.Phase{{Mode: graph.Mode{Train: true, Quantize: graph.QuantizeInteger, Ranges: graph.RangesObserve}}}
	for name, o := range map[string]train.Options{"float": {}, "integers": {Phases: phases}} {
		t.Run(name, func(t *testing.T) {
			quantized := o.Phases != nil
			run := func(n int) (map[string][]byte, []float64) {
				var m map[string][]byte
				var losses []float64
				t.Run("run", func(t *testing.T) {
					var err error
					losses, m, err = fitOn(t, simDevices(t, n), rankModel(t, quantized), c, o)
					require.NoError(t, err)
					require.Equal(t, 3*n, cudasim.Count().GraphLaunches)
					if n > 1 {
						require.Positive(t, cudasim.CountCollectives().Executed)
					}
				})
				return m, losses
			}
			_, want := run(1)
			m, got := run(2)
			require.Len(t, got, 4)
			require.InDelta(t, want[0], got[0], 1e-6)
			for i := range want {
				require.InDelta(t, want[i], got[i], 1e-4, "step %d", i)
			}
			again, _ := run(2)
			require.Equal(t, m, again)
		})
	}
	noHostFault(t)
}

// TestRanksOverlap: gradients are on their way before the backward pass ends,
// beside it.
func TestRanksOverlap(t *testing.T) {
	withHostKernels(t)
	t.Setenv("GOQAT_GPU_GRAPH", "0")
	bs := simDevices(t, 2)
	c := smallConfig()
	c.Epochs, c.SaveEvery = 1, 0
	_, _, err := fitOn(t, bs, rankModel(t, false), c, train.Options{})
	require.NoError(t, err)
	n := cudasim.CountCollectives()
	require.Positive(t, n.Executed)
	require.Equal(t, 2*n.Executed, n.Issued)
	require.Greater(t, n.Overtaken, n.Issued, "kernels run between the start of a reduction and its end")
}

// TestRankIsLost: a fault of one device ends the training on both, with the
// error that a fresh process goes on from.
func TestRankIsLost(t *testing.T) {
	withHostKernels(t)
	c := smallConfig()
	c.Epochs, c.SaveEvery = 1, 0
	for _, f := range []struct {
		name string
		n    int
		code int
		sick bool
		is   error
	}{
		{"kernel", 40, 700, true, backend.ErrLost},
		{"cuGraphLaunch", 2, 719, true, backend.ErrLost},
		{"ncclAllReduce", 3, 3, false, backend.ErrLost},
		{"ncclGroupEnd", 2, 6, false, backend.ErrLost},
		{"ncclAllReduce", 2, 4, false, nil},
	} {
		t.Run(f.name, func(t *testing.T) {
			bs := simDevices(t, 2)
			cudasim.FailAt(f.name, f.n, f.code, f.sick)
			_, _, err := fitOn(t, bs, rankModel(t, false), c, train.Options{})
			require.Error(t, err)
			require.ErrorContains(t, err, "of 2: ")
			if f.is != nil {
				require.ErrorIs(t, err, f.is)
			}
			if strings.HasPrefix(f.name, "nccl") {
				var e *nccl.Error
				require.ErrorAs(t, err, &e)
				require.Equal(t, f.code, e.Code)
			}
		})
	}
}

// TestRanksResume: a training on two devices goes on with the bits of one that
// was not interrupted.
func TestRanksResume(t *testing.T) {
	withHostKernels(t)
	c := smallConfig()
	c.Epochs = 2
	run := func(dir string, resume bool, fault bool) (m map[string][]byte) {
		t.Run("run", func(t *testing.T) {
			bs := simDevices(t, 2)
			if fault {
				cudasim.FailAt("cuGraphLaunch", 8, 719, true)
			}
			g, qc := smallModel(t)
			var err error
			_, m, err = fitOn(t, bs, g, c, train.Options{Phases: qc.Phases(8), Dir: dir, Resume: resume})
			if fault {
				require.ErrorIs(t, err, backend.ErrLost)
				return
			}
			require.NoError(t, err)
		})
		return m
	}
	want := run("", false, false)
	dir := t.TempDir()
	run(dir, false, true)
	require.Equal(t, want, run(dir, true, false))
}

// TestGroupOfRecordedSteps: NCCL waits for graphs with its operations before a
// communicator ends, so an abort does not wait, and the group gives the graphs
// back itself.
func TestGroupOfRecordedSteps(t *testing.T) {
	for name, end := range map[string]func(g backend.Group){
		"abort": func(g backend.Group) { g.Abort(errors.New("no more")) },
		"close": func(backend.Group) {},
	} {
		t.Run(name, func(t *testing.T) {
			bs := simDevices(t, 2)
			g := joined(t, bs)
			var ks [2]backend.Kernel
			for i, b := range bs {
				_, k := reduceOf(t, b, backend.AllReduce{}, normal(100))
				var err error
				ks[i], err = b.Record([]backend.Kernel{k})
				require.NoError(t, err)
			}
			for _, err := range both(bs, ks[:]...) {
				require.NoError(t, err)
			}
			end(g)
			require.NoError(t, g.Close())
			require.Zero(t, cudasim.CountCollectives().Live)
			for _, k := range ks {
				require.ErrorContains(t, k.Run(context.Background()), "was released")
			}
		})
	}
}
