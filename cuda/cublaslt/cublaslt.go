//go:build cuda

package cublaslt

// #cgo LDFLAGS: -ldl
// #include <stdlib.h>
// #include "cublaslt.h"
//
// static int property(const goqat_lt *lt, int which, int *v) { return lt->GetProperty(which, v); }
// static const char *status_text(const goqat_lt *lt, int s) { return lt->GetStatusString ? lt->GetStatusString(s) : NULL; }
// static int create(const goqat_lt *lt, void **h) { return lt->Create(h); }
// static int destroy(const goqat_lt *lt, void *h) { return lt->Destroy(h); }
import "C"

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"unsafe"

	"github.com/goqat/goqat/cuda"
	"github.com/goqat/goqat/cuda/internal/library"
)

// Sentinel errors, to be tested with errors.Is.
var (
	// ErrMissing: the machine has no such library.
	ErrMissing = errors.New("no cuBLASLt")
	// ErrTooOld: the library lacks what is needed.
	ErrTooOld = errors.New("cuBLASLt too old")
	// ErrUnsupported: the library has nothing for this product on this device.
	ErrUnsupported = errors.New("not supported by cuBLASLt")
)

// Env names the environment variable that names the library's file.
const Env = "GOQAT_CUBLASLT"

// names are those of the library, the latest first.
var names = []string{"libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so.11"}

const install = "install CUDA's libraries or the Python package nvidia-cublas-cu12, and name the file in " + Env + " where the loader does not find it"

// oldest is the first major version with this interface.
const oldest = 11

// Library is the library, opened.
type Library struct {
	// Path is the name by which it was found.
	Path                string
	Major, Minor, Patch int
	lt                  *C.goqat_lt
}

// String returns name, version and path.
func (l *Library) String() string { return fmt.Sprintf("cuBLASLt %s (%s)", l.Version(), l.Path) }

// Version returns the form "12.4.5".
func (l *Library) Version() string { return fmt.Sprintf("%d.%d.%d", l.Major, l.Minor, l.Patch) }

var opened library.Opened[*Library]

// Open opens the library that the environment variable [Env] names, or else
// the latest that the loader finds; once, for the life of the process. Its
// errors are [ErrMissing] and [ErrTooOld] and say what to do.
func Open() (*Library, error) {
	return opened.Open(os.Getenv(Env), find)
}

func find(named string) (*Library, error) {
	if named != "" {
		return load(named)
	}
	var first error
	for _, n := range names {
		l, err := load(n)
		if err == nil {
			return l, nil
		}
		if first == nil || errors.Is(first, ErrMissing) && !errors.Is(err, ErrMissing) {
			first = err
		}
	}
	return nil, first
}

func load(name string) (*Library, error) {
	l := &Library{Path: name, lt: (*C.goqat_lt)(C.calloc(1, C.sizeof_goqat_lt))}
	var why [512]C.char
	n := C.CString(name)
	defer C.free(unsafe.Pointer(n))
	r := C.goqat_lt_open(l.lt, n, &why[0], C.size_t(len(why)))
	fail := func(err error, text string) (*Library, error) {
		C.free(unsafe.Pointer(l.lt))
		return nil, fmt.Errorf("cublaslt: %w: %s: %s", err, text, install)
	}
	switch text := strings.TrimSpace(C.GoString(&why[0])); r {
	case 1:
		return fail(ErrMissing, text)
	case 2:
		return fail(ErrTooOld, text)
	}
	for i, to := range []*int{C.GOQAT_LT_MAJOR: &l.Major, C.GOQAT_LT_MINOR: &l.Minor, C.GOQAT_LT_PATCH: &l.Patch} {
		var v C.int
		if s := C.property(l.lt, C.int(i), &v); s != 0 {
			return fail(ErrTooOld, fmt.Sprintf("%s does not tell its version (status %d)", name, int(s)))
		}
		*to = int(v)
	}
	if l.Major < oldest {
		return fail(ErrTooOld, fmt.Sprintf("%s is version %s, and %d.0 is needed", name, l.Version(), oldest))
	}
	return l, nil
}

// status turns a status of the library into an error, nil for success.
func (l *Library) status(call string, s C.int) error {
	if s == C.GOQAT_LT_SUCCESS {
		return nil
	}
	text := ""
	if t := C.status_text(l.lt, s); t != nil {
		text = ", " + C.GoString(t)
	}
	err := fmt.Errorf("cublaslt: %s: status %d%s", call, int(s), text)
	if s == C.GOQAT_LT_NOT_SUPPORTED || s == C.GOQAT_LT_ARCH_MISMATCH || s == C.GOQAT_LT_INVALID_VALUE {
		err = fmt.Errorf("%w: %w", err, ErrUnsupported)
	}
	if s == C.GOQAT_LT_ALLOC_FAILED {
		err = fmt.Errorf("%w: %w", err, cuda.ErrOutOfMemory)
	}
	return err
}

// Handle is the library made ready for a device. Close it before the context.
type Handle struct {
	l *Library
	c *cuda.Context
	h unsafe.Pointer
}

// New makes the library ready for the device of a context, whose memory it
// takes some of.
func (l *Library) New(c *cuda.Context) (*Handle, error) {
	h := &Handle{l: l, c: c}
	err := c.Do(func() error { return l.status("cublasLtCreate", C.create(l.lt, &h.h)) })
	if err != nil {
		return nil, err
	}
	return h, nil
}

// Library returns the library.
func (h *Handle) Library() *Library { return h.l }

// Close releases what New made. Plans must have been closed.
func (h *Handle) Close() error {
	if h.h == nil {
		return nil
	}
	err := h.c.Do(func() error { return h.l.status("cublasLtDestroy", C.destroy(h.l.lt, h.h)) })
	h.h = nil
	return err
}
