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

// rowBlocks is struct row_blocks of csrc/columns.cuh: rows whose sums are in
// float32 in short blocks, as those of package backend/cpu are.
type rowBlocks struct {
	Rows, Piece int64
	Block, Wide int32
	Per, _      int32
}

// newRowBlocks cuts rows into pieces of whole blocks where whole is set, and
// has few columns side by side where wide is.
func newRowBlocks(rows, columns, block int, wide, whole bool) (rowBlocks, columnSum) {
	piece := max(32768/max(columns, 1), (rows+63)/64, 1)
	if whole {
		piece = (piece + block - 1) / block * block
	}
	blocks := (rows + piece - 1) / piece * ((piece + block - 1) / block)
	// Eight lanes take them in turns.
	per := max(8, (blocks+511)/512)
	b := rowBlocks{Rows: int64(rows), Piece: int64(piece), Block: int32(block), Wide: flagOf(wide), Per: int32(per)}
	return b, columnSum{rows: rows, columns: columns, chunk: per, chunks: (blocks + per - 1) / per}
}

// shortRows is how many rows of c columns are about n elements, whole groups
// of eight of them.
func shortRows(n, c int) int { return max(n/max(c, 1)&^7, 8) }
