package choices

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var machine = Machine{Device: "a GPU", Arch: 80, Driver: 12040, Libraries: "cublaslt 12.4.5"}

func entry(key string) Entry {
	return Entry{Machine: machine, Key: key, Choice: Choice{Library: "cublaslt", Order: 4, Algorithm: "00ff"}, Nanoseconds: 5, OwnNanoseconds: 7, Wrong: []string{"rows 2"}}
}

func TestAddAndRead(t *testing.T) {
	p := filepath.Join(t.TempDir(), "a", "b", "c.json")
	es, err := Read(p)
	require.NoError(t, err)
	require.Empty(t, es, "no file is no entries")
	require.NoError(t, Add(p, entry("x")))
	require.NoError(t, Add(p, entry("y")))
	again := entry("x")
	again.Choice = Choice{}
	require.NoError(t, Add(p, again))
	es, err = Read(p)
	require.NoError(t, err)
	require.Equal(t, []Entry{entry("y"), again}, es)
	other := entry("x")
	other.Driver++
	require.NoError(t, Add(p, other))
	es, err = Read(p)
	require.NoError(t, err)
	require.Len(t, es, 3, "another driver is another machine")
	require.Error(t, Add(p, Entry{}), "what could not be read is not written")
	folder := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(folder, nil, 0o600))
	require.Error(t, Add(filepath.Join(folder, "c.json"), entry("x")), "a file where a folder should be")
}

// TestOldestGo: the file does not grow without end.
func TestOldestGo(t *testing.T) {
	p := filepath.Join(t.TempDir(), "c.json")
	c := content{Format: format, Version: version}
	for i := range maxEntries {
		c.Entries = append(c.Entries, Entry{Machine: Machine{Device: "d"}, Key: fmt.Sprint(i)})
	}
	b, err := json.Marshal(c)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(p, b, 0o600))
	require.NoError(t, Add(p, entry("x")))
	es, err := Read(p)
	require.NoError(t, err)
	require.Len(t, es, maxEntries)
	require.Equal(t, "1", es[0].Key)
	require.Equal(t, "x", es[maxEntries-1].Key)
}

func TestPath(t *testing.T) {
	t.Setenv(Env, "/some/file")
	p, err := Path()
	require.NoError(t, err)
	require.Equal(t, "/some/file", p)
	t.Setenv(Env, "")
	t.Setenv("XDG_CACHE_HOME", "/cache")
	t.Setenv("HOME", "/home")
	p, err = Path()
	require.NoError(t, err)
	require.Equal(t, "gpu-choices.json", filepath.Base(p))
}

// bad are files that must be refused.
func bad() map[string]string {
	with := func(f func(*Entry)) string {
		e := entry("k")
		f(&e)
		b, _ := json.Marshal(content{format, version, []Entry{e}})
		return string(b)
	}
	return map[string]string{
		"empty":         "",
		"no JSON":       "\x00\x01",
		"cut off":       with(func(*Entry) {})[:60],
		"foreign":       `{"format":"other","version":1}`,
		"version":       `{"format":"goqat gpu choices","version":2}`,
		"types":         `{"format":"goqat gpu choices","version":1,"entries":[{"key":7}]}`,
		"hexadecimal":   with(func(e *Entry) { e.Choice.Algorithm = "xy" }),
		"no key":        with(func(e *Entry) { e.Key = "" }),
		"long":          with(func(e *Entry) { e.Key = strings.Repeat("x", maxText+1) }),
		"control":       with(func(e *Entry) { e.Device = "a\x1b[2Jb" }),
		"negative":      with(func(e *Entry) { e.Nanoseconds = -1 }),
		"order":         with(func(e *Entry) { e.Choice.Order = 1 << 30 }),
		"huge":          with(func(*Entry) {}) + strings.Repeat(" ", maxBytes),
		"many wrong":    with(func(e *Entry) { e.Wrong = make([]string, MostWrong+1) }),
		"kernels":       with(func(e *Entry) { e.Kernels = strings.Repeat("0", maxText+1) }),
		"many refused":  with(func(e *Entry) { e.Refused = make([]string, MostWrong+1) }),
		"half a choice": with(func(e *Entry) { e.Choice.Library = "" }),
	}
}

func TestBadFiles(t *testing.T) {
	for name, text := range bad() {
		_, err := Decode(strings.NewReader(text))
		require.ErrorIs(t, err, ErrFile, name)
		p := filepath.Join(t.TempDir(), "c.json")
		require.NoError(t, os.WriteFile(p, []byte(text), 0o600))
		_, err = Read(p)
		require.ErrorIs(t, err, ErrFile, name)
		require.ErrorContains(t, err, p)
		require.NoError(t, Add(p, entry("k")), "it is written anew")
		es, err := Read(p)
		require.NoError(t, err)
		require.Len(t, es, 1)
	}
	_, err := Read(t.TempDir())
	require.Error(t, err)
	require.False(t, errors.Is(err, ErrFile))
}

func FuzzDecode(f *testing.F) {
	for _, text := range bad() {
		if len(text) < 4096 {
			f.Add([]byte(text))
		}
	}
	good, _ := json.Marshal(content{format, version, []Entry{entry("k"), {Machine: machine, Key: "own"}}})
	f.Add(good)
	f.Fuzz(func(t *testing.T, b []byte) {
		es, err := Decode(bytes.NewReader(b))
		if err != nil {
			require.ErrorIs(t, err, ErrFile)
			return
		}
		// What is read can be written, and is read the same.
		out, err := json.Marshal(content{format, version, es})
		require.NoError(t, err)
		again, err := Decode(bytes.NewReader(out))
		require.NoError(t, err)
		require.Equal(t, len(es), len(again))
		for i := range es {
			require.NoError(t, again[i].check())
		}
	})
}
