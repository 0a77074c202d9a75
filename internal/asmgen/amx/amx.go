// Package amx writes the tile instructions of AMX, which neither avo nor the
// Go assembler knows, as bytes. Source of the encodings: Intel 64 and IA-32
// Architectures Software Developer's Manual, volume 2, all
// VEX.128.*.0F38.W0.
package amx

import (
	"fmt"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Tile is a tile register, 0 to 7.
type Tile int

// Mem is the memory at Base + Disp. Tiles are read and written by rows, Stride
// bytes apart; configurations have no Stride.
type Mem struct {
	Base, Stride reg.GPPhysical
	Disp         int
}

// Mandatory prefixes, as the field pp of VEX holds them.
const (
	none = iota
	x66
	xF3
	xF2
)

// vex returns the three bytes of VEX for the map 0F38 and W0, and the opcode.
// r, x and b extend the fields of ModRM and SIB, vvvv is a register.
func vex(pp, vvvv int, r, x, b bool, opcode byte) []byte {
	inverted := byte(0xE0)
	for i, set := range []bool{b, x, r} {
		if set {
			inverted &^= 0x20 << i
		}
	}
	return []byte{0xC4, inverted | 2, byte(^vvvv&15)<<3 | byte(pp), opcode}
}

// number returns the number of a general register, 0 to 15.
func number(r reg.GPPhysical) int { return int(r.PhysicalIndex()) }

// memory encodes an instruction with a memory operand; field is the middle
// field of ModRM.
func memory(pp int, opcode byte, field int, m Mem) []byte {
	base := number(m.Base)
	rm, x := base&7, false
	var sib []byte
	switch {
	case m.Stride != nil:
		index := number(m.Stride)
		if index == 4 {
			panic("amx: RSP is no index")
		}
		rm, x = 4, index > 7
		sib = []byte{byte(index&7<<3 | base&7)}
	case base&7 == 4: // RSP and R12 need a SIB, with no index.
		sib = []byte{byte(4<<3 | base&7)}
	}
	out := vex(pp, 0, false, x, base > 7, opcode)
	var disp []byte
	mod := 0
	switch {
	case m.Disp == 0 && base&7 != 5: // RBP and R13 have no form without one.
	case m.Disp >= -128 && m.Disp < 128:
		mod, disp = 1, []byte{byte(m.Disp)}
	default:
		mod, disp = 2, []byte{byte(m.Disp), byte(m.Disp >> 8), byte(m.Disp >> 16), byte(m.Disp >> 24)}
	}
	out = append(out, byte(mod<<6|field<<3|rm))
	return append(append(out, sib...), disp...)
}

// tiles encodes an instruction of tiles alone.
func tiles(pp int, opcode byte, field, rm, vvvv Tile) []byte {
	return append(vex(pp, int(vvvv), false, false, false, opcode), byte(0xC0|field<<3|rm))
}

func emit(text string, code []byte) {
	build.Comment(text)
	for _, v := range code {
		build.Instruction(&ir.Instruction{Opcode: "BYTE", Operands: []operand.Op{operand.U8(v)}})
	}
}

func (m Mem) String() string {
	s := m.Base.Asm()
	if m.Disp != 0 {
		s = fmt.Sprintf("%s%+d", s, m.Disp)
	}
	if m.Stride != nil {
		s += ", rows " + m.Stride.Asm() + " apart"
	}
	return "[" + s + "]"
}

func loadConfig(m Mem) []byte       { return memory(none, 0x49, 0, m) }
func storeConfig(m Mem) []byte      { return memory(x66, 0x49, 0, m) }
func release() []byte               { return tiles(none, 0x49, 0, 0, 0) }
func zero(t Tile) []byte            { return tiles(xF2, 0x49, t, 0, 0) }
func load(t Tile, m Mem) []byte     { return memory(xF2, 0x4B, int(t), m) }
func loadT1(t Tile, m Mem) []byte   { return memory(x66, 0x4B, int(t), m) }
func store(m Mem, t Tile) []byte    { return memory(xF3, 0x4B, int(t), m) }
func dotSS(acc, a, b Tile) []byte   { return tiles(xF2, 0x5E, acc, a, b) }
func dotSU(acc, a, b Tile) []byte   { return tiles(xF3, 0x5E, acc, a, b) }
func dotUS(acc, a, b Tile) []byte   { return tiles(x66, 0x5E, acc, a, b) }
func dotUU(acc, a, b Tile) []byte   { return tiles(none, 0x5E, acc, a, b) }
func dotBF16(acc, a, b Tile) []byte { return tiles(xF3, 0x5C, acc, a, b) }
func name(op string, t ...Tile) string {
	for i, v := range t {
		if i > 0 {
			op += ","
		}
		op += fmt.Sprintf(" TMM%d", v)
	}
	return op
}

// LDTILECFG loads the 64 bytes of a configuration and zeroes all tiles.
func LDTILECFG(m Mem) { emit("LDTILECFG "+m.String(), loadConfig(m)) }

// STTILECFG stores the configuration.
func STTILECFG(m Mem) { emit("STTILECFG "+m.String(), storeConfig(m)) }

// TILERELEASE ends the use of tiles.
func TILERELEASE() { emit("TILERELEASE", release()) }

// TILEZERO zeroes a tile.
func TILEZERO(t Tile) { emit(name("TILEZERO", t), zero(t)) }

// TILELOADD loads a tile.
func TILELOADD(t Tile, m Mem) { emit(name("TILELOADD", t)+" from "+m.String(), load(t, m)) }

// TILELOADDT1 loads a tile that is not read again soon.
func TILELOADDT1(t Tile, m Mem) { emit(name("TILELOADDT1", t)+" from "+m.String(), loadT1(t, m)) }

// TILESTORED stores a tile.
func TILESTORED(m Mem, t Tile) { emit(name("TILESTORED", t)+" to "+m.String(), store(m, t)) }

// TDPBSSD adds to the int32 of acc the products of int8 of a and int8 of b.
func TDPBSSD(acc, a, b Tile) { emit(name("TDPBSSD", acc, a, b), dotSS(acc, a, b)) }

// TDPBSUD adds to the int32 of acc the products of int8 of a and uint8 of b.
func TDPBSUD(acc, a, b Tile) { emit(name("TDPBSUD", acc, a, b), dotSU(acc, a, b)) }

// TDPBUSD adds to the int32 of acc the products of uint8 of a and int8 of b.
func TDPBUSD(acc, a, b Tile) { emit(name("TDPBUSD", acc, a, b), dotUS(acc, a, b)) }

// TDPBUUD adds to the int32 of acc the products of uint8 of a and of b.
func TDPBUUD(acc, a, b Tile) { emit(name("TDPBUUD", acc, a, b), dotUU(acc, a, b)) }

// TDPBF16PS adds to the float32 of acc the products of bfloat16 of a and b.
func TDPBF16PS(acc, a, b Tile) { emit(name("TDPBF16PS", acc, a, b), dotBF16(acc, a, b)) }
