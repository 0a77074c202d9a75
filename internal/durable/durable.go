// Package durable writes files that are either wholly there or not there at
// all, whatever stops the program or the machine in between.
//
// The order of a write is: a temporary file in the same directory, its data,
// fsync, rename over the target, fsync of the directory. Every writer of goqat
// (models, reports, artifacts, checkpoints) goes through [WriteFile].
//
// [CrashFS] and [FaultFS] are file systems for tests: the first loses what was
// not synced, the second fails a chosen call.
package durable

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
)

// DefaultMode is the mode, before the umask, of a file that did not exist.
const DefaultMode fs.FileMode = 0o644

// ErrNotRegular says that the target of a write exists and is not a regular
// file: replacing a directory, a device or a pipe by a file is never meant.
var ErrNotRegular = errors.New("not a regular file")

// FS is the part of a file system that atomic writes need. Errors are those of
// package os: errors.Is finds [fs.ErrNotExist] and [fs.ErrExist] in them.
type FS interface {
	// Create makes a new file for writing, and fails if the path exists.
	Create(path string, perm fs.FileMode) (File, error)
	// Open opens a file for reading.
	Open(path string) (File, error)
	// Stat describes a path, following symbolic links.
	Stat(path string) (fs.FileInfo, error)
	// ReadDir returns the names in a directory, sorted.
	ReadDir(dir string) ([]string, error)
	// Mkdir makes one directory.
	Mkdir(dir string, perm fs.FileMode) error
	// Rename replaces to by from in one step; both are in the same directory.
	Rename(from, to string) error
	// Remove removes a file or an empty directory.
	Remove(path string) error
	// SyncDir makes the names in a directory durable. It does nothing where
	// the system has no such call.
	SyncDir(dir string) error
	// Resolve returns the path with symbolic links followed.
	Resolve(path string) (string, error)
}

// File is an open file of an [FS].
type File interface {
	io.ReaderAt
	io.Writer
	io.Closer
	Chmod(mode fs.FileMode) error
	Stat() (fs.FileInfo, error)
	// Sync makes the data durable.
	Sync() error
}

// WriteError is the failure of one step of a write.
type WriteError struct {
	Op   string // the step: "stat", "create", "write", "sync", "rename", ...
	Path string // the target
	// Installed is set when the rename had been done: the path holds the new
	// file, whole, but its name may not survive a loss of power.
	Installed bool
	Err       error
}

// Error returns the step, the path and the cause.
func (e *WriteError) Error() string {
	return fmt.Sprintf("durable: %s %s: %v", e.Op, e.Path, e.Err)
}

// Unwrap returns the cause, in which errors.Is finds for instance ENOSPC.
func (e *WriteError) Unwrap() error { return e.Err }

// WriteOS writes a file of the operating system's file system. See [WriteFile].
func WriteOS(path string, write func(io.Writer) error) error {
	return WriteFile(context.Background(), OS{}, path, write)
}

// WriteFile replaces the file at path by what write writes.
//
// When it returns nil the new content is durable. When it returns an error,
// always a [*WriteError], the old file is as it was, unless Installed is set,
// and no temporary file is left. The mode of an old file is kept; a new file
// gets [DefaultMode]. A symbolic link is followed. The writer is buffered and
// must not be used after write has returned. A cancelled context stops the
// write up to the rename. Concurrent writes of one path are safe: the last
// rename wins.
func WriteFile(ctx context.Context, fsys FS, path string, write func(io.Writer) error) error {
	fail := func(op string, err error) error { return &WriteError{Op: op, Path: path, Err: err} }
	if err := ctx.Err(); err != nil {
		return fail("begin", err)
	}
	target, perm := path, DefaultMode
	info, err := fsys.Stat(path)
	exists := err == nil
	switch {
	case exists && !info.Mode().IsRegular():
		return fail("stat", ErrNotRegular)
	case exists:
		perm = info.Mode().Perm()
		if target, err = fsys.Resolve(path); err != nil {
			return fail("resolve", err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return fail("stat", err)
	}

	f, temp, err := createTemp(fsys, target, perm)
	if err != nil {
		return fail("create", err)
	}
	closed, renamed := false, false
	defer func() { // also when write panics
		if !closed {
			_ = f.Close() // the write has failed already
		}
		if !renamed {
			_ = fsys.Remove(temp)
		}
	}()
	if exists { // the umask may have taken bits that the old file had
		if err := keepMode(f, perm); err != nil {
			return fail("chmod", err)
		}
	}
	w := bufio.NewWriterSize(&contextWriter{ctx, f}, 64<<10)
	if err := write(w); err != nil {
		return fail("write", err)
	}
	if err := w.Flush(); err != nil {
		return fail("write", err)
	}
	if err := f.Sync(); err != nil {
		return fail("sync", err)
	}
	closed = true
	if err := f.Close(); err != nil {
		return fail("close", err)
	}
	if err := ctx.Err(); err != nil {
		return fail("rename", err)
	}
	if err := fsys.Rename(temp, target); err != nil {
		return fail("rename", err)
	}
	renamed = true
	if err := fsys.SyncDir(filepath.Dir(target)); err != nil {
		return &WriteError{Op: "sync directory of", Path: path, Installed: true, Err: err}
	}
	return nil
}

// MkdirAll makes a directory and the missing ones above it, each with its name
// durable in its parent. A directory whose name could not be made durable is
// removed again, so that a later call does not take it for safe.
func MkdirAll(fsys FS, dir string, perm fs.FileMode) error {
	fail := func(op string, err error) error { return &WriteError{Op: op, Path: dir, Err: err} }
	info, err := fsys.Stat(dir)
	if err == nil {
		if !info.IsDir() {
			return fail("make directory", errors.New("exists and is not a directory"))
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fail("stat", err)
	}
	parent := filepath.Dir(dir)
	if parent == dir {
		return fail("stat", err)
	}
	if err := MkdirAll(fsys, parent, perm); err != nil {
		return err
	}
	if err := fsys.Mkdir(dir, perm); err != nil && !errors.Is(err, fs.ErrExist) {
		return fail("make directory", err)
	}
	if err := fsys.SyncDir(parent); err != nil {
		_ = fsys.Remove(dir) // refused if someone else has put a file there
		return fail("sync directory above", err)
	}
	return nil
}

// SyncAbove makes durable the names of dir and of the directories above it, as
// far as the path goes and the rights allow. It is for a directory that an
// earlier, stopped process may have made.
func SyncAbove(fsys FS, dir string) error {
	for d := filepath.Clean(dir); filepath.Dir(d) != d; d = filepath.Dir(d) {
		if err := fsys.SyncDir(filepath.Dir(d)); err != nil && !errors.Is(err, fs.ErrPermission) {
			return &WriteError{Op: "sync directory above", Path: d, Err: err}
		}
	}
	return nil
}

const (
	tempPrefix = "."
	tempSuffix = ".tmp"
	tempTries  = 10000
)

var tempCount atomic.Uint64

// createTemp makes a file beside path. The name has the process and a counter;
// one that a killed process of the same number left behind is stepped over.
func createTemp(fsys FS, path string, perm fs.FileMode) (File, string, error) {
	dir, base := filepath.Split(path)
	for try := 1; ; try++ {
		name := fmt.Sprintf("%s%s.%d-%d%s", tempPrefix, base, os.Getpid(), tempCount.Add(1), tempSuffix)
		temp := filepath.Join(dir, name)
		f, err := fsys.Create(temp, perm)
		if err == nil {
			return f, temp, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			_ = fsys.Remove(temp) // some network systems fail after the fact
			return nil, "", err
		}
		if try == tempTries {
			return nil, "", err
		}
	}
}

// TempOf returns the base name of the file that a temporary file of
// [WriteFile] was meant for, and whether name is one.
func TempOf(name string) (base string, ok bool) {
	rest, ok := strings.CutPrefix(name, tempPrefix)
	if !ok {
		return "", false
	}
	if rest, ok = strings.CutSuffix(rest, tempSuffix); !ok {
		return "", false
	}
	dot := strings.LastIndexByte(rest, '.')
	if dot < 1 {
		return "", false
	}
	pid, count, ok := strings.Cut(rest[dot+1:], "-")
	if !ok {
		return "", false
	}
	for _, n := range []string{pid, count} {
		if _, err := strconv.ParseUint(n, 10, 64); err != nil {
			return "", false
		}
	}
	return rest[:dot], true
}

func keepMode(f File, perm fs.FileMode) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Mode().Perm() == perm {
		return nil
	}
	return f.Chmod(perm)
}

// contextWriter stops a write when its context ends. It lives for one call of
// WriteFile.
type contextWriter struct {
	ctx context.Context
	w   io.Writer
}

func (c *contextWriter) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.w.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return n, err
}
