package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// sums are the 16 lanes of a sum of float64.
type sums struct {
	s *isa
	v []VecVirtual
}

func (s *isa) sums() sums {
	t := sums{s: s}
	for range block / s.lanes() * 2 {
		t.v = append(t.v, s.vec())
	}
	t.clear()
	return t
}

func (t sums) clear() {
	for _, v := range t.v {
		if t.s.zmm {
			VPXORD(v, v, v)
		} else {
			VXORPS(v, v, v)
		}
	}
}

// double returns the halves of v as float64.
func (s *isa) double(v VecVirtual) [2]VecVirtual {
	low, high := s.vec(), s.vec()
	if s.zmm {
		y := YMM()
		VEXTRACTF64X4(U8(1), v, y)
		VCVTPS2PD(v.AsY(), low)
		VCVTPS2PD(y, high)
	} else {
		x := XMM()
		VEXTRACTF128(U8(1), v, x)
		VCVTPS2PD(v.AsX(), low)
		VCVTPS2PD(x, high)
	}
	return [2]VecVirtual{low, high}
}

// add adds the elements of a part.
func (t sums) add(v VecVirtual, part int) {
	for i, d := range t.s.double(v) {
		a := t.v[2*part+i]
		VADDPD(d, a, a)
	}
}

// total adds the lanes up, in the order of package elementary.
func (t sums) total() Register {
	v := t.v
	for len(v) > 1 {
		half := len(v) / 2
		for i := range half {
			VADDPD(v[half+i], v[i], v[i])
		}
		v = v[:half]
	}
	y := v[0]
	if t.s.zmm {
		h := YMM()
		VEXTRACTF64X4(U8(1), y, h)
		VADDPD(h, y.AsY(), y.AsY())
	}
	h := XMM()
	VEXTRACTF128(U8(1), y.AsY(), h)
	VADDPD(h, y.AsX(), y.AsX())
	VUNPCKHPD(y.AsX(), y.AsX(), h)
	VADDSD(h, y.AsX(), y.AsX())
	return y.AsX()
}

// every returns the float32 argument in all lanes.
func (s *isa) every(name string) VecVirtual {
	v := s.vec()
	VBROADCASTSS(Load(Param(name), XMM()), v)
	return v
}

func (s *isa) expSum() {
	TEXT("expSum"+s.suffix(), NOSPLIT, "func(y, x *float32, shift, factor float32, n uintptr) float64")
	Doc("expSum" + s.suffix() + " writes exp((x-shift) * factor) and returns the sum; n is any number above 0.")
	Pragma("noescape")
	y, x, n := arg("y"), arg("x"), arg("n")
	shift, factor := s.every("shift"), s.every("factor")
	tails := s.tails(n)
	t := s.sums()
	s.loop(n, tails, func(at Register, part int, tail Register) {
		e := s.exp(s.mul(s.sub(s.load(s.mem(x, at, part), tail), shift), factor))
		s.store(e, s.mem(y, at, part), tail)
		s.keep(e, tail)
		t.add(e, part)
	})
	Store(t.total(), ReturnIndex(0))
	VZEROUPPER()
	RET()
}

// rows calls body for each row; bases go on by a row, columns by an entry.
func (s *isa) rows(count, n Register, bases []Register, columns map[Register]uint8, order []Register, body func()) {
	step := GP64()
	MOVQ(n, step)
	SHLQ(U8(2), step)
	row := s.label("row")
	Label(row)
	body()
	for _, b := range bases {
		ADDQ(step, b)
	}
	for _, c := range order {
		ADDQ(U8(columns[c]), c)
	}
	DECQ(count)
	JNE(LabelRef(row))
	VZEROUPPER()
	RET()
}

func (s *isa) softmaxRows() {
	s.begin("softmaxRows", "y, x, most *float32, sum *float64, rows, n uintptr",
		"writes the largest number of each row, the exponentials of what the others lack of it, and their sum")
	y, x, most, sum, rows, n := arg("y"), arg("x"), arg("most"), arg("sum"), arg("rows"), arg("n")
	tails := s.tails(n)
	s.rows(rows, n, []Register{y, x}, map[Register]uint8{most: 4, sum: 8}, []Register{most, sum}, func() {
		m := s.largest(x, n, tails)
		VMOVSS(m.AsX(), Mem{Base: most})
		VBROADCASTSS(m.AsX(), m)
		t := s.sums()
		s.loop(n, tails, func(at Register, part int, tail Register) {
			e := s.exp(s.sub(s.load(s.mem(x, at, part), tail), m))
			s.store(e, s.mem(y, at, part), tail)
			s.keep(e, tail)
			t.add(e, part)
		})
		VMOVSD(t.total(), Mem{Base: sum})
	})
}

// largest returns the largest number of a row in the lowest lane. The maximum
// of an instruction is its second operand, the first one written here, if one
// of the two is no number.
func (s *isa) largest(x, n Register, tails []Register) VecVirtual {
	least := s.all(float32(math.Inf(-1)))
	var m []VecVirtual
	for range s.parts() {
		v := s.vec()
		VMOVAPS(least, v)
		m = append(m, v)
	}
	s.loop(n, tails, func(at Register, part int, tail Register) {
		v := s.load(s.mem(x, at, part), tail)
		if tail != nil && s.zmm {
			VMAXPS(m[part], v, tail, m[part])
			return
		}
		if tail != nil {
			VBLENDVPS(tail, v, least, v)
		}
		VMAXPS(m[part], v, m[part])
	})
	v := m[0]
	if s.zmm {
		h := YMM()
		VEXTRACTF64X4(U8(1), v, h)
		VMAXPS(h, v.AsY(), v.AsY())
	} else {
		VMAXPS(m[1], v, v)
	}
	h := XMM()
	VEXTRACTF128(U8(1), v.AsY(), h)
	low := v.AsX()
	VMAXPS(h, low, low)
	VPERMILPS(U8(0x4e), low, h)
	VMAXPS(h, low, low)
	VPERMILPS(U8(0xb1), low, h)
	VMAXPS(h, low, low)
	VXORPS(h, h, h)
	VADDPS(h, low, low) // No -0.
	return v
}

func (s *isa) gapRows() {
	s.begin("gapRows", "sum *float64, x, most *float32, rows, n uintptr", "writes the sum of what each row lacks of most")
	sum, x, most, rows, n := arg("sum"), arg("x"), arg("most"), arg("rows"), arg("n")
	tails := s.tails(n)
	s.rows(rows, n, []Register{x}, map[Register]uint8{most: 4, sum: 8}, []Register{most, sum}, func() {
		m, d := s.vec(), s.vec()
		VBROADCASTSS(Mem{Base: most}, m)
		if s.zmm {
			VCVTPS2PD(m.AsY(), d)
		} else {
			VCVTPS2PD(m.AsX(), d)
		}
		t := s.sums()
		s.loop(n, tails, func(at Register, part int, tail Register) {
			v := s.load(s.mem(x, at, part), tail)
			for i, w := range s.double(v) {
				VSUBPD(w, d, w)
				if tail != nil {
					s.keepDouble(w, tail, i)
				}
				a := t.v[2*part+i]
				VADDPD(w, a, a)
			}
		})
		VMOVSD(t.total(), Mem{Base: sum})
	})
}

// keepDouble makes the lanes of a half that are not in tail 0.
func (s *isa) keepDouble(v VecVirtual, tail Register, half int) {
	if s.zmm {
		k := K()
		KSHIFTRW(U8(8*half), tail, k)
		VMOVAPD_Z(v, k, v)
		return
	}
	VANDPD(s.wide(tail, half), v, v)
}

// wide is the mask of YMM of half a part as float64.
func (s *isa) wide(tail Register, half int) VecVirtual {
	wide := YMM()
	if half == 0 {
		VPMOVSXDQ(tail.(VecVirtual).AsX(), wide)
	} else {
		x := XMM()
		VEXTRACTF128(U8(1), tail, x)
		VPMOVSXDQ(x, wide)
	}
	return wide
}

func (s *isa) scaleRows() {
	s.begin("scaleRows", "y, x, factor *float32, less, times float32, rows, n uintptr", "writes times * (x*factor - less), every step rounded")
	y, x, factor, rows, n := arg("y"), arg("x"), arg("factor"), arg("rows"), arg("n")
	less, times := s.every("less"), s.every("times")
	tails := s.tails(n)
	s.rows(rows, n, []Register{y, x}, map[Register]uint8{factor: 4}, []Register{factor}, func() {
		f := s.vec()
		VBROADCASTSS(Mem{Base: factor}, f)
		s.loop(n, tails, func(at Register, part int, tail Register) {
			v := s.mul(s.load(s.mem(x, at, part), tail), f)
			s.store(s.mul(s.sub(v, less), times), s.mem(y, at, part), tail)
		})
	})
}

func (s *isa) softmaxGradRows() {
	s.begin("softmaxGradRows", "dx, dy, y *float32, rows, n uintptr", "writes y * (dy - sum(dy*y)) of each row")
	dx, dy, y, rows, n := arg("dx"), arg("dy"), arg("y"), arg("rows"), arg("n")
	tails := s.tails(n)
	s.rows(rows, n, []Register{dx, dy, y}, nil, nil, func() {
		t := s.sums()
		s.loop(n, tails, func(at Register, part int, tail Register) {
			d := s.double(s.load(s.mem(dy, at, part), tail))
			for i, v := range s.double(s.load(s.mem(y, at, part), tail)) {
				a := t.v[2*part+i]
				VFMADD231PD(d[i], v, a) // The product is exact.
			}
		})
		total, sum := t.total(), s.vec()
		x := XMM()
		VCVTSD2SS(total, total, x)
		VBROADCASTSS(x, sum)
		s.loop(n, tails, func(at Register, part int, tail Register) {
			d := s.sub(s.load(s.mem(dy, at, part), tail), sum)
			s.store(s.mul(s.load(s.mem(y, at, part), tail), d), s.mem(dx, at, part), tail)
		})
	})
}
