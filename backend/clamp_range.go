package backend

// ClampRange is the least and the greatest element of clamp(x, Lo, Hi). Input:
// x, and ends float32 [2] of x? ([CollectEnds]), which spare reading x. Output:
// range [2]; +Inf and -Inf of an empty x, NaN when x has a NaN.
type ClampRange struct {
	Lo, Hi float32
}

// OpName returns "clamp_range".
func (ClampRange) OpName() string { return "clamp_range" }

// Informs returns the ends, input 1.
func (ClampRange) Informs() (Collect, int) { return CollectEnds, 1 }
