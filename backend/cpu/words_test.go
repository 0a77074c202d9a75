package cpu_test

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// word is an instruction that a header has as a number, and the text of it.
type word struct{ name, args, text string }

var (
	macro   = regexp.MustCompile(`^#define (\w+)\(([a-z, ]+)\) WORD \$\(.*\)$`)
	lanes   = []int{0, 1, 2, 3}
	vectors = [][3]int{{0, 0, 0}, {31, 0, 0}, {0, 31, 0}, {0, 0, 31}, {1, 2, 3}, {10, 21, 30}, {21, 10, 5}}
)

// readWords returns the instructions of a header. Each is a line of text and
// then one of code.
func readWords(t *testing.T, file string) (words []word) {
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	lines := strings.Split(string(b), "\n")
	for i, l := range lines {
		if !strings.Contains(l, "WORD") && !strings.HasPrefix(l, "#") {
			continue
		}
		m := macro.FindStringSubmatch(l)
		require.NotNil(t, m, "%s:%d: no instruction as a word", file, i+1)
		text, ok := strings.CutPrefix(lines[i-1], "// ")
		require.True(t, ok, "%s:%d: the line above does not say which instruction it is", file, i+1)
		words = append(words, word{m[1], m[2], text})
	}
	return words
}

// TestWords compares the words of the headers, as Go's assembler writes them,
// with what the GNU assembler makes of their text.
func TestWords(t *testing.T) {
	headers, err := filepath.Glob("internal/*/instructions_arm64.h")
	require.NoError(t, err)
	require.NotEmpty(t, headers)
	for _, h := range headers {
		t.Run(filepath.Base(filepath.Dir(h)), func(t *testing.T) { testWords(t, h) })
	}
}

func testWords(t *testing.T, header string) {
	b, err := os.ReadFile(header)
	require.NoError(t, err)
	code, text := string(b)+"\nTEXT ·words(SB), 4, $0-0\n", []string(nil)
	for _, w := range readWords(t, header) {
		for _, v := range vectors {
			for _, i := range lanes {
				if i > 0 && !strings.Contains(w.args, "i") {
					continue
				}
				var names, fields []string
				for name, value := range map[string]int{"d": v[0], "n": v[1], "m": v[2], "i": i} {
					names = append(names, name, fmt.Sprint(value))
					fields = append(fields, "{"+name+"}", fmt.Sprint(value))
				}
				code += fmt.Sprintf("\t%s(%s)\n", w.name, strings.NewReplacer(names...).Replace(w.args))
				text = append(text, strings.NewReplacer(fields...).Replace(w.text))
			}
		}
	}
	require.NotEmpty(t, text)
	for _, tool := range []string{"go", "aarch64-linux-gnu-as"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no %s (Debian: binutils-aarch64-linux-gnu)", tool)
		}
	}
	got, want := goWords(t, code+"\tRET\n"), gnuWords(t, text)
	require.Len(t, want, len(text))
	require.GreaterOrEqual(t, len(got), len(want))
	for i, w := range want {
		assert.Equal(t, fmt.Sprintf("%08x", w), fmt.Sprintf("%08x", got[i]), text[i])
	}
}

// TestWordsAreInHeaders: no other file has instructions as numbers.
func TestWordsAreInHeaders(t *testing.T) {
	files, err := filepath.Glob("internal/*/*_arm64.[hs]")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		if filepath.Base(f) == "instructions_arm64.h" {
			continue
		}
		b, err := os.ReadFile(f)
		require.NoError(t, err)
		assert.NotRegexp(t, `\b(WORD|BYTE|DWORD)\b`, string(b), f)
	}
}

// goWords returns the words of the function called words, and what follows
// them.
func goWords(t *testing.T, code string) []uint32 {
	dir := t.TempDir()
	for file, s := range map[string]string{
		"go.mod":        "module words\n",
		"main.go":       "package main\n\nfunc words()\n\nfunc main() { words() }\n",
		"words_arm64.s": code,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(s), 0o666))
	}
	cmd := exec.Command("go", "build", "-o", "words", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=", "GOTOOLCHAIN=local")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	f, err := elf.Open(filepath.Join(dir, "words"))
	require.NoError(t, err)
	defer f.Close()
	symbols, err := f.Symbols()
	require.NoError(t, err)
	section := f.Section(".text")
	data, err := section.Data()
	require.NoError(t, err)
	for _, s := range symbols {
		if s.Name == "main.words.abi0" {
			return split(data[s.Value-section.Addr:][:s.Size])
		}
	}
	t.Fatal("no function called words")
	return nil
}

// gnuWords returns the words of instructions.
func gnuWords(t *testing.T, text []string) []uint32 {
	object := filepath.Join(t.TempDir(), "words.o")
	cmd := exec.Command("aarch64-linux-gnu-as", "-march=armv8.6-a", "-o", object, "-")
	cmd.Stdin = strings.NewReader(strings.Join(text, "\n") + "\n")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	f, err := elf.Open(object)
	require.NoError(t, err)
	defer f.Close()
	data, err := f.Section(".text").Data()
	require.NoError(t, err)
	return split(data)
}

// split returns the little-endian words of b.
func split(b []byte) (words []uint32) {
	for ; len(b) >= 4; b = b[4:] {
		words = append(words, binary.LittleEndian.Uint32(b))
	}
	return words
}
