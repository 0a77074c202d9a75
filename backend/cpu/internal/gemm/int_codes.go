package gemm

// IntCodes lets kernels that can make the codes of their sums while these are
// in registers:
//
//	code[r, c] = clamp(round((acc[r, c] + Add[c]) * Factor[c]) + zero point)
//
// in float32, ties to even. No factor is above a half, so that an int32 holds
// every product.
type IntCodes struct {
	Add    []int32   // of the columns, and 16 more that do not count
	Factor []float32 // of the columns
	Dst    []byte    // codes [m, Stride]
	Stride int
	// The order of dwords that sorts packed rows, and what Bounds sets.
	params [20]uint32
}

// Bounds sets the zero point and the range of the codes, both as unsigned
// bytes; flip is what the bytes are xored with at last: 0x80 where they are
// those of signed codes, which are 128 less.
func (e *IntCodes) Bounds(zero, lo, hi int32, flip uint8) {
	for i := range 16 {
		e.params[i] = uint32(i%4*4 + i/4)
	}
	e.params[16], e.params[17], e.params[18], e.params[19] = uint32(zero), uint32(flip), uint32(lo), uint32(hi)
}

// MakeCodes says how the sums become codes, where a kernel can do it: f is
// asked at each run, nil meaning that the epilogue is to do it.
func (p *IntPlan[A]) MakeCodes(f func() *IntCodes) { p.makeCodes = f }

// Params returns zero point, flip and range as Bounds has them, for kernels of
// other packages.
func (e *IntCodes) Params() *[4]uint32 { return (*[4]uint32)(e.params[16:]) }
