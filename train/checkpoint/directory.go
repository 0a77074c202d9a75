package checkpoint

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"

	"github.com/goqat/goqat/internal/durable"
)

// Save writes s as a new generation of dir, which it makes if needed. When it
// returns nil the generation is durable. On an error the generations that were
// there are untouched and no temporary file is left; errors.Is finds the cause
// (ENOSPC, a cancelled context) and errors.As a [durable.WriteError].
//
// A generation of the same step is replaced. Then the two newest whole
// generations are kept and the others removed. Temporary files of killed runs
// and what is beyond the two newest generations go first, to make room. Files
// that are whole but of another format, or that cannot be read just now, are
// left alone. What cannot be removed stays for the next Save. The tensors must
// not change before Save returns; a change is found and is an error.
func Save(ctx context.Context, dir string, s *State, opts ...Option) error {
	o := apply(opts)
	if err := s.check(); err != nil {
		return err
	}
	unlock, err := lock(ctx, dir)
	if err != nil {
		return fmt.Errorf("checkpoint: save step %d: %w", s.Step, err)
	}
	defer unlock()
	if err := save(ctx, o.fs, dir, s); err != nil {
		return fmt.Errorf("checkpoint: save step %d: %w", s.Step, err)
	}
	return nil
}

func save(ctx context.Context, fsys durable.FS, dir string, s *State) error {
	if err := durable.MkdirAll(fsys, dir, 0o755); err != nil {
		return err
	}
	names, err := fsys.ReadDir(dir)
	if err != nil {
		return &durable.WriteError{Op: "list", Path: dir, Err: err}
	}
	for _, name := range names {
		if base, ok := durable.TempOf(name); ok {
			if _, ok := stepOf(base); ok {
				_ = fsys.Remove(filepath.Join(dir, name)) // the next Save tries again
			}
		}
	}

	// Find the generation to keep beside the new one.
	own := fileName(s.Step)
	var keep string
	sequence := int64(1)
	var previous string // the generation below keep, removed last
	var remove []string
	for _, c := range heads(fsys, dir, names) {
		if keep == "" || c.name == own {
			c.verify(ctx, fsys, dir)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if c.err == nil {
			sequence = max(sequence, c.head.sequence+1)
		}
		switch {
		case c.name == own: // the rename replaces it
		case c.err == nil && keep == "":
			keep = c.name
		case c.err == nil && previous == "":
			previous = c.name
		case c.err == nil || errors.Is(c.err, ErrCorrupt):
			remove = append(remove, c.name)
		}
	}
	if keep == "" {
		// Whoever made the directory, or one above, may have been stopped
		// before its name was durable.
		if err := durable.SyncAbove(fsys, dir); err != nil {
			return err
		}
	}
	for _, name := range remove {
		_ = fsys.Remove(filepath.Join(dir, name)) // the next Save tries again
	}
	err = durable.WriteFile(ctx, fsys, filepath.Join(dir, own), func(w io.Writer) error {
		return encode(w, s, sequence)
	})
	if err != nil {
		return err
	}
	if previous != "" {
		_ = fsys.Remove(filepath.Join(dir, previous))
	}
	return nil
}

// Load returns the newest whole generation of dir. What it passes over, and
// any other file that is damaged, is in [State.Warnings].
//
// The error is [ErrNotFound] when dir is missing or has no checkpoint, and
// [ErrCorrupt] when it has and none is whole; if the reason was that files
// could not be read, that error is in it too.
func Load(dir string, opts ...Option) (*State, error) {
	fsys := apply(opts).fs
	// A file that is gone between listing and opening was removed by a Save,
	// after which there is a newer one.
	const tries = 16
	for try := 1; ; try++ {
		s, gone, err := load(fsys, dir)
		if !gone || try == tries {
			return s, err
		}
	}
}

func load(fsys durable.FS, dir string) (s *State, gone bool, err error) {
	names, err := list(fsys, dir)
	if err != nil {
		return nil, false, err
	}
	var faults []error
	for _, c := range heads(fsys, dir, names) {
		if s == nil && c.err == nil {
			var read *State
			if read, c.err = c.load(fsys, dir); c.err == nil {
				s = read
				continue
			}
		} else {
			// Not only the files above the one taken: a flipped bit may have
			// made the newest look old.
			c.verify(context.Background(), fsys, dir)
		}
		if c.err != nil {
			gone = gone || errors.Is(c.err, fs.ErrNotExist)
			faults = append(faults, fmt.Errorf("%s: %w", c.name, c.err))
		}
	}
	switch {
	case s != nil:
		for _, f := range faults {
			s.Warnings = append(s.Warnings, f.Error())
		}
		return s, gone, nil
	case len(faults) == 0:
		return nil, false, fmt.Errorf("%w in %s", ErrNotFound, dir)
	}
	return nil, gone, fmt.Errorf("%w: no whole generation in %s: %w", ErrCorrupt, dir, errors.Join(faults...))
}

// List returns the generations of dir, newest first, each one checked; those
// that cannot be loaded come last. A missing directory is [ErrNotFound].
func List(dir string, opts ...Option) ([]Generation, error) {
	fsys := apply(opts).fs
	names, err := list(fsys, dir)
	if err != nil {
		return nil, err
	}
	var out []Generation
	for _, c := range heads(fsys, dir, names) {
		c.verify(context.Background(), fsys, dir)
		if errors.Is(c.err, fs.ErrNotExist) {
			continue // removed by a Save meanwhile
		}
		g := Generation{Name: c.name, Err: c.err}
		g.Step, _ = stepOf(c.name)
		if c.err == nil {
			g.Sequence = c.head.sequence
		}
		out = append(out, g)
	}
	slices.SortStableFunc(out, func(a, b Generation) int { return cmp.Compare(b.Sequence, a.Sequence) })
	return out, nil
}

func list(fsys durable.FS, dir string) ([]string, error) {
	names, err := fsys.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	return names, nil
}

// candidate is a file whose header has been read.
type candidate struct {
	name string
	head head
	err  error
}

// heads returns the checkpoints among the names, the highest sequence first
// and those without a readable header last. Nothing is verified yet.
func heads(fsys durable.FS, dir string, names []string) []*candidate {
	var out []*candidate
	for _, name := range names {
		step, ok := stepOf(name)
		if !ok {
			continue
		}
		c := &candidate{name: name}
		c.open(fsys, dir, func(r io.ReaderAt, size int64) (err error) {
			c.head, err = readHead(r, size)
			return err
		})
		if errors.Is(c.err, ErrVersion) { // or a flipped bit in the format's name
			version := c.err
			c.err = nil
			if c.verify(context.Background(), fsys, dir); c.err == nil {
				c.err = version
			}
		} else if c.err == nil && c.head.step != step {
			c.err = fmt.Errorf("%w: holds step %d", ErrCorrupt, c.head.step)
		}
		if c.err != nil {
			c.head = head{step: step}
		}
		out = append(out, c)
	}
	slices.SortStableFunc(out, func(a, b *candidate) int {
		return cmp.Or(cmp.Compare(b.head.sequence, a.head.sequence), cmp.Compare(b.head.step, a.head.step))
	})
	return out
}

// open calls f on the file and keeps the first error.
func (c *candidate) open(fsys durable.FS, dir string, f func(r io.ReaderAt, size int64) error) {
	file, err := fsys.Open(filepath.Join(dir, c.name))
	if err != nil {
		c.err = err
		return
	}
	defer func() { _ = file.Close() }() // only read
	info, err := file.Stat()
	if err != nil {
		c.err = err
		return
	}
	if !info.Mode().IsRegular() {
		c.err = durable.ErrNotRegular
		return
	}
	c.err = f(file, info.Size())
}

// verify checks the digest, unless the header was bad already.
func (c *candidate) verify(ctx context.Context, fsys durable.FS, dir string) {
	if c.err == nil {
		c.open(fsys, dir, func(r io.ReaderAt, size int64) error { return verify(ctx, r, size) })
	}
}

func (c *candidate) load(fsys durable.FS, dir string) (s *State, err error) {
	var h head
	c.open(fsys, dir, func(r io.ReaderAt, size int64) (err error) {
		s, h, err = decode(r, size)
		return err
	})
	if c.err == nil && h != c.head {
		// Replaced by a Save since its header was read: list again.
		return nil, fmt.Errorf("replaced while it was read: %w", fs.ErrNotExist)
	}
	return s, c.err
}

// locks serialize the saves of one process to one directory: the removal of
// old temporary files must not meet a living one.
var locks = struct {
	sync.Mutex
	dirs map[string]*dirLock
}{dirs: map[string]*dirLock{}}

type dirLock struct {
	held  chan struct{} // one token
	users int
}

// lock waits for the directory and returns what releases it.
func lock(ctx context.Context, dir string) (func(), error) {
	key := filepath.Clean(dir)
	if abs, err := filepath.Abs(dir); err == nil {
		key = abs
	}
	locks.Lock()
	l := locks.dirs[key]
	if l == nil {
		l = &dirLock{held: make(chan struct{}, 1)}
		locks.dirs[key] = l
	}
	l.users++
	locks.Unlock()

	leave := func() {
		locks.Lock()
		defer locks.Unlock()
		if l.users--; l.users == 0 {
			delete(locks.dirs, key)
		}
	}
	select {
	case l.held <- struct{}{}:
		return func() { <-l.held; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}
