package gemm

// intRows says where a kernel finds the rows of A: lines of width rows each,
// as far from each other as the rows of a line are. The codes of a row are
// taps runs of 4*groups codes, each at its offset from the row's first code.
// Distances are in codes.
type intRows struct {
	lines, width int
	line, stride int
	taps         []int // in bytes of the kernel's elements
	groups       int
	reach        int // from the first code of a row to the end of the last run
}

// matrixRows are the rows of a matrix.
func matrixRows(rows, groups, stride int) intRows {
	return intRows{lines: 1, width: rows, stride: stride, taps: noOffset[:], groups: groups, reach: 4 * groups}
}

var noOffset [1]int

func (r intRows) count() int { return r.lines * r.width }

// end returns the codes from the first row's first to the last row's last.
func (r intRows) end() int { return (r.lines-1)*r.line + (r.width-1)*r.stride + r.reach }

// heightCount is the number of kernel heights that a rowCut knows.
const heightCount = 6

// rowCuts are, for a number of rows, how many passes each of the kernels
// makes, tallest first.
type rowCuts struct {
	heights [heightCount]int
	best    [][heightCount]uint8 // for fewer rows than twice the tallest height
}

// newRowCuts finds the cheapest cuts. The work of a kernel is its rows, and no
// less than what the latency of its few sums takes.
func newRowCuts(heights ...int) *rowCuts {
	c := &rowCuts{}
	copy(c.heights[:], heights)
	c.best = make([][heightCount]uint8, 2*heights[0])
	cost := make([]int, len(c.best))
	for n := 1; n < len(c.best); n++ {
		for i, h := range heights {
			if h > n {
				continue
			}
			// In quarters of a row, and one for the pass.
			if v := cost[n-h] + 4*max(h, 2) + 1; cost[n] == 0 || v < cost[n] {
				cost[n], c.best[n] = v, c.best[n-h]
				c.best[n][i]++
			}
		}
	}
	return c
}

// passes returns how often kernel i runs for n rows.
func (c *rowCuts) passes(n, i int) int {
	tall := 0
	if n >= len(c.best) {
		tall = n/c.heights[0] - 1
		n -= tall * c.heights[0]
	}
	if i > 0 {
		tall = 0
	}
	return tall + int(c.best[n][i])
}

// pair returns the kernel that does two lines of n rows at once, -1 when
// there is none.
func (c *rowCuts) pair(n int) int {
	for i, h := range c.heights {
		if h == 2*n {
			return i
		}
	}
	return -1
}

// each calls run for the passes that do the rows: of kernel i, from the code at
// on, jump from the first row to that of the second half and next from pass to
// pass, all in codes; row is the first one.
func (c *rowCuts) each(r intRows, run func(i, passes, at, jump, next, row int)) {
	line := 0
	if i := c.pair(r.width); i >= 0 && r.lines > 1 {
		run(i, r.lines/2, 0, r.line, 2*r.line, 0)
		line = r.lines &^ 1
	}
	for ; line < r.lines; line++ {
		x := 0
		for i, h := range c.heights {
			passes := c.passes(r.width, i)
			if passes == 0 {
				continue
			}
			run(i, passes, line*r.line+x*r.stride, h/2*r.stride, h*r.stride, line*r.width+x)
			x += passes * h
		}
	}
}
