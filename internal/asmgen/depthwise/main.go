// Command depthwise writes the amd64 kernels of package depthwise of the CPU
// backend. It is run by go generate there, once for each -isa.
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
	isa := flag.String("isa", "", "instruction set: avx2 or avx512vnni")
	flag.Parse()
	ConstraintExpr("amd64,!purego")
	switch *isa {
	case "avx2":
		pairs()
	case "avx512vnni":
		for _, v := range []vector{{64, Z0}, {32, Y0}, {16, X0}} {
			v.taps(false)
			v.three(false)
			v.taps(true)
			v.three(true)
		}
	default:
		fmt.Fprintf(os.Stderr, "depthwise: no instruction set %q\n", *isa)
		os.Exit(2)
	}
	Generate()
}

func arg(name string) Register { return Load(Param(name), GP64()) }

// vector is a width of vectors: bytes, which are as many channels.
type vector struct {
	bytes int
	first VecPhysical
}

// reg returns physical vector i.
func (v vector) reg(i int) VecPhysical {
	id := []VecPhysical{
		Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z8, Z9, Z10, Z11, Z12, Z13, Z14, Z15,
		Z16, Z17, Z18, Z19, Z20, Z21, Z22, Z23, Z24, Z25, Z26, Z27, Z28, Z29, Z30, Z31,
	}[i]
	switch v.bytes {
	case 64:
		return id
	case 32:
		return id.AsY().(VecPhysical)
	}
	return id.AsX().(VecPhysical)
}

// Registers of vectors: sums, codes of four taps, and what interleaving makes
// of them. Those behind hold weights.
const (
	sums  = 0
	input = 4
	mixed = 8
	quads = 12
	zero  = 16
	after = 17
	flip  = 18
	kept  = 20
)

// four adds the products of four taps, whose codes are in registers, with
// four vectors of weights. Interleaved, the codes of a channel are one 32-bit
// lane; each 128-bit lane has its channels by fours in the four vectors.
func (v vector) four(single bool, weights func(k int) Op) {
	r := v.reg
	if single { // One tap; the others are zero.
		VPUNPCKLBW(r(zero), r(input), r(mixed))
		VPUNPCKHBW(r(zero), r(input), r(mixed+1))
		for i := range 2 {
			VPUNPCKLWD(r(zero), r(mixed+i), r(quads+2*i))
			VPUNPCKHWD(r(zero), r(mixed+i), r(quads+2*i+1))
		}
	} else {
		for i := range 2 {
			VPUNPCKLBW(r(input+2*i+1), r(input+2*i), r(mixed+i))
			VPUNPCKHBW(r(input+2*i+1), r(input+2*i), r(mixed+2+i))
		}
		for i := range 2 {
			VPUNPCKLWD(r(mixed+2*i+1), r(mixed+2*i), r(quads+2*i))
			VPUNPCKHWD(r(mixed+2*i+1), r(mixed+2*i), r(quads+2*i+1))
		}
	}
	for k := range 4 {
		VPDPBUSD(weights(k), r(quads+k), r(sums+k))
	}
}

func (v vector) clear(i int) { VPXORD(v.reg(i), v.reg(i), v.reg(i)) }

// store sorts the sums by channel and stores them at acc.
func (v vector) store(acc Register) {
	r := v.reg
	out := [4]int{sums, sums + 1, sums + 2, sums + 3}
	switch v.bytes {
	case 64:
		for i, half := range []uint8{0x88, 0xdd} { // Lanes 0 and 2, lanes 1 and 3.
			VSHUFI32X4(U8(half), r(sums+1), r(sums), r(mixed+i))
			VSHUFI32X4(U8(half), r(sums+3), r(sums+2), r(mixed+2+i))
		}
		for i, half := range []uint8{0x88, 0xdd} {
			VSHUFI32X4(U8(half), r(mixed+2), r(mixed), r(quads+2*i))
			VSHUFI32X4(U8(half), r(mixed+3), r(mixed+1), r(quads+2*i+1))
		}
		out = [4]int{quads, quads + 1, quads + 2, quads + 3}
	case 32:
		for i, half := range []uint8{0x20, 0x31} {
			VPERM2I128(U8(half), r(sums+1), r(sums), r(mixed+2*i))
			VPERM2I128(U8(half), r(sums+3), r(sums+2), r(mixed+2*i+1))
		}
		out = [4]int{mixed, mixed + 1, mixed + 2, mixed + 3}
	}
	for i, o := range out {
		VMOVDQU32(r(o), Mem{Base: acc, Disp: v.bytes * i})
	}
}

const layout = "Weights are, for each four taps, four vectors: in 128-bit lane l of vector k, the taps of channels 16*l+4*k to 16*l+4*k+3."

// codesArgs replace acc of the kernels that make codes.
const codesArgs = "dst *byte, ldd uintptr, add *int32, m *float32, p *[4]uint32, mask uint64)"

// result returns what the kernels of codes, or of sums, add to their name, and
// their last arguments.
func result(codes bool) (suffix, args string) {
	if codes {
		return "Codes", codesArgs
	}
	return "", "acc *int32)"
}

// taps writes the kernel for any number of taps.
func (v vector) taps(codes bool) {
	suffix, args := result(codes)
	name := fmt.Sprintf("taps%s%dAVX512VNNI", suffix, v.bytes)
	TEXT(name, NOSPLIT, "func(pixels, fours uintptr, x *byte, stride uintptr, offsets *int, w *byte, "+args)
	Doc(fmt.Sprintf("%s sums the products of fours times four taps and weights, of %d channels, for pixels that are", name, v.bytes),
		"stride bytes apart, at least one of each.", layout)
	Pragma("noescape")
	pixels, x, stride, out := arg("pixels"), arg("x"), arg("stride"), v.output(codes)
	Label("pixel")
	n, offsets, w := arg("fours"), arg("offsets"), arg("w")
	for k := range 4 {
		v.clear(sums + k)
	}
	Label("four")
	for i := range 4 {
		at := GP64()
		MOVQ(Mem{Base: offsets, Disp: 8 * i}, at)
		VMOVDQU8(Mem{Base: x, Index: at, Scale: 1}, v.reg(input+i))
	}
	v.four(false, func(k int) Op { return Mem{Base: w, Disp: v.bytes * k} })
	ADDQ(U8(32), offsets)
	ADDQ(I32(int32(4*v.bytes)), w)
	DECQ(n)
	JNE(LabelRef("four"))
	v.next(pixels, x, stride, out)
}

// output writes what the sums of a pixel become.
func (v vector) output(codes bool) func() {
	if !codes {
		acc := arg("acc")
		return func() {
			v.store(acc)
			ADDQ(I32(int32(4*v.bytes)), acc)
		}
	}
	dst, ldd, add, m, p, mask := arg("dst"), arg("ldd"), arg("add"), arg("m"), arg("p"), arg("mask")
	KMOVQ(mask, K1)
	r := v.reg
	VPBROADCASTW(Mem{Base: p}, r(after))
	VPBROADCASTB(Mem{Base: p, Disp: 4}, r(flip))
	least, most := r(mixed), r(mixed+1)
	return func() {
		VPBROADCASTB(Mem{Base: p, Disp: 8}, least)
		VPBROADCASTB(Mem{Base: p, Disp: 12}, most)
		for k := range 4 {
			x := r(sums + k)
			VPADDD(Mem{Base: add, Disp: v.bytes * k}, x, x)
			VCVTDQ2PS(x, x)
			VMULPS(Mem{Base: m, Disp: v.bytes * k}, x, x)
			VCVTPS2DQ(x, x)
		}
		// Packing lane by lane undoes what interleaving did.
		for k := range 2 {
			VPACKSSDW(r(sums+2*k+1), r(sums+2*k), r(quads+k))
			VPADDSW(r(after), r(quads+k), r(quads+k))
		}
		y := r(quads)
		VPACKUSWB(r(quads+1), y, y)
		VPMAXUB(least, y, y)
		VPMINUB(most, y, y)
		VPXORD(r(flip), y, y)
		VMOVDQU8(y, K1, Mem{Base: dst})
		ADDQ(ldd, dst)
	}
}

func (v vector) next(pixels, x, stride Register, output func()) {
	output()
	ADDQ(stride, x)
	DECQ(pixels)
	JNE(LabelRef("pixel"))
	VZEROUPPER()
	RET()
}

// three writes the kernel for three rows of three taps, whose weights stay in
// registers.
func (v vector) three(codes bool) {
	suffix, args := result(codes)
	name := fmt.Sprintf("three%s%dAVX512VNNI", suffix, v.bytes)
	TEXT(name, NOSPLIT, "func(pixels uintptr, x *byte, stride, step, line uintptr, w *byte, "+args)
	Doc(fmt.Sprintf("%s is taps%s%dAVX512VNNI for taps that are step bytes apart in lines line bytes apart, three of three.", name, suffix, v.bytes))
	Pragma("noescape")
	pixels, x, stride, step, line, w := arg("pixels"), arg("x"), arg("stride"), arg("step"), arg("line"), arg("w")
	for k := range 12 {
		VMOVDQU8(Mem{Base: w, Disp: v.bytes * k}, v.reg(kept+k))
	}
	v.clear(zero)
	out := v.output(codes)
	Label("pixel")
	r1, r2 := GP64(), GP64()
	LEAQ(Mem{Base: x, Index: line, Scale: 1}, r1)
	LEAQ(Mem{Base: x, Index: line, Scale: 2}, r2)
	for k := range 4 {
		v.clear(sums + k)
	}
	tap := 0
	for _, row := range []Register{x, r1, r2} {
		for b := range 3 {
			m := Mem{Base: row}
			if b > 0 {
				m.Index, m.Scale = step, uint8(b)
			}
			VMOVDQU8(m, v.reg(input+tap%4))
			if tap%4 == 3 || tap == 8 {
				v.four(tap == 8, func(k int) Op { return v.reg(kept + tap/4*4 + k) })
			}
			tap++
		}
	}
	v.next(pixels, x, stride, out)
}

// pairs writes the kernel of AVX2, for 16 channels.
func pairs() {
	TEXT("tapsAVX2", NOSPLIT, "func(pixels, pairs uintptr, x *byte, stride uintptr, offsets *int, w *byte, acc *int32)")
	Doc("tapsAVX2 sums the products of pairs of taps and weights, of 16 channels, for pixels that are stride bytes",
		"apart, at least one of each. Weights are 16 bits, the two of a pair side by side.")
	Pragma("noescape")
	pixels, x, stride, acc := arg("pixels"), arg("x"), arg("stride"), arg("acc")
	Label("pixel")
	n, offsets, w := arg("pairs"), arg("offsets"), arg("w")
	VPXOR(Y0, Y0, Y0)
	VPXOR(Y1, Y1, Y1)
	Label("pair")
	a, b := GP64(), GP64()
	MOVQ(Mem{Base: offsets}, a)
	MOVQ(Mem{Base: offsets, Disp: 8}, b)
	VMOVDQU(Mem{Base: x, Index: a, Scale: 1}, X2)
	VMOVDQU(Mem{Base: x, Index: b, Scale: 1}, X3)
	VPUNPCKLBW(X3, X2, X4)
	VPUNPCKHBW(X3, X2, X5)
	VPMOVZXBW(X4, Y4)
	VPMOVZXBW(X5, Y5)
	VPMADDWD(Mem{Base: w}, Y4, Y4)
	VPMADDWD(Mem{Base: w, Disp: 32}, Y5, Y5)
	VPADDD(Y4, Y0, Y0)
	VPADDD(Y5, Y1, Y1)
	ADDQ(U8(16), offsets)
	ADDQ(U8(64), w)
	DECQ(n)
	JNE(LabelRef("pair"))
	VMOVDQU(Y0, Mem{Base: acc})
	VMOVDQU(Y1, Mem{Base: acc, Disp: 32})
	ADDQ(stride, x)
	ADDQ(U8(64), acc)
	DECQ(pixels)
	JNE(LabelRef("pixel"))
	VZEROUPPER()
	RET()
}
