package main

import (
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/target"
)

const moduleRoot = "../.."

var update = flag.Bool("update", false, "write docs/cli.md anew")

// cliDocument describes every verb as its help does.
func cliDocument() string {
	root := newRoot(&app{out: io.Discard, err: io.Discard})
	var w strings.Builder
	fmt.Fprintf(&w, "# The command\n\n<!-- Written by make docs from the help of the command; a test compares. -->\n\n")
	fmt.Fprintf(&w, "```text\n%s\n```\n\nFlags of every verb:\n\n```text\n%s```\n", root.Long, root.PersistentFlags().FlagUsages())
	for _, c := range root.Commands() {
		if c.Hidden || c.Name() == "help" || c.Name() == "completion" {
			continue
		}
		fmt.Fprintf(&w, "\n## goqat %s\n\n%s.\n\n```text\n%s\n", c.Name(), c.Short, c.UseLine())
		if c.Long != "" {
			fmt.Fprintf(&w, "\n%s\n", c.Long)
		}
		if f := c.LocalNonPersistentFlags().FlagUsages(); f != "" {
			fmt.Fprintf(&w, "\n%s", f)
		}
		fmt.Fprint(&w, "```\n")
		if c.Example != "" {
			fmt.Fprint(&w, "\n```sh\n")
			for _, l := range strings.Split(c.Example, "\n") {
				fmt.Fprintln(&w, strings.TrimPrefix(l, "  "))
			}
			fmt.Fprint(&w, "```\n")
		}
	}
	return w.String()
}

// TestCLIDocument compares docs/cli.md with the help of the command.
func TestCLIDocument(t *testing.T) {
	path := filepath.Join(moduleRoot, "docs", "cli.md")
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(cliDocument()), 0o644))
	}
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(b), cliDocument(), "make docs writes it anew")
}

var (
	inline = regexp.MustCompile("`(goqat [^`]+)`")
	inSh   = regexp.MustCompile("(?ms)^```sh\n(.*?)^```")
	called = regexp.MustCompile(`^(?:go run \./cmd/)?goqat (.*)$`)
)

// TestDocumentsNameVerbsAndFlags parses every call of goqat in any document.
func TestDocumentsNameVerbsAndFlags(t *testing.T) {
	n := 0
	err := filepath.WalkDir(moduleRoot, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != moduleRoot && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".md") {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var lines []string
		for _, m := range inSh.FindAllStringSubmatch(string(b), -1) {
			lines = append(lines, strings.Split(m[1], "\n")...)
		}
		for _, m := range inline.FindAllStringSubmatch(string(b), -1) {
			lines = append(lines, m[1])
		}
		for _, l := range lines {
			l, _, _ = strings.Cut(l, " #")
			if m := called.FindStringSubmatch(strings.TrimSpace(l)); m != nil {
				n++
				assert.NoError(t, parses(strings.Fields(m[1])), "%s: %s", path, l)
			}
		}
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, n, 20)
}

// parses returns an error unless args name a verb and flags of it.
func parses(args []string) error {
	root := newRoot(&app{out: io.Discard, err: io.Discard})
	if args[0] == "help" {
		args = args[1:]
	}
	c, rest, err := root.Find(args)
	if err != nil {
		return err
	}
	if c == root && len(rest) > 0 && rest[0] != "VERB" {
		return fmt.Errorf("no verb %q", rest[0])
	}
	return c.ParseFlags(rest)
}

// TestReadmeNamesTheTargets compares the README's table of targets with those
// that the command has.
func TestReadmeNamesTheTargets(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(moduleRoot, "README.md"))
	require.NoError(t, err)
	_, table, ok := strings.Cut(string(b), "## Targets")
	require.True(t, ok)
	table, _, _ = strings.Cut(table, "\n## ")
	var named []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z0-9-]+)` \\|").FindAllStringSubmatch(table, -1) {
		named = append(named, m[1])
	}
	require.ElementsMatch(t, target.Names(), named)
}

// TestEveryVerbHasHelp wants a sentence and, but for verbs that take no
// arguments, an example of every verb.
func TestEveryVerbHasHelp(t *testing.T) {
	for _, c := range newRoot(&app{out: io.Discard, err: io.Discard}).Commands() {
		assert.NotEmpty(t, c.Short, c.Name())
		if hasFlags(c) {
			assert.NotEmpty(t, c.Example, "%s has flags but no example", c.Name())
		}
	}
}

func hasFlags(c *cobra.Command) bool { return c.LocalNonPersistentFlags().HasFlags() }
