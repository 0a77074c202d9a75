package gemm

// portableInt is the integer product in plain Go.
func portableInt() intKernel {
	return intKernel{height: 2, panels: 1, unsigned: true, shift: shiftCodes, bytes: bytesPortable}
}

func bytesPortable(r intRows, a []byte, b []byte, _ int, init, c []int32, ldc, cols int) {
	for i := range r.count() {
		row := a[i/r.width*r.line+i%r.width*r.stride:]
		for j := 0; j < cols; j += 4 {
			c0, c1, c2, c3 := init[j], init[j+1], init[j+2], init[j+3]
			w := b[j*4:]
			for t, at := range r.taps {
				x := row[at:][:4*r.groups]
				w := w[t*r.groups*blockBytes:]
				for g := range r.groups {
					x := x[4*g : 4*g+4 : 4*g+4]
					v := w[g*blockBytes : g*blockBytes+16 : g*blockBytes+16]
					x0, x1, x2, x3 := int32(x[0]), int32(x[1]), int32(x[2]), int32(x[3])
					c0 += x0*int32(int8(v[0])) + x1*int32(int8(v[1])) + x2*int32(int8(v[2])) + x3*int32(int8(v[3]))
					c1 += x0*int32(int8(v[4])) + x1*int32(int8(v[5])) + x2*int32(int8(v[6])) + x3*int32(int8(v[7]))
					c2 += x0*int32(int8(v[8])) + x1*int32(int8(v[9])) + x2*int32(int8(v[10])) + x3*int32(int8(v[11]))
					c3 += x0*int32(int8(v[12])) + x1*int32(int8(v[13])) + x2*int32(int8(v[14])) + x3*int32(int8(v[15]))
				}
			}
			sums := [4]int32{c0, c1, c2, c3}
			copy(c[i*ldc+j:i*ldc+min(j+4, cols)], sums[:])
		}
	}
}
