package gemm

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
)

// isaNames are the instruction sets, each better than those before it.
var isaNames = []string{"portable", "avx2", "avxvnni", "avx512", "avx512vnni"}

const (
	isaPortable = iota
	isaAVX2
	isaAVXVNNI
	isaAVX512
	isaAVX512VNNI
)

// isa is the index of the instruction set that new plans use.
var isa atomic.Int32

func init() {
	// The variable is a means of testing: a name that does not exist is
	// reported by SetMaxISA, here it changes nothing.
	if SetMaxISA(os.Getenv("GOQAT_ISA")) != nil {
		_ = SetMaxISA("")
	}
}

// ISA returns the instruction set that new plans use: "portable", "avx2",
// "avxvnni", "avx512" or "avx512vnni".
func ISA() string { return isaNames[isa.Load()] }

// SetMaxISA makes new plans use the best instruction set of the machine that
// is not better than name; "" is the best there is. Plans made before keep
// theirs. It fails on a name that is not an instruction set. The environment
// variable GOQAT_ISA sets it at start.
func SetMaxISA(name string) error {
	limit := len(isaNames) - 1
	if name != "" {
		limit = slices.Index(isaNames, name)
		if limit < 0 {
			return fmt.Errorf("gemm: instruction set %q is not one of %s", name, strings.Join(isaNames, ", "))
		}
	}
	best := isaPortable
	for i := 1; i <= limit; i++ {
		if machineHas(i) {
			best = i
		}
	}
	isa.Store(int32(best))
	return nil
}
