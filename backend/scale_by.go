package backend

// ScaleBy is y = x * factor. Inputs: x, factor [1]. Output: y.
type ScaleBy struct{}

// OpName returns "scale_by".
func (ScaleBy) OpName() string { return "scale_by" }
