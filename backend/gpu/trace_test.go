//go:build cuda

package gpu

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

// traced is a backend that remembers what goes into each kernel and what comes
// out.
type traced struct {
	backend.Backend
	log []trace
}

// trace is one run of a kernel.
type trace struct {
	op      backend.Op
	in, out []*tensor.Tensor
}

func (b *traced) Bind(op backend.Op, out, in []backend.Buffer) (backend.Kernel, error) {
	k, err := b.Backend.Bind(op, out, in)
	if err != nil {
		return k, err
	}
	return &tracedKernel{k, b, op, out, in}, nil
}

type tracedKernel struct {
	backend.Kernel
	b       *traced
	op      backend.Op
	out, in []backend.Buffer
}

func (k *tracedKernel) Run(ctx context.Context) error {
	in, err := k.b.read(ctx, k.in)
	if err != nil {
		return err
	}
	if err := k.Kernel.Run(ctx); err != nil {
		return err
	}
	out, err := k.b.read(ctx, k.out)
	k.b.log = append(k.b.log, trace{k.op, in, out})
	return err
}

func (b *traced) read(ctx context.Context, buffers []backend.Buffer) ([]*tensor.Tensor, error) {
	if err := b.Sync(ctx); err != nil {
		return nil, err
	}
	all := make([]*tensor.Tensor, len(buffers))
	for i, x := range buffers {
		if x == nil {
			continue
		}
		all[i] = tensor.New(x.Spec())
		if err := b.Backend.Read(ctx, all[i].Bytes(), x); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// again runs a kernel of a trace on another backend and returns its results.
func (e *trace) again(t *testing.T, b backend.Backend) []*tensor.Tensor {
	ctx := context.Background()
	alloc := func(x *tensor.Tensor) backend.Buffer {
		if x == nil {
			return nil
		}
		buf, err := b.Alloc(x.Spec())
		require.NoError(t, err)
		return buf
	}
	var in, out []backend.Buffer
	for _, x := range e.in {
		buf := alloc(x)
		if buf != nil {
			require.NoError(t, b.Write(ctx, buf, x.Bytes()))
		}
		in = append(in, buf)
	}
	updater, _ := e.op.(backend.Updater)
	for i, x := range e.out {
		if x != nil && updater != nil && updater.Updates(i) >= 0 {
			out = append(out, in[updater.Updates(i)])
			continue
		}
		out = append(out, alloc(x))
	}
	k, err := b.Bind(e.op, out, in)
	require.NoError(t, err)
	require.NoError(t, k.Run(ctx))
	results, err := (&traced{Backend: b}).read(ctx, out)
	require.NoError(t, err)
	return results
}

// sameBits reports whether a and b are equal to the bit, or both absent.
func sameBits(a, b *tensor.Tensor) bool {
	return a == nil && b == nil || a != nil && b != nil && bytes.Equal(a.Bytes(), b.Bytes())
}
