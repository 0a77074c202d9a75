// Command elementary writes the amd64 loops of package elementary of the CPU
// backend. It is run by go generate there, once for each -isa.
package main

import (
	"flag"
	"fmt"
	"math"
	"os"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func main() {
	name := flag.String("isa", "", "instruction set: avx2 or avx512")
	flag.Parse()
	ConstraintExpr("amd64,!purego")
	s := &isa{at: map[uint32]int{}}
	switch *name {
	case "avx2":
	case "avx512":
		s.zmm = true
	default:
		fmt.Fprintf(os.Stderr, "elementary: no instruction set %q\n", *name)
		os.Exit(2)
	}
	s.one("exp", "writes e^x", s.exp)
	s.one("sigmoid", "writes 1/(1+exp(-x))", s.sigmoid)
	s.one("tanh", "writes the hyperbolic tangent", s.tanh)
	s.one("gelu", "writes x times the normal distribution function", s.gelu)
	s.one("geluTanh", "writes the approximation of gelu by tanh", s.geluTanh)
	s.two("geluGrad", "writes the gradient of gelu", s.geluGrad)
	s.two("geluTanhGrad", "writes the gradient of geluTanh", s.geluTanhGrad)
	s.expSum()
	s.softmaxRows()
	s.gapRows()
	s.scaleRows()
	s.softmaxGradRows()
	s.divideBy()
	s.normRows()
	s.normGradRows()
	s.normSums()
	s.data()
	Generate()
}

// isa is a width of vectors, and the constants met so far. Loops go by blocks
// of 16 elements: one ZMM, or two YMM.
type isa struct {
	zmm    bool
	bits   []uint32
	at     map[uint32]int
	labels int
}

const block = 16

// parts is the number of vectors of a block, lanes that of elements of each.
func (s *isa) parts() int {
	if s.zmm {
		return 1
	}
	return 2
}

func (s *isa) lanes() int { return block / s.parts() }

func (s *isa) vec() VecVirtual {
	if s.zmm {
		return ZMM()
	}
	return YMM()
}

func (s *isa) suffix() string {
	if s.zmm {
		return "AVX512"
	}
	return "AVX2"
}

func (s *isa) begin(name, args, doc string) {
	TEXT(name+s.suffix(), NOSPLIT, "func("+args+")")
	Doc(name + s.suffix() + " " + doc + "; counts are of any number above 0.")
	Pragma("noescape")
}

func arg(name string) Register { return Load(Param(name), GP64()) }

// label returns a name that the function has not used.
func (s *isa) label(name string) string {
	s.labels++
	return fmt.Sprintf("%s%d", name, s.labels)
}

// stride is the bytes that a constant takes: YMM has no broadcast in
// arithmetic.
func (s *isa) stride() int {
	if s.zmm {
		return 4
	}
	return 32
}

func (s *isa) table(name string, at int) Mem {
	return NewDataAddr(Symbol{Name: name + s.suffix(), Static: true}, at)
}

// constant returns the place of bits.
func (s *isa) constant(bits uint32) Mem {
	i, ok := s.at[bits]
	if !ok {
		i = len(s.bits)
		s.at[bits], s.bits = i, append(s.bits, bits)
	}
	return s.table("constants", i*s.stride())
}

// double1 is the place of 1 in float64.
func (s *isa) double1() Mem { return s.table("double1", 0) }

// data writes the constants, and the window from which masks of YMM are read.
func (s *isa) data() {
	GLOBL("constants"+s.suffix(), NOPTR|RODATA)
	for i, bits := range s.bits {
		for at := 0; at < s.stride(); at += 4 {
			DATA(i*s.stride()+at, U32(bits))
		}
	}
	GLOBL("double1"+s.suffix(), NOPTR|RODATA)
	DATA(0, U64(math.Float64bits(1)))
	if s.zmm {
		return
	}
	GLOBL("window"+s.suffix(), NOPTR|RODATA)
	for i := range 16 {
		v := uint32(0)
		if i < 8 {
			v = math.MaxUint32
		}
		DATA(4*i, U32(v))
	}
}

// tails returns the lanes of each part of the last n%16 elements.
func (s *isa) tails(n Register) []Register {
	rest := GP64()
	MOVQ(n, rest)
	ANDQ(U8(block-1), rest)
	if s.zmm {
		ones, k := GP32(), K()
		MOVQ(rest, RCX)
		MOVL(U32(1), ones)
		SHLL(CL, ones)
		DECL(ones)
		KMOVW(ones, k)
		return []Register{k}
	}
	var masks []Register
	window := GP64()
	LEAQ(s.table("window", 0), window)
	for p := range 2 {
		// max(0, min(8, rest-8p)) lanes
		lanes, bound := GP64(), GP64()
		MOVQ(rest, lanes)
		if p == 1 {
			SUBQ(U8(8), lanes)
			XORQ(bound, bound)
			TESTQ(lanes, lanes)
			CMOVQLT(bound, lanes)
		} else {
			MOVQ(U32(8), bound)
			CMPQ(lanes, U8(8))
			CMOVQGT(bound, lanes)
		}
		NEGQ(lanes)
		m := YMM()
		VMOVDQU(Mem{Base: window, Index: lanes, Scale: 4, Disp: 32}, m)
		masks = append(masks, m)
	}
	return masks
}

// loop walks the n elements at the bases: body gets the number of the part,
// its lanes at the end or nil, and adds Disp of the part itself by s.mem. at
// counts bytes.
func (s *isa) loop(n Register, tails []Register, body func(at Register, part int, tail Register)) {
	at, full := GP64(), GP64()
	XORQ(at, at)
	MOVQ(n, full)
	ANDQ(I8(-block), full)
	SHLQ(U8(2), full)
	loop, tail, done := s.label("loop"), s.label("tail"), s.label("done")
	Label(loop)
	CMPQ(at, full)
	JGE(LabelRef(tail))
	for p := range s.parts() {
		body(at, p, nil)
	}
	ADDQ(U8(4*block), at)
	JMP(LabelRef(loop))
	Label(tail)
	TESTQ(U32(block-1), n)
	JE(LabelRef(done))
	for p := range s.parts() {
		body(at, p, tails[p])
	}
	Label(done)
}

func (s *isa) mem(base, at Register, part int) Mem {
	return Mem{Base: base, Index: at, Scale: 1, Disp: 4 * part * s.lanes()}
}

// load reads a vector, 0 in the lanes that are not in tail.
func (s *isa) load(from Mem, tail Register) VecVirtual {
	v := s.vec()
	switch {
	case tail == nil:
		VMOVUPS(from, v)
	case s.zmm:
		VMOVUPS_Z(from, tail, v)
	default:
		VMASKMOVPS(from, tail, v)
	}
	return v
}

func (s *isa) store(v VecVirtual, to Mem, tail Register) {
	switch {
	case tail == nil:
		VMOVUPS(v, to)
	case s.zmm:
		VMOVUPS(v, tail, to)
	default:
		VMASKMOVPS(v, tail, to)
	}
}

// keep makes the lanes that are not in tail 0.
func (s *isa) keep(v VecVirtual, tail Register) {
	switch {
	case tail == nil:
	case s.zmm:
		VMOVAPS_Z(v, tail, v)
	default:
		VANDPS(tail, v, v)
	}
}

// one is a function of one operand, element by element.
func (s *isa) one(name, doc string, f func(x VecVirtual) VecVirtual) {
	s.begin(name, "y, x *float32, n uintptr", doc)
	y, x, n := arg("y"), arg("x"), arg("n")
	s.loop(n, s.tails(n), func(at Register, part int, tail Register) {
		s.store(f(s.load(s.mem(x, at, part), tail)), s.mem(y, at, part), tail)
	})
	VZEROUPPER()
	RET()
}

// two is a gradient of one of them.
func (s *isa) two(name, doc string, f func(dy, x VecVirtual) VecVirtual) {
	s.begin(name, "dx, dy, x *float32, n uintptr", doc)
	dx, dy, x, n := arg("dx"), arg("dy"), arg("x"), arg("n")
	s.loop(n, s.tails(n), func(at Register, part int, tail Register) {
		d := s.load(s.mem(dy, at, part), tail)
		s.store(f(d, s.load(s.mem(x, at, part), tail)), s.mem(dx, at, part), tail)
	})
	VZEROUPPER()
	RET()
}
