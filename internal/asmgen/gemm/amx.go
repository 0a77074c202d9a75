package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/goqat/goqat/internal/asmgen/amx"
)

// tileDot is a product of tiles: how its operands are laid out and its
// instruction.
type tileDot struct {
	dtype      string // in the names of kernels
	a, b, c    string // Go types
	blocks     bool   // parts of the inner dimension have places in A and B, in elements of 4 bytes; otherwise in A, in bytes
	dot        func(acc, a, b amx.Tile)
	doc, parts string
}

var (
	bytesDoc = "A is %s and B int8 in panels of 16 columns, four rows of W together."
	partsDoc = "offsets are those of the count parts of a row of A, in bytes; part is the bytes of one in a panel of B."
)

func amxKernels() {
	for _, d := range []tileDot{
		{dtype: "U8", a: "byte", b: "byte", c: "int32", dot: amx.TDPBUSD, doc: fmt.Sprintf(bytesDoc, "uint8"), parts: partsDoc},
		{dtype: "S8", a: "byte", b: "byte", c: "int32", dot: amx.TDPBSSD, doc: fmt.Sprintf(bytesDoc, "int8"), parts: partsDoc},
		{dtype: "BF16", a: "uint32", b: "uint32", c: "float32", blocks: true, dot: amx.TDPBF16PS, doc: "A and B are pairs of bfloat16.",
			parts: "offsets are those of the count parts of A and of B, in pairs."},
	} {
		for _, rows := range []int{2, 1} {
			for _, cols := range []int{2, 1} {
				amxTile(d, rows, cols)
			}
		}
	}
}

// Registers of AMX kernels.
var (
	tileA0   = RSI // the chunk of the first tile of rows
	tileA1   = R8  // of the second
	tileRS   = R9  // bytes from row to row of A
	tileB0   = RDI // the chunk of the first tile of columns
	tileB1   = R11 // of the second
	tileBS   = R10 // bytes from row to row of B
	tileStep = RAX // bytes of a chunk of B, 16 rows
	tileC0   = RDX
	tileC1   = R15
	tileLDC  = R12
	tileAt   = RBX // the offsets of the present part
	tileLeft = R13 // parts
	tilePart = R14 // B of the present part
	tileTemp = RCX
)

// Tiles of AMX kernels.
const (
	sum00 amx.Tile = iota
	sum01
	sum10
	sum11
	rows0
	rows1
	cols0
	cols1
)

// amxTile writes the kernel of rows x cols tiles of sums. Everything from
// LDTILECFG to TILERELEASE is in it: as it is NOSPLIT assembly, the runtime
// never moves the goroutine to another thread in between, and no other code
// runs on the tiles.
func amxTile(d tileDot, rows, cols int) {
	name := fmt.Sprintf("gemm%sTile%dx%dAMX", d.dtype, 16*rows, 16*cols)
	part := ", part"
	if d.blocks {
		part = ""
	}
	TEXT(name, NOSPLIT, fmt.Sprintf("func(sums, rowsFull, bytesFull, rowsRest, bytesRest uint64, passes uintptr, a *%s, rsA, jumpA, nextA uintptr, offsets *int, count uintptr, "+
		"b *%s, rsB, jumpB%s, full, rest uintptr, c *%s, ldc, jumpC, nextC uintptr, add uintptr)", d.a, d.b, part, d.c))
	Pragma("noescape")
	Doc(fmt.Sprintf("%s computes tiles of up to %d x %d sums, passes of them. %s", name, 16*rows, 16*cols, d.doc),
		d.parts,
		"A part is full chunks of 64 bytes of a row of A and, when rest is not 0, a shorter one.",
		"The first five are the sizes of the tiles, see tileShape. jump leads to the second tile, next to the next pass, in bytes",
		"as all strides. With add the sums are added to c. passes, count and full + rest are at least 1.")
	passA, passC, passes, load := AllocLocal(8), AllocLocal(8), AllocLocal(8), AllocLocal(8)
	config := AllocLocal(64)
	param := func(name string) Mem { return NewParamAddr(name, paramOffset(d, name)) }

	Load(Param("rsA"), tileRS)
	Load(Param("rsB"), tileBS)
	Load(Param("ldc"), tileLDC)
	MOVQ(tileBS, tileStep)
	SHLQ(Imm(4), tileStep)
	MOVQ(param("add"), tileTemp)
	MOVQ(tileTemp, load)
	XORL(ECX, ECX)
	for i := range 8 {
		MOVQ(tileTemp, config.Offset(8*i))
	}
	MOVB(U8(1), config) // palette
	MOVQ(param("sums"), tileTemp)
	MOVQ(tileTemp, config.Offset(16))

	a := func(t int) amx.Mem { return amx.Mem{Base: []GPPhysical{tileA0, tileA1}[t], Stride: tileRS} }
	b := func(t int) amx.Mem { return amx.Mem{Base: []GPPhysical{tileB0, tileB1}[t], Stride: tileBS} }
	sums := func(f func(t amx.Tile, m amx.Mem)) {
		for r := range rows {
			for c := range cols {
				f(sum00+amx.Tile(2*r+c), amx.Mem{Base: []GPPhysical{tileC0, tileC1}[r], Stride: tileLDC, Disp: 64 * c})
			}
		}
	}
	phase := func(which string, rest int) {
		label := func(s string) string { return s + "_" + which }
		MOVQ(param(which), tileTemp)
		TESTQ(tileTemp, tileTemp)
		JEQ(LabelRef(label("done")))
		MOVQ(param([]string{"bytesFull", "bytesRest"}[rest]), tileTemp)
		MOVQ(tileTemp, config.Offset(24))
		MOVQ(param([]string{"rowsFull", "rowsRest"}[rest]), tileTemp)
		MOVQ(tileTemp, config.Offset(48))
		LEAQ(config, tileTemp)
		amx.LDTILECFG(amx.Mem{Base: tileTemp})
		for _, v := range []struct{ from, to Mem }{{param("a"), passA}, {param("c"), passC}, {param("passes"), passes}} {
			MOVQ(v.from, tileTemp)
			MOVQ(tileTemp, v.to)
		}

		Label(label("pass"))
		MOVQ(passC, tileC0)
		if rows == 2 {
			MOVQ(tileC0, tileC1)
			ADDQ(param("jumpC"), tileC1)
		}
		CMPQ(load, Imm(0))
		JNE(LabelRef(label("load")))
		sums(func(t amx.Tile, _ amx.Mem) { amx.TILEZERO(t) })
		JMP(LabelRef(label("start")))
		Label(label("load"))
		sums(amx.TILELOADD)
		Label(label("start"))
		MOVQ(param("offsets"), tileAt)
		MOVQ(param("count"), tileLeft)
		if !d.blocks {
			MOVQ(param("b"), tilePart)
		}

		Label(label("part"))
		MOVQ(Mem{Base: tileAt}, tileA0)
		if d.blocks {
			MOVQ(Mem{Base: tileAt, Disp: 8}, tileB0)
			SHLQ(Imm(2), tileA0)
			SHLQ(Imm(2), tileB0)
			ADDQ(param("b"), tileB0)
			ADDQ(Imm(16), tileAt)
		} else {
			MOVQ(tilePart, tileB0)
			ADDQ(param("part"), tilePart)
			ADDQ(Imm(8), tileAt)
		}
		ADDQ(passA, tileA0)
		MOVQ(param("full"), tileTemp)
		if rest == 1 { // It is behind the full chunks.
			MOVQ(tileTemp, tileB1)
			IMULQ(tileStep, tileB1)
			ADDQ(tileB1, tileB0)
			SHLQ(Imm(6), tileTemp)
			ADDQ(tileTemp, tileA0)
		}
		if rows == 2 {
			MOVQ(tileA0, tileA1)
			ADDQ(param("jumpA"), tileA1)
		}
		if cols == 2 {
			MOVQ(tileB0, tileB1)
			ADDQ(param("jumpB"), tileB1)
		}
		if rest == 0 {
			Label(label("chunk"))
		}
		// Passes meet the same columns, which stay in the first-level cache;
		// a row is read once.
		amx.TILELOADD(cols0, b(0))
		amx.TILELOADDT1(rows0, a(0))
		d.dot(sum00, rows0, cols0)
		if rows == 2 {
			amx.TILELOADDT1(rows1, a(1))
			d.dot(sum10, rows1, cols0)
		}
		if cols == 2 {
			amx.TILELOADD(cols1, b(1))
			d.dot(sum01, rows0, cols1)
			if rows == 2 {
				d.dot(sum11, rows1, cols1)
			}
		}
		if rest == 0 {
			ADDQ(Imm(64), tileA0)
			ADDQ(tileStep, tileB0)
			if rows == 2 {
				ADDQ(Imm(64), tileA1)
			}
			if cols == 2 {
				ADDQ(tileStep, tileB1)
			}
			SUBQ(Imm(1), tileTemp)
			JNE(LabelRef(label("chunk")))
		}
		SUBQ(Imm(1), tileLeft)
		JNE(LabelRef(label("part")))

		sums(func(t amx.Tile, m amx.Mem) { amx.TILESTORED(m, t) })
		MOVQ(param("nextA"), tileTemp)
		ADDQ(tileTemp, passA)
		MOVQ(param("nextC"), tileTemp)
		ADDQ(tileTemp, passC)
		SUBQ(Imm(1), passes)
		JNE(LabelRef(label("pass")))
		if rest == 0 { // The rest is added.
			MOVQ(U32(1), load)
		}
		Label(label("done"))
	}
	phase("full", 0)
	phase("rest", 1)
	amx.TILERELEASE()
	RET()
}

// paramOffset returns where an argument of amxTile's kernels is.
func paramOffset(d tileDot, name string) int {
	names := []string{"sums", "rowsFull", "bytesFull", "rowsRest", "bytesRest", "passes", "a", "rsA", "jumpA", "nextA", "offsets", "count", "b", "rsB", "jumpB", "part", "full", "rest", "c", "ldc", "jumpC", "nextC", "add"}
	i := 0
	for _, n := range names {
		if n == "part" && d.blocks {
			continue
		}
		if n == name {
			return 8 * i
		}
		i++
	}
	panic("no parameter " + name)
}
