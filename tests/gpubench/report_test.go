package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// write makes a folder of files.
func write(t *testing.T, files map[string]string) string {
	dir := filepath.Join(t.TempDir(), "gpu-2030-01-02")
	require.NoError(t, os.Mkdir(dir, 0o755))
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	return dir
}

func read(t *testing.T, dir string) (r result, markdown string) {
	require.NoError(t, readJSON(filepath.Join(dir, "result.json"), &r))
	b, err := os.ReadFile(filepath.Join(dir, "result.md"))
	require.NoError(t, err)
	return r, string(b)
}

func measured(r result, what string) string {
	for _, p := range r.Predictions {
		if p.What == what {
			return p.Measured
		}
	}
	return "no such prediction"
}

const goqatJSON = `{"device": ["a GPU"], "figures": [
{"group": "quantizers of 2^28 float32", "name": "copy", "bytes": 8e9, "cold": {"median_ns": 4e6, "noise": 0.001, "ended": "noise reached", "samples_ns": [4e6]}},
{"group": "quantizers of 2^30 float32", "name": "copy", "bytes": 8e9, "cold": {"median_ns": 2e6, "noise": 0.001, "ended": "noise reached", "samples_ns": [2e6, 2e6]}},
{"group": "products", "name": "int8 to float32 8192", "ops": 1e12, "cold": {"median_ns": 1e6}}],
"missing": [{"name": "bf16", "why": "no | type"}]}`

func TestReport(t *testing.T) {
	dir := write(t, map[string]string{
		"about.tsv":  "commit\tabc\ngpu\t\n",
		"parts.tsv":  "benchmarks\tok\t7\t\nsanitizer memcheck\tmissing\t0\tno compute-sanitizer\ntests cuda\tfailed\t3\texit code 1\n",
		"goqat.json": goqatJSON,
		"torch.json": `{"rivals": [{"name": "fake_quant 2^30", "median_ns": 4.5e6, "samples_ns": [4.5e6]}], "missing": [{"name": "torchao", "why": "no module"}]}`,
	})
	require.NoError(t, report(dir))
	r, md := read(t, dir)
	require.Equal(t, "gpu-2030-01-02", r.Name)
	require.Len(t, r.Predictions, len(predictions))
	require.Equal(t, "goqat 2 ms, 4000 GB/s", measured(r, "copy"))
	require.Equal(t, "goqat 1 ms, 1000 TOPS", measured(r, "own int8 product to float32, 8192^3"))
	require.Equal(t, "PyTorch 4.5 ms", measured(r, "PyTorch's fused fake_quant, 2^30 float32"))
	require.Equal(t, "not measured", measured(r, "quantize of bf16, 2^30"))
	require.Equal(t, []missing{{"sanitizer memcheck", "missing: no compute-sanitizer"}, {"tests cuda", "failed: exit code 1"},
		{"bf16", "no | type"}, {"torchao", "no module"}}, r.Missing)
	for _, line := range []string{
		"### GPU check gpu-2030-01-02", "- commit: abc", "| tests cuda | failed | 3 | exit code 1 |", "| bf16 | no \\| type |",
		"| quantizers of 2^30 float32 | copy | 2 ms | 4000 GB/s | 0.10 % | 0 ms | 2 | noise reached |",
		"| copy | 4.3 TB/s | goqat 2 ms, 4000 GB/s |",
	} {
		require.Contains(t, md, line+"\n")
	}
	require.NotContains(t, md, "- gpu: ")
}

// TestReportOfLittle: without measurements there is a result, which says so;
// tiny sizes answer no prediction.
func TestReportOfLittle(t *testing.T) {
	files := map[string]string{"about.tsv": "commit\tabc\n", "parts.tsv": "pytorch\tmissing\t0\tno python3\n"}
	dir := write(t, files)
	require.NoError(t, report(dir))
	r, md := read(t, dir)
	require.Nil(t, r.Goqat)
	require.Contains(t, md, "| pytorch | missing: no python3 |")

	files["goqat.json"] = `{"tiny": true, ` + goqatJSON[1:]
	dir = write(t, files)
	require.NoError(t, report(dir))
	r, _ = read(t, dir)
	require.NotNil(t, r.Goqat)
	require.Equal(t, "not measured", measured(r, "copy"))

	files["goqat.json"] = "{"
	require.ErrorContains(t, report(write(t, files)), "goqat.json")
	delete(files, "goqat.json")
	files["parts.tsv"] = "two\tcolumns\n"
	require.ErrorContains(t, report(write(t, files)), "not 4 columns")
	require.Error(t, report(t.TempDir()))
}
