package cpu

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.Gather{}, kernel{types: movable, bind: func(_ *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		g, err := newGatherPlan(op.(backend.Gather), in[0].Shape(), in[1])
		if err != nil {
			return nil, err
		}
		return byWidth(in[0].DType(),
			func() func() error { return bindGather(g, typed[int8](out[0]), typed[int8](in[0])) },
			func() func() error { return bindGather(g, typed[int32](out[0]), typed[int32](in[0])) },
			func() func() error { return bindGather(g, typed[int64](out[0]), typed[int64](in[0])) })
	}})
	register(backend.GatherGrad{}, kernel{types: floats, bind: func(_ *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		g, err := newGatherPlan(op.(backend.GatherGrad).Gather, out[0].Shape(), in[1])
		if err != nil {
			return nil, err
		}
		if in[0].DType() == tensor.F64 {
			return bindGatherGrad(g, out[0].F64(), in[0].F64()), nil
		}
		return bindGatherGrad(g, out[0].F32(), in[0].F32()), nil
	}})
}

// gatherPlan is a gather as [outer, count, inner] out of [outer, dim, inner].
type gatherPlan struct {
	outer, dim, inner, count int
	narrow                   []int32 // the indices, of one type or the other
	wide                     []int64
}

func newGatherPlan(op backend.Gather, data tensor.Shape, index *tensor.Tensor) (*gatherPlan, error) {
	axis, err := backend.Axis(op.Axis, len(data))
	if err != nil {
		return nil, err
	}
	return &gatherPlan{
		outer: data[:axis].Numel(), dim: data[axis], inner: data[axis+1:].Numel(), count: index.Numel(),
		narrow: index.I32(), wide: index.I64(),
	}, nil
}

// at returns the i-th index, counted from the front.
func (g *gatherPlan) at(i int) int {
	var v int64
	if g.wide != nil {
		v = g.wide[i]
	} else {
		v = int64(g.narrow[i])
	}
	if v < 0 {
		v += int64(g.dim)
	}
	if v < 0 || v >= int64(g.dim) {
		return -1
	}
	return int(v)
}

func (g *gatherPlan) check() error {
	for i := range g.count {
		if g.at(i) < 0 {
			return fmt.Errorf("cpu: index %d: %w for a dimension of %d", i, backend.ErrIndex, g.dim)
		}
	}
	return nil
}

func bindGather[T tensor.Element](g *gatherPlan, y, data []T) func() error {
	inner := g.inner
	body := func(lo, hi int) {
		for r := lo; r < hi; r++ {
			src := (r/g.count*g.dim + g.at(r%g.count)) * inner
			copy(y[r*inner:][:inner], data[src:][:inner])
		}
	}
	grain := max(1, nestTile/max(inner, 1))
	return func() error {
		if err := g.check(); err != nil {
			return err
		}
		parallel(g.outer*g.count, grain, body)
		return nil
	}
}

// bindGatherGrad gives each tile some columns, and adds the rows of all
// indices to them in order.
func bindGatherGrad[T float](g *gatherPlan, dx, dy []T) func() error {
	columns := g.outer * g.inner
	body := func(lo, hi int) {
		for lo < hi {
			o := lo / g.inner
			c := lo % g.inner
			n := min(hi-lo, g.inner-c)
			for d := range g.dim {
				clear(dx[(o*g.dim+d)*g.inner+c:][:n])
			}
			for i := range g.count {
				to := dx[(o*g.dim+g.at(i))*g.inner+c:][:n]
				from := dy[(o*g.count+i)*g.inner+c:][:n]
				for j, v := range from {
					to[j] += v
				}
			}
			lo += n
		}
	}
	grain := max(16, nestTile/max(g.count+g.dim, 1))
	return func() error {
		if err := g.check(); err != nil {
			return err
		}
		parallel(columns, grain, body)
		return nil
	}
}
