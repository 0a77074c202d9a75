// Package isa chooses, at run time, the instruction set of each family of
// kernels of the CPU backend.
//
// A package of kernels makes a [Family] with its portable kernel, and each
// file of assembly adds its own kernel in an init function:
//
//	var products = isa.NewFamily("int8 product", portable())
//
//	func init() { products.Add(isa.AVX2, kernel{...}) }
//
// The kernel in use is the one of the best instruction set that the machine
// has and that [SetMax] allows.
package isa

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
)

// Set is an instruction set. Of two of one architecture the larger one is
// better: each may be used where those below it may.
type Set uint8

// The instruction sets that kernels are written for. Portable is Go.
const (
	Portable Set = iota

	AVX2       // with FMA
	AVXVNNI    // VPDPBUSD on 256 bits, for CPUs without AVX-512
	AVX512     // F, BW, VL, DQ
	AVX512VNNI // VPDPBUSD on 512 bits
	AVX512BF16 // VDPBF16PS
	AMXInt8    // tiles, TDPBSSD and its unsigned forms
	AMXBF16    // tiles, TDPBF16PS

	NEON
	SDOT // FEAT_DotProd
	I8MM // FEAT_I8MM

	end
)

var names = [end]string{"portable",
	"avx2", "avxvnni", "avx512", "avx512vnni", "avx512bf16", "amx-int8", "amx-bf16",
	"neon", "sdot", "i8mm"}

// String returns the name, as [SetMax] and GOQAT_ISA take it.
func (s Set) String() string {
	if s < end {
		return names[s]
	}
	return fmt.Sprintf("Set(%d)", uint8(s))
}

// ErrAbsent is wrapped by what [Set.Missing] returns for a CPU without the
// instruction set.
var ErrAbsent = errors.New("not in this CPU")

// Missing returns nil when the machine can run s: the CPU has it and the
// operating system saves its registers. Otherwise it says what is missing.
func (s Set) Missing() error {
	if s == Portable || emulated[s].Load() {
		return nil
	}
	return missing(s)
}

// InCPU reports whether the CPU has s, even if the system forbids its use.
func (s Set) InCPU() bool { return s == Portable || inCPU(s) }

// Sets returns the instruction sets of this architecture, the worst first.
func Sets() []Set { return append([]Set{Portable}, architecture...) }

// limit is what SetMax set. It and the choices of all families change under
// the mutex.
var (
	mu       sync.Mutex
	limit    = end - 1
	limited  string
	families []family
	envError error
)

// family is a Family of any type of kernel.
type family interface {
	forget()
	familyName() string
	choice() Choice
}

// Choice is the instruction set that a family of kernels uses.
type Choice struct {
	Family string
	Set    Set
}

func init() {
	if err := SetMax(os.Getenv("GOQAT_ISA")); err != nil {
		envError = fmt.Errorf("GOQAT_ISA: %w", err)
	}
}

// SetMax makes kernels that are chosen from now on use no instruction set
// better than name; "" is the best there is. It fails, changing nothing, on a
// name that is not one of [Sets]. The environment variable GOQAT_ISA sets it
// at start.
func SetMax(name string) error {
	to := end - 1
	if name != "" {
		of := Sets()
		i := slices.IndexFunc(of, func(s Set) bool { return s.String() == name })
		if i < 0 {
			all := make([]string, len(of))
			for i, s := range of {
				all[i] = s.String()
			}
			return fmt.Errorf("isa: instruction set %q is not one of %s", name, strings.Join(all, ", "))
		}
		to = of[i]
	}
	mu.Lock()
	defer mu.Unlock()
	limit, limited = to, name
	for _, f := range families {
		f.forget()
	}
	return nil
}

// Max returns what SetMax or GOQAT_ISA set: "" is no limit.
func Max() string {
	mu.Lock()
	defer mu.Unlock()
	return limited
}

// Allowed reports whether SetMax lets s be used.
func Allowed(s Set) bool {
	mu.Lock()
	defer mu.Unlock()
	return s <= limit
}

// EnvError returns the error of a GOQAT_ISA that names no instruction set;
// the variable then has no effect.
func EnvError() error { return envError }

// Choices returns what every family uses, by name of the family.
func Choices() []Choice {
	mu.Lock()
	all := slices.Clone(families)
	mu.Unlock()
	out := make([]Choice, len(all))
	for i, f := range all {
		out[i] = f.choice()
	}
	slices.SortFunc(out, func(a, b Choice) int { return strings.Compare(a.Family, b.Family) })
	return out
}
