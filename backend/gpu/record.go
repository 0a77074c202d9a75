//go:build cuda

package gpu

import (
	"errors"
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/cuda"
)

// Record turns the kernels of a step into one CUDA graph, which one call
// replays. With GOQAT_GPU_SYNC=1, which waits after each command, or
// GOQAT_GPU_GRAPH=0 it returns [backend.ErrUnsupported].
func (b *Backend) Record(step []backend.Kernel) (backend.Kernel, error) {
	if b.each || !b.graphs {
		return nil, fmt.Errorf("gpu: recording is switched off: %w", backend.ErrUnsupported)
	}
	r := b.newBound(nil, nil)
	var tags []any
	for _, k := range step {
		k, ok := k.(*bound)
		if !ok || k.b != b {
			r.r.release()
			return nil, fmt.Errorf("gpu: a kernel of another backend in a step: %w", backend.ErrUnsupported)
		}
		r.nan = r.nan || k.nan
		r.r.collective = r.r.collective || k.r.collective
		r.uses = append(r.uses, k.uses...)
		r.cmds = append(r.cmds, k.cmds...)
		for range k.cmds {
			tags = append(tags, k)
		}
	}
	g, err := b.q.Record(r.cmds, tags)
	if err != nil {
		r.r.release()
		var e *cuda.Error
		if errors.As(err, &e) && e.Uncapturable() {
			return nil, fmt.Errorf("%w: %w", b.fault(err), backend.ErrUnsupported)
		}
		return nil, b.fault(err)
	}
	r.r.graph = g
	r.step = step // Flags refer to the kernels.
	r.cmds = []cuda.Command{g.Command()}
	return r, nil
}
