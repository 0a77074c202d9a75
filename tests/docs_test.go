package tests

import (
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/train"
)

// update rewrites what documents quote: go test ./tests -run Blocks -update.
var update = flag.Bool("update", false, "rewrite the blocks of documents that quote other files")

// documents returns the paths of all documents, relative to the root.
func documents(t *testing.T) []string {
	var docs []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "goqat-demo") {
			return fs.SkipDir
		}
		if strings.HasSuffix(path, ".md") {
			rel, err := filepath.Rel(root, path)
			docs = append(docs, filepath.ToSlash(rel))
			return err
		}
		return nil
	})
	require.NoError(t, err)
	require.Contains(t, docs, "README.md")
	return docs
}

// block is a fenced block of a document.
type block struct {
	line int // of its first line of text
	text string
	// above is the line before the fence.
	above string
}

// blocks returns the fenced blocks of a language.
func blocks(t *testing.T, doc, language string) []block {
	b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(doc)))
	require.NoError(t, err)
	var found []block
	open, above := "", ""
	for i, l := range strings.Split(string(b), "\n") {
		fence, isFence := strings.CutPrefix(l, "```")
		switch {
		case isFence && open == "":
			open = fence
			if open == "" {
				open = "text"
			}
			if open == language {
				found = append(found, block{line: i + 2, above: above})
			}
		case isFence:
			open = ""
		case open == language:
			found[len(found)-1].text += l + "\n"
		default:
			above = l
		}
	}
	require.Empty(t, open, "%s: a block is not closed", doc)
	return found
}

// replace puts another text into a block. Blocks after it must be read anew.
func replace(t *testing.T, doc string, b block, text string) {
	path := filepath.Join(root, filepath.FromSlash(doc))
	src, err := os.ReadFile(path)
	require.NoError(t, err)
	lines := strings.SplitAfter(string(src), "\n")
	from := b.line - 1
	all := append(slices.Clone(lines[:from]), text)
	all = append(all, lines[from+strings.Count(b.text, "\n"):]...)
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(all, "")), 0o644))
}

var quoted = regexp.MustCompile(`^<!-- from (\S+) (\S+) -->$`)

// TestGoBlocksAreCompiled compares every Go block of every document with the
// function or declaration of a compiled file that it quotes.
func TestGoBlocksAreCompiled(t *testing.T) {
	n := 0
	for _, doc := range documents(t) {
		for _, b := range blocks(t, doc, "go") {
			m := quoted.FindStringSubmatch(b.above)
			if !assert.NotNil(t, m, "%s:%d: a Go block needs a line <!-- from FILE NAME --> above it", doc, b.line) {
				continue
			}
			n++
			if *update {
				require.Len(t, blocks(t, doc, "go"), 1, "%s: only one quoted block a document can be rewritten", doc)
				replace(t, doc, b, source(t, m[1], m[2]))
				continue
			}
			assert.Equal(t, source(t, m[1], m[2]), b.text, "%s:%d: not what %s has as %s", doc, b.line, m[1], m[2])
		}
	}
	require.GreaterOrEqual(t, n, 2)
}

// source returns the body of a function of a file, or a type with its
// comment, as a document quotes it.
func source(t *testing.T, file, name string) string {
	path := filepath.Join(root, filepath.FromSlash(file))
	src, err := os.ReadFile(path)
	require.NoError(t, err)
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, path, src, parser.ParseComments)
	require.NoError(t, err)
	at := func(p token.Pos) int { return set.Position(p).Offset }
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.Name != name {
				continue
			}
			var out strings.Builder
			body := strings.Trim(string(src[at(d.Body.Lbrace)+1:at(d.Body.Rbrace)]), "\n")
			for _, l := range strings.Split(body, "\n") {
				out.WriteString(strings.TrimPrefix(l, "\t") + "\n")
			}
			return out.String()
		case *ast.GenDecl:
			for _, s := range d.Specs {
				if ts, ok := s.(*ast.TypeSpec); ok && ts.Name.Name == name {
					from := d.Pos()
					if d.Doc != nil {
						from = d.Doc.Pos()
					}
					return string(src[at(from):at(d.End())]) + "\n"
				}
			}
		}
	}
	require.Fail(t, "nothing to quote", "%s has no %s", file, name)
	return ""
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// TestLinks finds links to files that are not there.
func TestLinks(t *testing.T) {
	for _, doc := range documents(t) {
		b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(doc)))
		require.NoError(t, err)
		for _, m := range link.FindAllStringSubmatch(string(b), -1) {
			to, _, _ := strings.Cut(m[1], "#")
			if to == "" || strings.Contains(to, "://") {
				continue
			}
			path := filepath.ToSlash(filepath.Join(filepath.Dir(filepath.FromSlash(doc)), filepath.FromSlash(to)))
			_, err := os.Stat(filepath.Join(root, path))
			assert.NoError(t, err, "%s: link to %s", doc, m[1])
		}
	}
}

var makeWord = regexp.MustCompile("(?m)(?:^|`)make ([a-z][a-z0-9-]*)")

// TestDocumentsNameMakeTargets finds make targets and scripts that are not
// there.
func TestDocumentsNameMakeTargets(t *testing.T) {
	targets := makeTargets(t)
	script := regexp.MustCompile(`scripts/[a-z0-9-]+\.sh`)
	for _, doc := range documents(t) {
		b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(doc)))
		require.NoError(t, err)
		for _, m := range makeWord.FindAllStringSubmatch(string(b), -1) {
			assert.Contains(t, targets, m[1], "%s: make %s", doc, m[1])
		}
		for _, s := range script.FindAllString(string(b), -1) {
			assert.FileExists(t, filepath.Join(root, s), doc)
		}
	}
}

// TestDependencies compares docs/dependencies.md with the modules that the
// files of this module import and the tools of go.mod.
func TestDependencies(t *testing.T) {
	required, tools := modules(t)
	used := map[string]bool{}
	module := func(path string) string {
		best := ""
		for _, m := range required {
			if (path == m || strings.HasPrefix(path, m+"/")) && len(m) > len(best) {
				best = m
			}
		}
		return best
	}
	for _, p := range tools {
		used[module(p)] = true
	}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root {
			_, nested := os.Stat(filepath.Join(path, "go.mod"))
			if nested == nil || strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" {
				return fs.SkipDir
			}
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, i := range f.Imports {
			p, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			if m := module(p); m != "" {
				used[m] = true
			}
		}
		return nil
	})
	require.NoError(t, err)
	var want []string
	for m := range used {
		want = append(want, m)
	}
	b, err := os.ReadFile(filepath.Join(root, "docs", "dependencies.md"))
	require.NoError(t, err)
	direct, _, ok := strings.Cut(string(b), "\n## ")
	require.True(t, ok, "want the table of direct dependencies before the first heading of level 2")
	var listed []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (.*) \\|$").FindAllStringSubmatch(direct, -1) {
		listed = append(listed, m[1])
		assert.NotEmpty(t, strings.TrimSpace(m[2]), "%s without a reason", m[1])
	}
	assert.ElementsMatch(t, want, listed)
}

// modules returns the paths that go.mod requires and its tools.
func modules(t *testing.T) (required, tools []string) {
	b, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	list := ""
	for _, l := range strings.Split(string(b), "\n") {
		f := strings.Fields(l)
		switch {
		case len(f) == 2 && f[1] == "(":
			list = f[0]
		case len(f) == 1 && f[0] == ")":
			list = ""
		case len(f) >= 3 && f[0] == "require":
			required = append(required, f[1])
		case len(f) == 2 && f[0] == "tool":
			tools = append(tools, f[1])
		case list == "require" && len(f) >= 2:
			required = append(required, f[0])
		case list == "tool" && len(f) == 1:
			tools = append(tools, f[0])
		}
	}
	require.NotEmpty(t, required)
	return required, tools
}

var jsonOf = regexp.MustCompile(`^<!-- json (\S+) -->$`)

// TestJSONBlocks reads the configs that documents show.
func TestJSONBlocks(t *testing.T) {
	kinds := map[string]func(t *testing.T, text string){
		"qat.Config": func(t *testing.T, text string) {
			_, err := qat.ReadConfig(strings.NewReader(text))
			require.NoError(t, err)
		},
		"qat.Default": func(t *testing.T, text string) {
			c, err := qat.ReadConfig(strings.NewReader(text))
			require.NoError(t, err)
			require.Equal(t, qat.Default(), c, "go test ./tests -run Blocks -update rewrites it")
		},
		"train.DefaultConfig": func(t *testing.T, text string) {
			c, err := train.ReadConfig(strings.NewReader(text))
			require.NoError(t, err)
			require.Equal(t, train.DefaultConfig(), c)
		},
	}
	for _, doc := range documents(t) {
		for i, b := range blocks(t, doc, "json") {
			m := jsonOf.FindStringSubmatch(b.above)
			if !assert.NotNil(t, m, "%s:%d: a JSON block needs a line <!-- json KIND --> above it", doc, b.line) {
				continue
			}
			read := kinds[m[1]]
			if !assert.NotNil(t, read, "%s:%d: no kind %s", doc, b.line, m[1]) {
				continue
			}
			if text, ok := defaults(t)[m[1]]; *update && ok {
				replace(t, doc, blocks(t, doc, "json")[i], text)
				continue
			}
			t.Run(doc+"/"+m[1], func(t *testing.T) { read(t, b.text) })
		}
	}
}

// defaults returns the configs that documents show as what they are by
// default.
func defaults(t *testing.T) map[string]string {
	var q, c strings.Builder
	require.NoError(t, qat.Default().Write(&q))
	e := json.NewEncoder(&c)
	e.SetIndent("", "  ")
	require.NoError(t, e.Encode(train.DefaultConfig()))
	return map[string]string{"qat.Default": q.String(), "train.DefaultConfig": c.String()}
}
