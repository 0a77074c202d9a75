package ptx

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEverySourceHasItsPTX compares the kernel files and the targets they name
// with what is embedded.
func TestEverySourceHasItsPTX(t *testing.T) {
	entries, err := os.ReadDir("..")
	require.NoError(t, err)
	line := regexp.MustCompile(`(?m)^// Targets:((?: \d+a?)+)$`)
	var names []string
	for _, e := range entries {
		stem, ok := strings.CutSuffix(e.Name(), ".cu")
		if !ok {
			continue
		}
		names = append(names, stem)
		src, err := os.ReadFile("../" + e.Name())
		require.NoError(t, err)
		m := line.FindSubmatch(src)
		require.NotNil(t, m, "%s names no targets", e.Name())
		var want []string
		for _, s := range strings.Fields(string(m[1])) {
			want = append(want, "sm_"+s)
		}
		var got []string
		for _, x := range Targets(stem) {
			got = append(got, x.String())
		}
		require.ElementsMatch(t, want, got, "%s: run make cuda", e.Name())
	}
	require.Equal(t, names, Names())
	require.Nil(t, Targets("no_such_file"))
}

// TestLoad loads every file for every capability that runs it.
func TestLoad(t *testing.T) {
	for _, name := range Names() {
		least := Targets(name)[0]
		for _, cc := range []int{75, 80, 86, 89, 90, 100, 120} {
			text, x, err := Load(name, cc)
			if cc < least.Capability || least.Exact && cc != least.Capability {
				require.ErrorIs(t, err, ErrCapability)
				continue
			}
			require.NoError(t, err)
			require.True(t, x.Runs(cc))
			require.Contains(t, text, ".target "+x.String())
			require.NotEmpty(t, Kernels(text), name)
			require.NotContains(t, text, os.Getenv("HOME")+"/", "a path of the build")
		}
		_, _, err := Load(name, 70)
		require.ErrorIs(t, err, ErrCapability)
	}
	_, _, err := Load("no_such_file", 80)
	require.ErrorIs(t, err, ErrUnknown)
}

// TestPTXVersion holds the PTX ISA at the one that the oldest supported driver
// reads: 8.2, driver 535.
func TestPTXVersion(t *testing.T) {
	for _, name := range Names() {
		for _, x := range Targets(name) {
			text, err := read(name + "." + strings.TrimPrefix(x.String(), "sm_") + ".ptx.gz")
			require.NoError(t, err)
			m := regexp.MustCompile(`(?m)^\.version (\d+)\.(\d+)$`).FindStringSubmatch(text)
			require.NotNil(t, m)
			major, _ := strconv.Atoi(m[1])
			minor, _ := strconv.Atoi(m[2])
			require.LessOrEqual(t, major*10+minor, 82)
		}
	}
}

func TestKernels(t *testing.T) {
	require.Equal(t, []string{"a", "b_2"}, Kernels(".visible .entry a(\n)\n{}\n.entry b_2 ()\n{}"))
	text, _, err := Load("fake_quant", 75)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"fake_quant", "fake_quant_bf16", "ste_grad", "ste_grad_bf16"}, Kernels(text))
}

func TestTarget(t *testing.T) {
	require.True(t, Target{75, false}.Runs(90))
	require.False(t, Target{80, false}.Runs(75))
	require.True(t, Target{90, true}.Runs(90))
	require.False(t, Target{90, true}.Runs(100))
}
