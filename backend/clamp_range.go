package backend

// ClampRange is the least and the greatest element of clamp(x, Lo, Hi). Input:
// x. Output: range [2]; +Inf and -Inf of an empty x, NaN when x has a NaN.
type ClampRange struct {
	Lo, Hi float32
}

// OpName returns "clamp_range".
func (ClampRange) OpName() string { return "clamp_range" }
