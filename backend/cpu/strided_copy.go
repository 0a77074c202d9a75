package cpu

import (
	"fmt"

	"github.com/goqat/goqat/tensor"
)

// byWidth calls the instance of a binder of data movement for the width of an
// element: int8, int32 and int64 stand for all types of 1, 4 and 8 bytes.
func byWidth(d tensor.DType, w1, w4, w8 func() func() error) (func() error, error) {
	switch d.Bytes(1) {
	case 1:
		if d != tensor.B1 {
			return w1(), nil
		}
	case 4:
		return w4(), nil
	case 8:
		return w8(), nil
	}
	return nil, fmt.Errorf("cpu: elements of type %v cannot be moved", d)
}

// movable lists the types of whole bytes.
var movable = []tensor.DType{tensor.F32, tensor.F64, tensor.I8, tensor.U8, tensor.I32, tensor.I64}

// box says where the elements of an index space lie in an array: the element
// at index i at base + sum(i[k] * step[k]).
type box struct {
	base int
	step []int
}

// bindStridedCopy copies the elements of an index space from src to dst. The
// places in dst are distinct.
func bindStridedCopy[T tensor.Element](dst []T, to box, src []T, from box, dims []int) func() error {
	n := newLoopNest(dims, to.step, from.step)
	inner, sd, ss := n.inner()
	rows := n.rows()
	if rows*inner == 0 {
		return func() error { return nil }
	}
	if sd == 1 && ss != 1 {
		if k := unitStride(n); k >= 0 {
			return bindBlockTranspose(dst, to.base, src, from.base, n, k)
		}
	}
	length := min(inner, nestTile)
	segments := (inner + length - 1) / length
	grain := max(1, nestTile/length)
	body := func(lo, hi int) {
		c, s := n.seek(lo/segments), lo%segments
		for range hi - lo {
			o := s * length
			m := min(length, inner-o)
			d, f := to.base+c.off[0]+o*sd, from.base+c.off[1]+o*ss
			if sd == 1 && ss == 1 {
				copy(dst[d:d+m], src[f:f+m])
			} else {
				for range m {
					dst[d] = src[f]
					d += sd
					f += ss
				}
			}
			if s++; s == segments {
				s = 0
				n.next(&c)
			}
		}
	}
	return func() error { parallel(rows*segments, grain, body); return nil }
}

// unitStride returns the dimension along which the source is contiguous, -1
// when there is none.
func unitStride(n *loopNest) int {
	for k := range len(n.dims) - 1 {
		if n.step[1][k] == 1 {
			return k
		}
	}
	return -1
}

// bindBlockTranspose copies where the destination is contiguous along the
// innermost dimension and the source along dimension k, in squares that keep
// both sides in the cache.
func bindBlockTranspose[T tensor.Element](dst []T, toBase int, src []T, fromBase int, n *loopNest, k int) func() error {
	const side = 32
	last := len(n.dims) - 1
	cols, colSrc := n.dims[last], n.step[1][last]
	rows, rowDst := n.dims[k], n.step[0][k]
	// The nest of the other dimensions; its innermost dimension is a dummy.
	outer := &loopNest{dims: []int{}}
	for i, d := range n.dims[:last] {
		if i != k {
			outer.dims = append(outer.dims, d)
			outer.step[0] = append(outer.step[0], n.step[0][i])
			outer.step[1] = append(outer.step[1], n.step[1][i])
		}
	}
	outer.dims = append(outer.dims, 1)
	blocks := (rows + side - 1) / side
	body := func(lo, hi int) {
		for u := lo; u < hi; u++ {
			c := outer.seek(u / blocks)
			r0 := u % blocks * side
			r1 := min(r0+side, rows)
			for c0 := 0; c0 < cols; c0 += side {
				c1 := min(c0+side, cols)
				for r := r0; r < r1; r++ {
					line := dst[toBase+c.off[0]+r*rowDst+c0:][:c1-c0]
					f := fromBase + c.off[1] + r + c0*colSrc
					for i := range line {
						line[i] = src[f]
						f += colSrc
					}
				}
			}
		}
	}
	grain := max(1, nestTile/(min(side, rows)*cols))
	units := outer.rows() * blocks
	return func() error { parallel(units, grain, body); return nil }
}

// bindConstant sets all of dst to v.
func bindConstant[T tensor.Element](dst []T, v T) func() {
	grain := grainFor(len(dst), 1)
	body := func(lo, hi int) {
		d := dst[lo:hi]
		for i := range d {
			d[i] = v
		}
	}
	return func() { parallel(len(dst), grain, body) }
}
