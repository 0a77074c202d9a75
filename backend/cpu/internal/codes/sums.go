package codes

// Sums over the rows of [rows, channels] in float32, one a column, in the
// order of the rows: the caller bounds the rows of a call and adds the sums of
// many in float64. Columns of this file have no entries behind the last.

// widen returns how many rows of few channels make one of at least a vector,
// and the rows that are left over.
func widen(rows, channels int) (k, rest int) {
	if k = 16 / channels; k < 2 || rows < 2*k {
		return 1, 0
	}
	return k, rows % k
}

// Moments writes, for each channel, the sums of x - shift and of its square,
// and the least and the greatest x. x has at least one row; a NaN makes the
// sum NaN and may make the ends any of the others.
func Moments(x []float32, channels int, shift, sum, square, least, most []float32) {
	rows := len(x) / channels
	k, rest := widen(rows, channels)
	if k == 1 {
		moments(x, rows, channels, shift[:channels], sum[:channels], square[:channels], least[:channels], most[:channels])
		return
	}
	var wide [5][16]float32
	n := k * channels
	for i := range n {
		wide[0][i] = shift[i%channels]
	}
	moments(x[:len(x)-rest*channels], rows/k, n, wide[0][:n], wide[1][:n], wide[2][:n], wide[3][:n], wide[4][:n])
	for i := range n {
		c := i % channels
		if i < channels {
			sum[c], square[c], least[c], most[c] = wide[1][i], wide[2][i], wide[3][i], wide[4][i]
			continue
		}
		sum[c] += wide[1][i]
		square[c] += wide[2][i]
		least[c], most[c] = min(least[c], wide[3][i]), max(most[c], wide[4][i])
	}
	for i, v := range x[len(x)-rest*channels:] {
		c := i % channels
		d := v - shift[c]
		sum[c] += d
		square[c] += float32(d * d)
		least[c], most[c] = min(least[c], v), max(most[c], v)
	}
}

// MomentsOfColumns is [Moments] of the first len(shift) columns of x, rows of
// stride numbers; the last one may end behind those columns. There is at least
// one row.
func MomentsOfColumns(x []float32, rows, stride int, shift, sum, square, least, most []float32) {
	if c := len(shift); c > 0 {
		moments(x, rows, stride, shift, sum[:c], square[:c], least[:c], most[:c])
	}
}

// moments is Moments without special cases; columns are as long as shift.
func moments(x []float32, rows, stride int, shift, sum, square, least, most []float32) {
	c := len(shift)
	for j := momentsVectors(x, rows, stride, shift, sum, square, least, most); j < c; j++ {
		k, s, q, lo, hi := shift[j], float32(0), float32(0), x[j], x[j]
		for r := range rows {
			v := x[r*stride+j]
			d := v - k
			s += d
			q += float32(d * d)
			if v < lo {
				lo = v
			}
			if v > hi {
				hi = v
			}
		}
		sum[j], square[j], least[j], most[j] = s, q, lo, hi
	}
}

// Products writes, for each channel, the sums of dy and of dy * (x - mean).
func Products(dy, x []float32, channels int, mean, sum, product []float32) {
	rows := len(dy) / channels
	x = x[:len(dy)]
	k, rest := widen(rows, channels)
	if k == 1 {
		products(dy, x, rows, mean[:channels], sum[:channels], product[:channels])
		return
	}
	var wide [3][16]float32
	n, whole := k*channels, len(x)-rest*channels
	for i := range n {
		wide[0][i] = mean[i%channels]
	}
	products(dy[:whole], x[:whole], rows/k, wide[0][:n], wide[1][:n], wide[2][:n])
	for i := range n {
		c := i % channels
		if i < channels {
			sum[c], product[c] = wide[1][i], wide[2][i]
			continue
		}
		sum[c] += wide[1][i]
		product[c] += wide[2][i]
	}
	for i, d := range dy[whole:] {
		c := i % channels
		sum[c] += d
		product[c] += float32(d * (x[whole+i] - mean[c]))
	}
}

// products is Products without special cases.
func products(dy, x []float32, rows int, mean, sum, product []float32) {
	c := len(mean)
	for j := productsVectors(dy, x, rows, mean, sum, product); j < c; j++ {
		m, s, p := mean[j], float32(0), float32(0)
		for o := j; o < rows*c; o += c {
			d := dy[o]
			s += d
			p += float32(d * (x[o] - m))
		}
		sum[j], product[j] = s, p
	}
}
