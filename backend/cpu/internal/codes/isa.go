package codes

import "github.com/goqat/goqat/backend/cpu/internal/isa"

// width is the float32 elements of a vector of the instruction set in use, 0
// without assembly. A file of kernels adds its own in init.
var width = isa.NewFamily("elementwise", 0)
