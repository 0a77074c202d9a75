//go:build !amd64 || purego

package gemm

func machineHas(int) bool { return false }

func floatKernelFor[T Float]() floatKernel[T] { return portableFloat[T]() }

func intKernelFor() intKernel { return portableInt() }
