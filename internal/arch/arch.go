// Package arch holds the import rule of the project and the test that keeps
// it: a package imports only packages of lower levels.
package arch

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Module is the path of this module.
const Module = "github.com/goqat/goqat"

// Levels maps folders to levels; a folder not listed has the level of the
// nearest one above it.
var Levels = map[string]int{
	"tensor":           0,
	"csrc":             0,
	"internal/durable": 0,
	"internal/arch":    0,
	"internal/cudasim": 0,

	"quant":       1,
	"npy":         1,
	"safetensors": 1,
	"cuda":        1,
	"cuda/nccl":   2,

	"backend": 2,

	"backend/cpu/internal/isa":        1,
	"backend/cpu/internal/gemm":       2,
	"backend/cpu/internal/channels":   3,
	"backend/cpu/internal/codes":      3,
	"backend/cpu/internal/depthwise":  3,
	"backend/cpu/internal/elementary": 2,
	"backend/cpu":                     3,
	"backend/gpu":                     3,
	"graph":                           3,
	"backend/cpu/internal/amxtest":    2,
	"backend/cpu/internal/peak":       2,

	"op": 4,

	"program":             5,
	"nn":                  5,
	"onnx":                5,
	"data":                5,
	"backend/backendtest": 5,
	"train/checkpoint":    5,

	"qat":   6,
	"train": 6,

	"target": 7,

	"tensorcore": 8,
	"npu":        8,

	"bench": 9,

	"cmd":                 10,
	"examples":            10,
	"tests":               10,
	"internal/asmgen":     10,
	"internal/asmgen/amx": 9,
}

// Only lists who may import a package from outside, and why.
var Only = map[string]struct{ Folders []string }{
	"gorgonia.org/cu": {[]string{"cuda"}},
}

// level returns the level of a folder, -1 when it has none.
func level(folder string) int {
	for f := folder; f != "." && f != ""; f = filepath.ToSlash(filepath.Dir(f)) {
		if l, ok := Levels[f]; ok {
			return l
		}
	}
	return -1
}

// Check parses every Go file below root, those of any build tag too, and
// returns the violations of the import rule.
func Check(root string) ([]string, error) {
	var bad []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if rel != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		v, err := checkFile(path, filepath.ToSlash(filepath.Dir(rel)), rel)
		bad = append(bad, v...)
		return err
	})
	slices.Sort(bad)
	return bad, err
}

func checkFile(path, folder, rel string) ([]string, error) {
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		return nil, fmt.Errorf("arch: %w", err)
	}
	own := level(folder)
	if own < 0 {
		return []string{fmt.Sprintf("%s: folder %s has no level: add it to internal/arch", rel, folder)}, nil
	}
	var bad []string
	for _, imp := range f.Imports {
		p, err := strconv.Unquote(imp.Path.Value)
		if err != nil {
			return nil, fmt.Errorf("arch: %s: %w", rel, err)
		}
		for pkg, rule := range Only {
			if p == pkg || strings.HasPrefix(p, pkg+"/") {
				if !slices.ContainsFunc(rule.Folders, func(d string) bool { return folder == d || strings.HasPrefix(folder, d+"/") }) {
					bad = append(bad, fmt.Sprintf("%s imports %s, which only %s may", rel, p, strings.Join(rule.Folders, ", ")))
				}
			}
		}
		dep, ok := strings.CutPrefix(p, Module+"/")
		if !ok || dep == folder {
			continue
		}
		switch l := level(dep); {
		case l < 0:
			bad = append(bad, fmt.Sprintf("%s imports %s, which has no level", rel, dep))
		case l > own, l == own && !sameTree(folder, dep):
			bad = append(bad, fmt.Sprintf("%s (level %d) imports %s (level %d)", rel, own, dep, l))
		}
	}
	return bad, nil
}

// sameTree reports whether one folder is inside the other: parts of one
// package may import each other within a level.
func sameTree(a, b string) bool {
	return strings.HasPrefix(a+"/", b+"/") || strings.HasPrefix(b+"/", a+"/") || top(a) == top(b) && top(a) != "internal" && top(a) != "backend"
}

func top(f string) string { s, _, _ := strings.Cut(f, "/"); return s }
