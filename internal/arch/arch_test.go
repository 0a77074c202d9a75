package arch

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../.."

func TestImports(t *testing.T) {
	bad, err := Check(root)
	require.NoError(t, err)
	require.Empty(t, bad)
}

// TestImportsAreChecked plants violations and expects them found.
func TestImportsAreChecked(t *testing.T) {
	dir := t.TempDir()
	write := func(path, src string) {
		p := filepath.Join(dir, path)
		require.NoError(t, os.MkdirAll(filepath.Dir(p), 0o755))
		require.NoError(t, os.WriteFile(p, []byte(src), 0o644))
	}
	write("graph/a.go", "package graph\nimport _ \"github.com/goqat/goqat/op\"\n")
	write("op/b.go", "//go:build cuda\n\npackage op\nimport _ \"gorgonia.org/cu\"\n")
	write("stray/c.go", "package stray\n")
	write("op/d.go", "package op\nimport _ \"github.com/goqat/goqat/graph\"\n")
	bad, err := Check(dir)
	require.NoError(t, err)
	require.Len(t, bad, 3)
	all := strings.Join(bad, "\n")
	require.Contains(t, all, "graph/a.go (level 3) imports op (level 4)")
	require.Contains(t, all, "op/b.go imports gorgonia.org/cu, which only cuda may")
	require.Contains(t, all, "stray/c.go: folder stray has no level")
}

// TestFileLength keeps files at one idea each.
func TestFileLength(t *testing.T) {
	out, err := exec.Command("git", "-C", root, "ls-files", "*.go", "*.cu", "*.cuh", "*.c", "*.s", "*.py").Output()
	if err != nil {
		t.Skip("no git checkout to list the files of")
	}
	for _, f := range strings.Fields(string(out)) {
		b, err := os.ReadFile(filepath.Join(root, f))
		if err != nil {
			continue // Deleted in the working tree.
		}
		head := string(b[:min(len(b), 400)])
		if n := strings.Count(string(b), "\n"); n > 800 && !strings.Contains(strings.ToLower(head), "generated") {
			t.Errorf("%s has %d lines, over 800", f, n)
		}
	}
}
