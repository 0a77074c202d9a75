package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakePeer names, in the environment, how this test program behaves as a
// peer.
const fakePeer = "GOQAT_FAKE_PEER"

func TestMain(m *testing.M) {
	if kind := os.Getenv(fakePeer); kind != "" {
		os.Exit(playPeer(kind, os.Stdin, os.Stdout))
	}
	os.Exit(m.Run())
}

// playPeer is a peer whose runs take 1, 2 and 3 ms, and, for a figure of the
// runtimes, ten times as long in OpenVINO.
func playPeer(kind string, in io.Reader, out io.Writer) int {
	if kind == "dies at once" {
		fmt.Fprintln(os.Stderr, "no such library")
		return 3
	}
	open := map[string]bool{}
	for s := bufio.NewScanner(in); s.Scan(); {
		var r request
		if err := json.Unmarshal(s.Bytes(), &r); err != nil {
			return 4
		}
		a := map[string]any{}
		switch r.Do {
		case "hello":
			a["facts"] = map[string]any{"version": "1.2", "threads": os.Getenv("OMP_NUM_THREADS")}
		case "open":
			open[r.Figure] = true
			a["note"] = fmt.Sprintf("%d threads", r.Threads)
			if kind == "refuses" {
				a = map[string]any{"error": "nothing called " + r.Figure}
			}
		case "time":
			k := 1.0
			if strings.HasPrefix(r.Figure, "openvino/") {
				k = 10
			}
			a["ms"] = []float64{3 * k, 1 * k, 2 * k}
			if !open[r.Figure] {
				a = map[string]any{"error": r.Figure + " is not open"}
			}
			switch kind {
			case "no times":
				a["ms"] = []float64{}
			case "dies later":
				fmt.Fprintln(os.Stderr, "out of memory")
				return 5
			case "babbles":
				fmt.Fprintln(out, "Warning: all is well")
			}
		case "close":
			clear(open)
		}
		b, err := json.Marshal(a)
		if err != nil {
			return 6
		}
		fmt.Fprintf(out, "%s\n", b)
	}
	return 0
}

// TestRun measures two comparisons beside a fake peer, which takes the place
// of python, and writes the document anew from what was kept.
func TestRun(t *testing.T) {
	t.Setenv(fakePeer, "ok")
	dir := t.TempDir()
	doc, raw := filepath.Join(dir, "doc.md"), filepath.Join(dir, "raw.json")
	const before = "# Figures\n\n" + section + "\n\nText.\n\n## More\n"
	require.NoError(t, os.WriteFile(doc, []byte(before), 0o644))
	models := filepath.Join(dir, "models")
	require.NoError(t, os.Mkdir(models, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(models, "complete"), nil, 0o644))
	o := options{python: os.Args[0], scripts: ".", models: models, doc: doc, raw: raw, only: "^gemm/f32/512/nn$|^infer/mlp", name: "here", rounds: 2, window: 1}
	var out, progress strings.Builder
	require.NoError(t, run(t.Context(), o, &out, &progress))
	text, err := os.ReadFile(doc)
	require.NoError(t, err)
	assert.Equal(t, before, string(text), "some figures alone do not replace the table")
	assert.Contains(t, out.String(), "| fp32 product 512, NN |")
	assert.Contains(t, out.String(), "2.00 ms, PyTorch (1 threads)")
	assert.Contains(t, out.String(), "2.00 ms, onnxruntime (1 threads)", "the best of two")
	assert.Contains(t, out.String(), "PyTorch, threads=1: threads 1, version 1.2")
	assert.Equal(t, 2, strings.Count(progress.String(), "\n"))

	o.only, o.from = "", raw
	require.NoError(t, run(t.Context(), o, &out, &progress))
	text, err = os.ReadFile(doc)
	require.NoError(t, err)
	assert.Contains(t, string(text), beginMark("here"))
	assert.Contains(t, string(text), "| INT8 inference mlp, batch 128 |")
	assert.True(t, strings.HasSuffix(string(text), endMark("here")+"\n\n## More\n"))
	var kept report
	b, err := os.ReadFile(raw)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &kept))
	assert.Len(t, kept.Raw["infer/mlp/int8/b128"]["openvino"].Rounds, 2)

	o.doc = filepath.Join(dir, "none.md")
	require.Error(t, run(t.Context(), o, &out, &progress))
	o.from = filepath.Join(dir, "none.json")
	require.Error(t, run(t.Context(), o, &out, &progress))
	o.from, o.only = "", "("
	require.Error(t, run(t.Context(), o, &out, &progress))
}

// TestRunKeepsWhatItHas lets the peer die.
func TestRunKeepsWhatItHas(t *testing.T) {
	t.Setenv(fakePeer, "dies later")
	raw := filepath.Join(t.TempDir(), "raw.json")
	var out, progress strings.Builder
	err := run(t.Context(), options{python: os.Args[0], scripts: ".", raw: raw, only: "^gemm/f32/512/nn$", rounds: 1, window: 1}, &out, &progress)
	require.ErrorContains(t, err, "out of memory")
	assert.FileExists(t, raw)
	assert.Empty(t, out.String())
}
