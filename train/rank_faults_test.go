package train_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/train"
	"github.com/goqat/goqat/train/checkpoint"
)

// hooked is a CPU backend that tells of every operation it runs: before is
// called with its number, from 1, and an error is that of the operation.
type hooked struct {
	*cpu.Backend
	n      int
	before func(n int) error
}

func newHooked(before func(n int) error) *hooked { return &hooked{Backend: cpu.New(), before: before} }

func (h *hooked) Bind(op backend.Op, out, in []backend.Buffer) (backend.Kernel, error) {
	k, err := h.Backend.Bind(op, out, in)
	return hookedKernel{h, k}, err
}

func (h *hooked) Group(ranks []backend.Backend) (backend.Group, error) {
	inner := make([]backend.Backend, len(ranks))
	for i, r := range ranks {
		inner[i] = r.(*hooked).Backend
	}
	return h.Backend.Group(inner)
}

type hookedKernel struct {
	h *hooked
	backend.Kernel
}

func (k hookedKernel) Run(ctx context.Context) error {
	k.h.n++
	if k.h.before != nil {
		if err := k.h.before(k.h.n); err != nil {
			return err
		}
	}
	return k.Kernel.Run(ctx)
}

// faultRun is a training of three steps on n ranks whose operations are told
// of: rank and operation.
type faultRun struct {
	ranks  int
	dir    string
	resume bool
	memory int64
	before func(rank, n int) error
	// Of the result: the operations of each rank after each step, the bits of
	// the states after each step, and the result.
	ops    [][]int
	hashes []string
	states []*program.State
	result *train.Result
}

// weights is the hash of what a checkpoint has to give back: all but the rate
// and the momentum, which the next step sets.
func weights(t testing.TB, s *program.State) string {
	m, err := s.Snapshot(context.Background())
	require.NoError(t, err)
	delete(m, "train.lr")
	delete(m, "train.momentum")
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if strings.HasPrefix(name, "train.grad.") { // In no checkpoint.
			require.Equal(t, make([]byte, len(m[name].Bytes())), m[name].Bytes(), name)
			continue
		}
		fmt.Fprintf(h, "%s %v\n", name, m[name].Spec())
		h.Write(m[name].Bytes())
	}
	return hex.EncodeToString(h.Sum(nil))
}

func (f *faultRun) fit(ctx context.Context, t testing.TB) error {
	g, _ := prepared(t, 12)
	calibrated := start(t, g)
	c := config(1)
	c.Batch, c.Ranks, c.SaveEvery, c.ClipNorm = 16, f.ranks, 1, 1
	var bs []*hooked
	f.ops, f.hashes, f.states = make([][]int, f.ranks), nil, nil
	for i := range f.ranks {
		b := newHooked(nil)
		if f.before != nil {
			b.before = func(n int) error { return f.before(i, n) }
		}
		bs = append(bs, b)
		f.states = append(f.states, program.NewState(b))
	}
	for _, name := range calibrated.Names() {
		x, err := calibrated.Read(context.Background(), name)
		require.NoError(t, err)
		require.NoError(t, f.states[0].Write(context.Background(), name, x))
	}
	o := train.Options{State: f.states[0], Peers: f.states[1:], Train: newBlobs(48), Dir: f.dir, Resume: f.resume, Memory: f.memory,
		Phases: []graph.Phase{{Mode: graph.Mode{Train: true, Quantize: graph.QuantizeInteger, Ranges: graph.RangesObserve}}},
		Callbacks: []train.Callback{eachStep(func(int64) error {
			for i, b := range bs {
				f.ops[i] = append(f.ops[i], b.n)
			}
			f.hashes = append(f.hashes, weights(t, f.states[0]))
			return nil
		})}}
	var err error
	f.result, err = train.Fit(ctx, g, c, o)
	return err
}

// same requires that all ranks have the bits of the first, and returns them.
func (f *faultRun) same(t testing.TB) string {
	h := weights(t, f.states[0])
	for i, s := range f.states[1:] {
		require.Equal(t, h, weights(t, s), "rank %d", i+1)
	}
	return h
}

// settled waits for goroutines that are ending, by giving them their turn.
func settled(t testing.TB, most int) {
	for range 1 << 24 { // Seconds: their threads may have to wait for a processor.
		if runtime.NumGoroutine() <= most {
			return
		}
		runtime.Gosched()
	}
	if n := runtime.NumGoroutine(); n > most {
		stacks := make([]byte, 1<<20)
		require.LessOrEqual(t, n, most, "goroutines are left:\n%s", stacks[:runtime.Stack(stacks, true)])
	}
}

// stride is how many operations the tests below go on by, n where there is time.
func stride(n int) int {
	if testing.Short() {
		return max(n, 13)
	}
	return n
}

// TestCancelAtEveryOperation: whichever operation of whichever rank runs when
// the context ends, the step ends behind it on all ranks, as if it had not
// begun, or is finished on all, when one has begun to change parameters. The
// work is saved, and the run goes on with the bits of one that was not
// interrupted. Parts of a batch end likewise, their sums of gradients being
// zero again.
func TestCancelAtEveryOperation(t *testing.T) {
	for _, o := range []struct {
		ranks  int
		memory bool
		stride int
	}{{1, false, 1}, {2, false, 1}, {4, false, 7}, {1, true, 7}, {2, true, 7}} {
		t.Run(fmt.Sprintf("%d ranks, parts %v", o.ranks, o.memory), func(t *testing.T) {
			whole := &faultRun{ranks: o.ranks, dir: t.TempDir()}
			require.NoError(t, whole.fit(context.Background(), t))
			if o.memory {
				for whole.memory = 1 << 20; whole.result.MicroBatch == 16/o.ranks; whole.memory = whole.memory / 8 * 7 {
					whole.dir = t.TempDir()
					require.NoError(t, whole.fit(context.Background(), t))
				}
				whole.memory = whole.memory / 7 * 8
			}
			require.Len(t, whole.hashes, 3)
			before := runtime.NumGoroutine()
			undone, finished := 0, 0
			for rank := range o.ranks {
				first, last := whole.ops[rank][1]+1, whole.ops[rank][2]
				require.Greater(t, last-first, 20)
				for n := first; n <= last; n += stride(o.stride) {
					ctx, cancel := context.WithCancel(context.Background())
					var ended atomic.Bool
					late := make([]int, o.ranks)
					f := &faultRun{ranks: o.ranks, dir: t.TempDir(), memory: whole.memory, before: func(r, i int) error {
						if ended.Load() {
							late[r]++
						}
						if r == rank && i == n {
							cancel()
							ended.Store(true)
						}
						return nil
					}}
					err := f.fit(ctx, t)
					steps := len(f.hashes)
					h := f.same(t)
					require.Equal(t, whole.hashes[steps-1], h, "operation %d of rank %d, %d steps", n, rank, steps)
					switch steps {
					case 2:
						undone++
						require.ErrorIs(t, err, train.ErrInterrupted)
						require.ErrorIs(t, err, context.Canceled)
						require.EqualValues(t, 2, f.result.Steps)
						for r, k := range late {
							require.LessOrEqual(t, k, 1, "rank %d runs operations after operation %d of rank %d", r, n, rank)
						}
					case 3:
						finished++
					}
					s, err := checkpoint.Load(train.CheckpointDir(f.dir))
					require.NoError(t, err)
					require.EqualValues(t, steps, s.Step)
					settled(t, before)
					if (n-first)%11 == 0 {
						again := &faultRun{ranks: o.ranks, dir: f.dir, resume: true, memory: whole.memory}
						require.NoError(t, again.fit(context.Background(), t))
						require.EqualValues(t, steps, again.result.Resumed)
						require.Equal(t, whole.hashes[2], again.same(t))
					}
					cancel()
				}
			}
			t.Logf("%d steps undone, %d finished", undone, finished)
			require.Greater(t, undone, finished)
			require.Positive(t, finished)
		})
	}
}

var errInjected = errors.New("injected")

// TestFaultAtEveryOperation: whichever operation fails on whichever rank, all
// ranks end, the error names the rank and is that of the operation, no
// goroutine is left, and the run goes on from its checkpoint with the bits of
// one that did not fail.
func TestFaultAtEveryOperation(t *testing.T) {
	const ranks = 2
	whole := &faultRun{ranks: ranks, dir: t.TempDir()}
	require.NoError(t, whole.fit(context.Background(), t))
	before := runtime.NumGoroutine()
	for rank := range ranks {
		first, last := whole.ops[rank][1]+1, whole.ops[rank][2]
		for n := first; n <= last; n += stride(1) {
			f := &faultRun{ranks: ranks, dir: t.TempDir(), before: func(r, i int) error {
				if r == rank && i == n {
					return errInjected
				}
				return nil
			}}
			err := f.fit(context.Background(), t)
			require.ErrorIs(t, err, errInjected)
			var node *program.NodeError
			require.ErrorAs(t, err, &node)
			require.ErrorContains(t, err, fmt.Sprintf("step 3: device %d of %d: program: node", rank, ranks))
			require.Len(t, f.hashes, 2)
			settled(t, before)
			f.resume, f.before = true, nil
			require.NoError(t, f.fit(context.Background(), t))
			require.EqualValues(t, 2, f.result.Resumed)
			require.Equal(t, whole.hashes[2], f.same(t), "operation %d of rank %d", n, rank)
		}
	}
}
