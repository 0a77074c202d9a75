// Command channels writes the amd64 loops of package channels of the CPU
// backend. It is run by go generate there.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func main() {
	ConstraintExpr("amd64,!purego")
	add()
	mulAdd()
	sumTaps()
	larger(false)
	larger(true)
	largerCodes("Int8", true)
	largerCodes("Uint8", false)
	largerCodesAt("Int8", true)
	largerCodesAt("Uint8", false)
	Generate()
}

// blocks repeats body, for as many vectors as unroll says and then for one,
// until n elements, per a vector, are done.
func blocks(n Register, per int, unrolls []int, body func(unroll int)) {
	for _, u := range unrolls {
		loop, done := label("loop", u), label("done", u)
		Label(loop)
		CMPQ(n, U32(uint32(per*u)))
		JLT(LabelRef(done))
		body(u)
		SUBQ(U32(uint32(per*u)), n)
		JMP(LabelRef(loop))
		Label(done)
	}
}

func label(s string, u int) string { return s + string(rune('0'+u)) }

func add() {
	TEXT("addAVX2", NOSPLIT, "func(dst, src *float32, n uintptr)")
	Doc("addAVX2 adds n elements of src to dst; n is a multiple of 8.")
	Pragma("noescape")
	dst, src, n := Load(Param("dst"), GP64()), Load(Param("src"), GP64()), Load(Param("n"), GP64())
	blocks(n, 8, []int{4, 1}, func(u int) {
		for i := range u {
			v := YMM()
			VMOVUPS(Mem{Base: dst, Disp: 32 * i}, v)
			VADDPS(Mem{Base: src, Disp: 32 * i}, v, v)
			VMOVUPS(v, Mem{Base: dst, Disp: 32 * i})
		}
		ADDQ(U32(uint32(32*u)), dst)
		ADDQ(U32(uint32(32*u)), src)
	})
	VZEROUPPER()
	RET()
}

func mulAdd() {
	TEXT("mulAddAVX2", NOSPLIT, "func(y, x, w *float32, n uintptr)")
	Doc("mulAddAVX2 adds x*w to y, each product rounded; n is a multiple of 8.")
	Pragma("noescape")
	y, x, w, n := Load(Param("y"), GP64()), Load(Param("x"), GP64()), Load(Param("w"), GP64()), Load(Param("n"), GP64())
	blocks(n, 8, []int{4, 1}, func(u int) {
		for i := range u {
			v := YMM()
			VMOVUPS(Mem{Base: x, Disp: 32 * i}, v)
			VMULPS(Mem{Base: w, Disp: 32 * i}, v, v)
			VADDPS(Mem{Base: y, Disp: 32 * i}, v, v)
			VMOVUPS(v, Mem{Base: y, Disp: 32 * i})
		}
		for _, r := range []Register{y, x, w} {
			ADDQ(U32(uint32(32*u)), r)
		}
	})
	VZEROUPPER()
	RET()
}

func sumTaps() {
	TEXT("sumTapsAVX2", NOSPLIT, "func(y, x, w *float32, xs, ws *int, taps, n uintptr)")
	Doc("sumTapsAVX2 adds the products x[xs[t]+i] * w[ws[t]+i] of all taps, in order and each rounded, to y[i]; n is a multiple of 8.")
	Pragma("noescape")
	y, x, w, n := Load(Param("y"), GP64()), Load(Param("x"), GP64()), Load(Param("w"), GP64()), Load(Param("n"), GP64())
	xs, ws, taps := Load(Param("xs"), GP64()), Load(Param("ws"), GP64()), Load(Param("taps"), GP64())
	blocks(n, 8, []int{8, 4, 1}, func(u int) {
		acc := make([]VecVirtual, u)
		for i := range acc {
			acc[i] = YMM()
			VMOVUPS(Mem{Base: y, Disp: 32 * i}, acc[i])
		}
		t, ox, ow := GP64(), GP64(), GP64()
		XORQ(t, t)
		tap := label("tap", u)
		Label(tap)
		MOVQ(Mem{Base: xs, Index: t, Scale: 8}, ox)
		MOVQ(Mem{Base: ws, Index: t, Scale: 8}, ow)
		for i := range acc {
			v := YMM()
			VMOVUPS(Mem{Base: x, Index: ox, Scale: 4, Disp: 32 * i}, v)
			VMULPS(Mem{Base: w, Index: ow, Scale: 4, Disp: 32 * i}, v, v)
			VADDPS(v, acc[i], acc[i])
		}
		INCQ(t)
		CMPQ(t, taps)
		JLT(LabelRef(tap))
		for i := range acc {
			VMOVUPS(acc[i], Mem{Base: y, Disp: 32 * i})
		}
		for _, r := range []Register{y, x, w} {
			ADDQ(U32(uint32(32*u)), r)
		}
	})
	VZEROUPPER()
	RET()
}

// Predicates of VCMPPS.
const (
	unordered = 3
	greater   = 30 // quiet
)

func larger(at bool) {
	var where, position Register
	if at {
		TEXT("largerAtAVX2", NOSPLIT, "func(best *float32, where *int32, x *float32, n uintptr, position int32)")
		Doc("largerAtAVX2 is largerAVX2 and sets where, where x is taken, to position.")
	} else {
		TEXT("largerAVX2", NOSPLIT, "func(best, x *float32, n uintptr)")
		Doc("largerAVX2 takes the elements of x that are larger than best or not a number; n is a multiple of 8.")
	}
	Pragma("noescape")
	best, x, n := Load(Param("best"), GP64()), Load(Param("x"), GP64()), Load(Param("n"), GP64())
	var p VecVirtual
	if at {
		where, position = Load(Param("where"), GP64()), Load(Param("position"), GP32())
		p = YMM()
		VMOVD(position, p.AsX())
		VPBROADCASTD(p.AsX(), p)
	}
	blocks(n, 8, []int{1}, func(int) {
		b, v, m, nan := YMM(), YMM(), YMM(), YMM()
		VMOVUPS(Mem{Base: best}, b)
		VMOVUPS(Mem{Base: x}, v)
		VCMPPS(U8(greater), b, v, m)
		VCMPPS(U8(unordered), v, v, nan)
		VORPS(nan, m, m)
		VBLENDVPS(m, v, b, b)
		VMOVUPS(b, Mem{Base: best})
		ADDQ(U32(32), best)
		ADDQ(U32(32), x)
		if at {
			o := YMM()
			VMOVUPS(Mem{Base: where}, o)
			VBLENDVPS(m, p, o, o)
			VMOVUPS(o, Mem{Base: where})
			ADDQ(U32(32), where)
		}
	})
	VZEROUPPER()
	RET()
}

func largerCodes(name string, signed bool) {
	TEXT("larger"+name+"AVX2", NOSPLIT, "func(best, x *byte, n uintptr)")
	Doc("larger" + name + "AVX2 takes the larger codes; n is a multiple of 16.")
	Pragma("noescape")
	best, x, n := Load(Param("best"), GP64()), Load(Param("x"), GP64()), Load(Param("n"), GP64())
	blocks(n, 16, []int{1}, func(int) {
		v := XMM()
		VMOVDQU(Mem{Base: best}, v)
		if signed {
			VPMAXSB(Mem{Base: x}, v, v)
		} else {
			VPMAXUB(Mem{Base: x}, v, v)
		}
		VMOVDQU(v, Mem{Base: best})
		ADDQ(U32(16), best)
		ADDQ(U32(16), x)
	})
	RET()
}

func largerCodesAt(name string, signed bool) {
	TEXT("larger"+name+"AtAVX2", NOSPLIT, "func(best *byte, where *int32, x *byte, n uintptr, position int32)")
	Doc("larger" + name + "AtAVX2 takes the larger codes and sets where, where x is taken, to position; n is a multiple of 8.")
	Pragma("noescape")
	best, where, x, n := Load(Param("best"), GP64()), Load(Param("where"), GP64()), Load(Param("x"), GP64()), Load(Param("n"), GP64())
	position := Load(Param("position"), GP32())
	p := YMM()
	VMOVD(position, p.AsX())
	VPBROADCASTD(p.AsX(), p)
	blocks(n, 8, []int{1}, func(int) {
		b, v, o, bb, vb := YMM(), YMM(), YMM(), XMM(), XMM()
		if signed {
			VPMOVSXBD(Mem{Base: best}, b)
			VPMOVSXBD(Mem{Base: x}, v)
		} else {
			VPMOVZXBD(Mem{Base: best}, b)
			VPMOVZXBD(Mem{Base: x}, v)
		}
		VPCMPGTD(b, v, v)
		VMOVUPS(Mem{Base: where}, o)
		VBLENDVPS(v, p, o, o)
		VMOVUPS(o, Mem{Base: where})
		VMOVQ(Mem{Base: best}, bb)
		VMOVQ(Mem{Base: x}, vb)
		if signed {
			VPMAXSB(vb, bb, bb)
		} else {
			VPMAXUB(vb, bb, bb)
		}
		VMOVQ(bb, Mem{Base: best})
		ADDQ(U32(8), best)
		ADDQ(U32(8), x)
		ADDQ(U32(32), where)
	})
	VZEROUPPER()
	RET()
}
