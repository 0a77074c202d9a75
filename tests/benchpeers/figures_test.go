package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/bench"
)

// TestFiguresExist compares the names of figures with what goqat and the
// scripts of the peers have, on machines with and without AMX.
func TestFiguresExist(t *testing.T) {
	ours := map[string]bool{}
	for _, s := range bench.Suites() {
		for _, n := range bench.SuiteNames(s) {
			ours[n] = true
		}
	}
	names := func(script string) map[string]bool {
		out, err := exec.Command(python(t), "-B", script, "--names").Output()
		require.NoError(t, err)
		all := map[string]bool{}
		for _, n := range strings.Fields(string(out)) {
			all[n] = true
		}
		return all
	}
	peers := map[string]map[string]bool{runtimes: names("runtimes_peer.py"), torch: names("torch_peer.py")}
	peers[torchMasked] = peers[torch]
	for _, amx := range []bool{false, true} {
		seen := map[string]bool{}
		for _, g := range groups(amx) {
			assert.False(t, seen[g.name], "two groups are called %s", g.name)
			seen[g.name] = true
			ids := map[string]bool{}
			for _, s := range g.series {
				assert.False(t, ids[s.id], "%s: two series are called %s", g.name, s.id)
				ids[s.id] = true
				switch {
				case s.peak > 0:
				case s.process == "":
					assert.True(t, ours[s.figure], s.figure)
				default:
					assert.True(t, peers[s.process][s.figure], "%s: %s", s.process, s.figure)
				}
				assert.Positive(t, s.threads)
			}
			for _, l := range g.lines {
				assert.True(t, ids[l.ours], "%s: %s", g.name, l.ours)
				require.NotEmpty(t, l.against)
				for _, id := range l.against {
					assert.True(t, ids[id], "%s: %s", g.name, id)
				}
				assert.Equal(t, l.higher, l.factor > 0, g.name)
				if l.must != 0 && l.aim != 0 {
					assert.Equal(t, l.higher, l.aim > l.must, "%s: the aim is harder", l.work)
				}
			}
		}
	}
}

// TestBars are those that the project set itself.
func TestBars(t *testing.T) {
	type bars struct{ must, aim float64 }
	want := map[string][]bars{
		"fakequant-observe/per-tensor/16Mi": {{6, 0}, {0, 1}},
		"fakequant/per-channel/4096x4096":   {{6, 0}, {0, 1}},
		"lsq/16Mi":                          {{8, 0}, {0, 1}},
		"gemm/s8/1024":                      {{1.5, 2.5}, {0, 0}},
		"gemm/s8/2048/avx512vnni":           {{0, 0}, {0.75, 0.9}},
		"gemm/f32/2048/tn":                  {{0.85, 1}},
		"step/mlp":                          {{0.7, 0.4}, {0.35, 0.2}, {1.1, 0.8}, {0, 0}, {0, 0}},
		"infer/mobilenetv2/int8/b1":         {{1.3, 0.9}},
		"threads/step/cnn/qat/b128":         {{1.8, 0}},
	}
	for _, g := range groups(true) {
		if w, ok := want[g.name]; ok {
			var got []bars
			for _, l := range g.lines {
				got = append(got, bars{l.must, l.aim})
			}
			assert.Equal(t, w, got, g.name)
			delete(want, g.name)
		}
	}
	assert.Empty(t, want)
	for _, g := range groups(false) {
		if g.name == "gemm/s8/1024" {
			assert.Equal(t, 0.75, g.lines[1].must, "without AMX the bar is the share of the peak")
		}
	}
}

func TestMachine(t *testing.T) {
	set := cpu.InstructionSet{Name: "amx-int8", InCPU: true, Usable: true}
	assert.Equal(t, "AMX", amx([]cpu.InstructionSet{set}))
	set.Masked = true
	assert.Equal(t, "AMX, masked", amx([]cpu.InstructionSet{set}))
	set.Usable, set.Why = false, "the system refuses"
	assert.Equal(t, "AMX, which cannot be used: the system refuses", amx([]cpu.InstructionSet{set}))
	set.InCPU = false
	assert.Equal(t, "no AMX", amx([]cpu.InstructionSet{set}))
	assert.Equal(t, "no AMX", amx(nil))
	assert.Equal(t, "avx2 (a, c); neon (b)", kernels([]cpu.KernelISA{{Family: "a", ISA: "avx2"}, {Family: "b", ISA: "neon"}, {Family: "c", ISA: "avx2"}}))
	var r report
	describe(&r, options{rounds: 3, window: 1e9})
	assert.NotEmpty(t, r.Name)
	assert.Contains(t, r.Machine[1], cpu.ISA())
	assert.Equal(t, "at least 1s and 3 runs each", r.Window)
}
