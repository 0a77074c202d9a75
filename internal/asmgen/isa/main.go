// Command isa writes the amd64 instructions of package isa of the CPU
// backend. It is run by go generate there.
package main

import . "github.com/mmcloughlin/avo/build"

func main() {
	ConstraintExpr("amd64,!purego")
	TEXT("relax", NOSPLIT, "func()")
	Doc("relax is PAUSE.")
	PAUSE()
	RET()
	Generate()
}
