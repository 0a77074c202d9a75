package durable

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

func content(t testing.TB, fsys FS, path string) string {
	t.Helper()
	f, err := fsys.Open(path)
	require.NoError(t, err)
	info, err := f.Stat()
	require.NoError(t, err)
	b, err := io.ReadAll(io.NewSectionReader(f, 0, info.Size()))
	require.NoError(t, err)
	require.NoError(t, f.Close())
	return string(b)
}

func names(t testing.TB, fsys FS, dir string) []string {
	t.Helper()
	n, err := fsys.ReadDir(dir)
	require.NoError(t, err)
	return n
}

func TestWriteOS(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out.txt")
	require.NoError(t, WriteOS(path, text("one")))
	assert.Equal(t, "one", content(t, OS{}, path))
	big := strings.Repeat("0123456789", 50_000) // over the buffer
	require.NoError(t, WriteOS(path, text(big)))
	assert.Equal(t, big, content(t, OS{}, path))

	boom := errors.New("boom")
	err := WriteOS(path, func(w io.Writer) error {
		_, err := io.WriteString(w, big+big)
		return errors.Join(err, boom)
	})
	var write *WriteError
	require.ErrorAs(t, err, &write)
	require.ErrorIs(t, err, boom)
	assert.Equal(t, "write", write.Op)
	assert.Equal(t, path, write.Path)
	assert.False(t, write.Installed)
	assert.ErrorContains(t, err, "out.txt")

	assert.PanicsWithValue(t, "p", func() {
		_ = WriteOS(path, func(io.Writer) error { panic("p") })
	})
	assert.Equal(t, big, content(t, OS{}, path))
	assert.Equal(t, []string{"out.txt"}, names(t, OS{}, dir))
}

func TestWriteToBadTargets(t *testing.T) {
	dir := t.TempDir()
	var write *WriteError
	err := WriteOS(dir, text("x"))
	require.ErrorAs(t, err, &write)
	require.ErrorIs(t, err, ErrNotRegular)
	err = WriteOS(filepath.Join(dir, "none", "x"), text("x"))
	require.ErrorAs(t, err, &write)
	require.ErrorIs(t, err, fs.ErrNotExist)
	if runtime.GOOS == "linux" {
		require.ErrorIs(t, WriteOS(os.DevNull, text("x")), ErrNotRegular, "a device is not replaced")
	}
	assert.Empty(t, names(t, OS{}, dir))
}

func TestModeOfNewAndOldFile(t *testing.T) {
	dir := t.TempDir()
	path, probe := filepath.Join(dir, "a"), filepath.Join(dir, "probe")
	mode := func(p string) fs.FileMode {
		info, err := os.Stat(p)
		require.NoError(t, err)
		return info.Mode()
	}
	require.NoError(t, WriteOS(path, text("x")))
	require.NoError(t, os.WriteFile(probe, nil, DefaultMode))
	assert.Equal(t, mode(probe), mode(path))
	for _, m := range []fs.FileMode{0o600, 0o664, 0o755, 0o666} {
		require.NoError(t, os.Chmod(path, m))
		want := mode(path)
		require.NoError(t, WriteOS(path, text("y")))
		assert.Equal(t, want, mode(path), "%v", m)
	}
}

func TestSymbolicLinkIsFollowed(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "sub"), 0o755))
	target := filepath.Join(dir, "sub", "target")
	link := filepath.Join(dir, "link")
	require.NoError(t, os.WriteFile(target, []byte("old"), 0o600))
	if err := os.Symlink(filepath.Join("sub", "target"), link); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	require.NoError(t, WriteOS(link, text("new")))
	assert.Equal(t, "new", content(t, OS{}, target))
	info, err := os.Lstat(link)
	require.NoError(t, err)
	assert.Equal(t, fs.ModeSymlink, info.Mode().Type())
	require.NoError(t, os.Remove(target))
	require.NoError(t, WriteOS(link, text("newer")), "a link to nothing is replaced")
	assert.Equal(t, "newer", content(t, OS{}, link))
}

func TestContextStopsTheWrite(t *testing.T) {
	mem := NewCrashFS()
	require.NoError(t, WriteFile(t.Context(), mem, "a", text("old")))
	// Cancelled before, while and after the data is written.
	for when := range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		if when == 0 {
			cancel()
		}
		err := WriteFile(ctx, mem, "a", func(w io.Writer) error {
			if when == 1 {
				cancel()
			}
			_, err := io.WriteString(w, strings.Repeat("x", 1<<20))
			if when == 2 {
				cancel()
			}
			return err
		})
		require.ErrorIs(t, err, context.Canceled, "%d", when)
		assert.Equal(t, "old", content(t, mem, "a"))
		assert.Equal(t, []string{"a"}, names(t, mem, "."))
		cancel()
	}
}

func TestConcurrentWritesOfOnePath(t *testing.T) {
	for name, fsys := range map[string]FS{"os": OS{}, "memory": NewCrashFS()} {
		dir := t.TempDir()
		require.NoError(t, MkdirAll(fsys, dir, 0o755))
		path := filepath.Join(dir, "a")
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for i := range 10 {
					err := WriteFile(t.Context(), fsys, path, text(strings.Repeat(fmt.Sprint(g), 1000+i)))
					if runtime.GOOS != "windows" { // where an open target refuses
						assert.NoError(t, err)
					}
				}
			})
		}
		wg.Wait()
		c := content(t, fsys, path)
		assert.Equal(t, strings.Repeat(c[:1], len(c)), c, name)
		assert.Equal(t, []string{"a"}, names(t, fsys, dir), name)
	}
}

func TestTempOf(t *testing.T) {
	fsys := NewCrashFS()
	for _, want := range []string{"a", "ckpt-12.goqat", ".hidden", "x.1-2", "-"} {
		f, temp, err := createTemp(fsys, "/"+want, 0o600)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		base, ok := TempOf(filepath.Base(temp))
		assert.True(t, ok, temp)
		assert.Equal(t, want, base)
	}
	for _, name := range []string{"", ".", ".tmp", "..tmp", ".a.tmp", ".a.1.tmp", ".a.1-.tmp", ".a.-1.tmp", ".a.1-2", "a.1-2.tmp", ".a.+1-2.tmp", ".a.1-2.tmp.bak", "..1-2.tmp"} {
		_, ok := TempOf(name)
		assert.False(t, ok, name)
	}
}

func TestCreateTempStepsOverLeftovers(t *testing.T) {
	fsys := NewCrashFS()
	next := tempCount.Load() + 1
	for i := range uint64(5) {
		f, err := fsys.Create(fmt.Sprintf("/.a.%d-%d.tmp", os.Getpid(), next+i), 0o600)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	require.NoError(t, WriteFile(t.Context(), fsys, "/a", text("x")))
	assert.Len(t, names(t, fsys, "/"), 6)
}

func TestMkdirAll(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, MkdirAll(OS{}, filepath.Join(dir, "a", "b", "c"), 0o755))
	require.NoError(t, MkdirAll(OS{}, filepath.Join(dir, "a", "b", "c"), 0o755))
	require.NoError(t, WriteOS(filepath.Join(dir, "file"), text("x")))
	var write *WriteError
	require.ErrorAs(t, MkdirAll(OS{}, filepath.Join(dir, "file"), 0o755), &write)
	require.ErrorAs(t, MkdirAll(OS{}, filepath.Join(dir, "file", "sub"), 0o755), &write)

	rng := rand.New(rand.NewPCG(1, 1))
	mem := NewCrashFS()
	require.NoError(t, MkdirAll(mem, "a/b/c", 0o755))
	_, err := mem.CrashClone(rng, 0).Stat("a/b/c")
	require.NoError(t, err, "the names are durable")
	for n := 1; ; n++ {
		mem := NewCrashFS()
		faulty := NewFaultFS(mem, Fault{Call: n, Err: syscall.EIO})
		err := MkdirAll(faulty, "a/b/c", 0o755)
		if !faulty.Fired() {
			require.NoError(t, err)
			break
		}
		require.ErrorAs(t, err, &write)
		require.NoError(t, MkdirAll(mem, "a/b/c", 0o755))
		_, err = mem.CrashClone(rng, 0).Stat("a/b/c")
		require.NoError(t, err, "call %d: what a failure left was not taken for durable", n)
	}

	mem = NewCrashFS()
	require.NoError(t, mem.Mkdir("a", 0o755))
	require.NoError(t, mem.Mkdir("a/b", 0o755))
	require.NoError(t, SyncAbove(mem, "a/b"))
	_, err = mem.CrashClone(rng, 0).Stat("a/b")
	require.NoError(t, err)
	require.NoError(t, SyncAbove(OS{}, dir))
	require.NoError(t, SyncAbove(NewFaultFS(mem, Fault{Call: 1, Err: fs.ErrPermission, Sticky: true}), "a/b"))
	require.ErrorAs(t, SyncAbove(NewFaultFS(mem, Fault{Call: 1, Err: syscall.EIO}), "a/b"), &write)
}

// Every call of a write fails once, in each way: the old file is intact unless
// the error says Installed, and nothing is left beside it.
func TestEveryCallOfAWriteFails(t *testing.T) {
	for name, fault := range map[string]Fault{
		"ENOSPC": {Err: syscall.ENOSPC},
		"EIO":    {Err: syscall.EIO},
		"short":  {Err: syscall.EIO, Short: true},
		"after":  {Err: syscall.EIO, After: true},
	} {
		for _, old := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/old=%t", name, old), func(t *testing.T) {
				for n := 1; ; n++ {
					mem := NewCrashFS()
					if old {
						require.NoError(t, WriteFile(t.Context(), mem, "a", text("old")))
						require.NoError(t, changeMode(mem, "a", 0o640))
					}
					fault.Call = n
					faulty := NewFaultFS(mem, fault)
					err := WriteFile(t.Context(), faulty, "a", text(strings.Repeat("new", 100_000)))
					if !faulty.Fired() {
						require.NoError(t, err)
						require.Greater(t, n, 8)
						require.Equal(t, n-1, faulty.Calls())
						return
					}
					var write *WriteError
					require.ErrorAs(t, err, &write, "call %d", n)
					switch got := names(t, mem, "/"); {
					case write.Installed || write.Op == "rename" && fault.After:
						require.Equal(t, []string{"a"}, got)
						require.Len(t, content(t, mem, "a"), 300_000)
					case old:
						require.Equal(t, []string{"a"}, got, "call %d", n)
						require.Equal(t, "old", content(t, mem, "a"))
						info, err := mem.Stat("a")
						require.NoError(t, err)
						require.Equal(t, fs.FileMode(0o640), info.Mode())
					default:
						require.Empty(t, got, "call %d", n)
					}
				}
			})
		}
	}
}

func changeMode(fsys FS, path string, mode fs.FileMode) error {
	f, err := fsys.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(mode), f.Close())
}

// careless leaves out one kind of sync.
type careless struct {
	FS
	data, dir bool
}

func (c careless) Create(path string, perm fs.FileMode) (File, error) {
	f, err := c.FS.Create(path, perm)
	if c.data && err == nil {
		f = carelessFile{f}
	}
	return f, err
}

func (c careless) SyncDir(dir string) error {
	if c.dir {
		return nil
	}
	return c.FS.SyncDir(dir)
}

type carelessFile struct{ File }

func (carelessFile) Sync() error { return nil }

// Power is lost before every change while a file is rewritten again and again.
// A write that has returned is there, and the file is always whole; without
// either sync the same test finds losses, so it can.
func TestPowerLoss(t *testing.T) {
	lost := func(wrap func(FS) FS) (torn, missing int) {
		rng := rand.New(rand.NewPCG(4, 2))
		mem := NewCrashFS()
		version := func(i int) string { return strings.Repeat(string(rune('a'+i%26)), 1000+200*i) }
		var versions []string
		for i := range 13 {
			versions = append(versions, version(i))
		}
		done := -1
		mem.Before(func(string, string) {
			for range 10 {
				c := mem.CrashClone(rng, rng.Float64())
				if _, err := c.Stat("f"); err != nil {
					if done >= 0 {
						missing++
					}
					continue
				}
				switch got := content(t, c, "f"); {
				case done >= 0 && got == versions[done], got == versions[done+1]:
				case slices.ContainsFunc(versions[:max(done, 0)], func(v string) bool { return v == got }):
					missing++
				default:
					torn++
				}
			}
		})
		fsys := wrap(mem)
		for i := range 12 {
			require.NoError(t, WriteFile(t.Context(), fsys, "f", text(versions[i])))
			done = i
		}
		return torn, missing
	}
	torn, missing := lost(func(f FS) FS { return f })
	assert.Zero(t, torn)
	assert.Zero(t, missing)
	torn, _ = lost(func(f FS) FS { return careless{FS: f, data: true} })
	assert.Positive(t, torn, "without fsync of the file")
	torn, missing = lost(func(f FS) FS { return careless{FS: f, dir: true} })
	assert.Positive(t, missing, "without fsync of the directory")
	assert.Zero(t, torn)
}

func TestCrashFSIsAFileSystem(t *testing.T) {
	c := NewCrashFS()
	require.NoError(t, c.Mkdir("d", 0o755))
	require.ErrorIs(t, c.Mkdir("d", 0o755), fs.ErrExist)
	require.ErrorIs(t, c.Mkdir("x/y", 0o755), fs.ErrNotExist)
	f, err := c.Create("d/a", 0o644)
	require.NoError(t, err)
	_, err = c.Create("d/a", 0o644)
	require.ErrorIs(t, err, fs.ErrExist)
	_, err = c.Create("d/a/b", 0o644)
	require.ErrorIs(t, err, syscall.ENOTDIR)
	for _, s := range []string{"hello ", "world"} {
		n, err := io.WriteString(f, s)
		require.NoError(t, err)
		require.Len(t, s, n)
	}
	b := make([]byte, 5)
	n, err := f.ReadAt(b, 6)
	require.NoError(t, err)
	assert.Equal(t, "world", string(b[:n]))
	n, err = f.ReadAt(b, 9)
	require.ErrorIs(t, err, io.EOF)
	assert.Equal(t, 2, n)
	_, err = f.ReadAt(b, 100)
	require.ErrorIs(t, err, io.EOF)
	_, err = f.ReadAt(b, -1)
	require.ErrorIs(t, err, fs.ErrInvalid)
	require.NoError(t, f.Close())
	require.ErrorIs(t, f.Close(), fs.ErrClosed)
	require.ErrorIs(t, f.Sync(), fs.ErrClosed)
	_, err = f.Write(b)
	require.ErrorIs(t, err, fs.ErrClosed)

	info, err := c.Stat("/d/a")
	require.NoError(t, err)
	assert.Equal(t, "a", info.Name())
	assert.EqualValues(t, 11, info.Size())
	assert.False(t, info.IsDir())
	assert.True(t, info.ModTime().IsZero())
	assert.Nil(t, info.Sys())
	r, err := c.Open("d/a")
	require.NoError(t, err)
	_, err = r.Write(b)
	require.ErrorIs(t, err, fs.ErrPermission)
	_, err = c.Open("d/none")
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = c.ReadDir("d/a")
	require.ErrorIs(t, err, syscall.ENOTDIR)
	require.ErrorIs(t, c.SyncDir("d/a"), syscall.ENOTDIR)
	require.ErrorIs(t, c.SyncDir("none"), fs.ErrNotExist)

	require.ErrorIs(t, c.Remove("d"), syscall.ENOTEMPTY)
	require.ErrorIs(t, c.Remove("d/none"), fs.ErrNotExist)
	require.ErrorIs(t, c.Remove("/"), syscall.ENOTDIR)
	require.ErrorIs(t, c.Rename("d/none", "d/x"), fs.ErrNotExist)
	require.ErrorIs(t, c.Rename("d/a", "a"), errors.ErrUnsupported)
	require.ErrorIs(t, c.Rename("none/a", "a"), fs.ErrNotExist)
	require.ErrorIs(t, c.Rename("d/a", "none/a"), fs.ErrNotExist)
	require.NoError(t, c.Mkdir("d/sub", 0o755))
	require.ErrorIs(t, c.Rename("d/a", "d/sub"), fs.ErrExist)
	require.NoError(t, c.Rename("d/a", "d/z"))
	assert.Equal(t, []string{"sub", "z"}, names(t, c, "d"))
	require.NoError(t, c.Remove("d/z"))
	require.NoError(t, c.Remove("d/sub"))
	require.NoError(t, c.Remove("d"))
	p, err := c.Resolve("q")
	require.NoError(t, err)
	assert.Equal(t, "q", p)
}

func TestCrashFSLosesWhatIsNotSynced(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	c := NewCrashFS()
	f, err := c.Create("a", 0o644)
	require.NoError(t, err)
	first, second := strings.Repeat("1", 3*sector+10), strings.Repeat("2", 3*sector)
	_, err = io.WriteString(f, first)
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	assert.Empty(t, names(t, c.CrashClone(rng, 0), "/"), "the name is not synced")
	assert.Equal(t, first, content(t, c.CrashClone(rng, 1), "a"))
	require.NoError(t, c.SyncDir("/"))
	assert.Equal(t, first, content(t, c.CrashClone(rng, 0), "a"))
	_, err = io.WriteString(f, second)
	require.NoError(t, err)
	assert.Equal(t, first+second, content(t, c.CrashClone(rng, 1), "a"))
	seen := map[string]bool{}
	for range 200 {
		got := content(t, c.CrashClone(rng, 0.5), "a")
		require.True(t, strings.HasPrefix(got, first), "synced data stays")
		require.LessOrEqual(t, len(got), len(first+second))
		require.Empty(t, strings.Trim(got[len(first):], "2\x00"))
		seen[got] = true
	}
	assert.Greater(t, len(seen), 20)

	// Of two renames any may be lost; a synced one may not.
	require.NoError(t, c.Rename("a", "b"))
	require.NoError(t, c.Rename("b", "c"))
	outcomes := map[string]bool{}
	for range 200 {
		outcomes[strings.Join(names(t, c.CrashClone(rng, 0.5), "/"), " ")] = true
	}
	assert.Equal(t, map[string]bool{"a": true, "b": true, "a c": true, "c": true}, outcomes)
	require.NoError(t, c.SyncDir("/"))
	assert.Equal(t, []string{"c"}, names(t, c.CrashClone(rng, 0), "/"))

	// The same seed gives the same state.
	a := c.CrashClone(rand.New(rand.NewPCG(8, 8)), 0.5)
	b := c.CrashClone(rand.New(rand.NewPCG(8, 8)), 0.5)
	assert.Equal(t, content(t, a, "c"), content(t, b, "c"))
}

func TestCapacity(t *testing.T) {
	c := NewCrashFS()
	c.SetCapacity(1000)
	require.NoError(t, WriteFile(t.Context(), c, "a", text(strings.Repeat("x", 600))))
	err := WriteFile(t.Context(), c, "b", text(strings.Repeat("y", 401)))
	require.ErrorIs(t, err, syscall.ENOSPC)
	assert.Equal(t, []string{"a"}, names(t, c, "/"))
	require.NoError(t, WriteFile(t.Context(), c, "b", text(strings.Repeat("y", 400))))
	f, err := c.Create("c", 0o644)
	require.NoError(t, err)
	require.NoError(t, c.Remove("b"))
	n, err := f.Write(make([]byte, 500))
	require.ErrorIs(t, err, syscall.ENOSPC)
	assert.Equal(t, 400, n, "what fits is taken")
}

func TestFaultFS(t *testing.T) {
	mem := NewCrashFS()
	f := NewFaultFS(mem, Fault{Call: 2, Err: syscall.EIO, Sticky: true})
	require.NoError(t, f.Mkdir("d", 0o755))
	assert.False(t, f.Fired())
	require.ErrorIs(t, f.Mkdir("e", 0o755), syscall.EIO)
	require.ErrorIs(t, f.Mkdir("f", 0o755), syscall.EIO)
	assert.True(t, f.Fired())
	assert.Equal(t, 3, f.Calls())
	assert.Equal(t, []string{"d"}, names(t, mem, "/"))

	f = NewFaultFS(mem, Fault{Call: 1, Err: syscall.EIO, After: true})
	_, err := f.Create("made", 0o644)
	require.ErrorIs(t, err, syscall.EIO)
	_, err = f.Stat("made")
	require.NoError(t, err, "the call did its work")
}
