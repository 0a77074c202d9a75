package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// sector is the unit in which a crash keeps or loses unsynced data.
const sector = 512

// CrashFS is a file system in memory that knows what has been synced, in the
// manner of Pebble's vfs.NewCrashableMem. It makes no more promises than POSIX
// does: data needs File.Sync, and names, even of synced files, need
// [CrashFS.SyncDir]. Renames within a directory are atomic; others are refused.
// It is safe for concurrent use.
type CrashFS struct {
	mu       sync.Mutex
	root     *memNode
	capacity int64
	before   func(op, path string)
}

// memNode is a file or a directory, as seen now and as last synced.
type memNode struct {
	mode fs.FileMode

	data, synced []byte // of a file

	names, syncedNames map[string]*memNode // of a directory
	pending            []nameChange        // since the last SyncDir, oldest first
}

// nameChange is one atomic change of a directory: remove a name, then set one.
type nameChange struct {
	remove, set string
	node        *memNode
}

// NewCrashFS returns an empty file system that has only the root directory.
func NewCrashFS() *CrashFS { return &CrashFS{root: newMemDir(0o755)} }

func newMemDir(perm fs.FileMode) *memNode {
	return &memNode{mode: fs.ModeDir | perm.Perm(), names: map[string]*memNode{}, syncedNames: map[string]*memNode{}}
}

// SetCapacity bounds the sum of all file sizes; a write beyond it takes what
// fits and returns ENOSPC. 0, the default, is no bound.
func (c *CrashFS) SetCapacity(bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.capacity = bytes
}

// Before sets a function that is called before every change and every sync.
// It may call [CrashFS.CrashClone]: that is how a test crashes at each step.
func (c *CrashFS) Before(f func(op, path string)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.before = f
}

// CrashClone returns a file system as the machine could find it after losing
// power now: what was synced, and of the rest each sector of data and each
// change of a directory with probability keep. The receiver is not changed.
func (c *CrashFS) CrashClone(rng *rand.Rand, keep float64) *CrashFS {
	c.mu.Lock()
	defer c.mu.Unlock()
	return &CrashFS{root: c.root.crash(rng, keep), capacity: c.capacity}
}

func (n *memNode) crash(rng *rand.Rand, keep float64) *memNode {
	if !n.mode.IsDir() {
		data := n.crashData(rng, keep)
		return &memNode{mode: n.mode, data: data, synced: data}
	}
	names := maps.Clone(n.syncedNames)
	for _, p := range n.pending {
		if rng.Float64() < keep {
			p.apply(names)
		}
	}
	d := newMemDir(n.mode)
	for _, name := range slices.Sorted(maps.Keys(names)) { // the order decides the draws
		d.names[name] = names[name].crash(rng, keep)
	}
	d.syncedNames = maps.Clone(d.names)
	return d
}

// crashData returns a mixture of the synced and the present content. The size
// may have grown although the data did not come: such sectors are zero.
func (n *memNode) crashData(rng *rand.Rand, keep float64) []byte {
	size := len(n.data)
	if grown := len(n.data) - len(n.synced); grown > 0 && rng.Float64() >= keep {
		size = len(n.synced) + rng.IntN(grown+1)
	}
	out := make([]byte, size)
	copy(out, n.synced)
	for lo := 0; lo < size; lo += sector {
		hi := min(lo+sector, size)
		dirty := hi > len(n.synced) || string(n.synced[lo:hi]) != string(n.data[lo:hi])
		if dirty && rng.Float64() < keep {
			copy(out[lo:hi], n.data[lo:hi])
		}
	}
	return out
}

func (p nameChange) apply(names map[string]*memNode) {
	if p.remove != "" {
		delete(names, p.remove)
	}
	if p.set != "" {
		names[p.set] = p.node
	}
}

func (n *memNode) change(p nameChange) {
	p.apply(n.names)
	n.pending = append(n.pending, p)
}

func (n *memNode) bytes() int64 {
	sum := int64(len(n.data))
	for _, child := range n.names {
		sum += child.bytes()
	}
	return sum
}

func clean(p string) string { return path.Clean("/" + filepath.ToSlash(p)) }

func (c *CrashFS) lookup(p string) (*memNode, error) {
	n := c.root
	for part := range strings.SplitSeq(strings.Trim(clean(p), "/"), "/") {
		if part == "" {
			continue
		}
		child, ok := n.names[part]
		if !ok {
			return nil, fs.ErrNotExist
		}
		n = child
	}
	return n, nil
}

// parent returns the directory that holds p and p's name in it.
func (c *CrashFS) parent(p string) (*memNode, string, error) {
	dir, name := path.Split(clean(p))
	n, err := c.lookup(dir)
	if err != nil {
		return nil, "", err
	}
	if !n.mode.IsDir() || name == "" {
		return nil, "", syscall.ENOTDIR
	}
	return n, name, nil
}

// change runs f under the lock, after the hook.
func (c *CrashFS) change(op, p string, f func() error) error {
	c.mu.Lock()
	hook := c.before
	c.mu.Unlock()
	if hook != nil {
		hook(op, p)
	}
	return c.look(op, p, f)
}

func (c *CrashFS) look(op, p string, f func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := f(); err != nil {
		return &fs.PathError{Op: op, Path: p, Err: err}
	}
	return nil
}

// Create is [FS.Create].
func (c *CrashFS) Create(p string, perm fs.FileMode) (File, error) {
	n := &memNode{mode: perm.Perm()}
	if err := c.link("create", p, n); err != nil {
		return nil, err
	}
	return &crashFile{fs: c, node: n, path: p, writable: true}, nil
}

// Mkdir is [FS.Mkdir].
func (c *CrashFS) Mkdir(p string, perm fs.FileMode) error {
	return c.link("mkdir", p, newMemDir(perm))
}

func (c *CrashFS) link(op, p string, n *memNode) error {
	return c.change(op, p, func() error {
		dir, name, err := c.parent(p)
		if err != nil {
			return err
		}
		if _, ok := dir.names[name]; ok {
			return fs.ErrExist
		}
		dir.change(nameChange{set: name, node: n})
		return nil
	})
}

// Open is [FS.Open].
func (c *CrashFS) Open(p string) (File, error) {
	f := &crashFile{fs: c, path: p}
	err := c.look("open", p, func() (err error) {
		f.node, err = c.lookup(p)
		return err
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Stat is [FS.Stat].
func (c *CrashFS) Stat(p string) (info fs.FileInfo, err error) {
	err = c.look("stat", p, func() error {
		n, err := c.lookup(p)
		if err == nil {
			info = n.info(p)
		}
		return err
	})
	return info, err
}

// ReadDir is [FS.ReadDir].
func (c *CrashFS) ReadDir(p string) (names []string, err error) {
	err = c.look("readdir", p, func() error {
		n, err := c.lookup(p)
		if err != nil {
			return err
		}
		if !n.mode.IsDir() {
			return syscall.ENOTDIR
		}
		names = slices.Sorted(maps.Keys(n.names))
		return nil
	})
	return names, err
}

// Rename is [FS.Rename].
func (c *CrashFS) Rename(from, to string) error {
	return c.change("rename", from, func() error {
		dir, old, err := c.parent(from)
		if err != nil {
			return err
		}
		dir2, name, err := c.parent(to)
		if err != nil {
			return err
		}
		if dir != dir2 {
			return fmt.Errorf("to another directory %s: %w", to, errors.ErrUnsupported)
		}
		n, ok := dir.names[old]
		if !ok {
			return fs.ErrNotExist
		}
		if there := dir.names[name]; there != nil && there.mode.IsDir() {
			return fs.ErrExist
		}
		dir.change(nameChange{remove: old, set: name, node: n})
		return nil
	})
}

// Remove is [FS.Remove].
func (c *CrashFS) Remove(p string) error {
	return c.change("remove", p, func() error {
		dir, name, err := c.parent(p)
		if err != nil {
			return err
		}
		n, ok := dir.names[name]
		if !ok {
			return fs.ErrNotExist
		}
		if len(n.names) > 0 {
			return syscall.ENOTEMPTY
		}
		dir.change(nameChange{remove: name})
		return nil
	})
}

// SyncDir is [FS.SyncDir].
func (c *CrashFS) SyncDir(p string) error {
	return c.change("syncdir", p, func() error {
		n, err := c.lookup(p)
		if err != nil {
			return err
		}
		if !n.mode.IsDir() {
			return syscall.ENOTDIR
		}
		n.syncedNames, n.pending = maps.Clone(n.names), nil
		return nil
	})
}

// Resolve is [FS.Resolve]; there are no symbolic links.
func (c *CrashFS) Resolve(p string) (string, error) { return p, nil }

type crashFile struct {
	fs       *CrashFS
	node     *memNode
	path     string
	writable bool
	closed   bool
}

func (f *crashFile) check() error {
	if f.closed {
		return fs.ErrClosed
	}
	return nil
}

// Write appends.
func (f *crashFile) Write(p []byte) (n int, err error) {
	err = f.fs.change("write", f.path, func() error {
		if err := f.check(); err != nil {
			return err
		}
		if !f.writable {
			return fs.ErrPermission
		}
		n = len(p)
		if limit := f.fs.capacity; limit > 0 {
			n = int(min(int64(n), max(0, limit-f.fs.root.bytes())))
		}
		f.node.data = append(f.node.data, p[:n]...)
		if n < len(p) {
			return syscall.ENOSPC
		}
		return nil
	})
	return n, err
}

func (f *crashFile) ReadAt(p []byte, off int64) (n int, err error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check(); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, &fs.PathError{Op: "read", Path: f.path, Err: fs.ErrInvalid}
	}
	if off < int64(len(f.node.data)) {
		n = copy(p, f.node.data[off:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *crashFile) Sync() error {
	return f.fs.change("sync", f.path, func() error {
		if err := f.check(); err != nil {
			return err
		}
		f.node.synced = slices.Clone(f.node.data)
		return nil
	})
}

func (f *crashFile) Chmod(mode fs.FileMode) error {
	return f.fs.change("chmod", f.path, func() error {
		f.node.mode = f.node.mode.Type() | mode.Perm()
		return f.check()
	})
}

func (f *crashFile) Stat() (info fs.FileInfo, err error) {
	err = f.fs.look("stat", f.path, func() error {
		info = f.node.info(f.path)
		return f.check()
	})
	return info, err
}

func (f *crashFile) Close() error {
	return f.fs.look("close", f.path, func() error {
		err := f.check()
		f.closed = true
		return err
	})
}

type memInfo struct {
	name string
	size int64
	mode fs.FileMode
}

func (n *memNode) info(p string) fs.FileInfo {
	return memInfo{path.Base(clean(p)), int64(len(n.data)), n.mode}
}

func (i memInfo) Name() string       { return i.name }
func (i memInfo) Size() int64        { return i.size }
func (i memInfo) Mode() fs.FileMode  { return i.mode }
func (i memInfo) ModTime() time.Time { return time.Time{} }
func (i memInfo) IsDir() bool        { return i.mode.IsDir() }
func (i memInfo) Sys() any           { return nil }
