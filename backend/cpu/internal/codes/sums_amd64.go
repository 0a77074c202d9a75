//go:build amd64 && !purego

package codes

func momentsVectors(x []float32, rows, stride int, shift, sum, square, least, most []float32) int {
	w, c := lanes(), len(shift)
	n := count(w, c)
	if n == 0 {
		return 0
	}
	_ = x[(rows-1)*stride+c-1]
	if w == 16 {
		momentsAVX512(&x[0], uintptr(rows), uintptr(4*stride), &shift[0], &sum[0], &square[0], &least[0], &most[0], uintptr(n))
	} else {
		momentsAVX2(&x[0], uintptr(rows), uintptr(4*stride), &shift[0], &sum[0], &square[0], &least[0], &most[0], uintptr(n))
	}
	return n
}

func productsVectors(dy, x []float32, rows int, mean, sum, product []float32) int {
	w, c := lanes(), len(mean)
	n := count(w, c)
	if n == 0 {
		return 0
	}
	_, _ = dy[rows*c-1], x[rows*c-1]
	if w == 16 {
		productsAVX512(&dy[0], &x[0], uintptr(rows), uintptr(4*c), &mean[0], &sum[0], &product[0], uintptr(n))
	} else {
		productsAVX2(&dy[0], &x[0], uintptr(rows), uintptr(4*c), &mean[0], &sum[0], &product[0], uintptr(n))
	}
	return n
}
