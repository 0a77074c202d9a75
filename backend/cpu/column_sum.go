package cpu

// Sums over the rows of a matrix [rows, c], one a column: fixed chunks of
// rows, float64 partial sums of each, added in order. Inside a chunk short
// blocks of rows stay in the first-level cache while columns go by four.

// rowChunks cuts rows into count chunks of size rows, the last one shorter.
func rowChunks(rows, c int) (size, count int) {
	size = max(32768/max(c, 1), (rows+63)/64, 1)
	return size, (rows + size - 1) / size
}

// blockRows is the number of rows of c columns in a block.
func blockRows(c int) int { return max(4096/max(c, 1), 1) }

// columnSums adds the column sums of x [rows, c] to sum.
func columnSums[T float](sum []float64, x []T, c int) {
	for block := blockRows(c) * c; len(x) > 0; {
		part := x[:min(block, len(x))]
		x = x[len(part):]
		j := 0
		for ; j+4 <= c; j += 4 {
			var s0, s1, s2, s3 T
			for o := j; o < len(part); o += c {
				v := part[o : o+4 : o+4]
				s0 += v[0]
				s1 += v[1]
				s2 += v[2]
				s3 += v[3]
			}
			s := sum[j : j+4 : j+4]
			s[0] += float64(s0)
			s[1] += float64(s1)
			s[2] += float64(s2)
			s[3] += float64(s3)
		}
		for ; j < c; j++ {
			var s T
			for o := j; o < len(part); o += c {
				s += part[o]
			}
			sum[j] += float64(s)
		}
	}
}

// columnMoments adds the column sums of x - shift and of its square to sum
// and square.
func columnMoments[T float](sum, square []float64, x, shift []T, c int) {
	for block := blockRows(c) * c; len(x) > 0; {
		part := x[:min(block, len(x))]
		x = x[len(part):]
		j := 0
		for ; j+2 <= c; j += 2 {
			k0, k1 := float64(shift[j]), float64(shift[j+1])
			var s0, s1, q0, q1 float64
			for o := j; o < len(part); o += c {
				v := part[o : o+2 : o+2]
				d0, d1 := float64(v[0])-k0, float64(v[1])-k1
				s0 += d0
				s1 += d1
				q0 += float64(d0 * d0)
				q1 += float64(d1 * d1)
			}
			sum[j] += s0
			sum[j+1] += s1
			square[j] += q0
			square[j+1] += q1
		}
		for ; j < c; j++ {
			k := float64(shift[j])
			for o := j; o < len(part); o += c {
				d := float64(part[o]) - k
				sum[j] += d
				square[j] += float64(d * d)
			}
		}
	}
}

// columnProducts adds the column sums of dy and of dy * (x - mean) to sum and
// product.
func columnProducts[T float](sum, product []float64, dy, x, mean []T, c int) {
	x = x[:len(dy)]
	for block := blockRows(c) * c; len(dy) > 0; {
		n := min(block, len(dy))
		d, v := dy[:n], x[:n]
		dy, x = dy[n:], x[n:]
		j := 0
		for ; j+2 <= c; j += 2 {
			m0, m1 := mean[j], mean[j+1]
			var s0, s1, p0, p1 T
			for o := j; o < len(d); o += c {
				a, b := d[o:o+2:o+2], v[o:o+2:o+2]
				s0 += a[0]
				s1 += a[1]
				p0 += T(a[0] * (b[0] - m0))
				p1 += T(a[1] * (b[1] - m1))
			}
			sum[j] += float64(s0)
			sum[j+1] += float64(s1)
			product[j] += float64(p0)
			product[j+1] += float64(p1)
		}
		for ; j < c; j++ {
			var s, p T
			for o := j; o < len(d); o += c {
				s += d[o]
				p += T(d[o] * (v[o] - mean[j]))
			}
			sum[j] += float64(s)
			product[j] += float64(p)
		}
	}
}

// addChunks adds the partial sums of count chunks, n each, into the first.
func addChunks(parts []float64, n, count int) []float64 {
	sum := parts[:n]
	for i := 1; i < count; i++ {
		for j, v := range parts[i*n : (i+1)*n] {
			sum[j] += v
		}
	}
	return sum
}
