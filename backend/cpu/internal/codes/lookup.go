package codes

import "github.com/goqat/goqat/quant"

// Lookup is [quant.Lookup] on all elements.
func Lookup[T, X quant.Code](dst []T, codes []X, table *[256]T) {
	dst = dst[:len(codes)]
	if n := lookup(bytesOf(dst), bytesOf(codes), (*[256]byte)(bytesOf(table[:]))); n < len(codes) {
		quant.Lookup(dst, codes, table, n, len(codes))
	}
}
