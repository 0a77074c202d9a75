package quant

// Table returns the codes of f for every code of type T, indexed by the
// code's byte: table[uint8(code)] (see [TableFrom]).
func Table[T Code](r Rule, f func(float64) float64, sx float32, zx int32, sy float32, zy, lo, hi int32) [256]T {
	return TableFrom[T, T](r, f, sx, zx, sy, zy, lo, hi)
}

// TableFrom returns the codes of type T of f for every code of type X:
//
//	table[uint8(code)] = Quantize(float32(f(sx*(code-zx))), sy, zy)
//
// clamped to [lo, hi]. Where f gives NaN the code is that of zero.
func TableFrom[T, X Code](r Rule, f func(float64) float64, sx float32, zx int32, sy float32, zy, lo, hi int32) [256]T {
	var table [256]T
	for i := range table {
		x := Dequantize(int32(X(i)), zx, sx)
		code, _ := r.Quantize(float32(f(float64(x))), sy, zy, lo, hi)
		table[i] = T(code)
	}
	return table
}

// Lookup writes table[uint8(code)] of codes[from:to] to dst.
func Lookup[T, X Code](dst []T, codes []X, table *[256]T, from, to int) {
	src := codes[from:to]
	out := dst[from:to]
	out = out[:len(src)]
	for i, v := range src {
		out[i] = table[uint8(v)]
	}
}
