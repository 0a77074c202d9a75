//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/cuda"
)

// columnSum cuts the rows of a matrix [rows, columns] into chunks whose sums a
// block takes (csrc/columns.cuh). The cut depends on the shape alone.
type columnSum struct {
	rows, columns, chunk, chunks int
}

func newColumnSum(rows, columns int) columnSum {
	c := columnSum{rows: rows, columns: columns}
	c.chunk = max(64, (rows+511)/512)
	c.chunks = (rows + c.chunk - 1) / c.chunk
	return c
}

// sums is the launch that sums chunks.
func (c columnSum) sums() cuda.Launch {
	if c.chunks == 0 || c.columns == 0 {
		return cuda.Launch{}
	}
	return cuda.Launch{Grid: cuda.Dim{X: (c.columns + 31) / 32, Y: c.chunks}, Block: cuda.Dim{X: threads}}
}

// totals is the launch with a thread a column.
func (c columnSum) totals() cuda.Launch {
	return cuda.Launch{Grid: cuda.Dim{X: (c.columns + threads - 1) / threads}, Block: cuda.Dim{X: threads}}
}

// parts returns memory for count partial sums of each column.
func (c columnSum) parts(k *build, count int) (cuda.Ptr, error) {
	return k.temporary(int64(8 * count * c.chunks * c.columns))
}
