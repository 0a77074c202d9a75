package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/goqat/goqat/internal/asmgen/amx"
)

// peaks writes loops that keep the arithmetic units of an instruction set
// busy and do nothing else: sums that do not depend on each other, operands in
// registers.
func peaks() {
	zmm, ymm := isa{zmm: true}, isa{}
	peak("fmaAVX2", ymm, 12, func(x, y, acc, _ VecPhysical) { VFMADD231PS(x, y, acc) })
	peak("fmaAVX512", zmm, 24, func(x, y, acc, _ VecPhysical) { VFMADD231PS(x, y, acc) })
	words := func(x, y, acc, t VecPhysical) {
		VPMADDWD(x, y, t)
		VPADDD(t, acc, acc)
	}
	peak("wordsAVX2", ymm, 10, words)
	peak("wordsAVX512", zmm, 20, words)
	peak("bytesAVXVNNI", ymm, 12, func(x, y, acc, _ VecPhysical) { dotVEX(x, y, acc) })
	peak("bytesAVX512VNNI", zmm, 24, func(x, y, acc, _ VecPhysical) { VPDPBUSD(x, y, acc) })
	peak("pairsAVX512BF16", zmm, 24, func(x, y, acc, _ VecPhysical) { dotPairs(x, y, acc) })
	tilePeak("bytesAMX", amx.TDPBUSD)
	tilePeak("pairsAMX", amx.TDPBF16PS)
}

// peak writes the loop of n sums a round.
func peak(name string, s isa, n int, step func(x, y, acc, t VecPhysical)) {
	TEXT(name, NOSPLIT, "func(rounds uintptr)")
	Doc(fmt.Sprintf("%s makes rounds of %d sums.", name, n))
	Load(Param("rounds"), RCX)
	for i := range s.registers() {
		s.zero(s.vec(i))
	}
	x, y := s.vec(n), s.vec(n+1)
	temps := s.registers() - n - 2
	Label("loop")
	for i := range n {
		step(x, y, s.vec(i), s.vec(n+2+i%max(temps, 1)))
	}
	SUBQ(Imm(1), RCX)
	JNE(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// tilePeak writes the loop of four products of full tiles a round.
func tilePeak(name string, dot func(acc, a, b amx.Tile)) {
	TEXT(name, NOSPLIT, "func(rounds uintptr)")
	Doc(name + " makes rounds of 4 products of tiles.")
	config := AllocLocal(64)
	Load(Param("rounds"), RCX)
	XORL(EAX, EAX)
	for i := range 8 {
		MOVQ(RAX, config.Offset(8*i))
	}
	MOVB(U8(1), config) // palette
	for t := range 8 {
		MOVB(U8(64), config.Offset(16+2*t))
		MOVB(U8(16), config.Offset(48+t))
	}
	LEAQ(config, RAX)
	amx.LDTILECFG(amx.Mem{Base: RAX})
	Label("loop")
	for r := range 2 {
		for c := range 2 {
			dot(sum00+amx.Tile(2*r+c), rows0+amx.Tile(r), cols0+amx.Tile(c))
		}
	}
	SUBQ(Imm(1), RCX)
	JNE(LabelRef("loop"))
	amx.TILERELEASE()
	RET()
}
