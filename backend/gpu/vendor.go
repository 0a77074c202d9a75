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
)

// vendorEnv is 0 where products of codes are goqat's kernels alone, and the
// name of a library where they are that library's wherever it has one, whatever
// is the fastest.
const vendorEnv = "GOQAT_GPU_VENDOR"

// vendorLt is cuBLASLt's name in choices.
const vendorLt = "cublaslt"

// vendor is NVIDIA's own libraries: opened when the first product could be
// theirs, measured against goqat's kernels at the first use of a shape, and the
// choice kept in a file.
type vendor struct {
	c     *cuda.Context
	off   bool
	force string

	mu      sync.Mutex
	ready   bool // What follows was set.
	lt      *cublaslt.Handle
	ltErr   error
	machine choices.Machine
	path    string
	known   map[string]choices.Entry
	warm    map[string]bool // Keys whose code the device has loaded.
	notes   []string
}

func (v *vendor) init(c *cuda.Context) {
	v.c = c
	switch s := os.Getenv(vendorEnv); s {
	case "", "auto":
	case "0":
		v.off = true
	case vendorLt:
		v.force = s
	default:
		v.note(fmt.Sprintf("%s=%s is unknown: say 0, auto or %s", vendorEnv, s, vendorLt))
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

// open opens the library and reads the choices, once; v.mu is held. It reports
// whether there is a library to choose.
func (v *vendor) open() bool {
	if v.off {
		return false
	}
	if v.ready {
		return v.lt != nil
	}
	v.ready = true
	l, err := cublaslt.Open()
	if err == nil {
		v.lt, err = l.New(v.c)
	}
	if err != nil {
		v.ltErr = err
		return false
	}
	d := v.c.Device()
	v.machine = choices.Machine{Device: d.Name, Arch: d.Arch(), Libraries: vendorLt + " " + l.Version()}
	if v.machine.Driver, err = cuda.DriverVersion(); err != nil {
		v.machine.Driver = 0
	}
	v.known, v.warm = map[string]choices.Entry{}, map[string]bool{}
	v.read()
	return true
}

// read fills known from the file.
func (v *vendor) read() {
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
		if e.Machine == v.machine {
			v.known[e.Key] = e
		}
	}
}

// keep remembers what was measured, in the file, too.
func (v *vendor) keep(e choices.Entry) {
	v.known[e.Key], v.warm[e.Key] = e, true
	for _, w := range e.Wrong {
		v.note(fmt.Sprintf("wrong results, not used: %s, %s", w, e.Key))
	}
	if v.force != "" || v.path == "" {
		return
	}
	e.Machine = v.machine
	if err := choices.Add(v.path, e); err != nil {
		v.note("choices are not kept: " + err.Error())
	}
}

// close releases the library. Products must have been released.
func (v *vendor) close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.lt != nil {
		_ = v.lt.Close()
		v.lt = nil
	}
}

// describe tells what there is of the libraries.
func (v *vendor) describe() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var lines []string
	l, err := cublaslt.Open()
	switch {
	case err != nil:
		lines = append(lines, "products of codes by goqat's kernels alone: "+err.Error())
	case v.ltErr != nil:
		lines = append(lines, fmt.Sprintf("%v does not start: %v", l, v.ltErr))
	default:
		lines = append(lines, l.String())
	}
	switch {
	case v.off:
		lines = append(lines, "the vendor's libraries are switched off by "+vendorEnv+"=0")
	case v.force != "":
		lines = append(lines, fmt.Sprintf("%s wherever it has a product, by %s", v.force, vendorEnv))
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
