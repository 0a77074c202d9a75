package graph

// Phase is a stretch of training in one mode.
type Phase struct {
	// From is the step at which it begins.
	From int64
	Mode Mode
}
