package cpu

import "github.com/goqat/goqat/tensor"

// loopNest walks an index space, outermost dimension first, with offsets into
// two arrays that advance by a stride a dimension. Dimensions of 1 are left
// out and dimensions that continue each other in both arrays are one.
type loopNest struct {
	dims []int
	step [2][]int
}

func newLoopNest(dims, s0, s1 []int) *loopNest {
	n := &loopNest{}
	for i, d := range dims {
		if d == 1 {
			continue
		}
		k := len(n.dims) - 1
		if k >= 0 && n.step[0][k] == s0[i]*d && n.step[1][k] == s1[i]*d {
			n.dims[k] *= d
			n.step[0][k], n.step[1][k] = s0[i], s1[i]
			continue
		}
		n.dims = append(n.dims, d)
		n.step[0] = append(n.step[0], s0[i])
		n.step[1] = append(n.step[1], s1[i])
	}
	if len(n.dims) == 0 {
		n.dims, n.step = []int{1}, [2][]int{{1}, {1}}
	}
	return n
}

// rows is the number of index tuples without the innermost dimension.
func (n *loopNest) rows() int { return tensor.Shape(n.dims[:len(n.dims)-1]).Numel() }

// inner is the innermost dimension, and its strides.
func (n *loopNest) inner() (dim, s0, s1 int) {
	k := len(n.dims) - 1
	return n.dims[k], n.step[0][k], n.step[1][k]
}

// nestCursor is a place in the rows of a loopNest.
type nestCursor struct {
	index [tensor.MaxRank]int
	off   [2]int
}

// seek returns the cursor at a row.
func (n *loopNest) seek(row int) nestCursor {
	var c nestCursor
	for i := len(n.dims) - 2; i >= 0; i-- {
		c.index[i] = row % n.dims[i]
		row /= n.dims[i]
		c.off[0] += c.index[i] * n.step[0][i]
		c.off[1] += c.index[i] * n.step[1][i]
	}
	return c
}

// next moves c to the following row, from the last to the first.
func (n *loopNest) next(c *nestCursor) {
	for i := len(n.dims) - 2; i >= 0; i-- {
		c.index[i]++
		c.off[0] += n.step[0][i]
		c.off[1] += n.step[1][i]
		if c.index[i] < n.dims[i] {
			return
		}
		c.off[0] -= n.dims[i] * n.step[0][i]
		c.off[1] -= n.dims[i] * n.step[1][i]
		c.index[i] = 0
	}
}

// broadcastStrides returns the strides of a dense array of shape s that
// broadcasts to a given rank: 0 along stretched dimensions.
func broadcastStrides(s tensor.Shape, rank int) []int {
	st := make([]int, rank)
	for i, d := range s.Strides() {
		if s[i] != 1 {
			st[rank-len(s)+i] = d
		}
	}
	return st
}

// nestTile is about how many elements a tile of a strided loop has.
const nestTile = 16384
