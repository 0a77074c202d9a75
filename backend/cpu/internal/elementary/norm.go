package elementary

import "math"

// DivideBy writes x / by.
func DivideBy(y, x []float32, by float32) {
	if k := family.Kernel(); k.divideBy != nil && len(x) > 0 {
		y = y[:len(x)]
		k.divideBy(&y[0], &x[0], by, uintptr(len(x)))
		return
	}
	divideBy(y, x, by)
}

// DivideBy64 is DivideBy for float64.
func DivideBy64(y, x []float64, by float64) { divideBy(y, x, by) }

func divideBy[T Float](y, x []T, by T) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] = v / by
	}
}

// NormRows normalizes each row of n elements of x: mean gets its mean m, inv
// the inverse s of its deviation, 1/sqrt(variance + eps), both rounded from
// float64, and y, unless it is nil,
//
//	y = (x - m) * s * gamma + beta
//
// every step rounded, without a factor or a term that is nil. The length of
// mean is the number of rows.
func NormRows(y, x, mean, inv, gamma, beta []float32, n int, eps float64) {
	rows := len(mean)
	if k := family.Kernel(); k.normRows != nil && rows > 0 && y != nil && gamma != nil && beta != nil {
		y, x, inv, gamma, beta = y[:rows*n], x[:rows*n], inv[:rows], gamma[:n], beta[:n]
		k.normRows(&y[0], &x[0], &mean[0], &inv[0], &gamma[0], &beta[0], eps, uintptr(rows), uintptr(n))
		return
	}
	normRows(y, x, mean, inv, gamma, beta, n, eps)
}

// NormRows64 is NormRows for float64.
func NormRows64(y, x, mean, inv, gamma, beta []float64, n int, eps float64) {
	normRows(y, x, mean, inv, gamma, beta, n, eps)
}

func normRows[T Float](y, x, mean, inv, gamma, beta []T, n int, eps float64) {
	for r := range mean {
		row := x[r*n:][:n]
		var sum, square [lanes]float64
		for i, v := range row {
			sum[uint(i)%lanes] += float64(v)
		}
		mu := total(&sum) / float64(n)
		for i, v := range row {
			d := float64(v) - mu
			square[uint(i)%lanes] += float64(d * d)
		}
		m, s := T(mu), T(1/math.Sqrt(total(&square)/float64(n)+eps))
		mean[r], inv[r] = m, s
		if y == nil {
			continue
		}
		to := y[r*n:][:n]
		for i, v := range row {
			to[i] = (v - m) * s
		}
		for i, g := range gamma { // None when absent.
			to[i] *= g
		}
		for i, b := range beta {
			to[i] += b
		}
	}
}

// NormGradRows writes, for each row of n elements, with g = dy * gamma, or dy
// where gamma is nil, and h = (x - mean) * inv,
//
//	dx = inv * (g - mean(g) - h * mean(g*h))
//
// The length of mean is the number of rows.
func NormGradRows(dx, dy, x, mean, inv, gamma []float32, n int) {
	rows := len(mean)
	if k := family.Kernel(); k.normGradRows != nil && rows > 0 && gamma != nil {
		dx, dy, x, inv, gamma = dx[:rows*n], dy[:rows*n], x[:rows*n], inv[:rows], gamma[:n]
		k.normGradRows(&dx[0], &dy[0], &x[0], &mean[0], &inv[0], &gamma[0], uintptr(rows), uintptr(n))
		return
	}
	normGradRows(dx, dy, x, mean, inv, gamma, n)
}

// NormGradRows64 is NormGradRows for float64.
func NormGradRows64(dx, dy, x, mean, inv, gamma []float64, n int) {
	normGradRows(dx, dy, x, mean, inv, gamma, n)
}

func normGradRows[T Float](dx, dy, x, mean, inv, gamma []T, n int) {
	for r, m := range mean {
		to, d, v, s := dx[r*n:][:n], dy[r*n:][:n], x[r*n:][:n], inv[r]
		var sum, dot [lanes]float64
		for i, g := range d {
			if gamma != nil {
				g *= gamma[i]
			}
			to[i] = g
			sum[uint(i)%lanes] += float64(g)
			dot[uint(i)%lanes] += float64(g * ((v[i] - m) * s))
		}
		mg, mh := T(total(&sum)/float64(n)), T(total(&dot)/float64(n))
		for i, g := range to {
			h := (v[i] - m) * s
			to[i] = s * (g - mg - T(h*mh))
		}
	}
}

// NormSums adds, row by row of n elements, dy * ((x - mean) * inv) to the
// columns of dgamma and dy to those of dbeta. The length of mean is the number
// of rows.
func NormSums(dgamma, dbeta []float64, dy, x, mean, inv []float32, n int) {
	rows := len(mean)
	if k := family.Kernel(); k.normSums != nil && rows > 0 {
		dgamma, dbeta, dy, x, inv = dgamma[:n], dbeta[:n], dy[:rows*n], x[:rows*n], inv[:rows]
		k.normSums(&dgamma[0], &dbeta[0], &dy[0], &x[0], &mean[0], &inv[0], uintptr(rows), uintptr(n))
		return
	}
	normSums(dgamma, dbeta, dy, x, mean, inv, n)
}

// NormSums64 is NormSums for float64.
func NormSums64(dgamma, dbeta, dy, x, mean, inv []float64, n int) {
	normSums(dgamma, dbeta, dy, x, mean, inv, n)
}

func normSums[T Float](dgamma, dbeta []float64, dy, x, mean, inv []T, n int) {
	dgamma, dbeta = dgamma[:n], dbeta[:n]
	for r, m := range mean {
		v, s := x[r*n:][:n], inv[r]
		for i, d := range dy[r*n:][:n] {
			dgamma[i] += float64(d * ((v[i] - m) * s))
			dbeta[i] += float64(d)
		}
	}
}
