package isa

//go:generate go -C ../../../../internal/asmgen run ./isa -out ../../backend/cpu/internal/isa/relax_amd64.s -stubs ../../backend/cpu/internal/isa/relax_amd64.go -pkg isa

// Relax tells the processor that the caller waits in a loop, so that the loop
// takes less of what it shares with another thread of the same core. It takes
// some 10 to 150 cycles, or none where there is no such instruction.
func Relax() { relax() }
