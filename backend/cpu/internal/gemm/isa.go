package gemm

import "github.com/goqat/goqat/backend/cpu/internal/isa"

// The families of kernels. A file of kernels adds them in init.
var (
	intKernels   = isa.NewFamily("int8 product", portableInt())
	floatKernels = isa.NewFamily("float32 product", portableFloat[float32]())
	bf16Kernels  = isa.NewFamily("bfloat16 product", portableBF16())
)

// floatKernelFor returns the kernel for T; float64 has the portable one only.
func floatKernelFor[T Float]() floatKernel[T] {
	var kr floatKernel[T]
	if f, ok := any(&kr).(*floatKernel[float32]); ok {
		*f = floatKernels.Kernel()
		return kr
	}
	return portableFloat[T]()
}

// ISA returns the instruction set that new integer products use, such as
// "portable" or "avx512vnni".
func ISA() string { return intKernels.Set().String() }

// SetMaxISA is [isa.SetMax]: new plans use no instruction set better than
// name. Plans made before keep theirs.
func SetMaxISA(name string) error { return isa.SetMax(name) }
