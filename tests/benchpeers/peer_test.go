package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var short = window{warmup: 0, time: time.Microsecond, minRuns: 3, maxRuns: 3}

func startFake(t *testing.T, ctx context.Context, kind string) (*peer, error) {
	p, err := startPeer(ctx, "fake", peerEnv(os.Environ(), 2, fakePeer+"="+kind), os.Args[0])
	if err == nil {
		t.Cleanup(p.close)
	}
	return p, err
}

func TestPeer(t *testing.T) {
	p, err := startFake(t, t.Context(), "ok")
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"version": "1.2", "threads": "2"}, p.facts)
	_, err = p.times("a", short)
	require.ErrorIs(t, err, errPeer, "not open")
	for _, f := range []string{"a", "openvino/b"} {
		note, err := p.open(f, 4)
		require.NoError(t, err)
		assert.Equal(t, "4 threads", note)
	}
	for f, want := range map[string][]float64{"a": {3, 1, 2}, "openvino/b": {30, 10, 20}} { // Both stay open.
		ts, err := p.times(f, short)
		require.NoError(t, err)
		assert.Equal(t, want, ts)
	}
	require.NoError(t, p.free())
	_, err = p.times("a", short)
	require.ErrorIs(t, err, errPeer)
	require.ErrorContains(t, err, "fake: the peer cannot: a is not open")
}

func TestPeerFaults(t *testing.T) {
	_, err := startFake(t, t.Context(), "dies at once")
	require.ErrorContains(t, err, "no such library")
	require.NotErrorIs(t, err, errPeer)
	_, err = startPeer(t.Context(), "fake", nil, filepath.Join(t.TempDir(), "nothing"))
	require.Error(t, err)
	for kind, want := range map[string]string{"no times": "without times", "dies later": "out of memory", "babbles": "Warning: all is well"} {
		p, err := startFake(t, t.Context(), kind)
		require.NoError(t, err)
		_, err = p.open("a", 1)
		require.NoError(t, err)
		_, err = p.times("a", short)
		require.ErrorContains(t, err, want)
	}
	p, err := startFake(t, t.Context(), "refuses")
	require.NoError(t, err)
	_, err = p.open("a", 1)
	require.ErrorIs(t, err, errPeer)
}

func TestPeerEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p, err := startFake(t, ctx, "ok")
	require.NoError(t, err)
	cancel()
	_ = p.cmd.Wait()
	_, err = p.open("a", 1)
	require.Error(t, err)
}

func TestPeerEnvironment(t *testing.T) {
	env := []string{"PATH=/bin", "OPENBLAS_CORETYPE=Nehalem", "OMP_NUM_THREADS=8", "ONEDNN_MAX_CPU_ISA=SSE41", "MKL_DEBUG_CPU_TYPE=5"}
	got := peerEnv(env, 1, "ONEDNN_MAX_CPU_ISA=AVX512_CORE_VNNI")
	assert.Equal(t, []string{"PATH=/bin", "OMP_NUM_THREADS=1", "PYTHONDONTWRITEBYTECODE=1", "ONEDNN_MAX_CPU_ISA=AVX512_CORE_VNNI"}, got)
	assert.Len(t, env, 5, "the caller's stays as it is")
	assert.Equal(t, "OPENBLAS_CORETYPE=Nehalem", env[1])
}

func TestTailKeepsTheEnd(t *testing.T) {
	var w tail
	for range 100 {
		n, err := w.Write([]byte(strings.Repeat("x", 99)))
		require.NoError(t, err)
		require.Equal(t, 99, n)
	}
	_, _ = w.Write([]byte("end"))
	assert.Len(t, w.b, 2000)
	assert.True(t, strings.HasSuffix(w.String(), "xend"))
}

// python returns a python 3 for scripts that need nothing else.
func python(t *testing.T) string {
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	return path
}

// TestProtocol serves figures by protocol.py, without any library.
func TestProtocol(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "peer.py")
	require.NoError(t, os.WriteFile(script, []byte(`
import sys
sys.path.insert(0, sys.argv[1])
import protocol

def load():
    calls = []

    def good(threads):
        print("libraries print what they like")
        return (lambda: calls.append(threads)), f"{threads} threads"

    def bad(threads):
        raise ValueError("of no use")

    def late(threads):
        return (lambda: 1 / 0), ""

    def calls_so_far(threads):
        return (lambda: None), str(len(calls))

    return (lambda: {"version": 3}), {"good": good, "bad": bad, "late": late, "calls": calls_so_far}

protocol.serve(*load())
`), 0o644))
	here, err := filepath.Abs(".")
	require.NoError(t, err)
	p, err := startPeer(t.Context(), "script", peerEnv(os.Environ(), 1), python(t), script, here)
	require.NoError(t, err)
	defer p.close()
	assert.Equal(t, map[string]any{"version": 3.0}, p.facts)
	note, err := p.open("good", 5)
	require.NoError(t, err)
	assert.Equal(t, "5 threads", note)
	ts, err := p.times("good", window{warmup: 2, time: 0, minRuns: 7, maxRuns: 9})
	require.NoError(t, err)
	require.Len(t, ts, 7)
	for _, v := range ts {
		assert.GreaterOrEqual(t, v, 0.0)
	}
	note, err = p.open("calls", 1)
	require.NoError(t, err)
	assert.Equal(t, "9", note, "warm-up and runs")
	ts, err = p.times("good", window{time: time.Hour, minRuns: 1, maxRuns: 11})
	require.NoError(t, err)
	assert.Len(t, ts, 11)
	_, err = p.open("bad", 1)
	require.ErrorContains(t, err, "ValueError: of no use")
	_, err = p.open("none", 1)
	require.ErrorContains(t, err, "nothing called 'none'")
	_, err = p.open("late", 1)
	require.NoError(t, err)
	_, err = p.times("late", short)
	require.ErrorIs(t, err, errPeer)
	require.ErrorContains(t, err, "ZeroDivisionError")
	_, err = p.ask(request{Do: "dance"})
	require.ErrorIs(t, err, errPeer)
	require.NoError(t, p.free())
	_, err = p.times("good", short)
	require.ErrorIs(t, err, errPeer)
	assert.Contains(t, p.errors.String(), "libraries print what they like")
}
