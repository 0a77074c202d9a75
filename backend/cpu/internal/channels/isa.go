package channels

import "github.com/goqat/goqat/backend/cpu/internal/isa"

// vector is whether the loops are in assembly. A file of kernels adds its own
// in init.
var vector = isa.NewFamily("depthwise and pooling", false)
