package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// factors returns the entries of the argument f in all lanes.
func (s isa) factors(n int) []VecVirtual {
	f := arg("f")
	v := make([]VecVirtual, n)
	for i := range v {
		v[i] = s.field(f, 4*i)
	}
	return v
}

// sgd is a step without velocity, with it, or by Nesterov.
func (s isa) sgd(kind string) {
	s.begin("sgd"+kind, "param, grad, velocity *float32, f *[4]float32, n uintptr",
		"updates param, and velocity unless the step is plain, by the rate f[0], momentum f[1] and decay f[2]")
	param, grad, velocity := arg("param"), arg("grad"), arg("velocity")
	f, n := s.factors(3), arg("n")
	s.loop(n, func(tail Register) {
		p, d := s.load(Mem{Base: param}, tail), s.vec()
		VMULPS(f[2], p, d)
		VADDPS(d, s.load(Mem{Base: grad}, tail), d)
		if kind != "Plain" {
			v := s.load(Mem{Base: velocity}, tail)
			VMULPS(f[1], v, v)
			VADDPS(d, v, v)
			s.store(v, Mem{Base: velocity}, tail)
			if kind == "Nesterov" {
				w := s.vec()
				VMULPS(f[1], v, w)
				VADDPS(w, d, d)
			} else {
				d = v
			}
		}
		step := s.vec()
		VMULPS(f[0], d, step)
		VSUBPS(step, p, p)
		s.store(p, Mem{Base: param}, tail)
		for _, r := range []Register{param, grad, velocity} {
			ADDQ(U8(uint8(s.bytes())), r)
		}
	})
	VZEROUPPER()
	RET()
}

func (s isa) adam() {
	s.begin("adam", "param, grad, first, second *float32, f *[8]float32, n uintptr",
		"updates param and its moments by f: shrink, coupled, take, keep2, take2, size, root, eps")
	param, grad, first, second := arg("param"), arg("grad"), arg("first"), arg("second")
	f, n := s.factors(8), arg("n")
	s.loop(n, func(tail Register) {
		w, d, t := s.load(Mem{Base: param}, tail), s.load(Mem{Base: grad}, tail), s.vec()
		VMULPS(f[0], w, w)
		VMULPS(f[1], w, t)
		VADDPS(t, d, d)
		a := s.load(Mem{Base: first}, tail)
		VSUBPS(a, d, t)
		VMULPS(f[2], t, t)
		VADDPS(t, a, a)
		s.store(a, Mem{Base: first}, tail)
		b := s.load(Mem{Base: second}, tail)
		VMULPS(f[3], b, b)
		VMULPS(f[4], d, t)
		VMULPS(d, t, t)
		VADDPS(t, b, b)
		s.store(b, Mem{Base: second}, tail)
		VSQRTPS(b, b)
		VDIVPS(f[6], b, b)
		VADDPS(f[7], b, b)
		VMULPS(f[5], a, a)
		VDIVPS(b, a, a)
		VSUBPS(a, w, w)
		s.store(w, Mem{Base: param}, tail)
		for _, r := range []Register{param, grad, first, second} {
			ADDQ(U8(uint8(s.bytes())), r)
		}
	})
	VZEROUPPER()
	RET()
}
