//go:build linux || darwin

package tests

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// compared is a repository of two commits with scripts/bench-compare.sh: the
// second one makes a benchmark slower, adds a package, and has one benchmark
// that waits for a reader of the pipe that WAIT names.
type compared struct {
	dir, tmp string
}

func newCompared(t *testing.T) compared {
	for _, program := range []string{"bash", "git", "realpath"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("no %s", program)
		}
	}
	c := compared{dir: t.TempDir(), tmp: t.TempDir()}
	write := func(name, text string) {
		path := filepath.Join(c.dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o755))
	}
	script, err := os.ReadFile(filepath.Join(root, "scripts", "bench-compare.sh"))
	require.NoError(t, err)
	write("scripts/bench-compare.sh", string(script))
	write("go.mod", "module compared\n\ngo 1.26\n")
	write("a/a_test.go", "package a\n\nimport \"testing\"\n\nfunc BenchmarkOne(b *testing.B) {\n\tfor b.Loop() {\n\t}\n}\n")
	write("none/none.go", "package none\n")
	c.git(t, "init", "-q")
	c.git(t, "add", ".")
	c.git(t, "commit", "-q", "-m", "one")
	write("new/new_test.go", `package new

import (
	"os"
	"testing"
)

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
	}
}

func BenchmarkWait(b *testing.B) {
	f, err := os.OpenFile(os.Getenv("WAIT"), os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	f.WriteString("here")
	select {}
}
`)
	c.git(t, "add", ".")
	c.git(t, "commit", "-q", "-m", "two")
	return c
}

func (c compared) git(t *testing.T, args ...string) string {
	cmd := exec.Command("git", append([]string{"-C", c.dir, "-c", "user.name=t", "-c", "user.email=t@localhost"}, args...)...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "git %v: %s", args, out)
	return string(out)
}

// command compares with the first commit. cat stands for benchstat.
func (c compared) command(env ...string) *exec.Cmd {
	cmd := exec.Command("bash", filepath.Join(c.dir, "scripts", "bench-compare.sh"), "HEAD~1")
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "TMPDIR="+c.tmp, "GOFLAGS=-mod=mod", "GOWORK=off", "COUNT=2", "BENCHTIME=1x", "CPU=1")
	cmd.Env = append(cmd.Env, env...)
	return cmd
}

// requireClean fails when the script has left something behind.
func (c compared) requireClean(t *testing.T) {
	require.Equal(t, 1, strings.Count(c.git(t, "worktree", "list"), "\n"), "only the tree itself")
	left, err := os.ReadDir(c.tmp)
	require.NoError(t, err)
	for _, e := range left { // The Go command has folders of its own there.
		require.False(t, strings.HasPrefix(e.Name(), "tmp."), e.Name())
	}
}

func TestBenchCompare(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs")
	}
	c := newCompared(t)
	stat := filepath.Join(t.TempDir(), "stat")
	require.NoError(t, os.WriteFile(stat, []byte("#!/bin/sh\nfor a; do echo \"${a%%=*}:\"; cat \"${a#*=}\"; done\n"), 0o755))
	cmd := c.command("BENCHSTAT="+stat, "BENCH=One|New")
	var faults strings.Builder
	cmd.Stderr = &faults
	out, err := cmd.Output()
	require.NoError(t, err, "%s\n%s", out, faults.String())
	before, after, ok := strings.Cut(string(out), "this tree:")
	require.True(t, ok, "%s", out)
	assert.True(t, strings.HasPrefix(before, "HEAD~1:"))
	assert.Equal(t, 2, strings.Count(before, "BenchmarkOne"), "%s", out)
	assert.NotContains(t, before, "BenchmarkNew")
	assert.Equal(t, 2, strings.Count(after, "BenchmarkOne"))
	assert.Equal(t, 2, strings.Count(after, "BenchmarkNew"))
	assert.Contains(t, faults.String(), "new: new, or does not build in HEAD~1")
	c.requireClean(t)

	out, err = c.command("BENCHSTAT="+stat, "BENCH=Nothing").CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "no benchmark matches Nothing")
	c.requireClean(t)
}

// TestBenchCompareInterrupted ends it in the middle of a benchmark.
func TestBenchCompareInterrupted(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs")
	}
	c := newCompared(t)
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		pipe := filepath.Join(t.TempDir(), "pipe")
		require.NoError(t, syscall.Mkfifo(pipe, 0o600))
		cmd := c.command("BENCHSTAT=false", "BENCH=Wait", "WAIT="+pipe)
		require.NoError(t, cmd.Start())
		f, err := os.Open(pipe) // Returns when the benchmark opens it.
		require.NoError(t, err)
		b := make([]byte, 4)
		_, err = io.ReadFull(f, b)
		require.NoError(t, err)
		require.NoError(t, cmd.Process.Signal(signal))
		var exit *exec.ExitError
		require.ErrorAs(t, cmd.Wait(), &exit)
		assert.Equal(t, 128+int(signal), exit.ExitCode())
		_, err = io.ReadAll(f) // Ends when the benchmark has ended.
		require.NoError(t, err)
		f.Close()
		c.requireClean(t)
	}
}
