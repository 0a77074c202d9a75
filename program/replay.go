package program

import (
	"context"
	"errors"

	"github.com/goqat/goqat/backend"
)

// replay is a whole step as one kernel, on backends that can record.
type replay struct {
	kernel backend.Kernel
	// runs counts the steps run by operations: the first is always, as
	// kernels may load code or choose among variants then.
	runs int
	off  bool
}

// replayed runs the step as one and reports true, or false when it is to be
// run by operations.
func (p *Program) replayed(ctx context.Context) (bool, error) {
	r := &p.replay
	if r.off {
		return false, nil
	}
	if r.kernel == nil {
		rec, ok := p.b.(backend.Recorder)
		if !ok {
			r.off = true
			return false, nil
		}
		if r.runs++; r.runs < 2 {
			return false, nil
		}
		ks := make([]backend.Kernel, len(p.steps))
		for i, s := range p.steps {
			ks[i] = s.kernel
		}
		k, err := rec.Record(ks)
		switch {
		case errors.Is(err, backend.ErrUnsupported) || errors.Is(err, backend.ErrOutOfMemory):
			r.off = true // Slower, but it works.
			return false, nil
		case err != nil:
			return false, err
		}
		r.kernel = k
	}
	if err := ctx.Err(); err != nil {
		return false, err
	}
	return true, r.kernel.Run(ctx)
}

// locate names the node of a fault that showed after its kernel's Run.
func (p *Program) locate(err error) error {
	var k *backend.KernelError
	if !errors.As(err, &k) {
		return err
	}
	for _, s := range p.steps {
		if s.kernel == k.Kernel {
			return nodeError(s.node, k.Err)
		}
	}
	for _, d := range p.derivations {
		if d.kernel == k.Kernel {
			return nodeError(d.node, k.Err)
		}
	}
	return err
}
