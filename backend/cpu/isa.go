package cpu

import (
	"github.com/goqat/goqat/backend/cpu/internal/gemm"
	"github.com/goqat/goqat/backend/cpu/internal/isa"
)

// ISA returns the name of the instruction set that int8 products use here,
// "portable" for Go alone; [KernelISAs] says what the others use. [SetMaxISA]
// and the environment variable GOQAT_ISA lower it.
func ISA() string { return gemm.ISA() }

// SetMaxISA makes kernels bound from now on use no instruction set better
// than the one called name; "" is the best there is. It changes nothing and
// fails when name is none of [InstructionSets]. Tests run every path that a
// machine has by it; the environment variable GOQAT_ISA sets it at start.
func SetMaxISA(name string) error { return isa.SetMax(name) }

// MaxISA returns the name that SetMaxISA or GOQAT_ISA set, "" for none.
func MaxISA() string { return isa.Max() }

// ISAError returns the error of a GOQAT_ISA that names no instruction set,
// and so has no effect.
func ISAError() error { return isa.EnvError() }

// KernelISA is the instruction set that a family of kernels, such as "int8
// product", uses.
type KernelISA struct {
	Family string `json:"family"`
	ISA    string `json:"isa"`
}

// KernelISAs returns what each family of kernels uses from now on, in the
// order of their names.
func KernelISAs() []KernelISA {
	var out []KernelISA
	for _, c := range isa.Choices() {
		out = append(out, KernelISA{c.Family, c.Set.String()})
	}
	return out
}

// InstructionSet is one that kernels are written for on this architecture.
type InstructionSet struct {
	Name string `json:"name"`
	// InCPU: the CPU has it. Usable: the operating system lets us use it, too.
	InCPU  bool `json:"in_cpu"`
	Usable bool `json:"usable"`
	// Masked: it is better than SetMaxISA or GOQAT_ISA allows.
	Masked bool `json:"masked"`
	// Why says why it is not usable.
	Why string `json:"why,omitempty"`
}

// InstructionSets returns those of this architecture, the worst first. It
// asks the system for the use of AMX's tiles when the CPU has them.
func InstructionSets() []InstructionSet {
	var out []InstructionSet
	for _, s := range isa.Sets() {
		i := InstructionSet{Name: s.String(), InCPU: s.InCPU(), Masked: !isa.Allowed(s)}
		if err := s.Missing(); err != nil {
			i.Why = err.Error()
		} else {
			i.Usable = true
		}
		out = append(out, i)
	}
	return out
}
