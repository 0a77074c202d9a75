package backend

// Concat joins its inputs along Axis, which counts from the end when
// negative. All inputs have one type and equal other dimensions. It takes any
// element type of whole bytes.
type Concat struct {
	Axis int
}

// OpName returns "concat".
func (Concat) OpName() string { return "concat" }
