//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.Reduce{}, kernel{module: "reduce", types: f32, bind: bindReduce})
	register(backend.ReduceGrad{}, kernel{module: "reduce", types: f32, bind: bindReduceGrad})
}

// reduceChunk is the number of elements that a thread combines.
const reduceChunk = 256

func bindReduce(k *build, op backend.Op, out, in []*Buffer) error {
	o, s := op.(backend.Reduce), in[0].spec.Shape
	reduced, err := o.Reduced(len(s))
	if err != nil {
		return err
	}
	kind, n := int32(o.Kind), out[0].numel()
	outer, middle, inner, ok := reducedBlocks(s, reduced)
	if !ok {
		count, walk := reducedWalk(s, reduced)
		return k.launch("reduce_scattered", k.elementwise(4*n), append([]any{out[0], in[0], int64(n), int64(count), kind}, walk...)...)
	}
	chunks := max(1, (middle+reduceChunk-1)/reduceChunk)
	parts, err := k.temporary(int64(8 * outer * chunks * inner))
	if err != nil {
		return err
	}
	total := outer * chunks * inner
	if err := k.launch("reduce_chunks", k.elementwise(4*total), parts, in[0], int64(total), int64(middle), int64(inner), int64(reduceChunk), int64(chunks), kind); err != nil {
		return err
	}
	return k.launch("reduce_total", k.elementwise(4*n), out[0], parts, int64(n), int64(middle), int64(inner), int64(chunks), kind)
}

func bindReduceGrad(k *build, op backend.Op, out, in []*Buffer) error {
	o, s := op.(backend.ReduceGrad), out[0].spec.Shape
	reduced, err := o.Reduced(len(s))
	if err != nil {
		return err
	}
	var x, y *Buffer
	if len(in) > 2 {
		x, y = in[1], in[2]
	}
	n := in[0].numel()
	factor := float32(1)
	if o.Kind == backend.ReduceMean && n > 0 {
		factor = float32(float64(n) / float64(max(out[0].numel(), 1)))
	}
	count, walk := reducedWalk(s, reduced)
	return k.launch("reduce_grad", k.elementwise(4*n), append([]any{out[0], in[0], x, y, int64(n), int64(count), factor, int32(o.Kind)}, walk...)...)
}

// reducedBlocks merges neighbours of one kind to [outer, middle, inner] of which
// the middle is reduced; false when reduced dimensions do not lie together.
func reducedBlocks(s tensor.Shape, reduced []bool) (outer, middle, inner int, ok bool) {
	outer, middle, inner = 1, 1, 1
	stage := 0
	for i, d := range s {
		switch {
		case d == 1:
		case reduced[i] && stage <= 1:
			stage = 1
			middle *= d
		case reduced[i]:
			return 0, 0, 0, false
		case stage == 0:
			outer *= d
		default:
			stage = 2
			inner *= d
		}
	}
	return outer, middle, inner, true
}

// reducedWalk returns the number of elements of an output, and the arguments of
// the walk over kept and reduced dimensions, innermost first.
func reducedWalk(s tensor.Shape, reduced []bool) (count int, args []any) {
	count = 1
	var sizes [2][stridedDims]int32
	var steps [2][stridedDims]int64
	var n [2]int
	for k := range sizes {
		for i := range sizes[k] {
			sizes[k][i] = 1
		}
	}
	strides := s.Strides()
	for i := len(s) - 1; i >= 0; i-- {
		k := 0
		if reduced[i] {
			k, count = 1, count*s[i]
		}
		sizes[k][n[k]], steps[k][n[k]] = int32(s[i]), int64(strides[i])
		n[k]++
	}
	for k := range sizes {
		for _, v := range sizes[k] {
			args = append(args, v)
		}
		for _, v := range steps[k] {
			args = append(args, v)
		}
	}
	return count, args
}
