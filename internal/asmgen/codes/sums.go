package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// down calls body for each row of a vector of columns: from has copies of the
// addresses of its elements in the first row.
func (s isa) down(rows, stride Register, tail Register, columns []Register, body func(from []Register)) {
	name, left := "row", GP64()
	if tail != nil {
		name = "rowtail"
	}
	from := make([]Register, len(columns))
	for i, c := range columns {
		from[i] = GP64()
		MOVQ(c, from[i])
	}
	MOVQ(rows, left)
	Label(name)
	body(from)
	for _, f := range from {
		ADDQ(stride, f)
	}
	DECQ(left)
	JNE(LabelRef(name))
}

func (s isa) moments() {
	s.begin("moments", "x *float32, rows, stride uintptr, shift, sum, square, least, most *float32, n uintptr",
		"writes the sums of x - shift and of its square, and the ends, of n columns of rows > 0 rows, stride bytes apart")
	x, rows, stride := arg("x"), arg("rows"), arg("stride")
	columns := []Register{arg("shift"), arg("sum"), arg("square"), arg("least"), arg("most"), x}
	n := arg("n")
	s.loop(n, func(tail Register) {
		shift, sum, square := s.load(Mem{Base: columns[0]}, tail), s.clear(), s.clear()
		least, most := s.load(Mem{Base: x}, tail), s.load(Mem{Base: x}, tail)
		s.down(rows, stride, tail, []Register{x}, func(from []Register) {
			v, d := s.load(Mem{Base: from[0]}, tail), s.vec()
			VSUBPS(shift, v, d)
			VADDPS(d, sum, sum)
			VMULPS(d, d, d)
			VADDPS(d, square, square)
			VMINPS(least, v, least)
			VMAXPS(most, v, most)
		})
		for i, v := range []VecVirtual{sum, square, least, most} {
			s.store(v, Mem{Base: columns[i+1]}, tail)
		}
		for _, c := range columns {
			ADDQ(U8(uint8(s.bytes())), c)
		}
	})
	VZEROUPPER()
	RET()
}

func (s isa) products() {
	s.begin("products", "dy, x *float32, rows, stride uintptr, mean, sum, product *float32, n uintptr",
		"writes the sums of dy and of dy * (x-mean) of n columns of rows > 0 rows, stride bytes apart")
	dy, x, rows, stride := arg("dy"), arg("x"), arg("rows"), arg("stride")
	columns := []Register{arg("mean"), arg("sum"), arg("product"), dy, x}
	n := arg("n")
	s.loop(n, func(tail Register) {
		mean, sum, product := s.load(Mem{Base: columns[0]}, tail), s.clear(), s.clear()
		s.down(rows, stride, tail, []Register{dy, x}, func(from []Register) {
			d, v := s.load(Mem{Base: from[0]}, tail), s.load(Mem{Base: from[1]}, tail)
			VADDPS(d, sum, sum)
			VSUBPS(mean, v, v)
			VMULPS(d, v, v)
			VADDPS(v, product, product)
		})
		s.store(sum, Mem{Base: columns[1]}, tail)
		s.store(product, Mem{Base: columns[2]}, tail)
		for _, c := range columns {
			ADDQ(U8(uint8(s.bytes())), c)
		}
	})
	VZEROUPPER()
	RET()
}
