package elementary

import "math"

// A sum over a row is taken in lanes: element i goes to lane i%16, and lane l
// then takes lane l+8, l+4, l+2, l+1 in turn, all in float64. So every
// instruction set gives the same bits.
const lanes = 16

// total adds lanes up.
func total(s *[lanes]float64) float64 {
	for half := lanes / 2; half > 0; half /= 2 {
		for l := range half {
			s[l] += s[l+half]
		}
	}
	return s[0]
}

// ExpSum writes y = exp((x - shift) * factor) and returns the sum.
func ExpSum(y, x []float32, shift, factor float32) float64 {
	if k := family.Kernel(); k.expSum != nil && len(x) > 0 {
		y = y[:len(x)]
		return k.expSum(&y[0], &x[0], shift, factor, uintptr(len(x)))
	}
	return expSum(y, x, shift, factor, Exp32)
}

// ExpSum64 is ExpSum for float64.
func ExpSum64(y, x []float64, shift, factor float64) float64 {
	return expSum(y, x, shift, factor, math.Exp)
}

func expSum[T Float](y, x []T, shift, factor T, exp func(T) T) float64 {
	y = y[:len(x)]
	var s [lanes]float64
	for i, v := range x {
		e := exp((v - shift) * factor)
		y[i] = e
		s[uint(i)%lanes] += float64(e)
	}
	return total(&s)
}

// Max returns the largest number of x, -Inf for none, and 0 for -0; NaN is
// passed over, and shows in the exponentials.
func Max[T Float](x []T) T {
	m := T(math.Inf(-1))
	for _, v := range x {
		if v > m {
			m = v
		}
	}
	return m + 0
}

// SoftmaxRows sets, for each row of n elements of x, most to its [Max], the
// row of y, which may be x, to exp(x-most), and sum to the sum of that. The
// length of most is the number of rows; n is positive.
func SoftmaxRows(y, x []float32, n int, most []float32, sum []float64) {
	rows := len(most)
	if k := family.Kernel(); k.softmaxRows != nil && rows > 0 {
		y, x, sum = y[:rows*n], x[:rows*n], sum[:rows]
		k.softmaxRows(&y[0], &x[0], &most[0], &sum[0], uintptr(rows), uintptr(n))
		return
	}
	softmaxRows(y, x, n, most, sum, Exp32)
}

// SoftmaxRows64 is SoftmaxRows for float64.
func SoftmaxRows64(y, x []float64, n int, most, sum []float64) {
	softmaxRows(y, x, n, most, sum, math.Exp)
}

func softmaxRows[T Float](y, x []T, n int, most []T, sum []float64, exp func(T) T) {
	for r := range most {
		row := x[r*n:][:n]
		most[r] = Max(row)
		sum[r] = expSum(y[r*n:][:n], row, most[r], 1, exp)
	}
}

// GapRows adds up, for each row of n elements of x, what they lack of most.
func GapRows(sum []float64, x []float32, n int, most []float32) {
	rows := len(most)
	if k := family.Kernel(); k.gapRows != nil && rows > 0 {
		x, sum = x[:rows*n], sum[:rows]
		k.gapRows(&sum[0], &x[0], &most[0], uintptr(rows), uintptr(n))
		return
	}
	gapRows(sum, x, n, most)
}

// GapRows64 is GapRows for float64.
func GapRows64(sum, x []float64, n int, most []float64) { gapRows(sum, x, n, most) }

func gapRows[T Float](sum []float64, x []T, n int, most []T) {
	for r, m := range most {
		var s [lanes]float64
		for i, v := range x[r*n:][:n] {
			s[uint(i)%lanes] += float64(m) - float64(v)
		}
		sum[r] = total(&s)
	}
}

// ScaleRows writes, for each row of n elements of x, which may be y,
//
//	y = times * (x*factor - less)
//
// every step rounded. The length of factor is the number of rows.
func ScaleRows(y, x []float32, n int, factor []float32, less, times float32) {
	rows := len(factor)
	if k := family.Kernel(); k.scaleRows != nil && rows > 0 {
		y, x = y[:rows*n], x[:rows*n]
		k.scaleRows(&y[0], &x[0], &factor[0], less, times, uintptr(rows), uintptr(n))
		return
	}
	scaleRows(y, x, n, factor, less, times)
}

// ScaleRows64 is ScaleRows for float64.
func ScaleRows64(y, x []float64, n int, factor []float64, less, times float64) {
	scaleRows(y, x, n, factor, less, times)
}

func scaleRows[T Float](y, x []T, n int, factor []T, less, times T) {
	for r, f := range factor {
		to := y[r*n:][:n]
		for i, v := range x[r*n:][:n] {
			to[i] = times * (T(v*f) - less)
		}
	}
}

// SoftmaxGradRows writes y * (dy - sum(dy*y)) for each row of n elements.
func SoftmaxGradRows(dx, dy, y []float32, n int) {
	rows := len(dy) / max(n, 1)
	if k := family.Kernel(); k.softmaxGradRows != nil && rows > 0 {
		dx, y = dx[:rows*n], y[:rows*n]
		k.softmaxGradRows(&dx[0], &dy[0], &y[0], uintptr(rows), uintptr(n))
		return
	}
	softmaxGradRows(dx, dy, y, n)
}

// SoftmaxGradRows64 is SoftmaxGradRows for float64.
func SoftmaxGradRows64(dx, dy, y []float64, n int) { softmaxGradRows(dx, dy, y, n) }

func softmaxGradRows[T Float](dx, dy, y []T, n int) {
	for r := range len(dy) / max(n, 1) {
		d, v := dy[r*n:][:n], y[r*n:][:n]
		var s [lanes]float64
		for i := range d {
			s[uint(i)%lanes] += float64(float64(d[i]) * float64(v[i]))
		}
		sum := T(total(&s))
		to := dx[r*n:][:n]
		for i := range d {
			to[i] = v[i] * (d[i] - sum)
		}
	}
}
