package checkpoint

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/internal/durable"
)

const crashWeights = 700 // about 3.5 KiB, several sectors

// Every call that a Save makes fails once, in each way. The generations that
// were there stay whole, the error has its type, no temporary file is left,
// and the next Save works.
func TestEveryCallFails(t *testing.T) {
	faults := map[string]durable.Fault{
		"ENOSPC": {Err: syscall.ENOSPC},
		"EIO":    {Err: syscall.EIO},
		"short":  {Err: syscall.EIO, Short: true},
		"after":  {Err: syscall.EIO, After: true},
		"sticky": {Err: syscall.EIO, Sticky: true},
	}
	for name, fault := range faults {
		for _, before := range []int64{0, 1, 2} { // generations that were there
			t.Run(fmt.Sprintf("%s/before=%d", name, before), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(1, uint64(before)))
				for n := 1; ; n++ {
					mem := durable.NewCrashFS()
					for id := range before {
						require.NoError(t, Save(t.Context(), "p/d", stateAt(id, id, crashWeights), WithFS(mem)))
					}
					if before > 0 { // so that every kind of call is made
						put(t, mem, "p/d/.ckpt-9.goqat.1-1.tmp", []byte("left by a kill"))
					}
					fault.Call = n
					faulty := durable.NewFaultFS(mem, fault)
					err := Save(t.Context(), "p/d", stateAt(before, before, crashWeights), WithFS(faulty))
					if !faulty.Fired() {
						require.NoError(t, err)
						require.Greater(t, n, 12, "the loop saw the calls")
						return
					}
					checkAfterFault(t, mem, fault, before, err, n)

					// The machine loses power right then.
					for range 3 {
						s, lerr := Load("p/d", WithFS(mem.CrashClone(rng, rng.Float64())))
						if err == nil || before > 0 {
							require.NoError(t, lerr, "call %d", n)
							require.GreaterOrEqual(t, s.Step, before-1, "call %d", n)
							requireWhole(t, s, crashWeights)
						}
						if err == nil {
							require.Equal(t, before, s.Step, "call %d", n)
						}
					}
					// And without that, the run goes on.
					require.NoError(t, Save(t.Context(), "p/d", stateAt(before+1, before+1, crashWeights), WithFS(mem)))
					s, lerr := Load("p/d", WithFS(mem.CrashClone(rng, 0)))
					require.NoError(t, lerr)
					require.Equal(t, before+1, s.Step)
				}
			})
		}
	}
}

func checkAfterFault(t *testing.T, mem *durable.CrashFS, fault durable.Fault, before int64, err error, n int) {
	t.Helper()
	installed := err == nil
	if err != nil {
		var write *durable.WriteError
		require.ErrorAs(t, err, &write, "call %d", n)
		if !fault.Short {
			require.ErrorIs(t, err, fault.Err, "call %d", n)
		}
		installed = write.Installed || write.Op == "rename" && fault.After
	}
	s, lerr := Load("p/d", WithFS(mem))
	switch {
	case installed:
		require.NoError(t, lerr, "call %d", n)
		require.Equal(t, before, s.Step, "call %d", n)
	case before == 0:
		require.ErrorIs(t, lerr, ErrNotFound, "call %d", n)
	default:
		require.NoError(t, lerr, "call %d", n)
		require.Equal(t, before-1, s.Step, "call %d", n)
		// All that were there are still there.
		for id := range before {
			require.Contains(t, ls(t, mem, "p/d"), fileName(id), "call %d", n)
		}
	}
	if s != nil {
		require.Empty(t, s.Warnings, "call %d", n)
		requireWhole(t, s, crashWeights)
	}
	if _, err := mem.Stat("p/d"); err == nil && !fault.Sticky { // a disk that is gone cannot be tidied
		for _, name := range ls(t, mem, "p/d") {
			if name != ".ckpt-9.goqat.1-1.tmp" { // whose own removal may be what failed
				require.NotContains(t, name, ".tmp", "call %d", n)
			}
		}
	}
}

// Every read that a Load makes fails once: it falls back or says so, and never
// returns something wrong.
func TestEveryReadFails(t *testing.T) {
	mem := durable.NewCrashFS()
	for id := range int64(2) {
		require.NoError(t, Save(t.Context(), "d", stateAt(id, id, crashWeights), WithFS(mem)))
	}
	for n := 1; ; n++ {
		faulty := durable.NewFaultFS(mem, durable.Fault{Call: n, Err: syscall.EIO})
		s, err := Load("d", WithFS(faulty))
		if !faulty.Fired() {
			require.NoError(t, err)
			require.Greater(t, n, 10)
			return
		}
		if err != nil {
			require.ErrorIs(t, err, syscall.EIO)
			continue
		}
		requireWhole(t, s, crashWeights)
		if s.Step != 1 {
			require.NotEmpty(t, s.Warnings)
		}
	}
}

func TestFullDisk(t *testing.T) {
	const weights = 60_000 // 248 KB: three generations and a bit fit 1 MB
	mem := durable.NewCrashFS()
	mem.SetCapacity(1 << 20)
	for id := range int64(6) {
		require.NoError(t, Save(t.Context(), "d", stateAt(id, id, weights), WithFS(mem)), "%d", id)
	}
	for id := int64(6); id < 10; id++ { // too large now
		err := Save(t.Context(), "d", stateAt(id, id, 3*weights), WithFS(mem))
		require.ErrorIs(t, err, syscall.ENOSPC)
		var write *durable.WriteError
		require.ErrorAs(t, err, &write)
		assert.Equal(t, "write", write.Op)
		assert.False(t, write.Installed)
		require.Equal(t, []string{fileName(4), fileName(5)}, ls(t, mem, "d"))
	}
	s, err := Load("d", WithFS(mem))
	require.NoError(t, err)
	require.EqualValues(t, 5, s.Step)
	requireWhole(t, s, weights)
	require.NoError(t, Save(t.Context(), "d", stateAt(10, 10, weights), WithFS(mem)), "what fits goes on")
}

// The machine loses power before every change of the file system, during a run
// that also saves a step twice and goes back; several outcomes of each moment.
func TestPowerLoss(t *testing.T) {
	const clones = 24
	mem := durable.NewCrashFS()
	rng := rand.New(rand.NewPCG(7, 11))
	states := 0
	done := int64(-1) // the last save that returned
	crash := func(where string) {
		for range clones {
			keep := rng.Float64()
			switch rng.IntN(8) {
			case 0:
				keep = 0
			case 1:
				keep = 1
			}
			states++
			s, err := Load("runs/a", WithFS(mem.CrashClone(rng, keep)))
			if done < 0 && errors.Is(err, ErrNotFound) {
				continue
			}
			require.NoError(t, err, "%s after save %d", where, done)
			id := idOf(t, s)
			require.True(t, id == done || id == done+1, "%s after save %d: loaded %d", where, done, id)
			require.Empty(t, s.Warnings, "%s after save %d", where, done)
			requireWhole(t, s, crashWeights)
		}
	}
	mem.Before(func(op, path string) { crash(op + " " + filepath.Base(path)) })
	steps := []int64{0, 5, 10, 10, 15, 7, 8, 20, 21, 22, 3, 3, 3, 30, 31, 32, 33, 34, 35, 36}
	for id := int64(0); states < 10_000; id++ {
		step := steps[int(id)%len(steps)]
		require.NoError(t, Save(t.Context(), "runs/a", stateAt(step, id, crashWeights), WithFS(mem)))
		done = id
		crash("at rest")
	}
	t.Logf("%d crash states over %d saves", states, done+1)
	require.GreaterOrEqual(t, states, 10_000)
}

// After a loss of power the run goes on from the clone, again and again.
func TestPowerLossAgainAndAgain(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 5))
	mem := durable.NewCrashFS()
	next := int64(0)
	for range 150 {
		// Run for a random number of file system changes.
		var after *durable.CrashFS
		left := rng.IntN(30)
		done := next - 1
		mem.Before(func(string, string) {
			if left--; left == 0 && after == nil {
				after = mem.CrashClone(rng, rng.Float64())
				done = next - 1
			}
		})
		for after == nil && left > 0 {
			require.NoError(t, Save(t.Context(), "d", stateAt(next, next, crashWeights), WithFS(mem)))
			next++
		}
		if after == nil {
			continue
		}
		s, err := Load("d", WithFS(after))
		if done < 0 && errors.Is(err, ErrNotFound) {
			mem, next = after, 0
			continue
		}
		require.NoError(t, err)
		require.True(t, s.Step == done || s.Step == done+1, "%d after %d", s.Step, done)
		requireWhole(t, s, crashWeights)
		mem, next = after, s.Step+1
	}
}
