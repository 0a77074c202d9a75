package isa

import (
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// newTestFamily returns a family that is unregistered again after the test.
// Its kernels are the names of their instruction sets.
func newTestFamily(t *testing.T, sets ...Set) *Family[string] {
	f := NewFamily(t.Name(), "portable")
	t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		families = slices.DeleteFunc(families, func(g family) bool { return g.familyName() == t.Name() })
	})
	for _, s := range sets {
		f.Add(s, s.String())
	}
	return f
}

func TestFamilyTakesTheBestAllowed(t *testing.T) {
	t.Cleanup(func() { require.NoError(t, SetMax("")) })
	all := Sets()
	if len(all) < 4 {
		t.Skip("the architecture has no three instruction sets")
	}
	for _, s := range all[1:] {
		t.Cleanup(Emulate(s))
	}
	low, mid, top := all[1], all[2], all[3]
	f := newTestFamily(t, top, low) // in no order, and none for mid
	require.Equal(t, []Set{Portable, low, top}, f.Sets())
	for _, c := range []struct {
		limit string
		want  Set
	}{{"", top}, {top.String(), top}, {mid.String(), low}, {low.String(), low}, {"portable", Portable}, {"", top}} {
		require.NoError(t, SetMax(c.limit))
		assert.Equal(t, c.want, f.Set(), "limit %q", c.limit)
		assert.Equal(t, c.want.String(), f.Kernel(), "limit %q", c.limit)
		assert.Equal(t, c.limit, Max())
		assert.Contains(t, Choices(), Choice{t.Name(), c.want})
		assert.Equal(t, []Set{Portable, low, top}, f.Sets(), "a limit does not change what there is")
	}
	require.NoError(t, SetMax(low.String()))
	assert.True(t, Allowed(low))
	assert.False(t, Allowed(mid))
	require.ErrorContains(t, SetMax("mmx"), `"mmx" is not one of portable`)
	assert.Equal(t, low, f.Set(), "a wrong name changes nothing")
}

func TestFamilyTakesWhatTheMachineHas(t *testing.T) {
	f := newTestFamily(t, architecture...)
	for _, s := range Sets() {
		err := s.Missing()
		assert.Equal(t, err == nil, slices.Contains(f.Sets(), s))
		if err == nil {
			assert.True(t, s.InCPU())
			assert.LessOrEqual(t, s, f.Set())
		} else {
			assert.ErrorContains(t, err, s.String())
		}
	}
	for _, s := range architecture {
		if s.Missing() == nil {
			continue
		}
		before := f.Set()
		restore := Emulate(s)
		assert.NoError(t, s.Missing())
		assert.Equal(t, max(s, before), f.Set())
		restore()
		assert.Error(t, s.Missing())
		assert.Equal(t, before, f.Set())
	}
}

func TestTwiceIsABug(t *testing.T) {
	f := newTestFamily(t, AVX2)
	assert.PanicsWithValue(t, "isa: two kernels of "+t.Name()+" for avx2", func() { f.Add(AVX2, "") })
	assert.PanicsWithValue(t, "isa: two families are called "+t.Name(), func() { NewFamily(t.Name(), 1) })
}

func TestNamesAreDistinct(t *testing.T) {
	seen := map[string]bool{}
	for s := range end {
		assert.NotEmpty(t, s.String())
		assert.False(t, seen[s.String()])
		seen[s.String()] = true
	}
	assert.True(t, slices.IsSorted(Sets()))
}

func TestConcurrentUse(t *testing.T) {
	t.Cleanup(func() { require.NoError(t, SetMax("")) })
	f := newTestFamily(t, architecture...)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 1000 {
				_ = f.Kernel()
				_ = Choices()
			}
		})
		wg.Go(func() {
			for range 250 {
				_ = SetMax("portable")
				_ = SetMax("")
			}
		})
	}
	wg.Wait()
	require.NoError(t, SetMax("portable"))
	require.Equal(t, Portable, f.Set())
}

// TestEnvironment runs this test in processes with GOQAT_ISA set.
func TestEnvironment(t *testing.T) {
	if want, ok := os.LookupEnv("ISA_TEST_WANT"); ok {
		require.Equal(t, want, Max())
		if os.Getenv("GOQAT_ISA") == want {
			require.NoError(t, EnvError())
		} else {
			require.ErrorContains(t, EnvError(), "GOQAT_ISA: isa: instruction set \"mmx\"")
		}
		return
	}
	if runtime.GOOS == "js" || runtime.GOOS == "wasip1" {
		t.Skip("no processes")
	}
	exe, err := os.Executable()
	require.NoError(t, err)
	for env, want := range map[string]string{"": "", "portable": "portable", Sets()[len(Sets())-1].String(): Sets()[len(Sets())-1].String(), "mmx": ""} {
		cmd := exec.Command(exe, "-test.run=^TestEnvironment$")
		cmd.Env = append(os.Environ(), "GOQAT_ISA="+env, "ISA_TEST_WANT="+want)
		out, err := cmd.CombinedOutput()
		assert.NoError(t, err, "GOQAT_ISA=%s: %s", env, out)
	}
}

func BenchmarkKernel(b *testing.B) {
	f := NewFamily(b.Name(), 0)
	b.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		families = slices.DeleteFunc(families, func(g family) bool { return g.familyName() == b.Name() })
	})
	sum := 0
	for b.Loop() {
		sum += f.Kernel()
	}
	if sum != 0 {
		b.Fatal(sum)
	}
}
