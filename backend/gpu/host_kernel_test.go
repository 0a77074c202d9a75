//go:build cuda

package gpu

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/cuda"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

// withHostKernels lets the backend run operations that it has no kernel for
// yet: as calls of the host, in the order of the queue and in graphs, of the
// CPU's kernels on the memory of the simulator, which is host memory. So
// whole trainings test the framework before all kernels are there. It returns
// how many operations are computed like that.
func withHostKernels(t *testing.T) int {
	needSim(t)
	var added []string
	for _, name := range graph.Registered() {
		if op := graph.Prototype(name); !Has(name) && cpu.Has(name) {
			register(op, hostKernel())
			added = append(added, name)
		}
	}
	t.Cleanup(func() {
		for _, name := range added {
			delete(kernels, name)
		}
	})
	return len(added)
}

// hostFault is the first fault of a host kernel that is not a NaN.
var hostFault atomic.Pointer[error]

func hostKernel() kernel {
	host := cpu.New()
	return kernel{
		supports: func(op backend.Op, in []tensor.Spec) bool { return host.Supports(op, in...) },
		bind: func(k *build, op backend.Op, out, in []*Buffer) error {
			to, err := wrapped(out)
			if err != nil {
				return err
			}
			ti, err := wrapped(in)
			if err != nil {
				return err
			}
			run, err := host.Bind(op, to, ti)
			if err != nil {
				return err
			}
			nan, err := k.nanFlag()
			if err != nil {
				return err
			}
			h := cuda.NewHostCall(func() {
				switch err := run.Run(context.Background()); {
				case errors.Is(err, backend.ErrNaN):
					*hostPointer[uint32](nan)++
				case err != nil:
					hostFault.CompareAndSwap(nil, &err)
				}
			})
			k.onRelease(h.Close)
			k.command(h.Command())
			return nil
		},
	}
}

// hostPointer returns an address of the simulator's memory.
func hostPointer[T any](p cuda.Ptr) *T {
	return *(**T)(unsafe.Pointer(&p))
}

// wrapped returns the memory of buffers as host tensors.
func wrapped(bs []*Buffer) ([]backend.Buffer, error) {
	ts := make([]backend.Buffer, len(bs))
	for i, b := range bs {
		if b == nil {
			continue
		}
		n := b.spec.Bytes()
		t, err := tensor.Wrap(b.spec, unsafe.Slice(hostPointer[byte](b.ptr), n))
		if err != nil {
			return nil, err
		}
		ts[i] = t
	}
	return slices.Clip(ts), nil
}
