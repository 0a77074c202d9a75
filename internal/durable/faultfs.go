package durable

import (
	"io/fs"
	"sync"
)

// Fault says which call of a [FaultFS] fails, and how.
type Fault struct {
	Call   int   // the number of the call, from 1; 0 for none
	Err    error // what the call returns, for instance syscall.ENOSPC
	Short  bool  // a write takes half its bytes and returns no error; other calls return Err
	After  bool  // the call does its work and then fails
	Sticky bool  // every later call fails too
}

// FaultFS counts the calls on a file system and its files, and fails one.
// Tests run the same thing with Call = 1, 2, 3, ... until [FaultFS.Fired]
// stays false: then every call has failed once.
type FaultFS struct {
	inner FS
	mu    sync.Mutex
	fault Fault
	calls int
	fired bool
}

// NewFaultFS returns a file system that passes calls on to inner.
func NewFaultFS(inner FS, fault Fault) *FaultFS { return &FaultFS{inner: inner, fault: fault} }

// Calls returns the number of calls so far.
func (f *FaultFS) Calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// Fired reports whether a call has been made to fail.
func (f *FaultFS) Fired() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fired
}

// next counts a call and reports whether it is to fail.
func (f *FaultFS) next() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	hit := f.fault.Call > 0 && (f.calls == f.fault.Call || f.fault.Sticky && f.calls > f.fault.Call)
	f.fired = f.fired || hit
	return hit
}

// do runs one call, failed as the fault says.
func (f *FaultFS) do(op, path string, call func() error) error {
	if !f.next() {
		return call()
	}
	if f.fault.After {
		_ = call() // its own error would only hide the fault's
	}
	return &fs.PathError{Op: op, Path: path, Err: f.fault.Err}
}

func (f *FaultFS) open(op, path string, call func() (File, error)) (File, error) {
	var inner File
	err := f.do(op, path, func() (err error) {
		inner, err = call()
		return err
	})
	if err != nil {
		if inner != nil {
			_ = inner.Close()
		}
		return nil, err
	}
	return &faultFile{f, path, inner}, nil
}

// Create is [FS.Create].
func (f *FaultFS) Create(path string, perm fs.FileMode) (File, error) {
	return f.open("create", path, func() (File, error) { return f.inner.Create(path, perm) })
}

// Open is [FS.Open].
func (f *FaultFS) Open(path string) (File, error) {
	return f.open("open", path, func() (File, error) { return f.inner.Open(path) })
}

// Stat is [FS.Stat].
func (f *FaultFS) Stat(path string) (info fs.FileInfo, err error) {
	err = f.do("stat", path, func() (err error) {
		info, err = f.inner.Stat(path)
		return err
	})
	return info, err
}

// ReadDir is [FS.ReadDir].
func (f *FaultFS) ReadDir(dir string) (names []string, err error) {
	err = f.do("readdir", dir, func() (err error) {
		names, err = f.inner.ReadDir(dir)
		return err
	})
	return names, err
}

// Mkdir is [FS.Mkdir].
func (f *FaultFS) Mkdir(dir string, perm fs.FileMode) error {
	return f.do("mkdir", dir, func() error { return f.inner.Mkdir(dir, perm) })
}

// Rename is [FS.Rename].
func (f *FaultFS) Rename(from, to string) error {
	return f.do("rename", from, func() error { return f.inner.Rename(from, to) })
}

// Remove is [FS.Remove].
func (f *FaultFS) Remove(path string) error {
	return f.do("remove", path, func() error { return f.inner.Remove(path) })
}

// SyncDir is [FS.SyncDir].
func (f *FaultFS) SyncDir(dir string) error {
	return f.do("syncdir", dir, func() error { return f.inner.SyncDir(dir) })
}

// Resolve is [FS.Resolve]; it is not counted and does not fail.
func (f *FaultFS) Resolve(path string) (string, error) { return f.inner.Resolve(path) }

type faultFile struct {
	fs    *FaultFS
	path  string
	inner File
}

func (f *faultFile) Write(p []byte) (n int, err error) {
	if !f.fs.next() {
		return f.inner.Write(p)
	}
	if f.fs.fault.Short {
		return f.inner.Write(p[:len(p)/2])
	}
	if f.fs.fault.After {
		n, _ = f.inner.Write(p)
	}
	return n, &fs.PathError{Op: "write", Path: f.path, Err: f.fs.fault.Err}
}

func (f *faultFile) ReadAt(p []byte, off int64) (n int, err error) {
	err = f.fs.do("read", f.path, func() (err error) {
		n, err = f.inner.ReadAt(p, off)
		return err
	})
	return n, err
}

func (f *faultFile) Chmod(mode fs.FileMode) error {
	return f.fs.do("chmod", f.path, func() error { return f.inner.Chmod(mode) })
}

func (f *faultFile) Stat() (info fs.FileInfo, err error) {
	err = f.fs.do("stat", f.path, func() (err error) {
		info, err = f.inner.Stat()
		return err
	})
	return info, err
}

func (f *faultFile) Sync() error {
	return f.fs.do("sync", f.path, f.inner.Sync)
}

// Close always closes the inner file, so that no handle is lost.
func (f *faultFile) Close() error {
	err := f.inner.Close()
	if f.fs.next() && err == nil {
		err = &fs.PathError{Op: "close", Path: f.path, Err: f.fs.fault.Err}
	}
	return err
}
