//go:build cuda

package cudnn

// #cgo LDFLAGS: -ldl
// #include <stdlib.h>
// #include "cudnn.h"
//
// static size_t version(const goqat_dnn *d) { return d->GetVersion(); }
// static const char *status_text(const goqat_dnn *d, int s) { return d->GetErrorString(s); }
// static int create(const goqat_dnn *d, void **h) { return d->Create(h); }
// static int destroy(const goqat_dnn *d, void *h) { return d->Destroy(h); }
// static void *forward_address(void) { return (void *)goqat_dnn_forward; }
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
	ErrMissing = errors.New("no cuDNN")
	// ErrTooOld: the library is older than 9.
	ErrTooOld = errors.New("cuDNN too old")
	// ErrUnsupported: the library has nothing for this convolution here.
	ErrUnsupported = errors.New("not supported by cuDNN")
)

// Env names the environment variable that names the library's file.
const Env = "GOQAT_CUDNN"

const (
	soname  = "libcudnn.so.9"
	install = "install cuDNN 9 or the Python package nvidia-cudnn-cu12, and name the file in " + Env + " where the loader does not find it"
)

// Library is the library, opened.
type Library struct {
	// Path is the name by which it was found.
	Path                string
	Major, Minor, Patch int
	d                   *C.goqat_dnn
}

// String returns name, version and path.
func (l *Library) String() string { return fmt.Sprintf("cuDNN %s (%s)", l.Version(), l.Path) }

// Version returns the form "9.1.0".
func (l *Library) Version() string { return fmt.Sprintf("%d.%d.%d", l.Major, l.Minor, l.Patch) }

var opened library.Opened[*Library]

// Open opens libcudnn.so.9, or the library that the environment variable [Env]
// names; once, for the life of the process. Its errors are [ErrMissing] and
// [ErrTooOld] and say what to do.
func Open() (*Library, error) {
	name := os.Getenv(Env)
	if name == "" {
		name = soname
	}
	return opened.Open(name, load)
}

func load(name string) (*Library, error) {
	l := &Library{Path: name, d: (*C.goqat_dnn)(C.calloc(1, C.sizeof_goqat_dnn))}
	var why [512]C.char
	n := C.CString(name)
	defer C.free(unsafe.Pointer(n))
	r := C.goqat_dnn_open(l.d, n, &why[0], C.size_t(len(why)))
	err, text := error(nil), strings.TrimSpace(C.GoString(&why[0]))
	switch r {
	case 1:
		err = ErrMissing
	case 2:
		err = ErrTooOld
	default:
		v := int(C.version(l.d)) // As 90100; 8902 before 9.
		l.Major, l.Minor, l.Patch = v/10000, v/100%100, v%100
		if v < 90000 {
			l.Major, l.Minor = v/1000, v/100%10
			err, text = ErrTooOld, fmt.Sprintf("%s is version %s, and 9.0 is needed", name, l.Version())
		}
	}
	if err != nil {
		C.free(unsafe.Pointer(l.d))
		return nil, fmt.Errorf("cudnn: %w: %s: %s", err, text, install)
	}
	return l, nil
}

// status turns a status of the library into an error, nil for success.
func (l *Library) status(call string, s C.int) error {
	if s == C.GOQAT_DNN_SUCCESS {
		return nil
	}
	err := fmt.Errorf("cudnn: %s: status %d, %s", call, int(s), C.GoString(C.status_text(l.d, s)))
	if c := s / 1000; c == C.GOQAT_DNN_NOT_SUPPORTED/1000 || c == C.GOQAT_DNN_BAD_PARAM/1000 {
		err = fmt.Errorf("%w: %w", err, ErrUnsupported)
	}
	return err
}

// Handle is the library made ready for a device. Close it before the context.
type Handle struct {
	l *Library
	c *cuda.Context
	h unsafe.Pointer
}

// New makes the library ready for the device of a context.
func (l *Library) New(c *cuda.Context) (*Handle, error) {
	h := &Handle{l: l, c: c}
	if err := c.Do(func() error { return l.status("cudnnCreate", C.create(l.d, &h.h)) }); err != nil {
		return nil, err
	}
	return h, nil
}

// Close releases what New made. Plans must have been closed.
func (h *Handle) Close() error {
	if h.h == nil {
		return nil
	}
	err := h.c.Do(func() error { return h.l.status("cudnnDestroy", C.destroy(h.l.d, h.h)) })
	h.h = nil
	return err
}

// Conv is a convolution without padding and groups of x [N, H, W, C] with
// w [O, KH, KW, C] to y [N, OH, OW, O]: int8 in, sums as float32 out, exact below
// 2^24. C and O are multiples of 4.
type Conv struct {
	N, H, W, C     int
	OH, OW, O      int
	KH, KW         int
	SH, SW, DH, DW int // Stride, dilation.
}

// Algorithm is one of the library's for a convolution.
type Algorithm struct {
	// ID is the library's number of it.
	ID int
	// Workspace is the memory it needs while it runs, in bytes.
	Workspace int
}

// Algorithms returns those that the library has for a convolution with at most
// that much workspace; [ErrUnsupported] when there is none.
func (h *Handle) Algorithms(q Conv, workspace int) ([]Algorithm, error) {
	plan, err := h.prepare(q)
	if err != nil {
		return nil, err
	}
	defer plan.Close()
	var as []Algorithm
	err = h.c.Do(func() error {
		for i := range C.GOQAT_DNN_ALGORITHMS {
			var n C.size_t
			if s := C.goqat_dnn_workspace(plan.p, C.int(i), &n); s == C.GOQAT_DNN_SUCCESS && n <= C.size_t(workspace) {
				as = append(as, Algorithm{ID: i, Workspace: int(n)})
			}
		}
		return nil
	})
	if err == nil && len(as) == 0 {
		err = fmt.Errorf("cudnn: no algorithm for %+v: %w", q, ErrUnsupported)
	}
	return as, err
}

// Plan is a convolution made ready for its memory.
type Plan struct {
	h *Handle
	p *C.goqat_dnn_plan
}

func (l *Library) prepare(p *C.goqat_dnn_plan, handle unsafe.Pointer, q Conv) error {
	c := C.goqat_dnn_problem{n: C.int(q.N), h: C.int(q.H), w: C.int(q.W), c: C.int(q.C), oh: C.int(q.OH), ow: C.int(q.OW), o: C.int(q.O),
		kh: C.int(q.KH), kw: C.int(q.KW), sh: C.int(q.SH), sw: C.int(q.SW), dh: C.int(q.DH), dw: C.int(q.DW)}
	return l.status("descriptors", C.goqat_dnn_prepare(p, l.d, handle, &c))
}

func (h *Handle) prepare(q Conv) (*Plan, error) {
	plan := &Plan{h: h, p: (*C.goqat_dnn_plan)(C.calloc(1, C.sizeof_goqat_dnn_plan))}
	if err := h.c.Do(func() error { return h.l.prepare(plan.p, h.h, q) }); err != nil {
		plan.Close()
		return nil, err
	}
	return plan, nil
}

// Plan makes a convolution ready to be put into a queue.
func (h *Handle) Plan(q Conv, a Algorithm, y, x, w, workspace cuda.Ptr) (*Plan, error) {
	plan, err := h.prepare(q)
	if err != nil {
		return nil, err
	}
	plan.p.algorithm = C.int(a.ID)
	plan.p.x, plan.p.w, plan.p.y = C.uint64_t(x), C.uint64_t(w), C.uint64_t(y)
	plan.p.workspace, plan.p.bytes = C.uint64_t(workspace), C.size_t(a.Workspace)
	return plan, nil
}

// Command returns the convolution, for a queue or a graph. The plan must stay
// until it is done, or for as long as it may be recorded anew.
func (p *Plan) Command() cuda.Command { return cuda.Call(C.forward_address(), unsafe.Pointer(p.p)) }

// Close releases the plan.
func (p *Plan) Close() {
	if p.p != nil {
		C.goqat_dnn_discard(p.p)
		C.free(unsafe.Pointer(p.p))
		p.p = nil
	}
}

// describe makes and releases the descriptors of a convolution, without a device.
func (l *Library) describe(q Conv) error {
	var plan C.goqat_dnn_plan
	defer C.goqat_dnn_discard(&plan)
	return l.prepare(&plan, nil, q)
}
