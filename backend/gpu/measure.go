//go:build cuda

package gpu

import (
	"context"
	"fmt"
	"time"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/cuda"
)

// Device returns what the device is.
func (b *Backend) Device() cuda.Device { return b.c.Device() }

// Mark is a point in the backend's queue whose time the device keeps.
type Mark struct {
	b *Backend
	e *cuda.Event
}

// NewMark returns a mark that is not set; the caller closes it before the
// backend.
func (b *Backend) NewMark() (*Mark, error) {
	e, err := b.c.NewEvent()
	if err != nil {
		return nil, b.fault(err)
	}
	return &Mark{b, e}, nil
}

// String names the mark in errors.
func (*Mark) String() string { return "gpu: mark" }

// Run sets the mark behind the work added so far.
func (m *Mark) Run(context.Context) error {
	if err := m.b.q.Add(m, m.e.Record()); err != nil {
		return m.b.fault(err)
	}
	return nil
}

// Since returns the device's time from start to m. Both must have been run,
// and [Backend.Sync] called behind them.
func (m *Mark) Since(start *Mark) (time.Duration, error) {
	d, err := m.e.Since(start.e)
	if err != nil {
		return 0, m.b.fault(err)
	}
	return d, nil
}

// Close releases the mark.
func (m *Mark) Close() error { return m.e.Close() }

// BindFill returns a kernel that sets every byte of x to v, by the driver's
// memset.
func (b *Backend) BindFill(x backend.Buffer, v byte) (backend.Kernel, error) {
	return b.bindCommand(func(to []*Buffer) cuda.Command { return cuda.Fill(to[0].ptr, v, to[0].spec.Bytes()) }, x)
}

// BindCopy returns a kernel that copies src to dst, of the same number of
// bytes, by the driver's copy.
func (b *Backend) BindCopy(dst, src backend.Buffer) (backend.Kernel, error) {
	if d, s := dst.Spec().Bytes(), src.Spec().Bytes(); d != s {
		return nil, fmt.Errorf("gpu: copy of %d bytes to %d", s, d)
	}
	return b.bindCommand(func(x []*Buffer) cuda.Command { return cuda.Copy(x[0].ptr, x[1].ptr, x[0].spec.Bytes()) }, dst, src)
}

func (b *Backend) bindCommand(f func([]*Buffer) cuda.Command, bs ...backend.Buffer) (backend.Kernel, error) {
	xs, err := devices(bs)
	if err != nil {
		return nil, err
	}
	k := b.newBound(nil, nil)
	for _, x := range xs {
		k.uses = append(k.uses, x.mem)
	}
	k.cmds = []cuda.Command{f(xs)}
	return k, nil
}
