// Package cublaslt is the part of NVIDIA's cuBLASLt that multiplies matrices of
// int8 with int32 sums. The library is opened when it is first asked for and
// need not be there; nothing is linked to it. It is in binaries built with
// -tags cuda.
package cublaslt
