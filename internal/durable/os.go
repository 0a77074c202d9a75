package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// OS is the file system of the operating system.
type OS struct{}

// Create makes a new file for reading and writing.
func (OS) Create(path string, perm fs.FileMode) (File, error) {
	return file(os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, perm))
}

// Open opens a file for reading.
func (OS) Open(path string) (File, error) { return file(os.Open(path)) }

// file keeps a nil *os.File from becoming a File that is not nil.
func file(f *os.File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Stat describes a path, following symbolic links.
func (OS) Stat(path string) (fs.FileInfo, error) { return os.Stat(path) }

// ReadDir returns the names in a directory, sorted.
func (OS) ReadDir(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

// Mkdir makes one directory.
func (OS) Mkdir(dir string, perm fs.FileMode) error { return os.Mkdir(dir, perm) }

// Rename replaces to by from.
func (OS) Rename(from, to string) error { return os.Rename(from, to) }

// Remove removes a file or an empty directory.
func (OS) Remove(path string) error { return os.Remove(path) }

// SyncDir makes the names in a directory durable. It does nothing on Windows
// and in WebAssembly, nor on file systems that refuse to sync a directory.
func (OS) SyncDir(dir string) error { return syncDir(dir) }

// Resolve returns the path with symbolic links followed. A link to nothing
// stays itself.
func (OS) Resolve(path string) (string, error) {
	r, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, nil
	}
	return r, err
}
