package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func (s *isa) divideBy() {
	s.begin("divideBy", "y, x *float32, by float32, n uintptr", "writes x / by")
	y, x, n := arg("y"), arg("x"), arg("n")
	by := s.every("by")
	s.loop(n, s.tails(n), func(at Register, part int, tail Register) {
		s.store(s.div(s.load(s.mem(x, at, part), tail), by), s.mem(y, at, part), tail)
	})
	VZEROUPPER()
	RET()
}

// count returns n as float64.
func (s *isa) count(n Register) Register {
	x := XMM()
	VXORPS(x, x, x)
	VCVTSI2SDQ(n, x, x)
	return x
}

// rounded returns a float64 as float32 in all lanes.
func (s *isa) rounded(v Register) VecVirtual {
	x, all := XMM(), s.vec()
	VCVTSD2SS(v, v, x)
	VBROADCASTSS(x, all)
	return all
}

// mean is a sum divided by the count.
func (t sums) mean(count Register) Register {
	v := t.total()
	VDIVSD(count, v, v)
	return v
}

func (s *isa) normRows() {
	s.begin("normRows", "y, x, mean, inv, gamma, beta *float32, eps float64, rows, n uintptr",
		"writes mean and inverse deviation of each row, and (x-mean) * inv * gamma + beta, every step rounded")
	y, x, mean, inv, gamma, beta := arg("y"), arg("x"), arg("mean"), arg("inv"), arg("gamma"), arg("beta")
	rows, n := arg("rows"), arg("n")
	eps := Load(Param("eps"), XMM())
	tails, count := s.tails(n), s.count(n)
	s.rows(rows, n, []Register{y, x}, map[Register]uint8{mean: 4, inv: 4}, []Register{mean, inv}, func() {
		t := s.sums()
		s.loop(n, tails, func(at Register, part int, tail Register) {
			t.add(s.load(s.mem(x, at, part), tail), part)
		})
		mu := t.mean(count)
		m := s.rounded(mu)
		VMOVSS(m.AsX(), Mem{Base: mean})
		center := s.vec()
		VBROADCASTSD(mu, center)
		t.clear()
		s.loop(n, tails, func(at Register, part int, tail Register) {
			for i, d := range s.double(s.load(s.mem(x, at, part), tail)) {
				VSUBPD(center, d, d)
				if tail != nil {
					s.keepDouble(d, tail, i)
				}
				VMULPD(d, d, d)
				a := t.v[2*part+i]
				VADDPD(d, a, a)
			}
		})
		v, one := t.mean(count), XMM()
		VADDSD(eps, v, v)
		VSQRTSD(v, v, v)
		VMOVSD(s.double1(), one)
		VDIVSD(v, one, v)
		f := s.rounded(v)
		VMOVSS(f.AsX(), Mem{Base: inv})
		s.loop(n, tails, func(at Register, part int, tail Register) {
			h := s.mul(s.sub(s.load(s.mem(x, at, part), tail), m), f)
			h = s.mul(h, s.load(s.mem(gamma, at, part), tail))
			s.store(s.add(h, s.load(s.mem(beta, at, part), tail)), s.mem(y, at, part), tail)
		})
	})
}

func (s *isa) normGradRows() {
	s.begin("normGradRows", "dx, dy, x, mean, inv, gamma *float32, rows, n uintptr",
		"writes inv * (g - mean(g) - h*mean(g*h)) with g = dy*gamma and h = (x-mean) * inv")
	dx, dy, x, mean, inv, gamma := arg("dx"), arg("dy"), arg("x"), arg("mean"), arg("inv"), arg("gamma")
	rows, n := arg("rows"), arg("n")
	tails := s.tails(n)
	s.rows(rows, n, []Register{dx, dy, x}, map[Register]uint8{mean: 4, inv: 4}, []Register{mean, inv}, func() {
		m, f := s.vec(), s.vec()
		VBROADCASTSS(Mem{Base: mean}, m)
		VBROADCASTSS(Mem{Base: inv}, f)
		sum, dot := s.sums(), s.sums()
		s.loop(n, tails, func(at Register, part int, tail Register) {
			g := s.mul(s.load(s.mem(dy, at, part), tail), s.load(s.mem(gamma, at, part), tail))
			s.store(g, s.mem(dx, at, part), tail)
			h := s.mul(s.sub(s.load(s.mem(x, at, part), tail), m), f)
			h = s.mul(g, h)
			s.keep(g, tail)
			s.keep(h, tail)
			sum.add(g, part)
			dot.add(h, part)
		})
		count := s.count(n)
		mg, mh := s.rounded(sum.mean(count)), s.rounded(dot.mean(count))
		s.loop(n, tails, func(at Register, part int, tail Register) {
			h := s.mul(s.sub(s.load(s.mem(x, at, part), tail), m), f)
			g := s.sub(s.load(s.mem(dx, at, part), tail), mg)
			s.store(s.mul(s.sub(g, s.mul(h, mh)), f), s.mem(dx, at, part), tail)
		})
	})
}

func (s *isa) normSums() {
	s.begin("normSums", "dgamma, dbeta *float64, dy, x, mean, inv *float32, rows, n uintptr",
		"adds dy * ((x-mean) * inv) and dy to columns, row by row")
	dgamma, dbeta, dy, x, mean, inv := arg("dgamma"), arg("dbeta"), arg("dy"), arg("x"), arg("mean"), arg("inv")
	rows, n := arg("rows"), arg("n")
	tails := s.tails(n)
	s.rows(rows, n, []Register{dy, x}, map[Register]uint8{mean: 4, inv: 4}, []Register{mean, inv}, func() {
		m, f := s.vec(), s.vec()
		VBROADCASTSS(Mem{Base: mean}, m)
		VBROADCASTSS(Mem{Base: inv}, f)
		s.loop(n, tails, func(at Register, part int, tail Register) {
			d := s.load(s.mem(dy, at, part), tail)
			h := s.mul(d, s.mul(s.sub(s.load(s.mem(x, at, part), tail), m), f))
			for _, c := range []struct {
				to Register
				v  VecVirtual
			}{{dgamma, h}, {dbeta, d}} {
				for i, w := range s.double(c.v) {
					to := Mem{Base: c.to, Index: at, Scale: 2, Disp: 8*part*s.lanes() + 4*i*s.lanes()}
					s.addDouble(w, to, tail, i)
				}
			}
		})
	})
}

// addDouble adds half of a part to memory.
func (s *isa) addDouble(v VecVirtual, to Mem, tail Register, half int) {
	switch {
	case tail == nil:
		VADDPD(to, v, v)
		VMOVUPD(v, to)
	case s.zmm:
		k, old := K(), s.vec()
		KSHIFTRW(U8(8*half), tail, k)
		VMOVUPD_Z(to, k, old)
		VADDPD(old, v, v)
		VMOVUPD(v, k, to)
	default:
		k, old := s.wide(tail, half), s.vec()
		VMASKMOVPD(to, k, old)
		VADDPD(old, v, v)
		VMASKMOVPD(v, k, to)
	}
}
