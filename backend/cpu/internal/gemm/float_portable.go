package gemm

// portableFloat is the product in plain Go. Each product is rounded before it
// is added (the conversion forbids a fused multiply-add), so its bits are the
// same on every processor.
func portableFloat[T Float]() floatKernel[T] {
	return floatKernel[T]{height: 1, wide: 4, narrow: 4, tile: tilePortable[T]}
}

func tilePortable[T Float](rows, k int, a []T, rsA, csA int, b []T, rsB int, c []T, ldc, cols int, add bool) {
	for i := range rows {
		var v [4]T
		v[0], v[1], v[2], v[3] = dot1x4(k, a[i*rsA:], csA, b, rsB)
		row := c[i*ldc : i*ldc+cols]
		for j := range row {
			if add {
				row[j] += v[j&3]
			} else {
				row[j] = v[j&3]
			}
		}
	}
}

// dot1x4 returns the sums of a row of A with four columns of B. It is a
// function of its own, and not of more rows, to keep all sums in registers.
//
//go:noinline
func dot1x4[T Float](k int, a []T, csA int, b []T, rsB int) (c0, c1, c2, c3 T) {
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
	return
}
