package gemm

// portableFloat is the product in plain Go. Each product is rounded before it
// is added (the conversion forbids a fused multiply-add), so its bits are the
// same on every processor.
func portableFloat[T Float]() floatKernel[T] {
	return floatKernel[T]{height: 2, wide: 4, narrow: 4, tile: tilePortable[T]}
}

func tilePortable[T Float](rows, k int, a []T, rsA, csA int, b []T, rsB int, c []T, ldc, cols int, add bool) {
	i := 0
	for ; i+1 < rows; i += 2 {
		a0 := a[i*rsA:]
		a1 := a[(i+1)*rsA:]
		var c00, c01, c02, c03, c10, c11, c12, c13 T
		oa, ob := 0, 0
		for range k {
			x, y := a0[oa], a1[oa]
			r := b[ob : ob+4 : ob+4]
			c00 += T(x * r[0])
			c01 += T(x * r[1])
			c02 += T(x * r[2])
			c03 += T(x * r[3])
			c10 += T(y * r[0])
			c11 += T(y * r[1])
			c12 += T(y * r[2])
			c13 += T(y * r[3])
			oa += csA
			ob += rsB
		}
		store4(c[i*ldc:], [4]T{c00, c01, c02, c03}, cols, add)
		store4(c[(i+1)*ldc:], [4]T{c10, c11, c12, c13}, cols, add)
	}
	if i < rows {
		a0 := a[i*rsA:]
		var c00, c01, c02, c03 T
		oa, ob := 0, 0
		for range k {
			x := a0[oa]
			r := b[ob : ob+4 : ob+4]
			c00 += T(x * r[0])
			c01 += T(x * r[1])
			c02 += T(x * r[2])
			c03 += T(x * r[3])
			oa += csA
			ob += rsB
		}
		store4(c[i*ldc:], [4]T{c00, c01, c02, c03}, cols, add)
	}
}

func store4[T Float](c []T, v [4]T, cols int, add bool) {
	for j := range cols {
		if add {
			c[j] += v[j]
		} else {
			c[j] = v[j]
		}
	}
}
