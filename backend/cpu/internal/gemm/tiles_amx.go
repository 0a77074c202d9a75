package gemm

// How products are cut for AMX: a tile has 16 rows of 64 bytes, and two tiles
// of rows meet two tiles of columns, so that each tile that is loaded is used
// twice.
const (
	tileRows  = 16
	tileBytes = 64 // of a row
	tilePairs = 2 * tileRows
	// tileDepth is the bytes of a row that are added before the sums go back
	// to memory: two tiles of columns of that depth, 32 KiB, stay in the
	// first-level cache while all rows pass by.
	tileDepth = 1024
)

// tileGroup is passes of a kernel: top rows of one tile and bottom, possibly
// no, rows of a second one.
type tileGroup struct {
	passes, top, bottom int
	at, jump, next      int // in A: where it begins, to the second tile, to the next pass
	row, jumpC, nextC   int // the same in rows of C
}

// tileGroups cuts lines of width rows, line and stride elements apart, into
// groups and calls f with each. Tiles do not go across lines, whose rows are
// in general not at the distance of rows of one line, but a second tile may be
// of the next line.
func tileGroups(lines, width, line, stride int, f func(g tileGroup)) {
	if line == width*stride {
		lines, width = 1, lines*width
	}
	pairs, rest := width/tilePairs, width%tilePairs
	if pairs <= lines { // The more passes the better.
		for x := 0; x < pairs*tilePairs; x += tilePairs {
			f(tileGroup{lines, tileRows, tileRows, x * stride, tileRows * stride, line, x, tileRows, width})
		}
	} else {
		for l := range lines {
			f(tileGroup{pairs, tileRows, tileRows, l * line, tileRows * stride, tilePairs * stride, l * width, tileRows, tilePairs})
		}
	}
	x := pairs * tilePairs
	switch {
	case rest > tileRows:
		f(tileGroup{lines, tileRows, rest - tileRows, x * stride, tileRows * stride, line, x, tileRows, width})
	case rest > 0:
		if lines > 1 {
			f(tileGroup{lines / 2, rest, rest, x * stride, line, 2 * line, x, width, 2 * width})
		}
		if lines%2 == 1 {
			f(tileGroup{passes: 1, top: rest, at: (lines-1)*line + x*stride, row: (lines-1)*width + x})
		}
	}
}

// tileShape is the sizes of the eight tiles as LDTILECFG reads them: the rows
// of a tile, a byte each, and the bytes of a row, 16 bits each.
type tileShape struct {
	rows        uint64
	sums, bytes uint64 // bytes of rows of tiles 0 to 3, which hold sums, and 4 to 7
}

// Tiles of the kernels: sums of the two tiles of rows and of columns, rows of
// A, columns of B.
const (
	tileSums = 0
	tileOfA  = 4
	tileOfB  = 6
)

// newTileShape returns the tiles for cols columns and chunks of chunk bytes of
// rows of A. Tiles without rows or columns are not set at all.
func newTileShape(top, bottom, cols, chunk int) (s tileShape) {
	set := func(tile, rows, bytes int) {
		if rows <= 0 || bytes <= 0 {
			return
		}
		s.rows |= uint64(rows) << (8 * tile)
		if tile < tileOfA {
			s.sums |= uint64(bytes) << (16 * tile)
		} else {
			s.bytes |= uint64(bytes) << (16 * (tile - tileOfA))
		}
	}
	left, right := 4*min(cols, tileRows), 4*(cols-tileRows)
	for i, rows := range [2]int{top, bottom} {
		set(tileSums+2*i, rows, left)
		set(tileSums+2*i+1, rows, right)
		set(tileOfA+i, rows, chunk)
	}
	set(tileOfB, chunk/4, left)
	set(tileOfB+1, chunk/4, right)
	return s
}
