// Command codes writes the amd64 loops of package codes of the CPU backend.
// It is run by go generate there, once for each -isa.
package main

import (
	"flag"
	"fmt"
	"os"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func main() {
	name := flag.String("isa", "", "instruction set: avx2 or avx512")
	group := flag.String("group", "elements", "loops to write: elements, blocks of sums, pairs of tensors, pools, bfloat16, or lookups (avx512 only)")
	flag.Parse()
	ConstraintExpr("amd64,!purego")
	var s isa
	switch *name {
	case "avx2":
	case "avx512":
		s.zmm = true
	default:
		fmt.Fprintf(os.Stderr, "codes: no instruction set %q\n", *name)
		os.Exit(2)
	}
	switch *group {
	case "elements":
		s.elements()
	case "blocks":
		s.requantizeBlock()
		s.requantizeBlockSmall()
		s.requantizeBlockFixed(true)
		s.requantizeBlockFixed(false)
		s.dequantizeBlock()
		s.dequantizeMoments()
		s.dequantizeEnds()
	case "pairs":
		for _, product := range []bool{false, true} {
			s.pair(product, true)
			s.pair(product, false)
		}
	case "pools":
		s.largest("Int8", true)
		s.largest("Uint8", false)
	case "bfloat16":
		s.expandBF16()
		s.roundBF16()
	case "lookups":
		s.lookup()
	default:
		fmt.Fprintf(os.Stderr, "codes: no group %q\n", *group)
		os.Exit(2)
	}
	Generate()
}

func (s isa) elements() {
	s.requantize()
	s.requantizeFixed(true)
	s.requantizeFixed(false)
	for _, divide := range []bool{true, false} {
		for _, away := range []bool{false, true} {
			s.quantize(divide, away, toCodes)
			s.quantize(divide, away, toReals)
			s.quantize(divide, away, activationToCodes)
			s.lsqGrad(divide, away)
		}
	}
	s.steGrad()
	s.dequantizeSums()
	s.dequantizeCodes("Int8", true)
	s.dequantizeCodes("Uint8", false)
	s.affine()
	s.normGrad()
	s.extremes()
	s.moments()
	s.products()
	s.clamp()
	s.clampGrad()
	s.sgd("Plain")
	s.sgd("Momentum")
	s.sgd("Nesterov")
	s.adam()
}

// isa is a width of vectors.
type isa struct{ zmm bool }

func (s isa) lanes() int {
	if s.zmm {
		return 16
	}
	return 8
}

func (s isa) bytes() int { return 4 * s.lanes() }

func (s isa) vec() VecVirtual {
	if s.zmm {
		return ZMM()
	}
	return YMM()
}

// begin starts a function; doc follows its name.
func (s isa) begin(name, args, doc string) {
	suffix, count := "AVX2", "n is a multiple of 8."
	if s.zmm {
		suffix, count = "AVX512", "n is any number."
	}
	TEXT(name+suffix, NOSPLIT, "func("+args+")")
	Doc(name + suffix + " " + doc + "; " + count)
	Pragma("noescape")
}

func arg(name string) Register { return Load(Param(name), GP64()) }

// field returns a 4-byte field of the parameters, in all lanes.
func (s isa) field(p Register, at int) VecVirtual {
	v := s.vec()
	VBROADCASTSS(Mem{Base: p, Disp: at}, v)
	return v
}

// constant returns bits in all lanes.
func (s isa) constant(bits uint32) VecVirtual {
	v, x, r := s.vec(), XMM(), GP32()
	MOVL(U32(bits), r)
	VMOVD(r, x)
	VPBROADCASTD(x, v)
	return v
}

func (s isa) clear() VecVirtual {
	v := s.vec()
	if s.zmm {
		VPXORD(v, v, v)
	} else {
		VPXOR(v, v, v)
	}
	return v
}

// loop calls body for each vector of n elements. tail is nil, or the lanes of
// the incomplete vector at the end; there is none with YMM.
func (s isa) loop(n Register, body func(tail Register)) {
	Label("loop")
	CMPQ(n, U8(uint8(s.lanes())))
	JLT(LabelRef("tail"))
	body(nil)
	SUBQ(U8(uint8(s.lanes())), n)
	JMP(LabelRef("loop"))
	Label("tail")
	if !s.zmm {
		return
	}
	TESTQ(n, n)
	JE(LabelRef("done"))
	ones, k := GP32(), K()
	MOVQ(n, RCX)
	MOVL(U32(1), ones)
	SHLL(CL, ones)
	DECL(ones)
	KMOVW(ones, k)
	body(k)
	Label("done")
}

func (s isa) load(from Mem, tail Register) VecVirtual {
	v := s.vec()
	if tail != nil {
		VMOVUPS_Z(from, tail, v)
	} else {
		VMOVUPS(from, v)
	}
	return v
}

func (s isa) store(v VecVirtual, to Mem, tail Register) {
	if tail != nil {
		VMOVUPS(v, tail, to)
	} else {
		VMOVUPS(v, to)
	}
}

// storeBeyond is store past the caches where stream is not 0; the memory is
// then aligned to the vector.
func (s isa) storeBeyond(v VecVirtual, to Mem, stream, tail Register) {
	if tail != nil {
		s.store(v, to, tail)
		return
	}
	TESTQ(stream, stream)
	JNE(LabelRef("beyond"))
	s.store(v, to, nil)
	JMP(LabelRef("stored"))
	Label("beyond")
	VMOVNTPS(v, to)
	Label("stored")
}

// columns walks the channels of a row over and over. Arrays of columns go on,
// past the last channel, with the first ones.
type columns struct {
	s                 isa
	at, step, channel Register
}

func (s isa) columns() columns {
	c := columns{s: s, at: GP64(), step: arg("step"), channel: arg("channels")}
	XORQ(c.at, c.at)
	return c
}

func (c columns) of(base Register) Mem { return Mem{Base: base, Index: c.at, Scale: 4} }

func (c columns) next() {
	t := GP64()
	ADDQ(c.step, c.at)
	MOVQ(c.at, t)
	SUBQ(c.channel, t)
	CMOVQGE(t, c.at)
}

// storeBytes stores the low byte of each lane.
func (s isa) storeBytes(v, low VecVirtual, to Register, tail Register) {
	x := XMM()
	if s.zmm {
		VPMOVDB(v, x)
		if tail != nil {
			VMOVDQU8(x, tail, Mem{Base: to})
		} else {
			VMOVDQU8(x, Mem{Base: to})
		}
		return
	}
	VPAND(low, v, v)
	VEXTRACTI128(U8(1), v, x)
	VPACKUSDW(x, v.AsX(), x)
	VPACKUSWB(x, x, x)
	VMOVQ(x, Mem{Base: to})
}

// storeBits stores bits unless mask is nil. Of an incomplete vector it stores
// the bytes that hold elements.
func (s isa) storeBits(name string, bits, mask, n, tail Register) {
	skip := name + "skip"
	if tail != nil {
		skip += "tail"
	}
	TESTQ(mask, mask)
	JE(LabelRef(skip))
	switch b := bits.(GPVirtual); {
	case !s.zmm:
		MOVB(b.As8(), Mem{Base: mask})
		INCQ(mask)
	case tail == nil:
		MOVW(b.As16(), Mem{Base: mask})
		ADDQ(U8(2), mask)
	default:
		MOVB(b.As8(), Mem{Base: mask})
		CMPQ(n, U8(8))
		JLE(LabelRef(skip))
		SHRL(U8(8), b.As32())
		MOVB(b.As8(), Mem{Base: mask, Disp: 1})
	}
	Label(skip)
}
