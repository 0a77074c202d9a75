//go:build cuda

package gpu

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/goqat/goqat/backend/gpu/internal/choices"
	"github.com/goqat/goqat/cuda"
	"github.com/goqat/goqat/cuda/cublaslt"
	"github.com/goqat/goqat/cuda/cudnn"
)

// vendorEnv is 0 where products of codes are goqat's kernels alone, and the
// name of a library where they are that library's wherever it has one, whatever
// is the fastest.
const vendorEnv = "GOQAT_GPU_VENDOR"

// The libraries' names in choices.
const (
	vendorLt  = "cublaslt"
	vendorDNN = "cudnn"
)

// vendor is NVIDIA's own libraries: opened when the first product could be
// theirs, measured against goqat's kernels at the first use of a shape, and the
// choice kept in a file.
type vendor struct {
	c     *cuda.Context
	off   bool
	force string

	mu    sync.Mutex
	lt    *cublaslt.Handle
	dnn   *cudnn.Handle
	libs  map[string]*vendorLibrary
	path  string
	notes []string
}

// vendorLibrary is what is known of one library.
type vendorLibrary struct {
	err     error // Why it cannot be used.
	machine choices.Machine
	known   map[string]choices.Entry
	refused map[string]bool // Candidates that round otherwise, by identity.
	warm    map[string]bool // Keys whose code the device has loaded.
}

// vendorWork is something that a library can compute.
type vendorWork interface {
	library() string
	// able reports whether the library may be asked at all.
	able(k *build) bool
	// key names the work in choices: all that its time depends on.
	key(k *build) string
	// candidates returns what the library offers for it.
	candidates(k *build) ([]choices.Choice, error)
	// bind launches a candidate with all that it needs, and returns commands by
	// which the library loads its code; they write to temporary memory alone.
	bind(k *build, c choices.Choice, out []*Buffer) ([]cuda.Command, error)
}

func (v *vendor) init(c *cuda.Context) {
	v.c = c
	switch s := os.Getenv(vendorEnv); s {
	case "", "auto":
	case "0":
		v.off = true
	case vendorLt, vendorDNN:
		v.force = s
	default:
		v.note(fmt.Sprintf("%s=%s is unknown: say 0, auto, %s or %s", vendorEnv, s, vendorLt, vendorDNN))
	}
}

// mostNotes bounds what is remembered for doctor.
const mostNotes = 16

// note remembers what [Backend.Describe] tells; v.mu is held.
func (v *vendor) note(s string) {
	if len(v.notes) < mostNotes {
		v.notes = append(v.notes, s)
	}
}

// open opens a library and reads the choices, once; v.mu is held. It returns nil
// where there is none.
func (v *vendor) open(name string) *vendorLibrary {
	if v.off || v.force != "" && v.force != name {
		return nil
	}
	l := v.libs[name]
	if l == nil {
		l = &vendorLibrary{known: map[string]choices.Entry{}, refused: map[string]bool{}, warm: map[string]bool{}}
		if v.libs == nil {
			v.libs = map[string]*vendorLibrary{}
		}
		v.libs[name] = l
		var version string
		if version, l.err = v.start(name); l.err == nil {
			d := v.c.Device()
			l.machine = choices.Machine{Device: d.Name, Arch: d.Arch(), Libraries: name + " " + version}
			if n, err := cuda.DriverVersion(); err == nil {
				l.machine.Driver = n
			}
			v.read(l)
		}
	}
	if l.err != nil {
		return nil
	}
	return l
}

// start opens a library and makes it ready for the device.
func (v *vendor) start(name string) (version string, err error) {
	if name == vendorDNN {
		l, err := cudnn.Open()
		if err != nil {
			return "", err
		}
		v.dnn, err = l.New(v.c)
		return l.Version(), err
	}
	l, err := cublaslt.Open()
	if err != nil {
		return "", err
	}
	v.lt, err = l.New(v.c)
	return l.Version(), err
}

// read fills known from the file.
func (v *vendor) read(l *vendorLibrary) {
	if v.force != "" { // Then nothing is measured.
		return
	}
	var err error
	if v.path, err = choices.Path(); err != nil {
		v.note(err.Error())
		return
	}
	es, err := choices.Read(v.path)
	if err != nil {
		v.note("choices are measured anew: " + err.Error())
		return
	}
	for _, e := range es {
		if e.Machine == l.machine {
			l.known[e.Key] = e
			for _, id := range e.Refused {
				l.refused[id] = true
			}
		}
	}
}

// keep remembers what was measured, in the file, too.
func (v *vendor) keep(l *vendorLibrary, e choices.Entry) {
	l.known[e.Key], l.warm[e.Key] = e, true
	for _, id := range e.Refused {
		l.refused[id] = true
	}
	for _, w := range e.Wrong {
		v.note(fmt.Sprintf("wrong results, not used: %s, %s", w, e.Key))
	}
	if v.force != "" || v.path == "" {
		return
	}
	e.Machine = l.machine
	if err := choices.Add(v.path, e); err != nil {
		v.note("choices are not kept: " + err.Error())
	}
}

// close releases the libraries. What uses them must have been released.
func (v *vendor) close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.lt != nil {
		_ = v.lt.Close()
		v.lt = nil
	}
	if v.dnn != nil {
		_ = v.dnn.Close()
		v.dnn = nil
	}
}

// describe tells what there is of the libraries.
func (v *vendor) describe() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var lines []string
	tell := func(name string, l fmt.Stringer, err error) {
		switch lib := v.libs[name]; {
		case err != nil:
			lines = append(lines, err.Error()+" (goqat's kernels do it all)")
		case lib != nil && lib.err != nil:
			lines = append(lines, fmt.Sprintf("%v does not start: %v", l, lib.err))
		default:
			lines = append(lines, l.String())
		}
	}
	lt, err := cublaslt.Open()
	tell(vendorLt, lt, err)
	dnn, err := cudnn.Open()
	tell(vendorDNN, dnn, err)
	switch {
	case v.off:
		lines = append(lines, "the vendor's libraries are switched off by "+vendorEnv+"=0")
	case v.force != "":
		lines = append(lines, fmt.Sprintf("%s wherever it can, by %s", v.force, vendorEnv))
	}
	return append(append(lines, describeChoices()...), v.notes...)
}

// describeChoices tells of the file.
func describeChoices() []string {
	path, err := choices.Path()
	if err != nil {
		return []string{err.Error()}
	}
	es, err := choices.Read(path)
	switch {
	case errors.Is(err, choices.ErrFile):
		return []string{"measured choices, damaged: " + err.Error()}
	case err != nil:
		return []string{"measured choices: " + err.Error()}
	case len(es) == 0:
		return []string{"measured choices: none in " + path}
	}
	theirs := 0
	var wrong []string
	for _, e := range es {
		if e.Choice.Library != "" {
			theirs++
		}
		for _, w := range e.Wrong {
			if len(wrong) < mostNotes {
				wrong = append(wrong, fmt.Sprintf("wrong results, not used: %s on %s, %s", w, strings.TrimSpace(e.Device), e.Key))
			}
		}
	}
	return append([]string{fmt.Sprintf("measured choices: %d in %s, %d of them a library's", len(es), path, theirs)}, wrong...)
}

func init() {
	describers = append(describers, func(b *Backend) []string { return b.vendor.describe() })
}
