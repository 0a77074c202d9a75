// Package choices keeps which kernel was the fastest for a shape on a device, in
// a file that processes share. The file is a hint: one that is damaged, foreign
// or of another version counts as empty, and what is in it is checked again by
// who uses it.
package choices

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goqat/goqat/internal/durable"
)

// Env names the environment variable that names the file.
const Env = "GOQAT_GPU_CACHE"

const (
	format     = "goqat gpu choices"
	version    = 1
	maxBytes   = 4 << 20
	maxEntries = 8192
	maxText    = 256
)

// MostWrong is the most candidates that an entry may have as wrong or refused.
const MostWrong = 64

// ErrFile says that a file is none of this format.
var ErrFile = errors.New("no file of choices")

// Machine is what a choice holds for.
type Machine struct {
	Device string `json:"device"`
	// Arch is the compute capability, as 80; Driver the CUDA version of the
	// driver, as 12040.
	Arch   int `json:"arch"`
	Driver int `json:"driver"`
	// Libraries are the vendor's libraries with their versions.
	Libraries string `json:"libraries"`
}

// Choice is a kernel: of Library, by its own number for it.
type Choice struct {
	// Library is empty for goqat's kernel.
	Library string `json:"library,omitempty"`
	// Order is how a library's matrices lie, by its own number.
	Order int `json:"order,omitempty"`
	// Form is what the library leaves, empty for sums: a file of before it had
	// forms says the same.
	Form string `json:"form,omitempty"`
	// Algorithm is a library's number of it, in hexadecimal.
	Algorithm string `json:"algorithm,omitempty"`
	// Workspace is what the algorithm needs, in bytes; the library says it
	// each time.
	Workspace int `json:"-"`
}

// ID tells a choice from others of its machine, whatever the shape.
func (c Choice) ID() string {
	return fmt.Sprintf("%s %d %s %s", c.Library, c.Order, c.Form, c.Algorithm)
}

// Entry is what was measured for a shape.
type Entry struct {
	Machine
	// Key names operation and shape.
	Key string `json:"key"`
	// Kernels is a digest of goqat's kernels that were measured: others may be
	// faster, and have a choice of their own.
	Kernels string `json:"kernels,omitempty"`
	Choice  Choice `json:"choice"`
	// Nanoseconds are those of the choice, and of goqat's kernel.
	Nanoseconds    int64 `json:"ns"`
	OwnNanoseconds int64 `json:"own_ns"`
	// Wrong are candidates whose results were not those of goqat's kernel.
	Wrong []string `json:"wrong,omitempty"`
	// Refused are the identities of candidates that round otherwise, and so are
	// for no shape.
	Refused []string `json:"refused,omitempty"`
}

func (e *Entry) same(o *Entry) bool { return e.Machine == o.Machine && e.Key == o.Key }

// check returns why an entry cannot be one.
func (e *Entry) check() error {
	for _, s := range append([]string{e.Device, e.Libraries, e.Key, e.Kernels, e.Choice.Library, e.Choice.Form, e.Choice.Algorithm}, slices.Concat(e.Wrong, e.Refused)...) {
		if len(s) > maxText || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return fmt.Errorf("a text of %d bytes", len(s))
		}
	}
	if _, err := hex.DecodeString(e.Choice.Algorithm); err != nil {
		return err
	}
	switch {
	case e.Device == "" || e.Key == "":
		return errors.New("an entry without device or key")
	case e.Arch < 0 || e.Arch > 10000 || e.Driver < 0 || e.Driver > 1e9 || e.Choice.Order < 0 || e.Choice.Order > 1000:
		return errors.New("a number out of range")
	case e.Nanoseconds < 0 || e.OwnNanoseconds < 0:
		return errors.New("a negative time")
	case len(e.Wrong) > MostWrong || len(e.Refused) > MostWrong:
		return errors.New("too many candidates")
	case e.Choice.Library == "" && e.Choice != Choice{}:
		return errors.New("a choice of no library")
	}
	return nil
}

// content is the file.
type content struct {
	Format  string  `json:"format"`
	Version int     `json:"version"`
	Entries []Entry `json:"entries"`
}

// Path returns the file: that of the environment variable [Env], or one in the
// user's cache folder; empty, with the reason, when there is none.
func Path() (string, error) {
	if p := os.Getenv(Env); p != "" {
		return p, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("choices: %w: name a file in %s", err, Env)
	}
	return filepath.Join(dir, "goqat", "gpu-choices.json"), nil
}

// Decode reads a file. What it does not know it refuses with [ErrFile].
func Decode(r io.Reader) ([]Entry, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("choices: %w", err)
	}
	if len(b) > maxBytes {
		return nil, fmt.Errorf("choices: %w: more than %d bytes", ErrFile, maxBytes)
	}
	var c content
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, fmt.Errorf("choices: %w: %w", ErrFile, err)
	}
	if c.Format != format || c.Version != version {
		return nil, fmt.Errorf("choices: %w: format %.40q, version %d, want %q, %d", ErrFile, c.Format, c.Version, format, version)
	}
	if len(c.Entries) > maxEntries {
		return nil, fmt.Errorf("choices: %w: %d entries", ErrFile, len(c.Entries))
	}
	for i := range c.Entries {
		if err := c.Entries[i].check(); err != nil {
			return nil, fmt.Errorf("choices: %w: entry %d: %w", ErrFile, i, err)
		}
	}
	return c.Entries, nil
}

// Read reads the file at path; nothing, without an error, when there is none.
func Read(path string) ([]Entry, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("choices: %w", err)
	}
	defer f.Close()
	es, err := Decode(f)
	if err != nil {
		return nil, fmt.Errorf("%w (%s; it is written anew)", err, path)
	}
	return es, nil
}

// Add puts an entry into the file at path, whole or not at all, in the place of
// one for the same shape and machine. Of processes that add at one time the last
// may win: what is lost is measured again.
func Add(path string, e Entry) error {
	if err := e.check(); err != nil {
		return fmt.Errorf("choices: %w", err)
	}
	es, err := Read(path)
	if err != nil && !errors.Is(err, ErrFile) {
		return err
	}
	es = slices.DeleteFunc(es, func(o Entry) bool { return o.same(&e) })
	if n := len(es) - (maxEntries - 1); n > 0 {
		es = es[n:] // The oldest.
	}
	es = append(es, e)
	if err := durable.MkdirAll(durable.OS{}, filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("choices: %w", err)
	}
	err = durable.WriteOS(path, func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetIndent("", " ")
		return enc.Encode(content{format, version, es})
	})
	if err != nil {
		return fmt.Errorf("choices: %w", err)
	}
	return nil
}
