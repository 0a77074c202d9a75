package backend

import "github.com/goqat/goqat/tensor"

// Cast converts elements to the type To. A float becomes an integer by
// truncation; beyond the integer's range it saturates, and NaN becomes 0. An
// integer becomes a narrower one by dropping its high bits. To bfloat16 all
// numbers are rounded once, half to even.
type Cast struct {
	To tensor.DType
}

// OpName returns "cast".
func (Cast) OpName() string { return "cast" }
