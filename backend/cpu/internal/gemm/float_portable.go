package gemm

// portableFloat is the product in plain Go. Each product is rounded before it
// is added (the conversion forbids a fused multiply-add), so its bits are the
// same on every processor.
func portableFloat[T Float]() floatKernel[T] {
	return floatKernel[T]{height: 1, wide: 4, narrow: 4, tile: tilePortable[T]}
}

func tilePortable[T Float](blocks []Block, rows, k int, a []T, rsA, csA int, b []T, rsB int, c []T, ldc, cols int, add bool) {
	for i := range rows {
		var v [4]T
		for _, t := range blocks {
			v[0], v[1], v[2], v[3] = dot1x4(k, a[t.A+i*rsA:], csA, b[t.B:], rsB, v[0], v[1], v[2], v[3])
		}
		store4(&v, c[i*ldc:i*ldc+cols], add)
	}
}

// store4 adds up to four sums to row or replaces row by them.
func store4[T Float](v *[4]T, row []T, add bool) {
	for j := range row {
		if add {
			row[j] += v[j&3]
		} else {
			row[j] = v[j&3]
		}
	}
}

// dot1x4 adds the products of a row of A with four columns of B to the sums
// and returns them. It is a function of its own, and not of more rows, to keep
// all sums in registers.
//
//go:noinline
func dot1x4[T Float](k int, a []T, csA int, b []T, rsB int, c0, c1, c2, c3 T) (s0, s1, s2, s3 T) {
	oa, ob := 0, 0
	for range k {
		x := a[oa]
		r := b[ob : ob+4 : ob+4]
		c0 += T(x * r[0])
		c1 += T(x * r[1])
		c2 += T(x * r[2])
		c3 += T(x * r[3])
		oa += csA
		ob += rsB
	}
	return c0, c1, c2, c3
}
