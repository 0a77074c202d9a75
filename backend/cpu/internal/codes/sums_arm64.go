//go:build arm64 && !purego

package codes

// momentsNEON writes the sums of x - shift and of its square, and the ends, of
// n columns of rows > 0 rows, stride bytes apart.
//
//go:noescape
func momentsNEON(x *float32, rows, stride uintptr, shift, sum, square, least, most *float32, n uintptr)

// productsNEON writes the sums of dy and of dy * (x-mean) of n columns of
// rows > 0 rows, stride bytes apart.
//
//go:noescape
func productsNEON(dy, x *float32, rows, stride uintptr, mean, sum, product *float32, n uintptr)

func momentsVectors(x []float32, rows, stride int, shift, sum, square, least, most []float32) int {
	c := len(shift)
	n := count(c)
	if n > 0 {
		_ = x[(rows-1)*stride+c-1]
		momentsNEON(&x[0], uintptr(rows), uintptr(4*stride), &shift[0], &sum[0], &square[0], &least[0], &most[0], uintptr(n))
	}
	return n
}

func productsVectors(dy, x []float32, rows int, mean, sum, product []float32) int {
	c := len(mean)
	n := count(c)
	if n > 0 {
		_, _ = dy[rows*c-1], x[rows*c-1]
		productsNEON(&dy[0], &x[0], uintptr(rows), uintptr(4*c), &mean[0], &sum[0], &product[0], uintptr(n))
	}
	return n
}
